#include "model/synthetic.h"

#include <string.h>

#include "base/base.h"
#include "model/model.h"

#define GPT2(layers, width, heads, vocabulary, n_ctx)                                           \
    "{\"model_type\":\"gpt2\",\"n_layer\":" #layers ",\"n_embd\":" #width ",\"n_head\":" #heads \
    ",\"vocab_size\":" #vocabulary ",\"n_positions\":" #n_ctx "}"

/* What most families since Llama say. */
#define COMMON(type, layers, width, ffn, heads, kv_heads, head, vocabulary, n_ctx, theta, tied, \
               more)                                                                            \
    "{\"model_type\":\"" type "\",\"num_hidden_layers\":" #layers ",\"hidden_size\":" #width    \
    ",\"intermediate_size\":" #ffn ",\"num_attention_heads\":" #heads                           \
    ",\"num_key_value_heads\":" #kv_heads ",\"head_dim\":" #head ",\"vocab_size\":" #vocabulary \
    ",\"max_position_embeddings\":" #n_ctx ",\"rope_theta\":" #theta                            \
    ",\"tie_word_embeddings\":" tied more "}"
#define LLAMA(layers, width, ffn, heads, kv_heads, head, vocabulary, n_ctx, theta, tied, more) \
    COMMON("llama", layers, width, ffn, heads, kv_heads, head, vocabulary, n_ctx, theta, tied, \
           ",\"rms_norm_eps\":1e-5" more)
#define LLAMA3(factor)                                                \
    ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":" #factor \
    ",\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":8192}"

#define BERT(type, layers, width, ffn, heads, vocabulary, n_positions)                       \
    "{\"model_type\":\"" type "\",\"num_hidden_layers\":" #layers ",\"hidden_size\":" #width \
    ",\"intermediate_size\":" #ffn ",\"num_attention_heads\":" #heads                        \
    ",\"vocab_size\":" #vocabulary ",\"max_position_embeddings\":" #n_positions "}"

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
    {"smollm2-135m", LLAMA(30, 576, 1536, 9, 3, 64, 49152, 8192, 100000, "true", "")},
    {"smollm2-360m", LLAMA(32, 960, 2560, 15, 5, 64, 49152, 8192, 100000, "true", "")},
    {"tinyllama-1.1b", LLAMA(22, 2048, 5632, 32, 4, 64, 32000, 2048, 10000, "false", "")},
    {"llama-3.2-1b", LLAMA(16, 2048, 8192, 32, 8, 64, 128256, 131072, 500000, "true", LLAMA3(32))},
    {"llama-3.1-8b",
     LLAMA(32, 4096, 14336, 32, 8, 128, 128256, 131072, 500000, "false", LLAMA3(8))},
    {"mistral-7b-v0.3", COMMON("mistral", 32, 4096, 14336, 32, 8, 128, 32768, 32768, 1000000,
                               "false", ",\"rms_norm_eps\":1e-5,\"sliding_window\":null")},
    {"qwen2.5-0.5b", COMMON("qwen2", 24, 896, 4864, 14, 2, 64, 151936, 32768, 1000000, "true", "")},
    {"qwen3-0.6b", COMMON("qwen3", 28, 1024, 3072, 16, 8, 128, 151936, 40960, 1000000, "true", "")},
    {"qwen3-1.7b", COMMON("qwen3", 28, 2048, 6144, 16, 8, 128, 151936, 40960, 1000000, "true", "")},
    {"gemma-2-2b", COMMON("gemma2", 26, 2304, 9216, 8, 4, 256, 256000, 8192, 10000, "true",
                          ",\"query_pre_attn_scalar\":256")},
    {"gemma-3-270m", COMMON("gemma3_text", 18, 640, 2048, 4, 1, 256, 262144, 32768, 1000000, "true",
                            ",\"query_pre_attn_scalar\":256,\"sliding_window\":512")},
    {"gemma-3-1b", COMMON("gemma3_text", 26, 1152, 6912, 4, 1, 256, 262144, 32768, 1000000, "true",
                          ",\"query_pre_attn_scalar\":256,\"sliding_window\":512")},
    {"smollm3-3b",
     COMMON("smollm3", 36, 2048, 11008, 16, 4, 128, 128256, 65536, 5000000, "true", "")},
    {"granite-3.1-2b",
     COMMON("granite", 40, 2048, 8192, 32, 8, 64, 49155, 131072, 5000000, "true",
            ",\"rms_norm_eps\":1e-5,\"embedding_multiplier\":12,\"attention_multiplier\":0.015625,"
            "\"residual_multiplier\":0.22,\"logits_scaling\":8")},
    {"olmo2-1b", COMMON("olmo2", 16, 2048, 8192, 16, 16, 128, 100352, 4096, 500000, "false", "")},
    {"phi-3-mini-4k", COMMON("phi3", 32, 3072, 8192, 32, 32, 96, 32064, 4096, 10000, "false",
                             ",\"rms_norm_eps\":1e-5,\"sliding_window\":2047")},
    {"starcoder2-3b",
     COMMON("starcoder2", 30, 3072, 12288, 24, 2, 128, 49152, 16384, 999999.44, "true",
            ",\"sliding_window\":4096,\"hidden_act\":\"gelu_pytorch_tanh\"")},
    {"all-minilm-l6-v2", BERT("bert", 6, 384, 1536, 12, 30522, 512)},
    {"bge-base-en-v1.5", BERT("bert", 12, 768, 3072, 12, 30522, 512)},
    {"bge-m3", BERT("xlm-roberta", 24, 1024, 4096, 16, 250002, 8194)},
    {"nomic-embed-text-v1.5",
     "{\"model_type\":\"nomic_bert\",\"n_layer\":12,\"n_embd\":768,\"n_head\":12,\"n_inner\":3072,"
     "\"vocab_size\":30528,\"n_positions\":8192,\"rotary_emb_base\":1000}"},
    {"bert-test", BERT("bert", 2, 48, 100, 4, 517, 96)},
    {"llama-test", LLAMA(2, 64, 160, 4, 2, 24, 517, 128, 10000, "false", "")},
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
