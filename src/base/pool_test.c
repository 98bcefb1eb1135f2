#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "base/alloc.h"

enum { N_ITEMS = 1000, N_STAGES = 50, N_RUNS = 200 };

typedef struct sums {
    mu_pool *pool;
    uint32_t values[N_ITEMS];
    atomic_uint n_wrong;
} sums;

/* Every stage adds one to every item, and checks that the stage before reached all of them. */
static void add_in_stages(void *ctx, uint32_t thread, uint32_t n_threads) {
    sums *s = ctx;
    if (thread >= n_threads) atomic_fetch_add(&s->n_wrong, 1);
    for (uint32_t stage = 0; stage < N_STAGES; stage++) {
        uint32_t first, end;
        while (mu_pool_next(s->pool, thread, N_ITEMS, 7, &first, &end)) {
            for (uint32_t i = first; i < end; i++) {
                if (s->values[N_ITEMS - 1 - i] < stage) atomic_fetch_add(&s->n_wrong, 1);
            }
        }
        mu_pool_barrier(s->pool);
        while (mu_pool_next(s->pool, thread, N_ITEMS, 3, &first, &end)) {
            for (uint32_t i = first; i < end; i++) {
                s->values[i]++;
            }
        }
        mu_pool_barrier(s->pool);
    }
}

static void stages_see_all_of_the_stage_before(void **state) {
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 5; n_threads++) {
        sums s = {0};
        assert_int_equal(mu_pool_open(n_threads, &s.pool, NULL), MU_OK);
        assert_int_equal(mu_pool_n_threads(s.pool), n_threads);
        for (uint32_t run = 0; run < N_RUNS / n_threads; run++) {
            for (uint32_t i = 0; i < N_ITEMS; i++) {
                s.values[i] = 0;
            }
            mu_pool_run(s.pool, add_in_stages, &s);
            for (uint32_t i = 0; i < N_ITEMS; i++) {
                assert_int_equal(s.values[i], N_STAGES);
            }
        }
        assert_int_equal(s.n_wrong, 0);
        mu_pool_close(s.pool);
    }
}

static void failed_open_leaks_nothing(void **state) {
    (void)state;
    int64_t before = mu_alloc_n_alive();
    for (int n = 0;; n++) {
        mu_pool *pool = NULL;
        mu_alloc_fail_after(n);
        mu_status status = mu_pool_open(3, &pool, NULL);
        mu_alloc_fail_after(-1);
        mu_pool_close(pool);
        assert_int_equal(mu_alloc_n_alive(), before);
        if (status == MU_OK) break;
        assert_int_equal(status, MU_ERR_NOMEM);
        assert_true(n < 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_see_all_of_the_stage_before),
        cmocka_unit_test(failed_open_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
