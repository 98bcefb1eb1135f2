/* added.h - tokens that are found in text as they are, before it is split: <|im_end|>. Private to
 * text/.
 *
 * The leftmost match counts, of those the longest. A match may swallow the white space beside it
 * (lstrip, rstrip), or count only where no word touches it (single_word). Some are found in the raw
 * text, others in what the normalizer made of it.
 *
 * Threads: immutable once open.
 */
#ifndef MU_TEXT_ADDED_H
#define MU_TEXT_ADDED_H

#include "text/prefix_index.h"
#include "text/tokenizer.h"

typedef struct mu_added {
    mu_prefix_index raw, normalized;
} mu_added;

typedef struct mu_added_match {
    size_t start, end; /* of the text, with the white space that goes with it */
    mu_token token;    /* MU_TOKEN_NONE: no match, and start and end are the end of the text */
} mu_added_match;

mu_status mu_added_init(mu_added *added, const mu_tokenizer *tokenizer, mu_err *err) MU_MUST_USE;
void mu_added_deinit(mu_added *added); /* a zeroed one is allowed */

/* Where special tokens are found: nowhere, or where no byte of them is guarded. */
typedef struct mu_specials {
    bool are_found;
    const uint8_t *guards; /* [n] of the text, 1: guarded; NULL: none is */
} mu_specials;

/* The first match at or after `from`, none of whose bytes are before it. text: [n], any bytes. */
mu_added_match mu_added_find(const mu_tokenizer *tokenizer, const mu_prefix_index *index,
                             const char *text, size_t n, size_t from, mu_specials specials);

#endif
