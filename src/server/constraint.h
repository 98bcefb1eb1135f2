/* constraint.h - what a request says of the form of its output, as a grammar. Private to server/.
 *
 * One of response_format (OpenAI), grammar and json_schema (llama-server), guided_json,
 * guided_regex, guided_choice, guided_grammar and structured_outputs (vLLM). More than one is an
 * error.
 */
#ifndef MU_SERVER_CONSTRAINT_H
#define MU_SERVER_CONSTRAINT_H

#include <pthread.h>

#include "engine/engine.h"
#include "server/api_error.h"

/* As the request has them; all borrowed, NULL: not given. */
typedef struct mu_constraint_params {
    json_t *response_format, *json_schema, *guided_json, *guided_choice, *structured_outputs;
    const char *grammar, *guided_regex, *guided_grammar;
} mu_constraint_params;

/* *out is NULL when the output may be anything, else the caller's to unref. *trie is made when it
 * is first needed, under its lock, and stays the owner's. False: *error names the field, and the
 * place in the schema. Any thread. */
bool mu_constraint_read(const mu_constraint_params *params, const mu_engine *engine,
                        mu_token_trie **trie, pthread_mutex_t *trie_lock, mu_grammar **out,
                        mu_api_error *error);

#endif
