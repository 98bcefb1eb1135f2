/* trials.h - how many trials a simulation makes: few, or many with MUAI_TESTS=full. */
#ifndef MU_TESTS_SIM_TRIALS_H
#define MU_TESTS_SIM_TRIALS_H

#include <stdlib.h>

#include "tests/sim/check.h"

static inline bool trials_are_full(void) {
    const char *form = getenv("MUAI_TESTS");
    return form && strcmp(form, "full") == 0;
}

static inline int trials_of(int few, int full) {
    return trials_are_full() ? full : few;
}

/* A share seen in n trials against bounds of the true one; chance may add 3 standard errors. */
static inline void assert_share(const char *what, int n_hits, int n, double low, double high) {
    double share = (double)n_hits / n;
    print_message("%s: %.1f%% of %d\n", what, 100.0 * share, n);
    double below = 3.0 * sqrt(low * (1.0 - low) / n), above = 3.0 * sqrt(high * (1.0 - high) / n);
    if (share < low - below || share > high + above) {
        fail_msg("%s: %.4f is not in %.2f to %.2f", what, share, low, high);
    }
}

#endif
