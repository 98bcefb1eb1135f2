/* marked.h - text that remembers which of its bytes came from the request.
 *
 * A user's "<|im_end|>" must stay text when the rendered prompt becomes tokens, while the same
 * characters of the template are a control token. So each byte carries a mark, and every operation
 * on text keeps the marks of the bytes it copies. Nearly all text is of one kind: marks are an
 * array only where kinds are mixed.
 *
 * Threads: values are not changed once built; a builder belongs to one thread. Memory: an arena, as
 * long as that lives. An append without memory sets failed and changes nothing more.
 */
#ifndef MU_CHAT_JINJA_MARKED_H
#define MU_CHAT_JINJA_MARKED_H

#include "base/arena.h"

typedef struct mu_marked {
    const char *data;     /* [n], valid UTF-8 */
    const uint8_t *marks; /* [n], 1: from the request; NULL: every byte is as from_input says */
    size_t n;
    bool from_input;
} mu_marked;

mu_marked mu_marked_literal(const char *text); /* of the program or the template */
mu_marked mu_marked_slice(mu_marked text, size_t from, size_t n);
bool mu_marked_at(mu_marked text, size_t i); /* is byte i from the request? */
bool mu_marked_equals(mu_marked a, mu_marked b);
bool mu_marked_is(mu_marked text, const char *literal);
int mu_marked_compare(mu_marked a, mu_marked b); /* by code points */
/* Where needle is first found at or after from, last found; SIZE_MAX: nowhere. */
size_t mu_marked_find(mu_marked text, mu_marked needle, size_t from);
size_t mu_marked_find_last(mu_marked text, mu_marked needle);

typedef struct mu_marked_builder {
    mu_arena *arena;
    char *data;     /* [cap] */
    uint8_t *marks; /* [marks_cap], NULL while all bytes are as from_input says */
    size_t n, cap, marks_cap;
    size_t n_max; /* bytes; more fails */
    bool from_input, failed, is_too_long;
} mu_marked_builder;

void mu_marked_builder_init(mu_marked_builder *b, mu_arena *arena, size_t n_max);
void mu_marked_append(mu_marked_builder *b, mu_marked text);
/* The same bytes with one mark for all of them. */
void mu_marked_append_bytes(mu_marked_builder *b, const char *data, size_t n, bool from_input);
void mu_marked_append_literal(mu_marked_builder *b, const char *text);
mu_marked mu_marked_built(const mu_marked_builder *b);

#endif
