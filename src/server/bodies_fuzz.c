/* Any JSON as the body of an API that is told in OpenAI's terms: an error with a text, or a body
 * that is read as OpenAI's own is. */
#include "format/json.h"
#include "server/anthropic.h"
#include "server/embedding.h"
#include "server/generation_params.h"
#include "server/ollama.h"
#include "server/rerank.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool (*const translations[])(const json_t *, json_t **, mu_api_error *) = {
    mu_anthropic_translate,
    mu_ollama_translate_chat,
    mu_ollama_translate_generate,
};

static void translate(const json_t *body, size_t i) {
    mu_api_error error = {0};
    json_t *chat = NULL;
    if (!translations[i](body, &chat, &error)) {
        MU_ASSERT(error.text[0] != '\0' && !chat);
        return;
    }
    mu_generation_params p = {0};
    mu_buf unknown = {0};
    MU_ASSERT(json_is_object(chat));
    bool is_chat = json_object_get(chat, "messages") != NULL;
    if (!mu_generation_params_read(chat, is_chat, &p, &unknown, &error)) {
        MU_ASSERT(error.text[0] != '\0');
    }
    mu_generation_params_deinit(&p);
    mu_buf_deinit(&unknown);
    json_decref(chat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *body = NULL;
    if (mu_json_parse((const char *)data, size, &body, NULL) != MU_OK) return 0;
    for (size_t i = 0; i < MU_COUNTOF(translations); i++) {
        translate(body, i);
    }
    mu_api_error error = {0};
    MU_ASSERT(mu_embedding_check_body(body, &error) || error.text[0] != '\0');
    MU_ASSERT(mu_rerank_check_body(body, &error) || error.text[0] != '\0');
    json_decref(body);
    return 0;
}
