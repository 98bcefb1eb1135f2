/* mark.h - the marker of a series: its path around the origin. */
#ifndef MU_BENCH_REPORT_MARK_H
#define MU_BENCH_REPORT_MARK_H

#include "base/base.h"

const char *mu_mark_shape(uint32_t style); /* a literal */

#endif
