#include "base/distributions.h"

#include <float.h>
#include <math.h>

double mu_normal_cdf(double z) {
    return 0.5 * erfc(-z / sqrt(2.0));
}

/* Acklam's rational approximation (relative error 1e-9), then one step of Halley's method. */
double mu_normal_quantile(double p) {
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00};
    MU_ASSERT(p >= 0.0 && p <= 1.0);
    if (p == 0.0) return -INFINITY;
    if (p == 1.0) return INFINITY;
    double tail = fmin(p, 1.0 - p), x;
    if (tail < 0.02425) {
        double q = sqrt(-2.0 * log(tail));
        x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
            ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1.0);
    } else {
        double q = tail - 0.5, r = q * q;
        x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
            (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1.0);
    }
    double error = mu_normal_cdf(x) - tail;
    double u = error * sqrt(2.0 * 3.14159265358979323846) * exp(x * x / 2.0);
    x -= u / (1.0 + x * u / 2.0);
    return p <= 0.5 ? x : -x;
}

static double log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign); /* lgamma() writes a global */
}

/* The continued fraction of the incomplete beta function, by Lentz's method. */
static double beta_fraction(double a, double b, double x) {
    enum { N_TERMS_MAX = 100000 };
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
    double h = d;
    for (int i = 1; i <= N_TERMS_MAX; i++) {
        double m = i, step = 1.0;
        for (int half = 0; half < 2; half++) {
            double term = half == 0
                              ? m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
                              : -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
            d = 1.0 + term * d;
            c = 1.0 + term / c;
            if (fabs(d) < DBL_MIN) d = DBL_MIN;
            if (fabs(c) < DBL_MIN) c = DBL_MIN;
            d = 1.0 / d;
            step = d * c;
            h *= step;
        }
        if (fabs(step - 1.0) < 1e-15) break;
    }
    return h;
}

static double incomplete_beta(double a, double b, double x) { /* regularized */
    if (x <= 0.0) return 0.0;
    if (x >= 1.0) return 1.0;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(a, b, x) / a;
    return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

double mu_student_cdf(double t, double df) {
    MU_ASSERT(df > 0.0);
    double tail = 0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t));
    return t > 0.0 ? 1.0 - tail : tail;
}

double mu_student_quantile(double p, double df) {
    MU_ASSERT(p > 0.0 && p < 1.0 && df > 0.0);
    double tail = fmin(p, 1.0 - p), low = -1.0, high = 0.0;
    while (mu_student_cdf(low, df) > tail && low > -1e300) {
        high = low;
        low *= 2.0;
    }
    for (int i = 0; i < 200 && low < high; i++) {
        double middle = low + (high - low) / 2.0;
        if (middle == low || middle == high) break;
        if (mu_student_cdf(middle, df) > tail) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return p <= 0.5 ? low : -low;
}

double mu_binomial_cdf(uint64_t k, uint64_t n, double p) {
    MU_ASSERT(p >= 0.0 && p <= 1.0);
    if (k >= n) return 1.0;
    return incomplete_beta((double)(n - k), (double)k + 1.0, 1.0 - p);
}

uint64_t mu_binomial_quantile(double q, uint64_t n, double p) {
    MU_ASSERT(q > 0.0 && q < 1.0);
    uint64_t low = 0, high = n;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (mu_binomial_cdf(middle, n, p) >= q) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

double mu_expanded_975(double n) {
    MU_ASSERT(n > 1.0);
    return sqrt(n / (n - 1.0)) * mu_student_quantile(0.975, n - 1.0);
}
