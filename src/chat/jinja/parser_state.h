/* parser_state.h - what the parser's files share: the token it is at, and helpers to move on. Each
 * parsing function returns NULL after a failure. */
#ifndef MU_CHAT_JINJA_PARSER_STATE_H
#define MU_CHAT_JINJA_PARSER_STATE_H

#include "chat/jinja/parser.h"

typedef struct mu_parser {
    const char *name;
    const mu_lexeme *at; /* never past MU_LEX_END */
    mu_arena *arena;
    uint32_t n_nested;
    uint32_t n_conditions; /* ifs around: unknown filters may stand there unreached */
    uint32_t n_loops;
    uint32_t uses; /* MU_USES_* of the macro that is being read */
    mu_status status;
    mu_err *err;
} mu_parser;

/* A list that is being built. */
typedef struct mu_node_list {
    mu_node *first;
    mu_node **end; /* NULL while empty */
} mu_node_list;

void *mu_parser_fail(mu_parser *p, mu_status status, const char *fmt, ...) MU_PRINTF(3, 4);
mu_node *mu_parser_node(mu_parser *p, mu_node_kind kind, const mu_lexeme *token);
void mu_parser_append(mu_node_list *list, mu_node *node);
bool mu_parser_enter(mu_parser *p); /* one level deeper; leave also after a failure */
void mu_parser_leave(mu_parser *p);

bool mu_parser_is_op(const mu_parser *p, mu_operator op);
bool mu_parser_is_word(const mu_parser *p, const char *word);
bool mu_parser_skip_op(mu_parser *p, mu_operator op);
bool mu_parser_skip_word(mu_parser *p, const char *word);
bool mu_parser_expect_op(mu_parser *p, mu_operator op, const char *what);
bool mu_parser_take_name(mu_parser *p, mu_marked *out);

/* parser_expressions.c */
mu_node *mu_parse_expression(mu_parser *p);
mu_node *mu_parse_unconditional(mu_parser *p); /* without "x if y else z" */
/* One expression or a tuple without brackets; end is a word that also ends it, or NULL. */
mu_node *mu_parse_tuple(mu_parser *p, bool with_condition, const char *end);
mu_node *mu_parse_target(mu_parser *p, const char *end); /* what "set" and "for" assign to */
/* name(args) | name ..., applied to input; without the first '|' when is_inline. */
mu_node *mu_parse_filters(mu_parser *p, mu_node *input, bool is_inline);

#endif
