#include "server/prompts.h"

#include <string.h>

#include "base/alloc.h"
#include "chat/prompt_tokens.h"
#include "server/generation_params.h"

void mu_prompts_free(mu_prompt *prompts, uint32_t n) {
    for (uint32_t i = 0; i < n && prompts; i++) {
        mu_free(prompts[i].tokens);
    }
    mu_free(prompts);
}

/* Not worth the time to encode it? Else it is charged. */
static bool charge(mu_call *call, size_t n, bool is_any_length, uint64_t *out_bytes,
                   mu_api_error *error) {
    const mu_served *served = call->served;
    size_t n_least = n / served->piece_bytes_max;
    uint32_t n_ctx = mu_engine_n_ctx(served->engine);
    if (n_least >= n_ctx && !is_any_length) {
        return mu_api_fail(
            error, MU_API_CONTEXT_LENGTH, NULL,
            "This model's maximum context length is %u tokens. However, %zu bytes of prompt are at "
            "least %zu tokens",
            n_ctx, n, n_least);
    }
    *out_bytes = (uint64_t)n * MU_ENCODE_BYTES_PER_BYTE;
    return mu_call_charge(call, *out_bytes, error);
}

static bool encode(mu_call *call, const mu_prompt_rules *rules, const char *text, size_t n,
                   mu_prompt *out, mu_api_error *error) {
    uint64_t bytes;
    mu_err err;
    if (!charge(call, n, rules->is_any_length, &bytes, error)) return false;
    mu_status status = mu_encoder_pool_encode(call->served->encoders, text, n, rules->encode_flags,
                                              &out->tokens, &out->n, &err);
    mu_call_discharge(call, bytes);
    if (status != MU_OK) return mu_api_fail_status(error, &err);
    mu_token bos = mu_tokenizer_bos(mu_model_tokenizer(call->served->model));
    bool takes_bos = rules->encode_flags & MU_ENCODE_BOS && bos != MU_TOKEN_NONE;
    if (out->n == 0 && takes_bos) out->tokens[out->n++] = bos; /* of an empty text */
    return true;
}

static bool cut(const mu_call *call, uint32_t n_max, mu_prompt *prompt, mu_api_error *error) {
    if (n_max == 0 || prompt->n <= n_max) return true;
    mu_token *tokens = MU_ALLOC(mu_token, n_max);
    if (!tokens) return mu_api_no_memory(error);
    mu_tokenizer_cut(mu_model_tokenizer(call->served->model), prompt->tokens, prompt->n, n_max,
                     tokens);
    mu_free(prompt->tokens);
    *prompt = (mu_prompt){tokens, n_max};
    return true;
}

static bool read_prompt(mu_call *call, const mu_prompt_rules *rules, json_t *json, mu_prompt *out,
                        mu_api_error *error) {
    bool ok =
        json_is_string(json)
            ? encode(call, rules, json_string_value(json), json_string_length(json), out, error)
            : mu_tokens_read(rules->field, json, &out->tokens, &out->n, error);
    return ok && cut(call, rules->n_tokens_max, out, error);
}

bool mu_prompts_read(mu_call *call, const mu_prompt_rules *rules, json_t *json, mu_prompt **out,
                     uint32_t *out_n, mu_api_error *error) {
    bool is_list = json_is_array(json) && json_array_size(json) > 0 &&
                   !json_is_integer(json_array_get(json, 0));
    size_t n = is_list ? json_array_size(json) : 1;
    if (n > rules->n_max) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, rules->field, "%s: more than %u",
                           rules->field, rules->n_max);
    }
    mu_prompt *prompts = MU_ALLOC(mu_prompt, n);
    if (!prompts) return mu_api_no_memory(error);
    for (size_t i = 0; i < n; i++) {
        json_t *one = is_list ? json_array_get(json, i) : json;
        if (read_prompt(call, rules, one, &prompts[i], error)) continue;
        mu_prompts_free(prompts, (uint32_t)n);
        return false;
    }
    *out = prompts;
    *out_n = (uint32_t)n;
    return true;
}

bool mu_prompts_encode(mu_call *call, const mu_rendering *rendering, mu_prompt **out,
                       mu_api_error *error) {
    uint64_t bytes;
    mu_err err;
    if (!charge(call, rendering->n, false, &bytes, error)) return false;
    mu_prompt *one = MU_ALLOC(mu_prompt, 1);
    mu_status status = MU_ERR_NOMEM;
    if (one) {
        status = mu_prompt_encode(call->served->encoders, mu_model_tokenizer(call->served->model),
                                  rendering, &one->tokens, &one->n, &err);
    }
    mu_call_discharge(call, bytes);
    if (status != MU_OK) {
        mu_free(one);
        return one ? mu_api_fail_status(error, &err) : mu_api_no_memory(error);
    }
    *out = one;
    return true;
}
