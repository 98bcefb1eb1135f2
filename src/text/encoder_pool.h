/* encoder_pool.h - encoders of one tokenizer, for threads that need one now and then.
 *
 * Threads: any. Memory: as many encoders as were ever in use at once.
 */
#ifndef MU_TEXT_ENCODER_POOL_H
#define MU_TEXT_ENCODER_POOL_H

#include "text/tokenizer.h"

typedef struct mu_encoder_pool mu_encoder_pool;

/* tokenizer is borrowed until close(). */
mu_status mu_encoder_pool_open(const mu_tokenizer *tokenizer, mu_encoder_pool **out,
                               mu_err *err) MU_MUST_USE;
void mu_encoder_pool_close(mu_encoder_pool *pool); /* all are back; NULL is allowed */
/* The caller's until it is released. MU_ERR_NOMEM. */
mu_status mu_encoder_pool_acquire(mu_encoder_pool *pool, mu_encoder **out, mu_err *err) MU_MUST_USE;
void mu_encoder_pool_release(mu_encoder_pool *pool, mu_encoder *encoder);

#endif
