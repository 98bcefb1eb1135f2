#include "cmd/model_conversation.h"

#include <string.h>

#include "base/map.h"

/* A token's text, NUL-terminated; nothing when there is none. */
static void token_text(const mu_tokenizer *tokenizer, mu_token token, mu_buf *out) {
    mu_bytes piece = mu_tokenizer_piece(tokenizer, token);
    if (token != MU_TOKEN_NONE && piece.n > 0) mu_buf_append(out, piece.data, piece.n);
}

static mu_status open_text(const mu_model *model, mu_conversation_source source,
                           mu_conversation_format **out, mu_err *err) {
    const mu_tokenizer *tokenizer = mu_model_tokenizer(model);
    mu_buf bos = {0}, eos = {0};
    token_text(tokenizer, mu_tokenizer_bos(tokenizer), &bos);
    token_text(tokenizer, mu_tokenizer_eos(tokenizer), &eos);
    source.bos = bos.data;
    source.eos = eos.data;
    mu_status status = bos.failed || eos.failed ? mu_fail(err, MU_ERR_NOMEM, "%s", source.name)
                                                : mu_conversation_format_open(&source, out, err);
    mu_buf_deinit(&bos);
    mu_buf_deinit(&eos);
    return status;
}

static mu_status open_file(const mu_model *model, const char *path, mu_conversation_format **out,
                           mu_err *err) {
    mu_map map;
    mu_status status = mu_map_open(path, &map, err);
    if (status == MU_ERR_NOT_FOUND)
        return mu_fail(err, MU_ERR_INVALID,
                       "--chat-template: \"%.100s\" is neither one of %s nor a file", path,
                       mu_conversation_builtin_names());
    if (status != MU_OK) return status;
    mu_conversation_source source = {
        .name = path, .text = map.data ? (const char *)map.data : "", .n = map.size};
    status = open_text(model, source, out, err);
    mu_map_close(&map);
    return status;
}

/* The model's own; *out stays NULL when it has none. */
static mu_status open_own(const mu_model *model, const char *name, mu_conversation_format **out,
                          mu_err *err) {
    mu_buf text = {0}, tool_text = {0};
    mu_err why = {0};
    mu_status status = mu_model_chat_template(model, &text, &why);
    if (status == MU_OK) status = mu_model_tool_template(model, &tool_text, &why);
    if (status == MU_OK && text.n > 0) {
        mu_conversation_source source = {.name = name,
                                         .text = text.data,
                                         .n = text.n,
                                         .tool_text = tool_text.data,
                                         .tool_n = tool_text.n};
        status = open_text(model, source, out, &why);
    }
    if (status != MU_OK) mu_fail(err, status, "%s; --chat-template takes another", why.text);
    mu_buf_deinit(&text);
    mu_buf_deinit(&tool_text);
    return status;
}

mu_status mu_model_conversation_open(const mu_model *model, const char *name, const char *chosen,
                                     mu_conversation_format **out, mu_err *err) {
    mu_conversation_source source;
    mu_conversation_format *f = NULL;
    mu_status status = MU_OK;
    bool is_builtin = mu_conversation_builtin(chosen ? chosen : "plain", &source);
    if (!chosen) status = open_own(model, name, &f, err);
    if (status == MU_OK && !f)
        status = is_builtin ? open_text(model, source, &f, err) : open_file(model, chosen, &f, err);
    if (status == MU_OK) *out = f;
    return status;
}
