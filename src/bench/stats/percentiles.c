#include "bench/stats/percentiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/distributions.h"

static const double tail_max = 0.025; /* left out at each end */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void mu_values_sort(double *values, size_t n) {
    if (n > 1) qsort(values, n, sizeof(*values), by_value);
}

mu_status mu_values_sorted_copy(const double *values, size_t n, double **out, mu_err *err) {
    double *copy = MU_ALLOC(double, n);
    if (!copy) return mu_fail(err, MU_ERR_NOMEM, "sorted copy of %zu values", n);
    if (n > 0) memcpy(copy, values, n * sizeof(*copy));
    mu_values_sort(copy, n);
    *out = copy;
    return MU_OK;
}

static void swap(double *a, double *b) {
    double was = *a;
    *a = *b;
    *b = was;
}

double mu_values_select(double *values, size_t n, size_t rank) {
    MU_ASSERT(rank < n);
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (values[middle] < values[low]) swap(&values[middle], &values[low]);
        if (values[high] < values[low]) swap(&values[high], &values[low]);
        if (values[high] < values[middle]) swap(&values[high], &values[middle]);
        double pivot = values[middle];
        size_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) {
                i++;
            }
            while (pivot < values[j]) {
                j--;
            }
            if (i > j) break;
            swap(&values[i++], &values[j]);
            if (j == 0) break;
            j--;
        }
        if (rank <= j) {
            high = j;
        } else if (rank >= i) {
            low = i;
        } else {
            break; /* between the halves all are equal to the pivot */
        }
    }
    return values[rank];
}

double mu_values_median(double *values, size_t n) {
    MU_ASSERT(n > 0);
    double upper = mu_values_select(values, n, n / 2);
    if (n % 2 == 1) return upper;
    double lower = values[0]; /* the largest of those before the upper one */
    for (size_t i = 1; i < n / 2; i++) {
        lower = fmax(lower, values[i]);
    }
    return lower + (upper - lower) / 2;
}

uint64_t mu_percentile_rank(uint64_t n, double p) {
    MU_ASSERT(n > 0 && p > 0.0 && p < 1.0);
    double rank = ceil(p * (double)n - 1e-9); /* 0.9 * 10 must not become 10 */
    return rank < 1.0 ? 1 : rank > (double)n ? n : (uint64_t)rank;
}

double mu_percentile_of_sorted(const double *sorted, size_t n, double p) {
    return sorted[mu_percentile_rank(n, p) - 1];
}

bool mu_percentile_ranks(uint64_t n, double p, mu_ranks *out) {
    MU_ASSERT(p > 0.0 && p < 1.0);
    if (n == 0) return false;
    /* quantile(0.025) is the smallest k with P(B <= k) >= 0.025, so P(B <= k - 1) is less. */
    uint64_t low = mu_binomial_quantile(tail_max, n, p);
    uint64_t high = mu_binomial_quantile(1.0 - tail_max, n, p) + 1;
    if (low < 1 || high > n) return false;
    *out = (mu_ranks){low, high};
    return true;
}

uint64_t mu_percentile_n_needed(double p) {
    MU_ASSERT(p > 0.0 && p < 1.0);
    /* The outermost ranks leave out (1 - p)^n below and p^n above. */
    double below = ceil(log(tail_max) / log1p(-p)), above = ceil(log(tail_max) / log(p));
    return (uint64_t)fmax(below, above);
}

mu_percentile mu_percentile_estimate(const double *sorted, size_t n, double n_eff, double p) {
    MU_ASSERT(n_eff >= 0.0);
    uint64_t have = (uint64_t)fmin((double)n, floor(n_eff + 1e-9));
    mu_percentile out = {.p = p,
                         .value = NAN,
                         .ci = {NAN, NAN},
                         .n_need = mu_percentile_n_needed(p),
                         .n_have = have,
                         .is_gated = true};
    mu_ranks ranks;
    if (!mu_percentile_ranks(have, p, &ranks)) return out;
    double stretch = (double)n / (double)have;
    size_t low = (size_t)floor((double)(ranks.low - 1) * stretch);
    size_t high = (size_t)ceil((double)ranks.high * stretch - 1e-9) - 1;
    MU_ASSERT(low < n && high < n && low <= high);
    out.value = mu_percentile_of_sorted(sorted, n, p);
    out.ci = (mu_interval){sorted[low], sorted[high]};
    out.is_gated = false;
    return out;
}

void mu_percentile_gate(mu_percentile *percentile, double n_eff) {
    uint64_t have = (uint64_t)floor(n_eff + 1e-9);
    if (have >= percentile->n_have) return;
    percentile->n_have = have;
    if (have >= percentile->n_need) return;
    percentile->is_gated = true;
    percentile->value = NAN;
    percentile->ci = (mu_interval){NAN, NAN};
}
