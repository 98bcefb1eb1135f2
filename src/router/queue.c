#include "router/queue.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

mu_status mu_queue_init(mu_queue *q, const mu_queue_limits *limits, mu_err *err) {
    MU_ASSERT(limits->n_seqs_max > 0 && limits->n_waiting_max > 0);
    *q = (mu_queue){.limits = *limits};
    q->waiting = MU_ALLOC(mu_fair *, limits->n_waiting_max);
    q->running = MU_ALLOC(mu_fair *, mu_queue_n_running_max(limits));
    if (q->waiting && q->running) return MU_OK;
    mu_queue_deinit(q);
    return mu_fail(err, MU_ERR_NOMEM, "queue of %u requests", limits->n_waiting_max);
}

void mu_queue_deinit(mu_queue *q) {
    mu_free(q->waiting);
    mu_free(q->running);
    q->waiting = q->running = NULL;
}

mu_status mu_queue_add(mu_queue *q, mu_queue_entry *entry, mu_err *err) {
    bool has_tokens = q->n_waiting_tokens + entry->n_tokens <= q->limits.n_waiting_tokens_max;
    uint32_t n_own = mu_fair_n_running(entry->fair.client, q->waiting, q->n_waiting);
    if (n_own >= (q->limits.n_waiting_max + 1) / 2) {
        q->n_refused++;
        return mu_fail(err, MU_ERR_BUSY, "%u requests of this client are queued already", n_own);
    }
    if (q->n_waiting < q->limits.n_waiting_max && (has_tokens || q->n_waiting == 0)) {
        q->waiting[q->n_waiting++] = &entry->fair;
        q->n_waiting_tokens += entry->n_tokens;
        return MU_OK;
    }
    q->n_refused++;
    if (q->n_waiting >= q->limits.n_waiting_max) {
        return mu_fail(err, MU_ERR_BUSY, "%u requests are queued already", q->n_waiting);
    }
    return mu_fail(err, MU_ERR_BUSY, "%llu prompt tokens are queued already",
                   (unsigned long long)q->n_waiting_tokens);
}

mu_queue_entry *mu_queue_leave(mu_queue *q, uint32_t i) {
    MU_ASSERT(i < q->n_waiting);
    mu_queue_entry *entry = (mu_queue_entry *)q->waiting[i];
    memmove(&q->waiting[i], &q->waiting[i + 1], (--q->n_waiting - i) * sizeof(*q->waiting));
    q->n_waiting_tokens -= entry->n_tokens;
    return entry;
}

/* The first of a client that has nothing running; n_waiting: none, or too many run already. */
static uint32_t find_newcomer(const mu_queue *q) {
    if (q->n_running >= mu_queue_n_running_max(&q->limits)) return q->n_waiting;
    uint32_t i = 0;
    while (i < q->n_waiting &&
           mu_fair_n_running(q->waiting[i]->client, q->running, q->n_running) > 0) {
        i++;
    }
    return i;
}

mu_queue_entry *mu_queue_start(mu_queue *q, uint64_t now_ns) {
    bool has_room = q->n_seqs < q->limits.n_seqs_max && q->n_running < q->limits.n_seqs_max;
    if (q->n_waiting == 0) return NULL;
    uint32_t i = has_room ? mu_fair_pick(q->waiting, q->n_waiting, q->running, q->n_running)
                          : find_newcomer(q);
    if (i == q->n_waiting) return NULL;
    mu_queue_entry *entry = mu_queue_leave(q, i);
    if (q->n_running == 0) q->last_end_ns = now_ns; /* gaps are of busy times */
    q->running[q->n_running++] = &entry->fair;
    q->n_seqs += entry->n_seqs;
    return entry;
}

void mu_queue_seqs_ended(mu_queue *q, uint32_t n) {
    MU_ASSERT(n <= q->n_seqs);
    q->n_seqs -= n;
}

mu_queue_entry *mu_queue_end(mu_queue *q, uint32_t i, uint64_t now_ns) {
    MU_ASSERT(i < q->n_running);
    mu_queue_entry *entry = (mu_queue_entry *)q->running[i];
    q->running[i] = q->running[--q->n_running];
    double gap = (double)(now_ns - q->last_end_ns);
    q->last_end_ns = now_ns;
    q->end_gap_ns = q->end_gap_ns == 0.0 ? gap : q->end_gap_ns + (gap - q->end_gap_ns) / 16;
    return entry;
}

uint32_t mu_queue_wait_s(const mu_queue *q) {
    double s = ceil(q->n_waiting * q->end_gap_ns * 1e-9);
    return s < 1.0 ? 1 : s > MU_QUEUE_WAIT_MAX_S ? MU_QUEUE_WAIT_MAX_S : (uint32_t)s;
}
