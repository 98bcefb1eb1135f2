#include "engine/score_head.h"

#include <math.h>

struct mu_score_head {
    uint32_t n_dims, n_labels;
    float *head_w, *head_b;   /* [n_dims, n_dims], [n_dims] */
    float *score_w, *score_b; /* [n_labels, n_dims], [n_labels] */
    float *inner;             /* [n_dims] */
};

size_t mu_score_head_bytes(const mu_decoder_spec *spec) {
    size_t n_dims = spec->hidden_dim, n_labels = spec->n_labels;
    size_t n_floats = (n_dims + n_labels) * n_dims + 2 * n_dims + n_labels;
    return n_labels > 0 ? sizeof(mu_score_head) + n_floats * sizeof(float) + 1024 : 0;
}

static float *take(mu_arena *arena, const mu_model *model, mu_model_slot slot) {
    const mu_weight *w = mu_model_weight(model, slot);
    float *out = MU_NEW(arena, float, (size_t)w->n_out * w->n_in);
    MU_ASSERT(out);
    mu_weight_read_rows(w, 0, w->n_out, out);
    return out;
}

mu_score_head *mu_score_head_create(mu_arena *arena, const mu_model *model) {
    const mu_decoder_spec *spec = mu_model_spec(model);
    if (spec->n_labels == 0) return NULL;
    mu_score_head *head = MU_NEW(arena, mu_score_head, 1);
    MU_ASSERT(head);
    *head = (mu_score_head){
        .n_dims = spec->hidden_dim,
        .n_labels = spec->n_labels,
        .head_w = take(arena, model, MU_HEAD_W),
        .head_b = take(arena, model, MU_HEAD_B),
        .score_w = take(arena, model, MU_SCORE_W),
        .score_b = take(arena, model, MU_SCORE_B),
        .inner = MU_NEW(arena, float, spec->hidden_dim),
    };
    MU_ASSERT(head->inner);
    return head;
}

static float product(const float *w, const float *x, uint32_t n) {
    float sum = 0.0f;
    for (uint32_t i = 0; i < n; i++) {
        sum += w[i] * x[i];
    }
    return sum;
}

bool mu_score_head_run(mu_score_head *head, float *x) {
    uint32_t n = head->n_dims;
    bool is_finite = true;
    for (uint32_t i = 0; i < n; i++) {
        head->inner[i] = tanhf(product(head->head_w + (size_t)i * n, x, n) + head->head_b[i]);
    }
    for (uint32_t i = 0; i < head->n_labels; i++) {
        x[i] = product(head->score_w + (size_t)i * n, head->inner, n) + head->score_b[i];
        is_finite &= isfinite(x[i]) != 0;
    }
    return is_finite;
}
