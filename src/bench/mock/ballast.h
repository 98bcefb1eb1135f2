/* ballast.h - memory that the truth server takes as its options say, so that leak verdicts can be
 * tried on a process whose leak is known. Everything is touched, everything is freed at the end.
 *
 * Threads: any; one lock.
 */
#ifndef MU_BENCH_MOCK_BALLAST_H
#define MU_BENCH_MOCK_BALLAST_H

#include "bench/mock/mock.h"

typedef struct mu_mock_ballast mu_mock_ballast;

typedef struct mu_mock_ballast_facts {
    uint64_t leaked_bytes, pool_bytes, step_bytes, retained_bytes;
} mu_mock_ballast_facts;

/* options are borrowed until close(). NULL: no memory or no thread. */
mu_mock_ballast *mu_mock_ballast_open(const mu_mock_options *options);
void mu_mock_ballast_close(mu_mock_ballast *ballast); /* NULL is allowed */
void mu_mock_ballast_on_request(mu_mock_ballast *ballast, uint64_t index);
mu_mock_ballast_facts mu_mock_ballast_get_facts(mu_mock_ballast *ballast);

#endif
