/* key_figures.h - the figures of a document that are worth following over time. Private to judge/.
 *
 * One row for each cell (runs folded into one: median, union of intervals) and metric, and for
 * memory and capacity of each system. Cells that are not valid have none.
 *
 * Threads: any. Memory: texts are valid during the call.
 */
#ifndef MU_BENCH_JUDGE_KEY_FIGURES_H
#define MU_BENCH_JUDGE_KEY_FIGURES_H

#include "bench/result/view.h"

typedef struct mu_key_figure {
    const char *system; /* name */
    const char *cell;   /* id without its run; "memory", "capacity" */
    const char *metric; /* "ttft_ms.p50", "memory.peak_mb" */
    mu_figure figure;   /* value is known */
} mu_key_figure;

/* Of the one document of a view. Calls visit() for each; stops when it returns false, and then
 * returns false. */
bool mu_key_figures_visit(const mu_view *view,
                          bool (*visit)(void *ctx, const mu_key_figure *figure), void *ctx);

/* What a list of runs shows: of the first system, NAN when not measured. */
typedef struct mu_headline {
    double ttft_p50_ms, decode_tok_s; /* 1 client: the first valid cell of phase latency */
    double output_tok_s, requests_s;  /* highest of the valid cells */
    double peak_mb;
} mu_headline;

mu_headline mu_headline_of(const mu_view *view);

#endif
