/* parser.h - a template's source to a tree. Syntax errors are found here, once, at load.
 *
 * The grammar is Jinja's with loop controls and {% generation %}. Tags that load other templates
 * are refused by name. Threads: any. Memory: the tree is in the arena, tokens are freed before
 * return.
 */
#ifndef MU_CHAT_JINJA_PARSER_H
#define MU_CHAT_JINJA_PARSER_H

#include "chat/jinja/node.h"

enum { MU_PARSER_NESTING_MAX = 100, MU_PARSER_SOURCE_MAX = 1 << 20 /* bytes */ };

/* An arena that a template of n bytes fits into, unless it is made of little but operators. */
size_t mu_parser_arena_bytes(size_t n);
/* name is for messages. source: [n], UTF-8. *out is a list, NULL when the template is empty.
 * Errors: MU_ERR_FORMAT with line and column, MU_ERR_UNSUPPORTED (a tag), MU_ERR_LIMIT. */
mu_status mu_parse_template(const char *name, const char *source, size_t n, mu_arena *arena,
                            mu_node **out, mu_err *err) MU_MUST_USE;

#endif
