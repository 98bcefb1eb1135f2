#include "model/synthetic.h"

#include <string.h>

#include "base/base.h"
#include "model/model.h"

#define GPT2(layers, width, heads, vocabulary, n_ctx)                                           \
    "{\"model_type\":\"gpt2\",\"n_layer\":" #layers ",\"n_embd\":" #width ",\"n_head\":" #heads \
    ",\"vocab_size\":" #vocabulary ",\"n_positions\":" #n_ctx "}"

/* Radford et al. 2019; the configs of the models of these names; and small ones for tests. */
static const struct {
    const char *name, *config;
} rows[] = {
    {"gpt2", GPT2(12, 768, 12, 50257, 1024)},
    {"gpt2-medium", GPT2(24, 1024, 16, 50257, 1024)},
    {"gpt2-large", GPT2(36, 1280, 20, 50257, 1024)},
    {"gpt2-xl", GPT2(48, 1600, 25, 50257, 1024)},
    {"gpt2-test", GPT2(2, 64, 4, 517, 128)},
    {"gpt2-mini", GPT2(4, 256, 4, 50257, 1024)}, /* steps of about a millisecond */
};

const char *mu_synthetic_config(const char *name) {
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) return rows[i].config;
    }
    return NULL;
}

const char *mu_model_synthetic_at(uint32_t i) {
    return i < MU_COUNTOF(rows) ? rows[i].name : NULL;
}
