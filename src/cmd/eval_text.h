/* eval_text.h - the text that an evaluation runs a model over, as tokens. */
#ifndef MU_CMD_EVAL_TEXT_H
#define MU_CMD_EVAL_TEXT_H

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

/* --window and --stride (0: not given) settled against a context; MU_ERR_INVALID names the flag. */
mu_status mu_eval_windows_settle(uint32_t n_ctx, uint32_t *window, uint32_t *stride,
                                 mu_err *err) MU_MUST_USE;

#endif
