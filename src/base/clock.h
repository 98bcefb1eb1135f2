/* clock.h - one monotonic clock, and times of day as text. Threads: any. */
#ifndef MU_BASE_CLOCK_H
#define MU_BASE_CLOCK_H

#include <time.h>

#include "base/base.h"

uint64_t mu_now_ns(void); /* CLOCK_MONOTONIC; only differences mean something */

enum { MU_UTC_MAX = 48 };

/* "2026-11-27T09:30:00.123Z" (RFC 3339), with n_decimals of a second, at most 9. */
void mu_utc_write(const struct timespec *at, uint32_t n_decimals, char out[MU_UTC_MAX]);

#endif
