#include "engine/thinking.h"

#include <string.h>

#include "base/alloc.h"

mu_status mu_thinking_init(mu_thinking *t, const mu_thinking_options *o, mu_err *err) {
    *t = (mu_thinking){0};
    if (!o) return MU_OK;
    MU_ASSERT(o->n_ends > 0);
    mu_status status = mu_stop_init(&t->close, &o->close, 1, err);
    if (status != MU_OK) return status;
    t->n_max = o->n_max;
    t->n_ends = o->n_ends;
    t->ends = MU_ALLOC(mu_token, o->n_ends);
    if (o->open) t->open = mu_alloc(strlen(o->open) + 1);
    if (!t->ends || (o->open && !t->open)) return mu_fail(err, MU_ERR_NOMEM, "sequence");
    memcpy(t->ends, o->ends, o->n_ends * sizeof(*t->ends));
    if (o->open) memcpy(t->open, o->open, strlen(o->open));
    t->phase = o->open ? MU_THINKING_BEFORE : MU_THINKING_ON;
    return MU_OK;
}

void mu_thinking_deinit(mu_thinking *t) {
    mu_stop_deinit(&t->close);
    mu_free(t->open);
    mu_free(t->ends);
    *t = (mu_thinking){0};
}

mu_token mu_thinking_forced(const mu_thinking *t) {
    if (t->phase != MU_THINKING_ON || t->n < t->n_max) return MU_TOKEN_NONE;
    return t->ends[t->n_forced];
}

/* Blanks may come before the mark. What comes with its last bytes is not looked at. */
static void look_for_open(mu_thinking *t, mu_bytes piece) {
    for (size_t i = 0; i < piece.n && t->phase == MU_THINKING_BEFORE; i++) {
        bool is_blank = t->n_opened == 0 && piece.data[i] != '\0' && strchr(" \t\n", piece.data[i]);
        if (is_blank) continue;
        if (piece.data[i] != t->open[t->n_opened++]) {
            t->phase = MU_THINKING_OVER;
        } else if (t->open[t->n_opened] == '\0') {
            t->phase = MU_THINKING_ON;
        }
    }
}

void mu_thinking_push(mu_thinking *t, mu_bytes piece) {
    if (t->phase == MU_THINKING_BEFORE) {
        look_for_open(t, piece);
        return;
    }
    if (t->phase == MU_THINKING_OVER) return;
    if (t->n >= t->n_max) t->n_forced++;
    t->n++;
    bool is_closed = mu_stop_push(&t->close, piece.data ? piece.data : "", piece.n, true);
    if (is_closed || t->n_forced == t->n_ends) t->phase = MU_THINKING_OVER;
}
