#include "cmd/eval_text.h"

#include <string.h>

#include "base/alloc.h"
#include "cmd/common.h"

static mu_status check(const mu_model *model, const char *path, const mu_eval_text *text,
                       mu_err *err) {
    uint32_t vocab_size = mu_model_spec(model)->vocab_size;
    for (uint32_t i = 0; i < text->n; i++) {
        if ((uint32_t)text->tokens[i] < vocab_size) continue;
        return mu_fail(err, MU_ERR_INVALID, "%s: token %d, the vocabulary has %u", path,
                       text->tokens[i], vocab_size);
    }
    if (text->n > 1) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "%s: too short, there is no token to predict", path);
}

mu_status mu_eval_text_read(const mu_model *model, const char *path, uint32_t n_max, bool is_plain,
                            mu_eval_text *out, mu_err *err) {
    mu_buf bytes = {0};
    mu_token *tokens = NULL;
    uint32_t n = 0;
    mu_status status = mu_read_all(path, &bytes, err);
    if (status == MU_OK) {
        status = mu_encode_text(model, bytes.data ? bytes.data : "", bytes.n,
                                is_plain ? 0 : MU_ENCODE_SPECIAL, &tokens, &n, err);
    }
    mu_buf_deinit(&bytes);
    if (status != MU_OK) return status;
    mu_token start = mu_tokenizer_bos(mu_model_tokenizer(model));
    bool is_known = start >= 0 && (uint32_t)start < mu_model_spec(model)->vocab_size;
    if (!is_known) start = mu_model_eos(model);
    mu_eval_text text = {.has_start = start != MU_TOKEN_NONE};
    bool is_there = n > 0 && tokens[0] == start;
    uint32_t skip = text.has_start && is_there; /* the one in front stands for it */
    uint32_t n_taken = n_max > 0 && n - skip > n_max ? n_max : n - skip;
    text.tokens = MU_ALLOC(mu_token, (size_t)n_taken + 1);
    if (text.tokens) {
        if (text.has_start) text.tokens[text.n++] = start;
        if (n_taken > 0) memcpy(text.tokens + text.n, tokens + skip, n_taken * sizeof(*tokens));
        text.n += n_taken;
        status = check(model, path, &text, err);
    } else {
        status = mu_fail(err, MU_ERR_NOMEM, "%s: %u tokens", path, n);
    }
    mu_free(tokens);
    if (status == MU_OK) {
        *out = text;
    } else {
        mu_free(text.tokens);
    }
    return status;
}

void mu_eval_text_deinit(mu_eval_text *text) {
    mu_free(text->tokens);
    *text = (mu_eval_text){0};
}

mu_status mu_eval_windows_settle(uint32_t n_ctx, uint32_t *window, uint32_t *stride, mu_err *err) {
    if (*window > n_ctx) {
        return mu_fail(err, MU_ERR_INVALID, "--window: %u, the context is %u tokens", *window,
                       n_ctx);
    }
    if (*window == 0) *window = n_ctx;
    if (*stride > *window) {
        return mu_fail(err, MU_ERR_INVALID, "--stride: %u, the window is %u tokens", *stride,
                       *window);
    }
    if (*stride == 0) *stride = *window > 1 ? *window / 2 : 1;
    return MU_OK;
}
