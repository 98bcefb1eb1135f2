/* thinking.h - a bound on the reasoning of a sequence: when its tokens are used up, the mark that
 * ends it is what comes next.
 *
 *     before ──open──▶ on ──close, its own or forced──▶ over
 *        └─anything else──────────────────────────────▶ over
 *
 * What a token says is the bytes of its piece, control tokens included. Memory: the marks are
 * copied at init(); nothing is allocated afterwards. Threads: those of the sequence.
 */
#ifndef MU_ENGINE_THINKING_H
#define MU_ENGINE_THINKING_H

#include "engine/stop.h"

typedef enum mu_thinking_phase {
    MU_THINKING_OVER, /* or never was */
    MU_THINKING_BEFORE,
    MU_THINKING_ON,
} mu_thinking_phase;

typedef struct mu_thinking {
    mu_thinking_phase phase;
    mu_stop close;
    char *open;      /* owned; NULL: it is on from the start */
    mu_token *ends;  /* [n_ends], owned: the close mark */
    size_t n_opened; /* bytes of open so far */
    uint32_t n_ends, n_forced, n_max, n;
} mu_thinking;

/* options NULL: over. Errors: MU_ERR_INVALID, MU_ERR_NOMEM. */
mu_status mu_thinking_init(mu_thinking *t, const mu_thinking_options *options,
                           mu_err *err) MU_MUST_USE;
void mu_thinking_deinit(mu_thinking *t); /* a zeroed one is allowed */

/* The token that must come next, or MU_TOKEN_NONE. */
mu_token mu_thinking_forced(const mu_thinking *t);
/* A token was appended. piece: its bytes. */
void mu_thinking_push(mu_thinking *t, mu_bytes piece);

#endif
