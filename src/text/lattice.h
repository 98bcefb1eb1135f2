/* lattice.h - a piece to tokens by Unigram: of all ways to cut it into tokens, the one with the
 * highest sum of scores (Viterbi). Private to text/.
 *
 * A character that is no token by itself may stand as unknown, at a price below every score.
 *
 * Threads: a lattice is the scratch of one thread. Memory: owned, 16 bytes a byte of text.
 */
#ifndef MU_TEXT_LATTICE_H
#define MU_TEXT_LATTICE_H

#include "base/status.h"
#include "text/token_list.h"
#include "text/vocab.h"

typedef struct mu_path mu_path;

typedef struct mu_lattice {
    mu_path *paths; /* the best way to each place of the text */
    size_t paths_cap;
} mu_lattice;

void mu_lattice_deinit(mu_lattice *lattice); /* a zeroed lattice is allowed */

/* Appends the tokens of text [n], n > 0. */
mu_status mu_lattice_encode(mu_lattice *lattice, const mu_tokenizer *tokenizer, const char *text,
                            size_t n, mu_token_list *out, mu_err *err) MU_MUST_USE;

#endif
