#include "base/clock.h"

#include <time.h>

uint64_t mu_now_ns(void) {
    struct timespec ts;
    int failed = clock_gettime(CLOCK_MONOTONIC, &ts);
    MU_ASSERT(failed == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
