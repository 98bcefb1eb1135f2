/* axis.h - from values to places on paper, and where the ticks go.
 *
 * An axis maps [low, high] of its values to [from, to] of its drawing, straight, by logarithm, or
 * by the tail: p in [0, 1) at log(1 / (1 - p)), which gives the 99th percentile as much room as the
 * 90th.
 *
 * Pure; any thread. Values outside the domain are drawn at its edge.
 */
#ifndef MU_BENCH_REPORT_AXIS_H
#define MU_BENCH_REPORT_AXIS_H

#include "base/base.h"

enum { MU_TICKS_MAX = 12 };

typedef enum mu_axis_kind { MU_AXIS_LINEAR, MU_AXIS_LOG, MU_AXIS_TAIL } mu_axis_kind;

typedef struct mu_axis {
    mu_axis_kind kind;
    double low, high; /* of the values; low < high; for MU_AXIS_LOG low > 0, for TAIL high < 1 */
    double from, to;  /* of the drawing; from > to when it grows upwards */
} mu_axis;

/* Widens [low, high] of the data to round numbers (from 0 if it says so); never empty. An axis of
 * logarithms falls back to a straight one when low is not above 0. */
mu_axis mu_axis_of(mu_axis_kind kind, double low, double high, bool from_zero, double from,
                   double to);

double mu_axis_at(const mu_axis *axis, double value);

/* Round values inside the domain, rising, about n_wanted of them. out: [MU_TICKS_MAX]. */
size_t mu_axis_ticks(const mu_axis *axis, size_t n_wanted, double *out);

#endif
