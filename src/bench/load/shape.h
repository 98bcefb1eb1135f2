/* shape.h - how long prompts and answers are, by name or by number.
 *
 *     tiny 16/8   chat 128/64   code 512/64   rag 768/128   long 896/128   or "512/128"
 *
 * Pure; any thread.
 */
#ifndef MU_BENCH_LOAD_SHAPE_H
#define MU_BENCH_LOAD_SHAPE_H

#include "base/status.h"

enum { MU_SHAPES_MAX = 16, MU_SHAPE_NAME_MAX = 24, MU_SHAPE_TOKENS_MAX = 1 << 20 };

typedef struct mu_shape {
    char name[MU_SHAPE_NAME_MAX]; /* "chat", or "512/128" when it was given by number */
    uint32_t prompt_tokens;       /* 1 to MU_SHAPE_TOKENS_MAX */
    uint32_t output_tokens;       /* 1 to MU_SHAPE_TOKENS_MAX */
} mu_shape;

/* Errors: MU_ERR_INVALID, with the names that exist. */
mu_status mu_shape_parse(const char *text, mu_shape *out, mu_err *err) MU_MUST_USE;

/* A comma list: "tiny,chat,512/128". out: [MU_SHAPES_MAX]. */
mu_status mu_shape_parse_list(const char *text, mu_shape *out, uint32_t *n_out,
                              mu_err *err) MU_MUST_USE;

#endif
