#include "model/decoder.h"

static const mu_slot_shape none = {0, 0};

static mu_slot_shape vector(bool is_there, uint32_t n) {
    return is_there ? (mu_slot_shape){n, 1} : none;
}

static mu_slot_shape matrix(uint32_t n_out, uint32_t n_in) {
    return (mu_slot_shape){n_out, n_in};
}

mu_slot_shape mu_model_slot_shape(const mu_decoder_spec *spec, mu_model_slot slot) {
    switch (slot) {
    case MU_EMBED:
        return matrix(spec->vocab_size, spec->hidden_dim);
    case MU_OUTPUT:
        return spec->has_output ? matrix(spec->vocab_size, spec->hidden_dim) : none;
    case MU_HEAD_W:
        return spec->n_labels > 0 ? matrix(spec->hidden_dim, spec->hidden_dim) : none;
    case MU_HEAD_B:
        return vector(spec->n_labels > 0, spec->hidden_dim);
    case MU_SCORE_W:
        return matrix(spec->n_labels, spec->n_labels > 0 ? spec->hidden_dim : 0);
    case MU_SCORE_B:
        return vector(true, spec->n_labels);
    case MU_TOKEN_TYPES:
        return spec->n_token_types > 0 ? matrix(spec->n_token_types, spec->hidden_dim) : none;
    case MU_EMBED_NORM_W:
        return vector(spec->has_embed_norm, spec->hidden_dim);
    case MU_EMBED_NORM_B:
        return vector(spec->has_embed_norm && spec->out_norm == MU_NORM_LAYER, spec->hidden_dim);
    case MU_POSITIONS:
        return spec->has_positions ? matrix(spec->n_ctx, spec->hidden_dim) : none;
    case MU_ROPE_FACTORS:
        return vector(true, spec->kinds[0].rope.n_dims / 2);
    case MU_OUT_NORM_W:
        return vector(spec->has_out_norm, spec->hidden_dim);
    case MU_OUT_NORM_B:
        return vector(spec->has_out_norm && spec->out_norm == MU_NORM_LAYER, spec->hidden_dim);
    case MU_N_MODEL_SLOTS:
        break;
    }
    return none;
}

static mu_slot_shape qk_norm_shape(const mu_layer_kind *kind, uint32_t n_heads) {
    uint32_t n = kind->qk_norm == MU_QK_NORM_ROW ? n_heads * kind->head_dim : kind->head_dim;
    return vector(kind->qk_norm != MU_QK_NORM_NONE, n);
}

static mu_slot_shape attention_shape(const mu_layer_kind *kind, uint32_t hidden,
                                     mu_layer_slot slot) {
    uint32_t q = kind->n_heads * kind->head_dim, kv = kind->n_kv_heads * kind->head_dim;
    if (kind->shares_kv && slot != MU_Q_W && slot != MU_Q_B && slot != MU_Q_NORM_W &&
        slot != MU_O_W && slot != MU_O_B) {
        return none;
    }
    switch (slot) {
    case MU_Q_W:
        return matrix(q, hidden);
    case MU_K_W:
    case MU_V_W:
        return matrix(kv, hidden);
    case MU_O_W:
        return matrix(hidden, q);
    case MU_Q_B:
        return vector(kind->has_qkv_bias, q);
    case MU_K_B:
    case MU_V_B:
        return vector(kind->has_qkv_bias, kv);
    case MU_O_B:
        return vector(kind->has_o_bias, hidden);
    case MU_Q_NORM_W:
        return qk_norm_shape(kind, kind->n_heads);
    case MU_K_NORM_W:
        return qk_norm_shape(kind, kind->n_kv_heads);
    default:
        return none;
    }
}

static mu_slot_shape ffn_shape(const mu_layer_kind *kind, uint32_t hidden, mu_layer_slot slot) {
    switch (slot) {
    case MU_GATE_W:
        return kind->is_gated ? matrix(kind->ffn_dim, hidden) : none;
    case MU_UP_W:
        return matrix(kind->ffn_dim, hidden);
    case MU_DOWN_W:
        return matrix(hidden, kind->ffn_dim);
    case MU_GATE_B:
        return vector(kind->is_gated && kind->has_ffn_bias, kind->ffn_dim);
    case MU_UP_B:
        return vector(kind->has_ffn_bias, kind->ffn_dim);
    case MU_DOWN_B:
        return vector(kind->has_ffn_bias, hidden);
    default:
        return none;
    }
}

