#include "text/encoder_pool.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"

enum { IDLE_MAX = 8 }; /* one for each thread that serves requests, and more than there are */

struct mu_encoder_pool {
    const mu_tokenizer *tokenizer;
    pthread_mutex_t lock;
    mu_encoder *idle[IDLE_MAX];
    uint32_t n_idle;
};

mu_status mu_encoder_pool_open(const mu_tokenizer *tokenizer, mu_encoder_pool **out, mu_err *err) {
    mu_encoder_pool *pool = mu_alloc(sizeof(*pool));
    if (!pool) return mu_fail(err, MU_ERR_NOMEM, "encoders");
    pool->tokenizer = tokenizer;
    pthread_mutex_init(&pool->lock, NULL);
    *out = pool;
    return MU_OK;
}

void mu_encoder_pool_close(mu_encoder_pool *pool) {
    if (!pool) return;
    for (uint32_t i = 0; i < pool->n_idle; i++) {
        mu_encoder_close(pool->idle[i]);
    }
    pthread_mutex_destroy(&pool->lock);
    mu_free(pool);
}

static mu_status acquire(mu_encoder_pool *pool, mu_encoder **out, mu_err *err) {
    pthread_mutex_lock(&pool->lock);
    mu_encoder *encoder = pool->n_idle > 0 ? pool->idle[--pool->n_idle] : NULL;
    pthread_mutex_unlock(&pool->lock);
    if (!encoder) return mu_encoder_open(pool->tokenizer, out, err);
    *out = encoder;
    return MU_OK;
}

static void release(mu_encoder_pool *pool, mu_encoder *encoder, bool is_small) {
    pthread_mutex_lock(&pool->lock);
    bool is_kept = is_small && pool->n_idle < IDLE_MAX;
    if (is_kept) pool->idle[pool->n_idle++] = encoder;
    pthread_mutex_unlock(&pool->lock);
    if (!is_kept) mu_encoder_close(encoder);
}

mu_status mu_encoder_pool_encode(mu_encoder_pool *pool, const char *text, size_t n, uint32_t flags,
                                 mu_token **out_tokens, uint32_t *out_n, mu_err *err) {
    return mu_encoder_pool_guarded(pool, text, n, NULL, flags, out_tokens, out_n, err);
}

mu_status mu_encoder_pool_guarded(mu_encoder_pool *pool, const char *text, size_t n,
                                  const uint8_t *guards, uint32_t flags, mu_token **out_tokens,
                                  uint32_t *out_n, mu_err *err) {
    enum { SMALL_BYTES = 64 << 10 };
    mu_encoder *encoder;
    const mu_token *tokens;
    size_t n_tokens;
    mu_status status = acquire(pool, &encoder, err);
    if (status != MU_OK) return status;
    status = mu_encode_guarded(encoder, text, n, guards, flags, &tokens, &n_tokens, err);
    if (status == MU_OK && n_tokens >= UINT32_MAX) {
        status = mu_fail(err, MU_ERR_LIMIT, "%zu tokens", n_tokens);
    }
    if (status == MU_OK) {
        mu_token *copy = MU_ALLOC(mu_token, n_tokens + 1);
        if (copy) {
            if (n_tokens > 0) memcpy(copy, tokens, n_tokens * sizeof(*tokens));
            *out_tokens = copy;
            *out_n = (uint32_t)n_tokens;
        } else {
            status = mu_fail(err, MU_ERR_NOMEM, "%zu tokens", n_tokens);
        }
    }
    release(pool, encoder, n <= SMALL_BYTES);
    return status;
}
