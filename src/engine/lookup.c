#include "engine/lookup.h"

#include <string.h>

enum {
    NGRAM_MAX = 4, /* tokens that must match; the longest match wins */
    NGRAM_MIN = 2,
    FIRST_LENGTH = 3,
    PAUSE_MAX = 32,
    WINDOW = 4096, /* tokens searched, newest first */
};

/* Start of what follows the newest occurrence of the last `size` tokens, not counting themselves;
 * 0: none. */
static uint32_t find(const mu_token *tokens, uint32_t n, uint32_t size) {
    const mu_token *last = tokens + n - size;
    uint32_t oldest = n > WINDOW ? n - WINDOW : 0;
    for (uint32_t at = n - size; at > oldest; at--) {
        if (memcmp(tokens + at - 1, last, size * sizeof(*tokens)) == 0) return at - 1 + size;
    }
    return 0;
}

uint32_t mu_lookup_draft(mu_lookup *l, const mu_token *tokens, uint32_t n, uint32_t n_max,
                         mu_token *out) {
    if (l->wait > 0) {
        l->wait--;
        return 0;
    }
    uint32_t length = l->length > 0 ? l->length : FIRST_LENGTH;
    if (length > n_max) length = n_max;
    for (uint32_t size = NGRAM_MAX; size >= NGRAM_MIN && length > 0; size--) {
        if (n <= size) continue;
        uint32_t from = find(tokens, n, size);
        if (from == 0) continue;
        for (uint32_t i = 0; i < length; i++) { /* past the end a match repeats itself */
            out[i] = from + i < n ? tokens[from + i] : out[from + i - n];
        }
        return length;
    }
    return 0;
}

void mu_lookup_learn(mu_lookup *l, uint32_t n_drafted, uint32_t n_accepted) {
    MU_ASSERT(n_drafted > 0 && n_accepted <= n_drafted);
    if (n_accepted > 0) {
        l->pause = 0;
        l->length = n_accepted == n_drafted ? 2 * n_accepted + 1 : n_accepted;
        if (l->length > MU_DRAFT_MAX) l->length = MU_DRAFT_MAX;
        return;
    }
    l->length = 1;
    l->pause = l->pause > 0 ? 2 * l->pause : 1;
    if (l->pause > PAUSE_MAX) l->pause = PAUSE_MAX;
    l->wait = l->pause;
}