mu_slot_shape mu_layer_slot_shape(const mu_decoder_spec *spec, uint32_t layer, mu_layer_slot slot) {
    const mu_layer_kind *kind = mu_layer_kind_of(spec, layer);
    uint32_t hidden = spec->hidden_dim;
    switch (slot) {
    case MU_ATTN_NORM_W:
    case MU_FFN_NORM_W:
        return vector(kind->has_norms_before, hidden);
    case MU_ATTN_NORM_B:
    case MU_FFN_NORM_B:
        return vector(kind->has_norms_before && kind->norm == MU_NORM_LAYER, hidden);
    case MU_ATTN_POST_NORM_W:
    case MU_FFN_POST_NORM_W:
        return vector(kind->has_norms_after, hidden);
    case MU_ATTN_POST_NORM_B:
    case MU_FFN_POST_NORM_B:
        return vector(kind->has_norms_after && kind->norm == MU_NORM_LAYER, hidden);
    default: {
        mu_slot_shape shape = attention_shape(kind, hidden, slot);
        return shape.n_out > 0 ? shape : ffn_shape(kind, hidden, slot);
    }
    }
}

uint32_t mu_layer_matrices(const mu_decoder_spec *spec, uint32_t layer,
                           mu_matrix out[MU_LAYER_MATRICES_MAX]) {
    static const struct {
        mu_layer_slot weight, bias;
        mu_feed feed;
    } rows[MU_LAYER_MATRICES_MAX] = {
        {MU_Q_W, MU_Q_B, MU_FEED_ATTN_NORM},       {MU_K_W, MU_K_B, MU_FEED_ATTN_NORM},
        {MU_V_W, MU_V_B, MU_FEED_ATTN_NORM},       {MU_O_W, MU_O_B, MU_FEED_ATTENDED},
        {MU_GATE_W, MU_GATE_B, MU_FEED_FFN_NORM},  {MU_UP_W, MU_UP_B, MU_FEED_FFN_NORM},
        {MU_DOWN_W, MU_DOWN_B, MU_FEED_ACTIVATED},
    };
    const mu_layer_kind *kind = mu_layer_kind_of(spec, layer);
    uint32_t n = 0;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_slot_shape shape = mu_layer_slot_shape(spec, layer, rows[i].weight);
        if (shape.n_out == 0) continue;
        bool is_ffn = rows[i].feed == MU_FEED_FFN_NORM || rows[i].feed == MU_FEED_ACTIVATED;
        out[n++] = (mu_matrix){
            .weight = rows[i].weight,
            .bias = rows[i].bias,
            .n_out = shape.n_out,
            .n_in = shape.n_in,
            .count = is_ffn && kind->n_experts > 0 ? kind->n_experts : 1,
            .feed = rows[i].feed,
        };
    }
    return n;
}

uint64_t mu_layer_kv_values(const mu_decoder_spec *spec, uint32_t layer) {
    const mu_layer_kind *kind = mu_layer_kind_of(spec, layer);
    bool has_kv = kind->mixer == MU_MIXER_ATTENTION && !kind->shares_kv;
    return has_kv ? 2ull * kind->n_kv_heads * kind->head_dim : 0;
}

uint64_t mu_decoder_kv_values(const mu_decoder_spec *spec) {
    uint64_t n = 0, most = 0;
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        uint64_t n_own = mu_layer_kv_values(spec, layer);
        if (n_own > most) most = n_own;
        n += n_own;
    }
    return spec->is_bidirectional ? most : n;
}

uint64_t mu_layer_matrix_values(const mu_decoder_spec *spec, uint32_t layer) {
    mu_matrix matrices[MU_LAYER_MATRICES_MAX];
    uint32_t n_matrices = mu_layer_matrices(spec, layer, matrices);
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_matrices; i++) {
        uint32_t n_used = matrices[i].count;
        if (n_used > 1) n_used = mu_layer_kind_of(spec, layer)->n_experts_active;
        n += (uint64_t)matrices[i].n_out * matrices[i].n_in * n_used;
    }
    return n;
}

