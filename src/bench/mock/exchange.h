/* exchange.h - inside the truth server: the server's state and one HTTP exchange.
 *
 *     mock.c      opens, closes, talks to libmicrohttpd
 *     routes.c    what a request gets, by path
 *     exchange.c  waiting for instants of the plan; streams
 *
 * Threads: an exchange belongs to the thread of its connection.
 */
#ifndef MU_BENCH_MOCK_EXCHANGE_H
#define MU_BENCH_MOCK_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bench/mock/ballast.h"
#include "bench/mock/ledger.h"
#include "bench/mock/mock_answer.h"
#include "bench/mock/mock_request.h"

struct mu_mock {
    mu_mock_options options;
    struct MHD_Daemon *daemon;
    uint32_t port;
    int64_t created; /* Unix time, s */
    atomic_bool is_closing, is_realtime;
    atomic_ullong stall_begin_ns; /* UINT64_MAX: has not come */
    uint64_t stall_ns;
    mu_mock_ledger *ledger;
    mu_mock_ballast *ballast;
    pthread_mutex_t slots_lock;
    uint64_t *slots_free_ns; /* [options.n_slots] */
};

typedef enum mu_mock_phase {
    MU_MOCK_PREAMBLE,
    MU_MOCK_CHUNKS,
    MU_MOCK_TAIL,
    MU_MOCK_END, /* nothing follows */
    MU_MOCK_CUT, /* the connection is cut, as planned */
} mu_mock_phase;

typedef struct mu_mock_exchange {
    mu_mock *mock;
    struct MHD_Connection *mhd;
    mu_buf body; /* of the request */
    uint64_t received_ns;
    char id[32], model[MU_MOCK_MODEL_BYTES];
    mu_mock_wish wish;
    mu_mock_plan plan;
    mu_mock_answer answer;
    mu_mock_entry *entry; /* NULL: no generation */
    /* The stream */
    mu_mock_phase phase;
    uint64_t start_ns, due_ns; /* server's clock; due: of what is in out */
    uint32_t next_chunk;
    mu_mock_send send; /* of what is in out */
    mu_buf out;
    size_t n_given, n_ready; /* bytes of out */
} mu_mock_exchange;

mu_mock_clock mu_mock_get_clock(mu_mock *mock);
/* Sleep until an instant of the server's clock. False: the server is being closed. *out_due_ns:
 * when it was on every clock. */
bool mu_mock_wait_until(mu_mock *mock, uint64_t server_ns, uint64_t *out_due_ns);
/* Returns at once unless now_ns lies in the stall. */
bool mu_mock_wait_for_stall(mu_mock *mock, uint64_t now_ns);
/* Timers of this thread are exact from now on. */
void mu_mock_prepare_thread(mu_mock *mock);

/* The fault makes something else of this chunk, and nothing follows. */
bool mu_mock_stops_at(const mu_mock_plan *plan, uint32_t chunk);
/* libmicrohttpd's reader of a stream; ctx is the exchange. */
ssize_t mu_mock_read_stream(void *ctx, uint64_t position, char *buffer, size_t max);

/* The whole request has been received: queue its answer. */
enum MHD_Result mu_mock_dispatch(mu_mock_exchange *x, const char *method, const char *path);

#endif
