/* common.h - what most families since Llama spell alike: config keys, tensor names, switches.
 * Private to families/.
 */
#ifndef MU_MODEL_FAMILIES_COMMON_H
#define MU_MODEL_FAMILIES_COMMON_H

#include "model/config.h"

enum { MU_N_COMMON_KEYS = 8 };
extern const mu_key_row mu_common_keys[MU_N_COMMON_KEYS];
extern const mu_slot_row mu_common_model_slots[MU_N_MODEL_SLOTS];
extern const mu_slot_row mu_common_layer_slots[MU_N_LAYER_SLOTS];

/* Rows that a family with other names changes or takes over. LAYER(hf, gguf) is a pair of names. */
#define MU_SLOT_DEVIATION  .deviation = 0.02f
#define MU_LAYER(hf, gguf) .names = {"layers.%u." hf, "blk.%u." gguf}, MU_SLOT_DEVIATION
#define MU_NORM_ROW(hf, gguf) \
    { MU_LAYER(hf, gguf), .is_norm = true }

// clang-format off
/* Q, K, V and O, their biases, norms of q and k, and a gated FFN, as nearly all spell them. */
#define MU_ATTENTION_ROWS                                                                        \
    [MU_Q_W] = {MU_LAYER("self_attn.q_proj.weight", "attn_q.weight"), .is_turned = true},        \
    [MU_K_W] = {MU_LAYER("self_attn.k_proj.weight", "attn_k.weight"), .is_turned = true},        \
    [MU_V_W] = {MU_LAYER("self_attn.v_proj.weight", "attn_v.weight")},                           \
    [MU_O_W] = {MU_LAYER("self_attn.o_proj.weight", "attn_output.weight"), .is_residual = true}
#define MU_ATTENTION_BIAS_ROWS                                                                   \
    [MU_Q_B] = {MU_LAYER("self_attn.q_proj.bias", "attn_q.bias"), .is_turned = true},            \
    [MU_K_B] = {MU_LAYER("self_attn.k_proj.bias", "attn_k.bias"), .is_turned = true},            \
    [MU_V_B] = {MU_LAYER("self_attn.v_proj.bias", "attn_v.bias")},                               \
    [MU_O_B] = {MU_LAYER("self_attn.o_proj.bias", "attn_output.bias")}
#define MU_QK_NORM_ROWS                                                                          \
    [MU_Q_NORM_W] = MU_NORM_ROW("self_attn.q_norm.weight", "attn_q_norm.weight"),                \
    [MU_K_NORM_W] = MU_NORM_ROW("self_attn.k_norm.weight", "attn_k_norm.weight")
#define MU_GATED_FFN_ROWS                                                                        \
    [MU_GATE_W] = {MU_LAYER("mlp.gate_proj.weight", "ffn_gate.weight")},                         \
    [MU_UP_W] = {MU_LAYER("mlp.up_proj.weight", "ffn_up.weight")},                               \
    [MU_DOWN_W] = {MU_LAYER("mlp.down_proj.weight", "ffn_down.weight"), .is_residual = true}
// clang-format on

/* The members of a family that are the same in all that use the tables above. */
#define MU_COMMON_FAMILY                                                                    \
    .prefixes = {"model.", "", "model.language_model.", "language_model.model.",            \
                 "language_model."},                                                        \
    .ignored = {"rotary_emb.inv_freq"}, .keys = mu_common_keys, .n_keys = MU_N_COMMON_KEYS, \
    .model_slots = mu_common_model_slots

/* RMS epsilon, activation, rotary positions, biases of attention (attention_bias, or the tensors of
 * a GGUF file), of the first kind. */
void mu_common_describe(mu_config *config, const mu_shape *shape, mu_decoder_spec *spec);
void mu_common_declare(const mu_family *family, const mu_decoder_spec *spec,
                       mu_gguf_writer *writer);

/* Make a second kind of layer, a copy of the first with a window, and give it to the layers that
 * layer_types or GGUF's pattern name; where both are silent, to those that are not the last of
 * every `period`. window 0: from the key sliding_window; none there: no layer has one. Returns the
 * second kind, or NULL. */
mu_layer_kind *mu_common_windows(mu_config *config, mu_decoder_spec *spec, uint32_t window,
                                 uint32_t period);

#endif
