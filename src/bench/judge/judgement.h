/* judgement.h - one target against one figure: the step between targets.h and its table of
 * built-in targets. Private to judge/.
 *
 * Threads: any. Memory: texts are borrowed, why is owned: mu_judgement_deinit().
 */
#ifndef MU_BENCH_JUDGE_JUDGEMENT_H
#define MU_BENCH_JUDGE_JUDGEMENT_H

#include "base/buf.h"
#include "bench/result/view.h"

typedef enum mu_target_verdict {
    MU_TARGET_INCONCLUSIVE,
    MU_TARGET_PASS,
    MU_TARGET_FAIL,
} mu_target_verdict;

const char *mu_target_verdict_name(mu_target_verdict verdict); /* "pass" */

typedef struct mu_judgement {
    const char *id, *name, *metric, *unit;
    const char *statement; /* "": the name says it */
    double limit;
    bool is_higher_better;
    const json_t *cell;        /* of the figure; NULL: none */
    const char *system;        /* its id, "" when the figure is of no system */
    mu_figure figure;          /* what was found */
    mu_target_verdict verdict; /* outputs */
    mu_buf why;
} mu_judgement;

void mu_judgement_deinit(mu_judgement *j);

/* Verdict and reason from figure, limit and side. The limit itself is on the right side. */
void mu_judgement_settle(mu_judgement *j);

/* Inconclusive, because. */
void mu_judgement_leave(mu_judgement *j, const char *fmt, ...) MU_PRINTF(2, 3);

/* The figure of all runs of a cell, then mu_judgement_settle(). Durations of a SATURATED cell
 * depend on how long it ran, so they are left inconclusive. */
void mu_judgement_settle_cell(mu_judgement *j, const mu_view_cell *cell, const char *path);

/* A row of "targets"; NULL: no memory. */
json_t *mu_judgement_json(const mu_judgement *j);

#endif
