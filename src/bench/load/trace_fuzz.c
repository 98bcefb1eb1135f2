/* Any bytes as a trace: a status, or requests in order within their ranges. */
#include <string.h>

#include "bench/load/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { CAP = 64 };
    mu_scheduled rows[CAP];
    uint32_t n = UINT32_MAX;
    mu_err err = {0};
    mu_status status = mu_trace_parse((const char *)data, size, rows, CAP, &n, &err);
    if (status != MU_OK) {
        MU_ASSERT(n == UINT32_MAX && err.text[0] != '\0');
        return 0;
    }
    MU_ASSERT(n >= 1 && n <= CAP);
    for (uint32_t i = 0; i < n; i++) {
        MU_ASSERT(rows[i].index == i);
        MU_ASSERT(i == 0 || rows[i].intended_ns >= rows[i - 1].intended_ns);
        MU_ASSERT(rows[i].prompt_tokens >= 1 && rows[i].prompt_tokens <= MU_SHAPE_TOKENS_MAX);
        MU_ASSERT(rows[i].output_tokens >= 1 && rows[i].output_tokens <= MU_SHAPE_TOKENS_MAX);
    }
    return 0;
}
