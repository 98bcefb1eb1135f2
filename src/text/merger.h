/* merger.h - one word to tokens by byte-pair encoding. Private to text/.
 *
 * A word starts as symbols: its bytes, or its characters where the vocabulary is one of characters.
 * Neighbours are merged, the best pair first, the leftmost of equals. What is best: the lowest rank
 * in the list of merges, or, where there is no such list, the highest score of the token that the
 * two are together. A character that is no token in the end is its bytes (<0xC3>), or unknown.
 *
 * Threads: a merger is the scratch of one thread. Memory: owned, grows to the longest word.
 */
#ifndef MU_TEXT_MERGER_H
#define MU_TEXT_MERGER_H

#include "base/status.h"
#include "text/token_list.h"
#include "text/vocab.h"

typedef struct mu_symbol mu_symbol;
typedef struct mu_candidate mu_candidate;

typedef struct mu_merger {
    mu_symbol *symbols; /* of a long word */
    size_t n_symbols, symbols_cap;
    mu_candidate *heap; /* best at [0] */
    size_t n_heap, heap_cap;
} mu_merger;

void mu_merger_deinit(mu_merger *merger); /* a zeroed merger is allowed */

/* Appends the tokens of word [n], n > 0. MU_ERR_UNSUPPORTED: a byte without a token. */
mu_status mu_merge_word(mu_merger *merger, const mu_tokenizer *tokenizer, const char *word,
                        size_t n, mu_token_list *out, mu_err *err) MU_MUST_USE;

#endif
