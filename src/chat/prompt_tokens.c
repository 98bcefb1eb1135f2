#include "chat/prompt_tokens.h"

#include <string.h>

#include "base/alloc.h"

static bool begins_with_bos(const mu_tokenizer *tokenizer, const mu_rendering *r) {
    mu_bytes bos = mu_tokenizer_piece(tokenizer, mu_tokenizer_bos(tokenizer));
    return bos.n > 0 && r->n_pieces > 0 && !r->pieces[0].from_input && r->pieces[0].n >= bos.n &&
           memcmp(r->pieces[0].text, bos.data, bos.n) == 0;
}

mu_status mu_prompt_encode(mu_encoder_pool *encoders, const mu_tokenizer *tokenizer,
                           const mu_rendering *r, mu_token **out_tokens, uint32_t *out_n,
                           mu_err *err) {
    uint32_t flags = MU_ENCODE_SPECIAL | (begins_with_bos(tokenizer, r) ? 0 : MU_ENCODE_BOS);
    uint8_t *guards = mu_alloc(r->n + 1);
    if (!guards) return mu_fail(err, MU_ERR_NOMEM, "a prompt of %zu bytes", r->n);
    size_t at = 0;
    for (size_t i = 0; i < r->n_pieces; i++) {
        memset(guards + at, r->pieces[i].from_input, r->pieces[i].n);
        at += r->pieces[i].n;
    }
    MU_ASSERT(at == r->n);
    mu_status status =
        mu_encoder_pool_guarded(encoders, r->text, r->n, guards, flags, out_tokens, out_n, err);
    mu_free(guards);
    return status;
}
