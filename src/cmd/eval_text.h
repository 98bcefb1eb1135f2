/* eval_text.h - the text that an evaluation runs a model over, as tokens. */
#ifndef MU_CMD_EVAL_TEXT_H
#define MU_CMD_EVAL_TEXT_H

#include "cmd/options.h"
#include "model/model.h"

typedef struct mu_eval_text {
    mu_token *tokens; /* [n], owned; n > 1 */
    uint32_t n;
    bool has_start; /* the first is the token that begins a text, put there or found there */
} mu_eval_text;

/* A text file ("-": standard input), at most n_max tokens of it (0: all), behind the model's bos,
 * or its eos where it has no bos, as GPT-2. A text that begins so itself gets no second one; a
 * model with neither token starts from the text's first token. is_plain: special tokens that are
 * spelled in the text stay text. Errors: MU_ERR_INVALID names the file and what is wrong with it.
 */
mu_status mu_eval_text_read(const mu_model *model, const char *path, uint32_t n_max, bool is_plain,
                            mu_eval_text *out, mu_err *err) MU_MUST_USE;
void mu_eval_text_deinit(mu_eval_text *text); /* a zeroed one is allowed */

/* What every evaluation over a text can be told. */
typedef struct mu_eval_text_options {
    const char *kv;
    uint32_t n_tokens, window, stride, threads;
    bool plain;
} mu_eval_text_options;

// clang-format off
#define MU_EVAL_TEXT_OPTIONS(o)                                                                \
    {"kv", 0, MU_OPTION_TEXT, &(o)->kv, 0, 0, "TYPE",                                          \
     "KV cache as f32, bf16 or f16; auto: f32 beside f32 weights, else 16 bits"},              \
    {"window", 0, MU_OPTION_U32, &(o)->window, 0, 1 << 20, "N",                                \
     "tokens in view at once; 0: the model's context"},                                        \
    {"stride", 0, MU_OPTION_U32, &(o)->stride, 0, 1 << 20, "N",                                \
     "tokens from window to window; 0: half of it"},                                           \
    {"n-tokens", 'n', MU_OPTION_U32, &(o)->n_tokens, 0, 1 << 30, "N",                          \
     "of the text at most; 0: all"},                                                           \
    {"plain", 0, MU_OPTION_FLAG, &(o)->plain, 0, 0, NULL,                                      \
     "<|endoftext|> and the like in the text are text"},                                       \
    {"threads", 't', MU_OPTION_U32, &(o)->threads, 0, 1024, "N",                               \
     "0: what affinity and quota allow"}
// clang-format on

/* --window and --stride (0: not given) settled against a context; MU_ERR_INVALID names the flag. */
mu_status mu_eval_windows_settle(uint32_t n_ctx, uint32_t *window, uint32_t *stride,
                                 mu_err *err) MU_MUST_USE;

#endif
