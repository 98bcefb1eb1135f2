/* check.h - assertions on doubles, and every allocation of a call failing once. */
#ifndef MU_TESTS_SIM_CHECK_H
#define MU_TESTS_SIM_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/status.h"

static inline void assert_near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.12g, not %.12g", got, want);
}

static inline void assert_between(double got, double low, double high) {
    if (!(low <= got && got <= high)) fail_msg("%.12g is not in %.12g to %.12g", got, low, high);
}

/* The call must report each failed allocation and keep nothing, and succeed at last. */
#define assert_survives_no_memory(call)                                         \
    do {                                                                        \
        int64_t n_alive_ = mu_alloc_n_alive();                                  \
        int n_failed_ = 0;                                                      \
        for (mu_status status_ = MU_ERR_NOMEM; status_ != MU_OK; n_failed_++) { \
            mu_alloc_fail_after(n_failed_);                                     \
            status_ = (call);                                                   \
            mu_alloc_fail_after(-1);                                            \
            assert_true(status_ == MU_OK || status_ == MU_ERR_NOMEM);           \
            assert_int_equal(mu_alloc_n_alive(), n_alive_);                     \
        }                                                                       \
        assert_true(n_failed_ > 1);                                             \
    } while (0)

#endif
