/* cursor.h - read little-endian values from bytes that may end too early.
 *
 * A cursor remembers failure: reads past the end return zero and set overrun, so a parser is a
 * straight line with one check at each place where a bad value could do harm.
 */
#ifndef MU_BASE_CURSOR_H
#define MU_BASE_CURSOR_H

#include <string.h>

#include "base/base.h"

typedef struct mu_cursor {
    const uint8_t *data; /* borrowed, [size] */
    size_t size, pos;
    bool overrun;
} mu_cursor;

/* The next n bytes, or NULL and overrun. */
static inline const uint8_t *mu_cursor_take(mu_cursor *c, uint64_t n) {
    if (c->overrun || n > c->size - c->pos) {
        c->overrun = true;
        return NULL;
    }
    const uint8_t *at = c->data + c->pos;
    c->pos += (size_t)n;
    return at;
}

static inline uint32_t mu_cursor_u32(mu_cursor *c) {
    uint32_t v = 0;
    const uint8_t *at = mu_cursor_take(c, sizeof(v));
    if (at) memcpy(&v, at, sizeof(v));
    return v;
}

static inline uint64_t mu_cursor_u64(mu_cursor *c) {
    uint64_t v = 0;
    const uint8_t *at = mu_cursor_take(c, sizeof(v));
    if (at) memcpy(&v, at, sizeof(v));
    return v;
}

#endif
