#include "bench/load/shape.h"

#include <stdio.h>
#include <string.h>

static const mu_shape known[] = {
    {"tiny", 16, 8}, {"chat", 128, 64}, {"code", 512, 64}, {"rag", 768, 128}, {"long", 896, 128},
};

/* Digits up to a value of MU_SHAPE_TOKENS_MAX; *at is behind them. 0: no number or out of range. */
static uint32_t parse_tokens(const char **at) {
    uint64_t value = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (uint64_t)(**at - '0');
        if (value > MU_SHAPE_TOKENS_MAX) return 0;
    }
    return (uint32_t)value;
}

static mu_status parse_n(const char *text, size_t n, mu_shape *out, mu_err *err) {
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        if (strlen(known[i].name) == n && memcmp(known[i].name, text, n) == 0) {
            *out = known[i];
            return MU_OK;
        }
    }
    mu_shape shape = {0};
    char copy[MU_SHAPE_NAME_MAX];
    if (n < sizeof(copy)) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        const char *at = copy;
        shape.prompt_tokens = parse_tokens(&at);
        if (shape.prompt_tokens > 0 && *at == '/') {
            at++;
            shape.output_tokens = parse_tokens(&at);
            if (shape.output_tokens > 0 && *at == '\0') {
                snprintf(shape.name, sizeof(shape.name), "%u/%u", shape.prompt_tokens,
                         shape.output_tokens);
                *out = shape;
                return MU_OK;
            }
        }
    }
    return mu_fail(err, MU_ERR_INVALID,
                   "shape \"%.*s\": tiny, chat, code, rag, long or PROMPT/OUTPUT tokens (1 to %d)",
                   (int)(n < 40 ? n : 40), text, MU_SHAPE_TOKENS_MAX);
}

mu_status mu_shape_parse(const char *text, mu_shape *out, mu_err *err) {
    return parse_n(text, strlen(text), out, err);
}

mu_status mu_shape_parse_list(const char *text, mu_shape *out, uint32_t *n_out, mu_err *err) {
    mu_shape shapes[MU_SHAPES_MAX];
    uint32_t n_shapes = 0;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        if (n_shapes == MU_SHAPES_MAX) {
            return mu_fail(err, MU_ERR_INVALID, "shapes: at most %d", MU_SHAPES_MAX);
        }
        mu_status status = parse_n(at, n, &shapes[n_shapes++], err);
        if (status != MU_OK) return status;
        at += n;
        if (*at == '\0') break;
    }
    memcpy(out, shapes, n_shapes * sizeof(*shapes));
    *n_out = n_shapes;
    return MU_OK;
}
