/* How often verdicts are wrong: comparisons of a thing with itself, and memory with a known course.
 * Canaries: a real difference must be found by the same harness, and the bare Mann-Kendall test,
 * which is not the verdict, must be seen to raise its false alarms. */
#include "bench/stats/comparison.h"
#include "bench/stats/leak.h"
#include "bench/stats/percentiles.h"
#include "tests/sim/random_series.h"
#include "tests/sim/trials.h"

enum { N_METRICS = 6, N_PAIRS_MAX = 32 };

typedef struct duel {
    double ratio, delta;
    size_t n;
    bool is_paired;
} duel;

/* One comparison of six metrics; how many are called faster or slower after Holm. Block medians are
 * those of 20 noisy requests each, on a machine that changes from block to block. */
static int n_called(const duel *d, mu_rng *rng, int *n_faster) {
    mu_comparison metrics[N_METRICS];
    double a[N_PAIRS_MAX], b[N_PAIRS_MAX], requests[20];
    for (size_t m = 0; m < N_METRICS; m++) {
        for (size_t i = 0; i < d->n; i++) {
            double block = exp(0.05 * random_normal(rng));
            for (int arm = 0; arm < 2; arm++) {
                double run = exp(0.02 * random_normal(rng)) * (d->is_paired ? block : 1.0);
                for (size_t k = 0; k < MU_COUNTOF(requests); k++) {
                    requests[k] = 100.0 * run * exp(0.2 * random_normal(rng));
                }
                double median = mu_values_median(requests, MU_COUNTOF(requests));
                *(arm == 0 ? &a[i] : &b[i]) = arm == 0 ? median : median * d->ratio;
            }
        }
        mu_comparison_options o = {.delta = d->delta, .seed = mu_rng_u64(rng), .n_replicates = 500};
        mu_status status = d->is_paired
                               ? mu_comparison_paired(a, b, d->n, &o, &metrics[m], NULL)
                               : mu_comparison_unpaired(a, d->n, b, d->n, &o, &metrics[m], NULL);
        assert_int_equal(status, MU_OK);
    }
    *n_faster += metrics[0].verdict == MU_VERDICT_FASTER; /* alone, before Holm */
    mu_comparison_holm(metrics, N_METRICS);
    int n = 0;
    for (size_t m = 0; m < N_METRICS; m++) {
        n += metrics[m].verdict == MU_VERDICT_FASTER || metrics[m].verdict == MU_VERDICT_SLOWER;
    }
    return n;
}

static void compare(const char *what, duel d, double low, double high) {
    int n_trials = trials_of(200, 2000), n_wrong = 0, n_faster = 0;
    mu_rng rng = {6000 + d.n};
    for (int t = 0; t < n_trials; t++) {
        n_wrong += n_called(&d, &rng, &n_faster) > 0;
    }
    print_message("%s: one metric alone faster in %.1f%%\n", what, 100.0 * n_faster / n_trials);
    assert_share("  any of six faster or slower", n_wrong, n_trials, low, high);
}

static void a_against_a(void **state) {
    (void)state;
    compare("A/A, 12 pairs, margin 2%", (duel){1.0, 0.02, 12, true}, 0.0, 0.05);
    compare("A/A, 12 pairs, no margin", (duel){1.0, 1e-6, 12, true}, 0.0, 0.05);
    compare("A/A, 8 runs an arm, no margin", (duel){1.0, 1e-6, 8, false}, 0.0, 0.05);
    compare("B 20% faster, 12 pairs (must be seen)", (duel){0.8, 0.02, 12, true}, 0.95, 1.0);
}

enum { N_MAX = 120 };

typedef struct course {
    const char *name;
    double live_mb_h, process_mb_h; /* growth */
    double pool_mb;                 /* fills with a time constant of 4 minutes */
    double step_mb;                 /* once, at 55% */
    double rho;                     /* autocorrelation of the noise */
    bool has_live;
    size_t n; /* checkpoints, 120 an hour */
    mu_leak_verdict want;
    double share_min; /* of seeds that get it */
    mu_leak_verdict never;
} course;

static void draw_course(const course *c, mu_rng *rng, mu_checkpoint *out, size_t n) {
    double live[N_MAX], process[N_MAX];
    random_ar1(rng, c->rho, live, n);
    random_ar1(rng, c->rho, process, n);
    for (size_t i = 0; i < n; i++) {
        double hours = (double)i / 120.0;
        double common =
            c->pool_mb * (1.0 - exp(-hours * 15.0)) + (i >= n * 11 / 20 ? c->step_mb : 0.0);
        out[i] = (mu_checkpoint){
            .time_s = 30.0 * (double)i,
            .n_requests = 50.0 * (double)i,
            .live_heap_bytes =
                c->has_live ? 1e6 * (80.0 + 0.25 * live[i] + common + c->live_mb_h * hours) : NAN,
            .unreclaimable_bytes = 1e6 * (600.0 + process[i] + common + c->process_mb_h * hours)};
    }
}

