/* prefix_index.h - which tokens begin at a place in a text: byte strings in order, narrowed one
 * byte at a time. Private to text/.
 *
 *     range of all ── byte ──▶ narrower range ── byte ──▶ ... ──▶ empty: nothing goes on like this
 *
 * A step is a binary search within the range, and the first byte is a table, so a search ends as
 * soon as no token goes on. The string that ends where the search stands, if there is one, is the
 * first of the range.
 *
 * Threads: immutable once open. Memory: the strings are borrowed, the order is owned.
 */
#ifndef MU_TEXT_PREFIX_INDEX_H
#define MU_TEXT_PREFIX_INDEX_H

#include "base/base.h"
#include "base/token.h"

typedef struct mu_prefix_entry {
    const char *data; /* borrowed, [n], n > 0 */
    uint32_t n;
    mu_token token;
} mu_prefix_entry;

typedef struct mu_prefix_index {
    mu_prefix_entry *entries; /* [n] by bytes, then by token; owned */
    uint32_t n;
    uint32_t first[257]; /* entries that begin with byte b: [first[b], first[b + 1]) */
} mu_prefix_index;

typedef struct mu_prefix_range {
    uint32_t begin, end; /* of entries */
    uint32_t depth;      /* bytes that all of them share */
} mu_prefix_range;

/* Takes over entries, of mu_alloc(), [n], in any order. */
void mu_prefix_index_init(mu_prefix_index *index, mu_prefix_entry *entries, uint32_t n);
void mu_prefix_index_deinit(mu_prefix_index *index); /* a zeroed index is allowed */

mu_prefix_range mu_prefix_all(const mu_prefix_index *index);
/* False: no string goes on with this byte; the range is then of no use. */
bool mu_prefix_step(const mu_prefix_index *index, mu_prefix_range *range, uint8_t byte);
/* The token whose string ends here, the lowest of equals, or MU_TOKEN_NONE. */
mu_token mu_prefix_token(const mu_prefix_index *index, const mu_prefix_range *range);

#endif
