/* wordpiece.h - a word to tokens by WordPiece: the longest token that begins it, then the longest
 * that goes on, to the end; a word that cannot be cut so is unknown as a whole. Private to text/.
 *
 * Threads: any.
 */
#ifndef MU_TEXT_WORDPIECE_H
#define MU_TEXT_WORDPIECE_H

#include "base/status.h"
#include "text/token_list.h"
#include "text/vocab.h"

/* Appends the tokens of word [n], n > 0. */
mu_status mu_wordpiece_encode(const mu_tokenizer *tokenizer, const char *word, size_t n,
                              mu_token_list *out, mu_err *err) MU_MUST_USE;

#endif
