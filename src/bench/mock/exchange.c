/* Sleeps are absolute, in slices, so that close() and a stall that begins meanwhile are noticed;
 * the text of a write is ready before the sleep.
 */
#include "bench/mock/exchange.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    TIME_SLICE_NS = 100000, /* the shortest that a thread may ask for */
    SLEEP_NS_MAX = 50000000,
};

/* Time */

mu_mock_clock mu_mock_get_clock(mu_mock *mock) {
    return (mu_mock_clock){.stall_ns = mock->stall_ns,
                           .stall_begin_ns = atomic_load(&mock->stall_begin_ns)};
}

/* False: the server is being closed. *out_due_ns: when it was, on every clock. */
bool mu_mock_wait_until(mu_mock *mock, uint64_t server_ns, uint64_t *out_due_ns) {
    for (;;) {
        mu_mock_clock clock = mu_mock_get_clock(mock);
        uint64_t due_ns = mu_mock_to_wall(&clock, server_ns), now_ns = mu_now_ns();
        *out_due_ns = due_ns;
        if (atomic_load(&mock->is_closing)) return false;
        if (now_ns >= due_ns) return true;
        if (due_ns > now_ns + SLEEP_NS_MAX) due_ns = now_ns + SLEEP_NS_MAX;
        struct timespec until = {.tv_sec = (time_t)(due_ns / 1000000000u),
                                 .tv_nsec = (long)(due_ns % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
}

bool mu_mock_wait_for_stall(mu_mock *mock, uint64_t now_ns) {
    mu_mock_clock clock = mu_mock_get_clock(mock);
    uint64_t due_ns;
    return mu_mock_wait_until(mock, mu_mock_to_server(&clock, now_ns), &due_ns);
}

/* Who asks for short slices of time runs sooner after a wake-up (Linux 6.12 and later; others
 * ignore or refuse it). The struct is the first version of the kernel's sched_attr. */
static void ask_for_short_slices(void) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attributes = {.size = sizeof(attributes),
                    .nice = getpriority(PRIO_PROCESS, 0),
                    .runtime_ns = TIME_SLICE_NS};
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void mu_mock_prepare_thread(mu_mock *mock) {
    static _Thread_local bool is_prepared;
    if (is_prepared) return;
    is_prepared = true;
    prctl(PR_SET_TIMERSLACK, 1); /* ns; else timers may fire 50 us late */
    ask_for_short_slices();
    struct sched_param priority = {.sched_priority = 1};
    if (mock->options.realtime && pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) == 0)
        atomic_store(&mock->is_realtime, true);
}

/* Streams */

bool mu_mock_stops_at(const mu_mock_plan *plan, uint32_t chunk) {
    return chunk == plan->fault_chunk &&
           (plan->fault == MU_MOCK_STREAM_ERROR || plan->fault == MU_MOCK_TRUNCATED);
}

static void write_chunks(mu_mock_exchange *x) {
    const mu_mock_options *o = &x->mock->options;
    const mu_mock_plan *plan = &x->plan;
    if (mu_mock_stops_at(plan, x->next_chunk)) {
        x->due_ns = x->start_ns + plan->offsets_ns[x->next_chunk];
        x->phase = plan->fault == MU_MOCK_TRUNCATED ? MU_MOCK_CUT : MU_MOCK_END;
        if (x->phase == MU_MOCK_END) mu_mock_write_error_event(&x->out);
        return;
    }
    uint32_t last = x->next_chunk;
    while (x->send.n_chunks < o->coalesce && x->next_chunk < plan->n_chunks &&
           !mu_mock_stops_at(plan, x->next_chunk)) {
        last = x->next_chunk++;
        mu_mock_write_chunk(&x->out, &x->answer, last);
        x->send.n_chunks++;
        x->send.n_tokens += mu_mock_plan_chunk_tokens(o, plan, last);
    }
    x->due_ns = x->start_ns + plan->offsets_ns[last];
    if (x->next_chunk == plan->n_chunks) x->phase = MU_MOCK_TAIL;
}

/* The next write of the plan: what, and when. */
static void next_write(mu_mock_exchange *x) {
    mu_buf_clear(&x->out);
    x->n_given = x->n_ready = 0;
    x->send = (mu_mock_send){0};
    if (x->phase == MU_MOCK_PREAMBLE) {
        mu_mock_write_preamble(&x->out, &x->answer);
        x->due_ns = x->start_ns;
        x->phase = MU_MOCK_CHUNKS;
    } else if (x->phase == MU_MOCK_CHUNKS) {
        write_chunks(x);
    } else if (x->phase == MU_MOCK_TAIL) {
        mu_mock_write_tail(&x->out, &x->answer);
        x->due_ns = x->start_ns + x->plan.service_ns;
        x->phase = MU_MOCK_END;
    }
}

/* Wait for the rest of out, or for the first half of what is to be split. */
static bool make_ready(mu_mock_exchange *x) {
    uint64_t split_ns = (uint64_t)x->mock->options.split_us * 1000, due_ns;
    bool is_split = split_ns > 0 && x->send.n_chunks > 0;
    if (is_split && x->n_ready == 0) {
        if (!mu_mock_wait_until(x->mock, x->due_ns, &due_ns)) return false;
        x->n_ready = mu_mock_cut(x->out.data, x->out.n);
        return true;
    }
    if (!mu_mock_wait_until(x->mock, x->due_ns + (is_split ? split_ns : 0), &due_ns)) return false;
    x->n_ready = x->out.n;
    if (x->send.n_chunks == 0) return true;
    x->send.due_ns = due_ns;
    x->send.sent_ns = mu_now_ns();
    mu_mock_entry_send(x->mock->ledger, x->entry, &x->send);
    return true;
}

ssize_t mu_mock_read_stream(void *ctx, uint64_t position, char *buffer, size_t max) {
    mu_mock_exchange *x = ctx;
    (void)position;
    for (;;) {
        size_t n = x->n_ready - x->n_given;
        if (n > 0) {
            if (n > max) n = max;
            memcpy(buffer, x->out.data + x->n_given, n);
            x->n_given += n;
            return (ssize_t)n;
        }
        if (x->n_ready == x->out.n) {
            if (x->phase == MU_MOCK_END) return MHD_CONTENT_READER_END_OF_STREAM;
            next_write(x);
            if (x->out.failed) return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        if (!make_ready(x) || x->phase == MU_MOCK_CUT) return MHD_CONTENT_READER_END_WITH_ERROR;
    }
}
