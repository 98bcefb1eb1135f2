#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t mu_now_ns(void) {
    struct timespec ts;
    int failed = clock_gettime(CLOCK_MONOTONIC, &ts);
    MU_ASSERT(failed == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void mu_utc_write(const struct timespec *at, uint32_t n_decimals, char out[MU_UTC_MAX]) {
    struct tm utc;
    char fraction[16];
    MU_ASSERT(n_decimals <= 9);
    gmtime_r(&at->tv_sec, &utc);
    size_t n = strftime(out, MU_UTC_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(fraction, sizeof(fraction), ".%09ld", at->tv_nsec % 1000000000);
    snprintf(out + n, MU_UTC_MAX - n, "%.*sZ", n_decimals > 0 ? (int)n_decimals + 1 : 0, fraction);
}
