/* prompt_tokens.h - a rendered conversation as tokens: special tokens only where the template wrote
 * them, bos once.
 *
 * The pieces are tokenized as the one text they are, so that the tokens are those of the reference;
 * only special tokens are not looked for in what came from the request.
 * Threads: any. Memory: tokens are the caller's, mu_free(). */
#ifndef MU_CHAT_PROMPT_TOKENS_H
#define MU_CHAT_PROMPT_TOKENS_H

#include "chat/chat_template.h"
#include "text/encoder_pool.h"

/* As mu_encoder_pool_encode(). bos is put in front where the tokenizer says so and the template has
 * not. */
mu_status mu_prompt_encode(mu_encoder_pool *encoders, const mu_tokenizer *tokenizer,
                           const mu_rendering *r, mu_token **out_tokens, uint32_t *out_n,
                           mu_err *err) MU_MUST_USE;

#endif
