/* instrument.h - how wrong the instrument is: the load generator against the truth server, in this
 * process, on this machine, now.
 *
 * The truth server streams at known times and remembers when it handed each write to the kernel.
 * For every request and chunk the error is what the load generator stamped less that; it contains
 * the way through the loopback, so it is an upper bound of the instrument's own part.
 *
 *     bias     median error        p99     99th percentile of |error|
 *
 * Errors of gaps are differences of two such errors.
 *
 * Threads: the caller's, while the load and the server have theirs. Memory: the caller owns the
 * JSON.
 */
#ifndef MU_BENCH_SUITE_INSTRUMENT_H
#define MU_BENCH_SUITE_INSTRUMENT_H

#include <jansson.h>

#include "base/status.h"

typedef struct mu_instrument_error {
    uint32_t n_streams;
    uint64_t n_requests, n_gaps;
    double ttft_bias_us, ttft_p99_us;
    double gap_bias_us, gap_p99_us;
} mu_instrument_error;

/* seconds: of load. Errors: those of the truth server and of the load. */
mu_status mu_instrument_measure(uint32_t n_streams, double seconds, mu_instrument_error *out,
                                mu_err *err) MU_MUST_USE;

/* A row of "instrument.rows". */
json_t *mu_instrument_json(const mu_instrument_error *error);

#endif
