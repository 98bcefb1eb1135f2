/* metric.h - one metric of a cell as a document shows it: percentiles that may be shown, their
 * intervals, the mean, the curve.
 *
 * Values are in the order of time. Values that belong together (the gaps of one request) form a
 * unit. The effective number of values behind a percentile is that of the series of "is at most the
 * percentile": by autocorrelation, or, where there are units, by their design effect
 *
 *     n_eff = n / (1 + (m - 1) icc)      m: mean size of a unit, icc: correlation within units
 *                                        (Kish 1965; icc by one-way analysis of variance)
 *
 * Units may be whole runs. Then the values of each are a series, their effective numbers add up,
 * and from MU_METRIC_RUNS_MIN runs on the median and the mean have the interval of runs drawn again
 * (stats/resample.h), which needs no more than the runs' independence.
 *
 * Threads: any. Memory: the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_METRIC_H
#define MU_BENCH_SUITE_METRIC_H

#include <jansson.h>

#include "base/status.h"

enum { MU_METRIC_RUNS_MIN = 5 };

typedef struct mu_metric {
    const char *unit;
    double *values; /* [n], owned; mu_metric_deinit() */
    size_t n, cap;
    size_t *unit_ends; /* [n_units], owned; NULL: every value is one */
    size_t n_units, cap_units;
    bool has_units, units_are_runs;
    bool failed;     /* an addition found no memory */
    const char *why; /* there is no value */
    uint64_t seed;
} mu_metric;

void mu_metric_add(mu_metric *m, double value);
void mu_metric_end_unit(mu_metric *m); /* what was added since the last one is a unit */
void mu_metric_deinit(mu_metric *m);

/* {"unit", "n", "n_eff", "mean", "min", "max", "p50" ..., "ci", "gate", "curve"}, or {"unit", "n":
 * 0, "why"}. */
mu_status mu_metric_json(const mu_metric *m, json_t **out, mu_err *err) MU_MUST_USE;

#endif
