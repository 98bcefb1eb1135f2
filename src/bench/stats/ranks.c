#include "bench/stats/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/distributions.h"
#include "bench/stats/percentiles.h"

typedef struct item {
    double key;
    bool is_chosen;  /* positive, or of arm a */
    uint32_t rank_2; /* twice the midrank, a whole number */
} item;

static int by_key(const void *a, const void *b) {
    double x = ((const item *)a)->key, y = ((const item *)b)->key;
    return x < y ? -1 : x > y;
}

/* Sort, give midranks, and return the sum of t^3 - t over groups of t equal keys. */
static double rank_items(item *items, size_t n) {
    double ties = 0.0;
    qsort(items, n, sizeof(*items), by_key);
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        while (end < n && items[end].key == items[i].key) {
            end++;
        }
        for (size_t k = i; k < end; k++) {
            items[k].rank_2 = (uint32_t)(i + 1 + end);
        }
        double t = (double)(end - i);
        ties += t * t * t - t;
    }
    return ties;
}

static double chosen_sum_2(const item *items, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].is_chosen) sum += items[i].rank_2;
    }
    return sum;
}

/* Both tails of a table of counts: twice the smaller, at most 1. */
static double two_sided(const double *counts, size_t n, size_t at) {
    double below = 0.0, above = 0.0, total = 0.0;
    for (size_t i = 0; i < n; i++) {
        total += counts[i];
        if (i <= at) below += counts[i];
        if (i >= at) above += counts[i];
    }
    return fmin(1.0, 2.0 * fmin(below, above) / total);
}

static double normal_p(double distance, double variance) { /* of a statistic from its mean */
    if (variance <= 0.0) return 1.0;
    double z = fmax(0.0, fabs(distance) - 0.5) / sqrt(variance);
    return 2.0 * mu_normal_cdf(-z);
}

/* counts[s]: the ways to give signs so that positive doubled ranks add up to s. */
static double signed_rank_exact(const item *items, size_t n) {
    double counts[MU_RANKS_EXACT_MAX * (MU_RANKS_EXACT_MAX + 1) + 1] = {1.0};
    size_t sum_max = n * (n + 1);
    for (size_t i = 0; i < n; i++) {
        for (size_t s = sum_max; s >= items[i].rank_2; s--) {
            counts[s] += counts[s - items[i].rank_2];
        }
    }
    return two_sided(counts, sum_max + 1, (size_t)chosen_sum_2(items, n));
}

mu_status mu_signed_rank(const double *values, size_t n, mu_rank_test *out, mu_err *err) {
    item *items = MU_ALLOC(item, n);
    if (!items) return mu_fail(err, MU_ERR_NOMEM, "ranks of %zu values", n);
    size_t n_items = 0;
    for (size_t i = 0; i < n; i++) {
        if (values[i] == 0.0) continue;
        items[n_items++] = (item){.key = fabs(values[i]), .is_chosen = values[i] > 0.0};
    }
    double ties = rank_items(items, n_items), count = (double)n_items;
    mu_rank_test test = {.statistic = chosen_sum_2(items, n_items) / 2.0, .p = 1.0, .n = n_items};
    test.is_exact = n_items <= MU_RANKS_EXACT_MAX;
    if (test.is_exact) {
        test.p = signed_rank_exact(items, n_items);
    } else {
        double mean = count * (count + 1.0) / 4.0;
        double variance = count * (count + 1.0) * (2.0 * count + 1.0) / 24.0 - ties / 48.0;
        test.p = normal_p(test.statistic - mean, variance);
    }
    mu_free(items);
    *out = test;
    return MU_OK;
}

/* counts[k][s]: the ways to choose k items whose doubled ranks add up to s. */
static mu_status mann_whitney_exact(const item *items, size_t n, size_t n_a, double *out_p,
                                    mu_err *err) {
    size_t width = n * (n + 1) + 1;
    double *counts = MU_ALLOC(double, (n_a + 1) * width);
    if (!counts) return mu_fail(err, MU_ERR_NOMEM, "exact distribution of %zu ranks", n);
    counts[0] = 1.0;
    for (size_t i = 0; i < n; i++) {
        size_t rank = items[i].rank_2;
        for (size_t k = i + 1 < n_a ? i + 1 : n_a; k > 0; k--) {
            double *to = counts + k * width;
            const double *from = to - width;
            for (size_t s = rank; s < width; s++) {
                to[s] += from[s - rank];
            }
        }
    }
    *out_p = two_sided(counts + n_a * width, width, (size_t)chosen_sum_2(items, n));
    mu_free(counts);
    return MU_OK;
}

mu_status mu_mann_whitney(const double *a, size_t n_a, const double *b, size_t n_b,
                          mu_rank_test *out, mu_err *err) {
    size_t n = n_a + n_b;
    item *items = MU_ALLOC(item, n);
    if (!items) return mu_fail(err, MU_ERR_NOMEM, "ranks of %zu values", n);
    for (size_t i = 0; i < n; i++) {
        items[i] = (item){.key = i < n_a ? a[i] : b[i - n_a], .is_chosen = i < n_a};
    }
    double ties = rank_items(items, n), x = (double)n_a, y = (double)n_b, both = x + y;
    mu_rank_test test = {.p = 1.0, .n = n, .is_exact = n <= MU_RANKS_EXACT_MAX};
    test.statistic = chosen_sum_2(items, n) / 2.0 - x * (x + 1.0) / 2.0;
    mu_status status = MU_OK;
    if (test.is_exact) {
        status = mann_whitney_exact(items, n, n_a, &test.p, err);
    } else if (n_a > 0 && n_b > 0) {
        double variance = x * y / 12.0 * (both + 1.0 - ties / (both * (both - 1.0)));
        test.p = normal_p(test.statistic - x * y / 2.0, variance);
    }
    mu_free(items);
    if (status == MU_OK) *out = test;
    return status;
}

double mu_signed_rank_floor(size_t n) {
    return n == 0 ? 1.0 : exp2(1.0 - (double)n);
}

double mu_mann_whitney_floor(size_t n_a, size_t n_b) {
    double ways = 1.0;
    for (size_t i = 1; i <= n_a; i++) {
        ways *= (double)(n_b + i) / (double)i;
    }
    return fmin(1.0, 2.0 / ways);
}

double mu_hodges_lehmann(const double *values, size_t n, double *scratch) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j < n; j++) {
            scratch[k++] = values[i] + (values[j] - values[i]) / 2.0;
        }
    }
    return mu_values_median(scratch, k);
}

double mu_hodges_lehmann_shift(const double *a, size_t n_a, const double *b, size_t n_b,
                               double *scratch) {
    size_t k = 0;
    for (size_t i = 0; i < n_a; i++) {
        for (size_t j = 0; j < n_b; j++) {
            scratch[k++] = b[j] - a[i];
        }
    }
    return mu_values_median(scratch, k);
}

/* Step down: the smallest is multiplied by n, the next by n - 1, and none is less than one before.
 * Which is the next is found by search: there are few. Done ones are marked by a negative sign. */
void mu_holm(double *p, size_t n) {
    double last = 0.0;
    for (size_t step = 0; step < n; step++) {
        size_t next = n;
        for (size_t i = 0; i < n; i++) {
            if (!signbit(p[i]) && (next == n || p[i] < p[next])) next = i;
        }
        MU_ASSERT(next < n);
        last = fmax(last, fmin(1.0, p[next] * (double)(n - step)));
        p[next] = -last;
    }
    for (size_t i = 0; i < n; i++) {
        p[i] = fabs(p[i]);
    }
}
