#include "grammar/charset.h"

#include <stdlib.h>
#include <string.h>

#include "grammar/lexeme.h"

bool mu_charset_add(mu_charset *set, mu_chunks *memory, uint32_t lo, uint32_t hi) {
    if (set->n == set->cap) {
        uint32_t cap = set->cap ? set->cap * 2 : 4;
        mu_char_range *ranges = MU_CHUNK_NEW(memory, mu_char_range, cap);
        if (!ranges) return false;
        if (set->n > 0) memcpy(ranges, set->ranges, set->n * sizeof(*ranges));
        set->ranges = ranges;
        set->cap = cap;
    }
    set->ranges[set->n++] = (mu_char_range){lo, hi};
    return true;
}

static int by_lo(const void *a, const void *b) {
    const mu_char_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

void mu_charset_seal(mu_charset *set) {
    if (set->n == 0) return;
    qsort(set->ranges, set->n, sizeof(*set->ranges), by_lo);
    uint32_t n = 1;
    for (uint32_t i = 1; i < set->n; i++) {
        mu_char_range *last = &set->ranges[n - 1];
        if (set->ranges[i].lo <= last->hi + 1) {
            if (set->ranges[i].hi > last->hi) last->hi = set->ranges[i].hi;
        } else {
            set->ranges[n++] = set->ranges[i];
        }
    }
    set->n = n;
}

bool mu_charset_invert(const mu_charset *set, mu_chunks *memory, mu_charset *out) {
    *out = (mu_charset){0};
    uint32_t at = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->ranges[i].lo > at && !mu_charset_add(out, memory, at, set->ranges[i].lo - 1)) {
            return false;
        }
        at = set->ranges[i].hi + 1;
    }
    return at > MU_CHAR_MAX || mu_charset_add(out, memory, at, MU_CHAR_MAX);
}
