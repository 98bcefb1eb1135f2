/* ledger.h - what the truth server did, request by request, and counters over all.
 *
 * A connection owns the entry of its request while it runs and adds sends without a lock; readers
 * see a send when it is whole. The last n_records requests are kept, running ones always.
 *
 * Threads: entries by their connection; the rest any.
 */
#ifndef MU_BENCH_MOCK_LEDGER_H
#define MU_BENCH_MOCK_LEDGER_H

#include "bench/mock/mock.h"

typedef struct mu_mock_ledger mu_mock_ledger;
typedef struct mu_mock_entry mu_mock_entry;

mu_mock_ledger *mu_mock_ledger_open(uint32_t n_records); /* NULL: no memory */
void mu_mock_ledger_close(mu_mock_ledger *ledger);       /* no entry runs; NULL is allowed */

/* The number of a request that has arrived: 1, 2, ... */
uint64_t mu_mock_ledger_next(mu_mock_ledger *ledger);
/* Keep a request, with room for sends. Until end() the entry is the caller's. NULL: no memory. */
mu_mock_entry *mu_mock_ledger_begin(mu_mock_ledger *ledger, const mu_mock_request *request,
                                    uint32_t n_sends_max);
void mu_mock_entry_send(mu_mock_ledger *ledger, mu_mock_entry *entry, const mu_mock_send *send);
void mu_mock_ledger_end(mu_mock_ledger *ledger, mu_mock_entry *entry, mu_mock_state state);

void mu_mock_ledger_reset(mu_mock_ledger *ledger);
mu_mock_counters mu_mock_ledger_counters(mu_mock_ledger *ledger); /* without those of memory */
uint32_t mu_mock_ledger_copy(mu_mock_ledger *ledger, uint64_t from, mu_mock_request *out,
                             uint32_t cap);
uint32_t mu_mock_ledger_copy_sends(mu_mock_ledger *ledger, uint64_t index, mu_mock_send *out,
                                   uint32_t cap);

#endif