uint64_t mu_decoder_matrix_values(const mu_decoder_spec *spec) {
    uint64_t n = spec->has_output ? (uint64_t)spec->vocab_size * spec->hidden_dim : 0;
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        n += mu_layer_matrix_values(spec, layer);
    }
    return n;
}

static uint32_t greater(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

uint32_t mu_decoder_row_max(const mu_decoder_spec *spec) {
    uint32_t widest = spec->hidden_dim;
    for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
        mu_matrix matrices[MU_LAYER_MATRICES_MAX];
        uint32_t n = mu_layer_matrices(spec, layer, matrices);
        for (uint32_t i = 0; i < n; i++) {
            widest = greater(widest, greater(matrices[i].n_in, matrices[i].n_out));
        }
    }
    return widest;
}

static mu_features kind_features(const mu_decoder_spec *spec, const mu_layer_kind *kind) {
    const struct {
        mu_feature feature;
        bool is_used;
    } rows[] = {
        {MU_FEATURE_RMS_NORM, kind->norm == MU_NORM_RMS},
        {MU_FEATURE_ROTARY, kind->rope.n_dims > 0},
        {MU_FEATURE_GROUPED_HEADS, kind->n_kv_heads != kind->n_heads},
        {MU_FEATURE_HEAD_DIM, kind->n_heads * kind->head_dim != spec->hidden_dim},
        {MU_FEATURE_GATED, kind->is_gated || kind->activation == MU_ACTIVATION_SILU},
        {MU_FEATURE_QK_NORM, kind->qk_norm == MU_QK_NORM_HEAD},
        {MU_FEATURE_QK_ROW_NORM, kind->qk_norm == MU_QK_NORM_ROW},
        {MU_FEATURE_POST_NORM, kind->has_norms_after},
        {MU_FEATURE_NO_PRE_NORM, !kind->has_norms_before},
        {MU_FEATURE_WINDOW, kind->window > 0},
        {MU_FEATURE_SOFTCAP, kind->attn_softcap > 0.0f},
        {MU_FEATURE_SINKS, kind->has_sinks},
        {MU_FEATURE_SHARED_KV, kind->shares_kv},
        {MU_FEATURE_EXPERTS, kind->n_experts > 0},
        {MU_FEATURE_RECURRENT, kind->mixer != MU_MIXER_ATTENTION},
    };
    mu_features features = 0;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (rows[i].is_used) features |= 1u << rows[i].feature;
    }
    return features;
}

mu_features mu_decoder_features(const mu_decoder_spec *spec) {
    bool has_scales =
        spec->embed_scale != 1.0f || spec->residual_scale != 1.0f || spec->logit_scale != 1.0f;
    mu_features features = 0;
    if (spec->n_kinds > 1) features |= 1u << MU_FEATURE_MIXED_LAYERS;
    if (spec->out_norm == MU_NORM_RMS) features |= 1u << MU_FEATURE_RMS_NORM;
    if (has_scales) features |= 1u << MU_FEATURE_SCALES;
    if (spec->logit_softcap > 0.0f) features |= 1u << MU_FEATURE_SOFTCAP;
    if (spec->is_bidirectional || !spec->has_output) features |= 1u << MU_FEATURE_ENCODER;
    for (uint32_t i = 0; i < spec->n_kinds; i++) {
        features |= kind_features(spec, &spec->kinds[i]);
    }
    return features;
}

mu_status mu_decoder_check(const mu_decoder_spec *spec, mu_features has, const char *who,
                           mu_err *err) {
    static const char *const texts[] = {
#define X(name, text) [name] = text,
        MU_FEATURE_MAP(X)
#undef X
    };
    mu_features lacks = mu_decoder_features(spec) & ~has;
    for (int i = 0; i < MU_N_FEATURES; i++) {
        if (lacks & 1u << i) {
            return mu_fail(err, MU_ERR_UNSUPPORTED, "%s has no %s yet", who, texts[i]);
        }
    }
    return MU_OK;
}
