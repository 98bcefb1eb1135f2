/* Any bytes as the body of a completion and of a chat: a status or params within their ranges. */
#include "server/generation_params.h"

#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *json = NULL;
    mu_buf body = {0};
    mu_buf_append(&body, data, size);
    mu_json_mend_surrogates(body.data, body.n);
    mu_json_mend_integers(body.data, body.n);
    mu_status status = mu_json_parse(body.data, body.n, &json, NULL);
    MU_ASSERT(body.n == size);
    mu_buf_deinit(&body);
    if (status != MU_OK) return 0;
    for (int is_chat = 0; is_chat < 2; is_chat++) {
        mu_generation_params p = {0};
        mu_api_error error = {0};
        mu_buf unknown = {0};
        if (mu_generation_params_read(json, is_chat, &p, &unknown, &error)) {
            MU_ASSERT(p.n >= 1 && p.n <= MU_CHOICES_MAX && p.best_of >= p.n);
            MU_ASSERT(p.temperature >= 0.0f && p.top_p <= 1.0f);
            MU_ASSERT(p.n_logprobs >= -1 && p.n_logprobs <= MU_TOP_LOGPROBS_MAX);
            MU_ASSERT(p.n_stops <= MU_STOP_STRINGS_MAX && p.n_biases <= MU_BIASES_MAX);
        } else {
            MU_ASSERT(error.text[0] != '\0');
        }
        mu_generation_params_deinit(&p);
        mu_buf_deinit(&unknown);
    }
    json_decref(json);
    return 0;
}
