/* charset.h - a set of characters as ascending ranges.
 *
 * Memory: ranges are from a grammar's chunks and never freed alone.
 */
#ifndef MU_GRAMMAR_CHARSET_H
#define MU_GRAMMAR_CHARSET_H

#include "grammar/chunks.h"

typedef struct mu_char_range {
    uint32_t lo, hi; /* both included */
} mu_char_range;

typedef struct mu_charset {
    mu_char_range *ranges; /* [n], ascending, apart from each other once sealed */
    uint32_t n, cap;
} mu_charset;

/* Adds a range in any order; false: no memory. */
bool mu_charset_add(mu_charset *set, mu_chunks *memory, uint32_t lo, uint32_t hi) MU_MUST_USE;
void mu_charset_seal(mu_charset *set); /* sorts and joins; call it before reading */
/* The characters that are not in it. out is sealed. */
bool mu_charset_invert(const mu_charset *set, mu_chunks *memory, mu_charset *out) MU_MUST_USE;

#endif
