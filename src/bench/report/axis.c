#include "bench/report/axis.h"

#include <math.h>

/* 1, 2 or 5 times a power of ten, so that about n steps cover the span. */
static double round_step(double span, size_t n) {
    double raw = span / (double)(n > 0 ? n : 1);
    double power = pow(10.0, floor(log10(raw))), part = raw / power;
    return power * (part <= 1.0001 ? 1.0 : part <= 2.0001 ? 2.0 : part <= 5.0001 ? 5.0 : 10.0);
}

mu_axis mu_axis_of(mu_axis_kind kind, double low, double high, bool from_zero, double from,
                   double to) {
    mu_axis axis = {kind, low, high, from, to};
    if (kind == MU_AXIS_TAIL) {
        axis.low = fmax(0.0, fmin(low, 0.99));
        axis.high = fmin(fmax(high, axis.low + 0.005), 1.0 - 1e-9);
        return axis;
    }
    if (kind == MU_AXIS_LOG && low > 0.0) {
        if (high / low < 1.2) axis.high = low * 1.2;
        return axis;
    }
    axis.kind = MU_AXIS_LINEAR;
    if (from_zero && low > 0.0) axis.low = 0.0;
    if (from_zero && high < 0.0) axis.high = 0.0;
    if (!(axis.high > axis.low)) {
        double half = fmax(fabs(high) * 0.05, 1e-9);
        axis.low = from_zero && low >= 0.0 ? 0.0 : low - half;
        axis.high = high + half;
    }
    double step = round_step(axis.high - axis.low, 4);
    axis.low = floor(axis.low / step + 1e-9) * step;
    axis.high = ceil(axis.high / step - 1e-9) * step;
    return axis;
}

static double place(mu_axis_kind kind, double value) {
    switch (kind) {
    case MU_AXIS_LOG:
        return log(value);
    case MU_AXIS_TAIL:
        return -log(1.0 - value);
    default:
        return value;
    }
}

double mu_axis_at(const mu_axis *a, double value) {
    double v = fmin(fmax(value, a->low), a->high);
    double low = place(a->kind, a->low), high = place(a->kind, a->high);
    return a->from + (place(a->kind, v) - low) / (high - low) * (a->to - a->from);
}

static size_t log_ticks(const mu_axis *a, size_t n_wanted, double *out) {
    static const double few[] = {1}, some[] = {1, 3}, many[] = {1, 2, 5};
    double decades = log10(a->high / a->low);
    const double *steps = decades > (double)n_wanted - 1.0 ? few : decades > 2.0 ? some : many;
    size_t n_steps = steps == few ? 1 : steps == some ? 2 : 3, n = 0;
    for (double e = floor(log10(a->low)); e <= ceil(log10(a->high)) && n < MU_TICKS_MAX; e += 1.0) {
        for (size_t i = 0; i < n_steps && n < MU_TICKS_MAX; i++) {
            double tick = steps[i] * pow(10.0, e);
            if (tick >= a->low * 0.9999 && tick <= a->high * 1.0001) out[n++] = tick;
        }
    }
    return n;
}

size_t mu_axis_ticks(const mu_axis *a, size_t n_wanted, double *out) {
    static const double tails[] = {0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999};
    size_t n = 0;
    if (a->kind == MU_AXIS_TAIL) {
        for (size_t i = 0; i < MU_COUNTOF(tails); i++) {
            if (tails[i] >= a->low - 1e-12 && tails[i] <= a->high + 1e-12) out[n++] = tails[i];
        }
        return n;
    }
    if (a->kind == MU_AXIS_LOG) n = log_ticks(a, n_wanted, out);
    if (n >= 2) return n;
    double step = round_step(a->high - a->low, n_wanted);
    n = 0;
    for (double tick = ceil(a->low / step - 1e-9) * step;
         tick <= a->high + step * 1e-9 && n < MU_TICKS_MAX; tick += step) {
        out[n++] = fabs(tick) < step * 1e-9 ? 0.0 : tick;
    }
    return n;
}