static void leaks(void **state) {
    (void)state;
    static const course courses[] = {
        {"20 MB/h", 20, 20, 0, 0, 0, true, 60, MU_LEAK_FOUND, 0.95, MU_LEAK_NONE},
        {"20 MB/h, no live heap", 0, 20, 0, 0, 0, false, 120, MU_LEAK_FOUND, 0.95, MU_LEAK_NONE},
        {"5 MB/h", 5, 5, 0, 0, 0, true, 120, MU_LEAK_NONE, 0.95, MU_LEAK_FOUND},
        {"nothing", 0, 0, 0, 0, 0, true, 60, MU_LEAK_NONE, 0.97, MU_LEAK_FOUND},
        {"nothing, AR(1) 0.5", 0, 0, 0, 0, 0.5, true, 120, MU_LEAK_NONE, 0.95, MU_LEAK_FOUND},
        {"pool of 30 MB", 0, 0, 30, 0, 0, true, 60, MU_LEAK_INCONCLUSIVE, 0.5, MU_LEAK_FOUND},
        {"pool of 30 MB", 0, 0, 30, 0, 0, true, 120, MU_LEAK_NONE, 0.95, MU_LEAK_FOUND},
        {"step of 64 MB", 0, 0, 0, 64, 0, true, 60, MU_LEAK_NONE, 0.95, MU_LEAK_FOUND},
        {"20 MB/h and a step", 20, 20, 0, 64, 0, true, 60, MU_LEAK_FOUND, 0.95, MU_LEAK_NONE},
        {"retention of 20 MB/h", 0, 20, 0, 0, 0, true, 120, MU_LEAK_RETENTION, 0.95, MU_LEAK_NONE},
    };
    int n_seeds = trials_of(30, 200);
    for (size_t i = 0; i < MU_COUNTOF(courses); i++) {
        const course *c = &courses[i];
        int n_right = 0, n_never = 0, n_steps = 0;
        for (int seed = 0; seed < n_seeds; seed++) {
            mu_checkpoint points[N_MAX];
            mu_rng rng = {7000 + (uint64_t)seed};
            draw_course(c, &rng, points, c->n);
            mu_leak_options o = {.seed = (uint64_t)seed,
                                 .n_replicates = trials_are_full() ? 300 : 100};
            mu_leak leak;
            assert_int_equal(mu_leak_judge(points, c->n, &o, &leak, NULL), MU_OK);
            n_right += leak.verdict == c->want;
            n_never += leak.verdict == c->never;
            n_steps += leak.unreclaimable.step.is_step;
        }
        print_message("%s, %zu minutes: a step in %d, %s in %d\n", c->name, c->n / 2, n_steps,
                      mu_leak_verdict_name(c->never), n_never);
        assert_share(mu_leak_verdict_name(c->want), n_right, n_seeds, c->share_min, 1.0);
        assert_share("  its opposite", n_never, n_seeds, 0.0, 0.01);
        assert_share("  step", n_steps, n_seeds, c->step_mb > 0.0 ? 0.99 : 0.0,
                     c->step_mb > 0.0 ? 1.0 : 0.02);
    }
}

/* "A significant trend is a leak" would call a pool and 5 MB/h leaks: the courses above
 * are hard. */
static void bare_mann_kendall_fails(void **state) {
    (void)state;
    static const course courses[] = {{.name = "pool", .pool_mb = 30, .has_live = true},
                                     {.name = "5 MB/h", .live_mb_h = 5, .has_live = true}};
    for (size_t i = 0; i < MU_COUNTOF(courses); i++) {
        int n_alarms = 0;
        for (uint64_t seed = 0; seed < 30; seed++) {
            mu_checkpoint points[N_MAX];
            double heap[N_MAX];
            mu_rng rng = {8000 + seed};
            draw_course(&courses[i], &rng, points, 60);
            for (size_t k = 0; k < 60; k++) {
                heap[k] = points[k].live_heap_bytes;
            }
            mu_mann_kendall kendall;
            assert_int_equal(mu_mann_kendall_test(heap, 60, &kendall, NULL), MU_OK);
            n_alarms += kendall.p <= 0.05;
        }
        assert_share(courses[i].name, n_alarms, 30, 0.9, 1.0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_against_a),
        cmocka_unit_test(leaks),
        cmocka_unit_test(bare_mann_kendall_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
