/* Against SciPy: exact p, p with ties by enumeration, and the normal approximation. */
#include "bench/stats/ranks.h"

#include "tests/golden/stats/vectors.h"
#include "tests/sim/check.h"

static void signed_rank(void **state) {
    (void)state;
    mu_rank_test t;
    assert_int_equal(mu_signed_rank(vectors_signed, MU_COUNTOF(vectors_signed), &t, NULL), MU_OK);
    assert_near(t.p, vectors_signed_p[0], 1e-12);
    assert_true(t.is_exact);
    size_t n = MU_COUNTOF(vectors_signed_tied);
    assert_int_equal(mu_signed_rank(vectors_signed_tied, n, &t, NULL), MU_OK);
    assert_near(t.p, vectors_signed_p[1], 1e-12);
    n = MU_COUNTOF(vectors_signed_big);
    assert_int_equal(mu_signed_rank(vectors_signed_big, n, &t, NULL), MU_OK);
    assert_near(t.p, vectors_signed_p[2], 1e-9);
    assert_false(t.is_exact);
    double zeros[] = {0.0, 0.0, 0.0};
    assert_int_equal(mu_signed_rank(zeros, 3, &t, NULL), MU_OK);
    assert_near(t.p, 1.0, 0.0);
    assert_int_equal(t.n, 0);
}

static void mann_whitney(void **state) {
    (void)state;
    static const struct {
        const double *a, *b;
        size_t n_a, n_b;
    } cases[] = {
        {vectors_mw_a, vectors_mw_b, MU_COUNTOF(vectors_mw_a), MU_COUNTOF(vectors_mw_b)},
        {vectors_mw_tied_a, vectors_mw_tied_b, MU_COUNTOF(vectors_mw_tied_a),
         MU_COUNTOF(vectors_mw_tied_b)},
        {vectors_mw_big_a, vectors_mw_big_b, MU_COUNTOF(vectors_mw_big_a),
         MU_COUNTOF(vectors_mw_big_b)},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        mu_rank_test t;
        assert_int_equal(
            mu_mann_whitney(cases[i].a, cases[i].n_a, cases[i].b, cases[i].n_b, &t, NULL), MU_OK);
        assert_near(t.statistic, vectors_mw[i][0], 1e-9);
        assert_near(t.p, vectors_mw[i][1], 1e-9 + 1e-6 * (i == 2));
        assert_int_equal(t.is_exact, i < 2);
    }
}

static void floors(void **state) {
    (void)state;
    double a[] = {1, 2, 3, 4, 5, 6}, b[] = {11, 12, 13, 14, 15, 16};
    for (size_t n = 3; n <= 6; n++) { /* nothing overlaps: the smallest p there is */
        mu_rank_test t;
        assert_int_equal(mu_mann_whitney(a, n, b, n, &t, NULL), MU_OK);
        assert_near(t.p, mu_mann_whitney_floor(n, n), 1e-12);
        assert_int_equal(mu_signed_rank(a, n, &t, NULL), MU_OK);
        assert_near(t.p, mu_signed_rank_floor(n), 1e-12);
    }
    assert_near(mu_mann_whitney_floor(3, 3), 0.1, 1e-12);
    assert_near(mu_mann_whitney_floor(4, 4), 0.02857142857, 1e-9);
    assert_true(mu_signed_rank_floor(5) > 0.05 && mu_signed_rank_floor(6) < 0.05);
}

static void estimates(void **state) {
    (void)state;
    double scratch[100];
    size_t n = MU_COUNTOF(vectors_signed);
    assert_near(mu_hodges_lehmann(vectors_signed, n, scratch), vectors_hl[0], 1e-12);
    assert_near(mu_hodges_lehmann_shift(vectors_mw_a, MU_COUNTOF(vectors_mw_a), vectors_mw_b,
                                        MU_COUNTOF(vectors_mw_b), scratch),
                vectors_hl[1], 1e-12);
}

static void holm(void **state) {
    (void)state;
    double p[MU_COUNTOF(vectors_holm)];
    for (size_t i = 0; i < MU_COUNTOF(p); i++) {
        p[i] = vectors_holm[i][0];
    }
    mu_holm(p, MU_COUNTOF(p));
    for (size_t i = 0; i < MU_COUNTOF(p); i++) {
        assert_near(p[i], vectors_holm[i][1], 1e-12);
    }
    double zeros[] = {0.0, 0.0};
    mu_holm(zeros, 2);
    assert_near(zeros[0] + zeros[1], 0.0, 0.0);
}

static void no_memory(void **state) {
    (void)state;
    mu_rank_test t;
    double a[] = {1, 2, 3, 4};
    assert_survives_no_memory(mu_mann_whitney(a, 4, a, 4, &t, NULL));
    assert_survives_no_memory(mu_signed_rank(a, 4, &t, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_rank), cmocka_unit_test(mann_whitney), cmocka_unit_test(floors),
        cmocka_unit_test(estimates),   cmocka_unit_test(holm),         cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
