/* Any bytes as a file of targets: a status, or targets that judge an empty document. */
#include "bench/judge/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mu_targets *targets = NULL;
    mu_err err = {0};
    mu_status status = mu_targets_parse((const char *)data, size, &targets, &err);
    if (status != MU_OK) {
        MU_ASSERT(!targets && err.text[0] != '\0');
        return 0;
    }
    json_t *doc = json_pack("{s:s, s:{}}", "schema", "muai.bench/1", "run");
    json_t *judged = doc ? mu_targets_judge(doc, targets) : NULL;
    MU_ASSERT(judged && json_is_array(judged));
    int code = mu_targets_exit_code(doc, judged);
    MU_ASSERT(code >= 0 && code <= 4);
    json_decref(judged);
    json_decref(doc);
    mu_targets_close(targets);
    return 0;
}
