#include "model/synthetic.h"

#include <string.h>

#include "base/base.h"
#include "model/model.h"

#define GPT2(layers, width, heads, vocabulary, n_ctx)                                           \
    "{\"model_type\":\"gpt2\",\"n_layer\":" #layers ",\"n_embd\":" #width ",\"n_head\":" #heads \
    ",\"vocab_size\":" #vocabulary ",\"n_positions\":" #n_ctx "}"
#define LLAMA(layers, width, ffn, heads, kv_heads, head, vocabulary, n_ctx, theta, tied, more)  \
    "{\"model_type\":\"llama\",\"num_hidden_layers\":" #layers ",\"hidden_size\":" #width       \
    ",\"intermediate_size\":" #ffn ",\"num_attention_heads\":" #heads                           \
    ",\"num_key_value_heads\":" #kv_heads ",\"head_dim\":" #head ",\"vocab_size\":" #vocabulary \
    ",\"max_position_embeddings\":" #n_ctx ",\"rope_theta\":" #theta                            \
    ",\"rms_norm_eps\":1e-5,\"tie_word_embeddings\":" #tied more "}"
#define LLAMA3(factor)                                                \
    ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":" #factor \
    ",\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":8192}"

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
    {"smollm2-135m", LLAMA(30, 576, 1536, 9, 3, 64, 49152, 8192, 100000, true, "")},
    {"smollm2-360m", LLAMA(32, 960, 2560, 15, 5, 64, 49152, 8192, 100000, true, "")},
    {"tinyllama-1.1b", LLAMA(22, 2048, 5632, 32, 4, 64, 32000, 2048, 10000, false, "")},
    {"llama-3.2-1b", LLAMA(16, 2048, 8192, 32, 8, 64, 128256, 131072, 500000, true, LLAMA3(32))},
    {"llama-test", LLAMA(2, 64, 160, 4, 2, 24, 517, 128, 10000, false, "")},
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
