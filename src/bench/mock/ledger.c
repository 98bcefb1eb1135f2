/* Entries stand in a ring by index. One that is overwritten while it runs leaves the ring and is
 * freed by its end. After a reset the numbers begin again, so entries of before have none.
 */
#include "bench/mock/ledger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { LATE_NS = 100000 };

struct mu_mock_entry {
    mu_mock_request request; /* but n_sends and n_sent */
    bool is_kept;            /* in the ring */
    uint32_t n_sends_max;
    atomic_uint n_sends, n_sent;
    mu_mock_send *sends; /* [n_sends_max] */
};

struct mu_mock_ledger {
    pthread_mutex_t lock;
    uint32_t n_records;
    mu_mock_entry **ring; /* [n_records] by index; NULL: none */
    uint64_t n_requests;
    mu_mock_counters ended; /* those of ended requests */
    uint64_t n_running;
    atomic_ullong n_output_tokens, n_chunks, n_late, late_ns_sum, late_ns_max;
};

mu_mock_ledger *mu_mock_ledger_open(uint32_t n_records) {
    mu_mock_ledger *l = mu_alloc(sizeof(*l));
    mu_mock_entry **ring = MU_ALLOC(mu_mock_entry *, n_records);
    if (!l || !ring) {
        mu_free(l);
        mu_free(ring);
        return NULL;
    }
    l->ring = ring;
    l->n_records = n_records;
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

static void entry_free(mu_mock_entry *entry) {
    mu_free(entry->sends);
    mu_free(entry);
}

/* With the lock. */
static void drop(mu_mock_ledger *l, uint32_t at) {
    mu_mock_entry *entry = l->ring[at];
    l->ring[at] = NULL;
    if (!entry) return;
    entry->is_kept = false;
    if (entry->request.state != MU_MOCK_RUNNING) entry_free(entry);
}

void mu_mock_ledger_close(mu_mock_ledger *l) {
    if (!l) return;
    MU_ASSERT(l->n_running == 0);
    for (uint32_t i = 0; i < l->n_records; i++) {
        drop(l, i);
    }
    pthread_mutex_destroy(&l->lock);
    mu_free(l->ring);
    mu_free(l);
}

uint64_t mu_mock_ledger_next(mu_mock_ledger *l) {
    pthread_mutex_lock(&l->lock);
    uint64_t index = ++l->n_requests;
    pthread_mutex_unlock(&l->lock);
    return index;
}

mu_mock_entry *mu_mock_ledger_begin(mu_mock_ledger *l, const mu_mock_request *request,
                                    uint32_t n_sends_max) {
    mu_mock_entry *entry = mu_alloc(sizeof(*entry));
    mu_mock_send *sends = MU_ALLOC(mu_mock_send, n_sends_max);
    if (!entry || !sends) {
        mu_free(entry);
        mu_free(sends);
        return NULL;
    }
    entry->request = *request;
    entry->request.state = MU_MOCK_RUNNING;
    entry->n_sends_max = n_sends_max;
    entry->sends = sends;
    pthread_mutex_lock(&l->lock);
    uint32_t at = (uint32_t)(request->index % l->n_records);
    drop(l, at);
    l->ring[at] = entry;
    entry->is_kept = true;
    l->n_running++;
    l->ended.n_prompt_tokens += request->n_prompt;
    pthread_mutex_unlock(&l->lock);
    return entry;
}

void mu_mock_entry_send(mu_mock_ledger *l, mu_mock_entry *entry, const mu_mock_send *send) {
    uint32_t n = atomic_load_explicit(&entry->n_sends, memory_order_relaxed);
    MU_ASSERT(n < entry->n_sends_max);
    entry->sends[n] = *send;
    atomic_fetch_add_explicit(&entry->n_sent, send->n_tokens, memory_order_relaxed);
    atomic_store_explicit(&entry->n_sends, n + 1, memory_order_release);

    unsigned long long late = send->sent_ns > send->due_ns ? send->sent_ns - send->due_ns : 0;
    atomic_fetch_add_explicit(&l->n_output_tokens, send->n_tokens, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->n_chunks, send->n_chunks, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->late_ns_sum, late * send->n_chunks, memory_order_relaxed);
    if (late > LATE_NS) {
        atomic_fetch_add_explicit(&l->n_late, send->n_chunks, memory_order_relaxed);
    }
    unsigned long long max = atomic_load_explicit(&l->late_ns_max, memory_order_relaxed);
    while (late > max && !atomic_compare_exchange_weak(&l->late_ns_max, &max, late)) {}
}

void mu_mock_ledger_end(mu_mock_ledger *l, mu_mock_entry *entry, mu_mock_state state) {
    MU_ASSERT(state != MU_MOCK_RUNNING);
    pthread_mutex_lock(&l->lock);
    entry->request.state = state;
    entry->request.end_ns = mu_now_ns();
    l->n_running--;
    l->ended.n_done += state == MU_MOCK_DONE;
    l->ended.n_left += state == MU_MOCK_LEFT;
    l->ended.n_faults += entry->request.fault != MU_MOCK_FINE;
    bool is_kept = entry->is_kept;
    pthread_mutex_unlock(&l->lock);
    if (!is_kept) entry_free(entry);
}

void mu_mock_ledger_reset(mu_mock_ledger *l) {
    pthread_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->n_records; i++) {
        drop(l, i);
    }
    l->n_requests = 0;
    l->ended = (mu_mock_counters){0};
    atomic_store(&l->n_output_tokens, 0);
    atomic_store(&l->n_chunks, 0);
    atomic_store(&l->n_late, 0);
    atomic_store(&l->late_ns_sum, 0);
    atomic_store(&l->late_ns_max, 0);
    pthread_mutex_unlock(&l->lock);
}

