/* operators.h - Python's arithmetic on values: numbers, and what + * % mean for texts and lists.
 * Threads, memory: as the run. Numbers that do not fit 64 bits are an error. */
#ifndef MU_CHAT_JINJA_OPERATORS_H
#define MU_CHAT_JINJA_OPERATORS_H

#include "chat/jinja/lexer.h"
#include "chat/jinja/value.h"

bool mu_operator_apply(mu_run *run, mu_operator op, mu_value a, mu_value b, mu_value *out);
bool mu_operator_compare(mu_run *run, mu_operator op, mu_value a, mu_value b, bool *out);
bool mu_operator_negate(mu_run *run, mu_value a, mu_value *out);
/* "%s and %d" % args, Python's; args: one value or a tuple of them. */
bool mu_text_format(mu_run *run, mu_marked format, mu_value args, mu_value *out);

#endif
