/* clock.h - one monotonic clock. Threads: any. */
#ifndef MU_BASE_CLOCK_H
#define MU_BASE_CLOCK_H

#include "base/base.h"

uint64_t mu_now_ns(void); /* CLOCK_MONOTONIC; only differences mean something */

#endif
