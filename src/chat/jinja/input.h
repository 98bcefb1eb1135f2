/* input.h - the variables of a rendering: JSON from the request as values, every text of it marked.
 *
 * One exception: the value of a message's "role", when it is one of the roles there are. Templates
 * put it together with their own words to control tokens ("<|" + role + "|>").
 *
 * Texts are borrowed from the JSON. Threads, memory: as the run. */
#ifndef MU_CHAT_JINJA_INPUT_H
#define MU_CHAT_JINJA_INPUT_H

#include <jansson.h>

#include "chat/jinja/value.h"

bool mu_input_value(mu_run *run, const json_t *json, mu_value *out);
size_t mu_input_bytes(const json_t *json); /* what the value will take, about */

#endif
