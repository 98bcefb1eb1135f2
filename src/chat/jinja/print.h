/* print.h - values as text: what {{ x }} writes, Python's repr() within lists, and JSON as Python's
 * json.dumps() writes it. Exact, because other white space or another order is other tokens.
 *
 * Marks go along: the characters of a text from the request stay marked, also where they are
 * escaped. Threads, memory: as the run. */
#ifndef MU_CHAT_JINJA_PRINT_H
#define MU_CHAT_JINJA_PRINT_H

#include "chat/jinja/value.h"

bool mu_value_print(mu_run *run, mu_value v, mu_marked_builder *out); /* str() */
bool mu_value_as_text(mu_run *run, mu_value v, mu_marked *out);       /* the same, as a text */

typedef struct mu_json_style {
    bool ensure_ascii, sort_keys;
    bool has_indent;
    mu_marked indent; /* of one level */
    mu_marked comma, colon;
} mu_json_style;

bool mu_value_print_json(mu_run *run, mu_value v, const mu_json_style *style,
                         mu_marked_builder *out);
/* Shortest decimal form that reads back as the same double, as Python's repr(). */
void mu_float_print(double real, char out[32]);

#endif
