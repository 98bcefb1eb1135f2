#include "bench/mock/mock_request.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "format/json.h"

static uint32_t count_words(const char *text) {
    uint32_t n = 0;
    bool is_inside = false;
    for (; *text; text++) {
        bool is_blank = isspace((unsigned char)*text) != 0;
        n += !is_blank && !is_inside;
        is_inside = !is_blank;
    }
    return n;
}

/* A text, token ids, or an array of either. */
static uint32_t count_prompt(const json_t *prompt) {
    if (json_is_string(prompt)) return count_words(json_string_value(prompt));
    if (json_is_integer(prompt)) return 1;
    uint32_t n = 0;
    size_t i;
    const json_t *item;
    json_array_foreach(prompt, i, item) {
        n += count_prompt(item);
    }
    return n;
}

static uint32_t count_messages(const json_t *messages) {
    uint32_t n = 0;
    size_t i, j;
    const json_t *message, *part;
    json_array_foreach(messages, i, message) {
        const json_t *content = json_object_get(message, "content");
        if (json_is_string(content)) n += count_words(json_string_value(content));
        json_array_foreach(content, j, part) {
            const char *text = json_string_value(json_object_get(part, "text"));
            if (text) n += count_words(text);
        }
    }
    return n;
}

static mu_status read_u32(const json_t *object, const char *name, uint32_t min, uint32_t *out,
                          mu_err *err) {
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value)) return MU_OK;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < min || number > MU_MOCK_TOKENS_MAX) {
        return mu_fail(err, MU_ERR_INVALID, "%s: not a whole number in [%u, %u]", name, min,
                       (unsigned)MU_MOCK_TOKENS_MAX);
    }
    *out = (uint32_t)number;
    return MU_OK;
}

static mu_status read_bool(const json_t *object, const char *name, bool *out, mu_err *err) {
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value)) return MU_OK;
    if (!json_is_boolean(value)) return mu_fail(err, MU_ERR_INVALID, "%s: not a boolean", name);
    *out = json_is_true(value);
    return MU_OK;
}

static mu_status read_wish(const json_t *body, mu_mock_wish *wish, mu_err *err) {
    const char *key = wish->is_chat ? "messages" : "prompt";
    const json_t *prompt = json_object_get(body, key);
    bool is_prompt = json_is_array(prompt) || (!wish->is_chat && json_is_string(prompt));
    if (!is_prompt) return mu_fail(err, MU_ERR_INVALID, "%s: missing, or of a wrong type", key);
    wish->n_prompt = wish->is_chat ? count_messages(prompt) : count_prompt(prompt);

    const json_t *stream = json_object_get(body, "stream_options");
    mu_status status = read_u32(body, "max_tokens", 1, &wish->max_tokens, err);
    if (status == MU_OK) {
        status = read_u32(body, "max_completion_tokens", 1, &wish->max_tokens, err);
    }
    if (status == MU_OK) status = read_u32(body, "min_tokens", 0, &wish->min_tokens, err);
    if (status == MU_OK) status = read_bool(body, "ignore_eos", &wish->ignores_eos, err);
    if (status == MU_OK) status = read_bool(body, "stream", &wish->is_stream, err);
    if (status == MU_OK) status = read_bool(stream, "include_usage", &wish->wants_usage, err);
    if (status == MU_OK) {
        status = read_bool(stream, "continuous_usage_stats", &wish->wants_continuous_usage, err);
    }
    return status;
}

mu_status mu_mock_wish_parse(char *body, size_t n, bool is_chat, mu_mock_wish *out,
                             char out_model[MU_MOCK_MODEL_BYTES], mu_err *err) {
    json_t *json = NULL;
    mu_json_mend_surrogates(body, n);
    mu_status status = mu_json_parse(body, n, &json, err);
    if (status != MU_OK) return status;
    mu_mock_wish wish = {.is_chat = is_chat};
    status = json_is_object(json) ? read_wish(json, &wish, err)
                                  : mu_fail(err, MU_ERR_INVALID, "body: not a JSON object");
    if (status == MU_OK) {
        const char *model = json_string_value(json_object_get(json, "model"));
        snprintf(out_model, MU_MOCK_MODEL_BYTES, "%s", model ? model : "mock");
        *out = wish;
    }
    json_decref(json);
    return status;
}
