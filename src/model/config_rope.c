/* transformers 4 wrote rope_theta and a map rope_scaling, transformers 5 one map rope_parameters
 * with both; GGUF has keys of its own. Files of all three are about.
 */
#include <math.h>
#include <stdio.h>

#include "model/config.h"

/* Where a config.json may have them; the last is of models whose layers differ. */
static const char *const maps[] = {"rope_scaling", "rope_parameters",
                                   "rope_parameters.full_attention"};

/* A number that may stand in any map. */
static void number(mu_config *c, const char *name, const char *gguf, double min, double max,
                   double *out) {
    char key[96];
    for (size_t i = 0; i < MU_COUNTOF(maps); i++) {
        snprintf(key, sizeof(key), "%s.%s", maps[i], name);
        mu_config_f64(c, key, i == 0 ? gguf : NULL, min, max, out);
    }
}

static bool read_scaling(mu_config *c, mu_rope *rope) {
    static const struct {
        const char *name;
        mu_rope_scaling scaling;
    } rows[] = {
        {"default", MU_ROPE_PLAIN}, {"none", MU_ROPE_PLAIN}, {"linear", MU_ROPE_LINEAR},
        {"llama3", MU_ROPE_LLAMA3}, {"yarn", MU_ROPE_YARN},  {"mrope", MU_ROPE_PLAIN},
    };
    mu_meta_string name = {0};
    mu_config_string(c, "rope_scaling.type", "rope.scaling.type", &name);
    mu_config_string(c, "rope_scaling.rope_type", NULL, &name);
    mu_config_string(c, "rope_parameters.rope_type", NULL, &name);
    mu_config_string(c, "rope_parameters.full_attention.rope_type", NULL, &name);
    if (!name.data) return true;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (!mu_meta_string_is(name, rows[i].name)) continue;
        rope->scaling = rows[i].scaling;
        return true;
    }
    mu_config_refuse(c, "rotary positions scaled by \"%.*s\" (linear, llama3 and yarn are read)",
                     (int)(name.n < 40 ? name.n : 40), name.data);
    return false;
}

/* Peng et al. 2023, section 3.4, with the two exponents that DeepSeek added. */
static double yarn_magnitude(mu_config *c, double factor) {
    double given = 0.0, scale = 0.0, scale_all = 0.0, low = 0.0;
    number(c, "attention_factor", "rope.scaling.attn_factor", 0.0, 1e3, &given);
    number(c, "mscale", NULL, 0.0, 1e3, &scale);
    number(c, "mscale_all_dim", NULL, 0.0, 1e3, &scale_all);
    double grown = factor > 1.0 ? 0.1 * log(factor) : 0.0;
    if (c->naming == MU_NAMING_GGUF) return (given > 0.0 ? given : 1.0) * (1.0 + grown);
    if (given > 0.0) return given;
    low = 1.0 + scale_all * grown;
    return scale > 0.0 && scale_all > 0.0 ? (1.0 + scale * grown) / low : 1.0 + grown;
}

void mu_config_rope(mu_config *c, const mu_shape *shape, uint32_t head_dim, mu_rope *out) {
    mu_rope rope = {.base = out->base > 0.0 ? out->base : 10000.0,
                    .factor = 1.0,
                    .low_freq_factor = 1.0,
                    .high_freq_factor = 4.0,
                    .beta_fast = 32.0,
                    .beta_slow = 1.0,
                    .is_truncated = true,
                    .magnitude = 1.0,
                    .n_ctx_original = shape->n_ctx};
    double part = 1.0, original = shape->n_ctx;
    if (!read_scaling(c, &rope)) return;
    mu_config_f64(c, "rope_theta", "rope.freq_base", 1.0, 1e12, &rope.base);
    number(c, "rope_theta", NULL, 1.0, 1e12, &rope.base);
    mu_config_f64(c, "partial_rotary_factor", NULL, 0.0, 1.0, &part);
    number(c, "partial_rotary_factor", NULL, 0.0, 1.0, &part);
    number(c, "factor", "rope.scaling.factor", 1e-3, 1e6, &rope.factor);
    number(c, "low_freq_factor", NULL, 1e-3, 1e6, &rope.low_freq_factor);
    number(c, "high_freq_factor", NULL, 1e-3, 1e6, &rope.high_freq_factor);
    number(c, "beta_fast", "rope.scaling.yarn_beta_fast", 1e-3, 1e6, &rope.beta_fast);
    number(c, "beta_slow", "rope.scaling.yarn_beta_slow", 1e-3, 1e6, &rope.beta_slow);
    number(c, "original_max_position_embeddings", "rope.scaling.original_context_length", 1.0, 1e9,
           &original);
    mu_config_bool(c, "rope_scaling.truncate", &rope.is_truncated);
    mu_config_bool(c, "rope_parameters.truncate", &rope.is_truncated);
    rope.n_ctx_original = (uint32_t)original;
    rope.n_dims = (uint32_t)(head_dim * part);
    mu_config_u32(c, NULL, "rope.dimension_count", head_dim, &rope.n_dims);
    if (rope.scaling == MU_ROPE_YARN) rope.magnitude = yarn_magnitude(c, rope.factor);
    if (rope.scaling == MU_ROPE_LLAMA3 && rope.low_freq_factor >= rope.high_freq_factor) {
        mu_config_refuse(c,
                         "llama3 rotary scaling: low_freq_factor %g is not below "
                         "high_freq_factor %g",
                         rope.low_freq_factor, rope.high_freq_factor);
    }
    if (rope.n_dims % 2 != 0) {
        mu_config_refuse(c, "rotary positions of %u dimensions: not whole pairs", rope.n_dims);
    }
    *out = rope;
}

void mu_rope_declare(const mu_rope *rope, const char *family, mu_gguf_writer *w) {
    static const char *const types[] = {
        [MU_ROPE_PLAIN] = NULL,
        [MU_ROPE_LINEAR] = "linear",
        [MU_ROPE_LLAMA3] = NULL, /* as a tensor of factors */
        [MU_ROPE_YARN] = "yarn",
    };
    bool is_scaled = types[rope->scaling] != NULL, is_yarn = rope->scaling == MU_ROPE_YARN;
    double grown = rope->factor > 1.0 ? 1.0 + 0.1 * log(rope->factor) : 1.0;
    double attn_factor = rope->magnitude / grown;
    const struct {
        const char *key;
        double value;
        bool is_there;
    } rows[] = {
        {"rope.freq_base", rope->base, true},
        {"rope.scaling.factor", rope->factor, is_scaled},
        {"rope.scaling.attn_factor", attn_factor, is_yarn},
        {"rope.scaling.yarn_beta_fast", rope->beta_fast, is_yarn},
        {"rope.scaling.yarn_beta_slow", rope->beta_slow, is_yarn},
    };
    char key[128];
    snprintf(key, sizeof(key), "%s.rope.dimension_count", family);
    mu_gguf_writer_u32(w, key, rope->n_dims);
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (!rows[i].is_there) continue;
        snprintf(key, sizeof(key), "%s.%s", family, rows[i].key);
        mu_gguf_writer_f32(w, key, (float)rows[i].value);
    }
    if (!is_scaled) return;
    snprintf(key, sizeof(key), "%s.rope.scaling.type", family);
    mu_gguf_writer_string(w, key, types[rope->scaling]);
    snprintf(key, sizeof(key), "%s.rope.scaling.original_context_length", family);
    mu_gguf_writer_u32(w, key, rope->n_ctx_original);
}
