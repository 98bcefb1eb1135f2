#include "text/prefix_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int by_bytes(const void *a, const void *b) {
    const mu_prefix_entry *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->n < y->n ? x->n : y->n);
    if (order != 0) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token;
}

/* Of equal strings the one with the lowest token stays. */
static uint32_t drop_doubles(mu_prefix_entry *entries, uint32_t n) {
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        const mu_prefix_entry *last = n_kept > 0 ? &entries[n_kept - 1] : NULL;
        bool is_double =
            last && last->n == entries[i].n && memcmp(last->data, entries[i].data, last->n) == 0;
        if (!is_double) entries[n_kept++] = entries[i];
    }
    return n_kept;
}

void mu_prefix_index_init(mu_prefix_index *index, mu_prefix_entry *entries, uint32_t n) {
    *index = (mu_prefix_index){.entries = entries};
    if (n > 0) qsort(entries, n, sizeof(*entries), by_bytes);
    n = drop_doubles(entries, n);
    index->n = n;
    uint32_t at = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        index->first[byte] = at;
        while (at < n && (uint8_t)entries[at].data[0] == byte) {
            at++;
        }
    }
    index->first[256] = n;
}

void mu_prefix_index_deinit(mu_prefix_index *index) {
    mu_free(index->entries);
    *index = (mu_prefix_index){0};
}

mu_prefix_range mu_prefix_all(const mu_prefix_index *index) {
    return (mu_prefix_range){0, index->n, 0};
}

/* First entry of [begin, end) whose byte at depth is not below `byte`. All are longer than depth.
 */
static uint32_t lower_bound(const mu_prefix_index *index, uint32_t begin, uint32_t end,
                            uint32_t depth, uint32_t byte) {
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if ((uint8_t)index->entries[middle].data[depth] < byte) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

bool mu_prefix_step(const mu_prefix_index *index, mu_prefix_range *range, uint8_t byte) {
    uint32_t depth = range->depth++;
    if (depth == 0) {
        range->begin = index->first[byte];
        range->end = index->first[byte + 1];
        return range->begin < range->end;
    }
    while (range->begin < range->end && index->entries[range->begin].n == depth) {
        range->begin++; /* they ended here */
    }
    range->begin = lower_bound(index, range->begin, range->end, depth, byte);
    range->end = lower_bound(index, range->begin, range->end, depth, byte + 1u);
    return range->begin < range->end;
}

mu_token mu_prefix_token(const mu_prefix_index *index, const mu_prefix_range *range) {
    if (range->depth == 0 || range->begin == range->end) return MU_TOKEN_NONE;
    const mu_prefix_entry *entry = &index->entries[range->begin];
    return entry->n == range->depth ? entry->token : MU_TOKEN_NONE;
}
