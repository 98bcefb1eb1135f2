#include "server/choice_json.h"

#include <math.h>

#include "text/utf8.h"

static const float logprob_floor = -9999.0f; /* JSON has no infinity */

static double logprob_number(float logprob) {
    return logprob > logprob_floor ? (double)logprob : (double)logprob_floor;
}

/* A token's bytes as text; what is not UTF-8 becomes U+FFFD. */
static json_t *token_text(const mu_tokenizer *tokenizer, mu_token token) {
    mu_bytes piece = mu_tokenizer_piece(tokenizer, token);
    if (piece.n == 0) return json_string("");
    if (mu_utf8_valid(piece.data, piece.n) == piece.n) return json_stringn(piece.data, piece.n);
    mu_buf text = {0};
    for (size_t at = 0, n; at < piece.n; at += n) {
        if (mu_utf8_step(piece.data + at, piece.n - at, &n) == MU_UTF8_WHOLE) {
            mu_buf_append(&text, piece.data + at, n);
        } else {
            mu_buf_append_str(&text, MU_UTF8_REPLACEMENT);
        }
    }
    json_t *json = text.failed ? NULL : json_stringn(text.data ? text.data : "", text.n);
    mu_buf_deinit(&text);
    return json;
}

static json_t *token_bytes(const mu_tokenizer *tokenizer, mu_token token) {
    mu_bytes piece = mu_tokenizer_piece(tokenizer, token);
    json_t *bytes = json_array();
    for (size_t i = 0; i < piece.n; i++) {
        json_array_append_new(bytes, json_integer((unsigned char)piece.data[i]));
    }
    return bytes;
}

/* Those that begin in the piece: a character in two tokens counts where it begins. */
static size_t n_characters(mu_bytes piece) {
    size_t n = 0;
    for (size_t i = 0; i < piece.n; i++) {
        n += ((unsigned char)piece.data[i] & 0xc0) != 0x80;
    }
    return n;
}

/* The last of tokens is among the alternatives, whether it was likely or not. */
static void add_sampled(const json_t *tokens, float logprob, json_t *top) {
    const char *key = json_string_value(json_array_get(tokens, json_array_size(tokens) - 1));
    if (key && !json_object_get(top, key)) {
        json_object_set_new(top, key, json_real(logprob_number(logprob)));
    }
}

json_t *mu_completion_logprobs(const mu_tokenizer *tokenizer, const mu_output *outputs, uint32_t n,
                               size_t *offset) {
    json_t *tokens = json_array(), *logprobs = json_array(), *tops = json_array();
    json_t *offsets = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(tokens, token_text(tokenizer, outputs[i].token));
        json_array_append_new(logprobs, json_real(logprob_number(outputs[i].logprob)));
        json_array_append_new(offsets, json_integer((json_int_t)*offset));
        *offset += n_characters(mu_tokenizer_piece(tokenizer, outputs[i].token));
        json_t *top = json_object();
        for (uint32_t j = 0; j < outputs[i].n_top; j++) {
            json_t *name = token_text(tokenizer, outputs[i].top[j].token);
            double value = logprob_number(outputs[i].top[j].logprob);
            const char *key = name ? json_string_value(name) : NULL;
            if (key && !json_object_get(top, key)) json_object_set_new(top, key, json_real(value));
            json_decref(name);
        }
        if (outputs[i].n_top > 0) add_sampled(tokens, outputs[i].logprob, top);
        json_array_append_new(tops, top);
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", logprobs,
                     "top_logprobs", tops, "text_offset", offsets);
}

static json_t *chat_token(const mu_tokenizer *tokenizer, mu_token token, float logprob) {
    return json_pack("{s:o, s:f, s:o}", "token", token_text(tokenizer, token), "logprob",
                     logprob_number(logprob), "bytes", token_bytes(tokenizer, token));
}

json_t *mu_chat_logprobs(const mu_tokenizer *tokenizer, const mu_output *outputs, uint32_t n) {
    json_t *content = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_t *top = json_array();
        for (uint32_t j = 0; j < outputs[i].n_top; j++) {
            const mu_logprob *other = &outputs[i].top[j];
            json_array_append_new(top, chat_token(tokenizer, other->token, other->logprob));
        }
        json_t *token = chat_token(tokenizer, outputs[i].token, outputs[i].logprob);
        if (token) json_object_set_new(token, "top_logprobs", top);
        json_array_append_new(content, token);
    }
    return json_pack("{s:o, s:n}", "content", content, "refusal");
}

const char *mu_finish_reason(mu_finish finish) {
    static const char *const names[] = {NULL, "stop", "length", "canceled", "error"};
    return names[finish];
}
