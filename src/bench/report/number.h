/* number.h - a number as text: three significant digits where there are decimals, never more.
 *
 * NAN stands for "not known" and is written as a dash; 0 is written as 0. Text is ASCII except that
 * dash (U+2013), so it is right in every rendering.
 *
 * Pure; any thread. Results are values.
 */
#ifndef MU_BENCH_REPORT_NUMBER_H
#define MU_BENCH_REPORT_NUMBER_H

#include "base/base.h"

typedef struct mu_number {
    char text[48];
} mu_number;

mu_number mu_number_of(double value);               /* 0.0123, 1.23, 12.3, 123, 12345 */
mu_number mu_number_tick(double value);             /* the same without zeros at the end: 20, 0.5 */
mu_number mu_number_count(double value);            /* a whole number */
mu_number mu_number_exact(double value);            /* as it is, shortest of up to 10 digits: CSV */
mu_number mu_number_percent(double share);          /* 0.9988 -> "99.88 %" */
mu_number mu_number_range(double low, double high); /* "1.20 to 1.31"; a dash if one is not known */
mu_number mu_number_bytes(double bytes);            /* "132 MB", powers of 1000 */
mu_number mu_number_seconds(double seconds);        /* "84 ms", "12.3 s", "2 min 50 s", "1.5 h" */

#endif