mu_mock_counters mu_mock_ledger_counters(mu_mock_ledger *l) {
    pthread_mutex_lock(&l->lock);
    mu_mock_counters c = l->ended;
    c.n_requests = l->n_requests;
    c.n_running = l->n_running;
    pthread_mutex_unlock(&l->lock);
    c.n_output_tokens = atomic_load(&l->n_output_tokens);
    c.n_chunks = atomic_load(&l->n_chunks);
    c.n_late = atomic_load(&l->n_late);
    if (c.n_chunks > 0) {
        c.late_us_mean = (double)atomic_load(&l->late_ns_sum) / 1e3 / (double)c.n_chunks;
    }
    c.late_us_max = (double)atomic_load(&l->late_ns_max) / 1e3;
    return c;
}

static mu_mock_request copy_of(mu_mock_entry *entry) {
    mu_mock_request request = entry->request;
    request.n_sends = atomic_load_explicit(&entry->n_sends, memory_order_acquire);
    request.n_sent = atomic_load_explicit(&entry->n_sent, memory_order_relaxed);
    return request;
}

uint32_t mu_mock_ledger_copy(mu_mock_ledger *l, uint64_t from, mu_mock_request *out, uint32_t cap) {
    uint32_t n = 0;
    pthread_mutex_lock(&l->lock);
    uint64_t oldest = l->n_requests > l->n_records ? l->n_requests - l->n_records + 1 : 1;
    for (uint64_t index = from > oldest ? from : oldest; index <= l->n_requests && n < cap;
         index++) {
        mu_mock_entry *entry = l->ring[index % l->n_records];
        if (entry && entry->request.index == index) out[n++] = copy_of(entry);
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

uint32_t mu_mock_ledger_copy_sends(mu_mock_ledger *l, uint64_t index, mu_mock_send *out,
                                   uint32_t cap) {
    uint32_t n = 0;
    pthread_mutex_lock(&l->lock);
    mu_mock_entry *entry = l->ring[index % l->n_records];
    if (entry && entry->request.index == index) {
        n = atomic_load_explicit(&entry->n_sends, memory_order_acquire);
        if (n > cap) n = cap;
        memcpy(out, entry->sends, n * sizeof(*out));
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}
