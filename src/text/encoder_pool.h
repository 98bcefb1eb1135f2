/* encoder_pool.h - tokenizing by threads that do it now and then: encoders of one tokenizer, lent.
 *
 * An encoder keeps its scratch, which is as long as the longest text it has met. One that has met a
 * long one is closed instead of kept, so that such a text costs memory only while it is tokenized.
 *
 * Threads: any. Memory: as many encoders as were ever in use at once.
 */
#ifndef MU_TEXT_ENCODER_POOL_H
#define MU_TEXT_ENCODER_POOL_H

#include "text/tokenizer.h"

/* Of scratch for each byte of text, at most: what a text costs while it is tokenized. */
enum { MU_ENCODE_BYTES_PER_BYTE = 64 };

typedef struct mu_encoder_pool mu_encoder_pool;

/* tokenizer is borrowed until close(). */
mu_status mu_encoder_pool_open(const mu_tokenizer *tokenizer, mu_encoder_pool **out,
                               mu_err *err) MU_MUST_USE;
void mu_encoder_pool_close(mu_encoder_pool *pool); /* NULL is allowed */
/* As mu_encode(); *out_tokens: [*out_n] and room for one more, the caller's, mu_free(). */
mu_status mu_encoder_pool_encode(mu_encoder_pool *pool, const char *text, size_t n, uint32_t flags,
                                 mu_token **out_tokens, uint32_t *out_n, mu_err *err) MU_MUST_USE;
/* As mu_encode_guarded(). */
mu_status mu_encoder_pool_guarded(mu_encoder_pool *pool, const char *text, size_t n,
                                  const uint8_t *guards, uint32_t flags, mu_token **out_tokens,
                                  uint32_t *out_n, mu_err *err) MU_MUST_USE;

#endif
