/* load_loop.h - the body of a mu_load, for load.c (its owner's side) and load_loop.c (its thread).
 *
 * Threads: what is under the lock says so; live and the flags are atomic; the rest belongs to the
 * load thread between start and its end, to the owner before and after.
 */
#ifndef MU_BENCH_LOAD_LOAD_LOOP_H
#define MU_BENCH_LOAD_LOAD_LOOP_H

#include <curl/curl.h>
#include <pthread.h>

#include "bench/load/answer.h"
#include "bench/load/live.h"
#include "bench/load/target_state.h"

enum { MU_LOAD_PREPARED = 64 }; /* requests whose bodies are made ahead */

/* One client, or one request in flight. Its easy handle is made when it is first used. */
typedef struct mu_stream {
    mu_load *load;
    CURL *easy;
    mu_answer answer;
    mu_buf body;      /* of the request in flight */
    uint64_t free_ns; /* closed loop: since when it has nothing to do */
    uint64_t receive; /* the last receive that was for it, and its stamp */
    uint64_t stamp_ns;
    uint64_t connect_ns; /* when a connection was begun for this request; 0: none was */
    bool is_warmup, in_flight;
    bool is_sent_again; /* on a connection of its own */
    uint32_t next_free;
    char text[CURL_ERROR_SIZE];
} mu_stream;

typedef struct mu_prepared {
    mu_scheduled request;
    mu_buf body;
} mu_prepared;

struct mu_load {
    mu_load_options options;
    mu_prompts prompts;
    mu_answer_options answer_options;
    bool is_closed_loop, stream;
    uint32_t n_scheduled; /* UINT32_MAX: no end */

    CURLM *multi;
    int epoll_fd, wake_fd;
    uint64_t timer_ns;  /* when curl wants to be called; UINT64_MAX: not */
    mu_stream *streams; /* [n_streams] */
    uint32_t n_streams, first_free, n_in_flight;
    mu_stream *written; /* its request was handed to the socket in this action */
    mu_prepared prepared[MU_LOAD_PREPARED]; /* request i at i % MU_LOAD_PREPARED */
    uint32_t n_prepared, n_sent;            /* of the schedule, from its start */
    uint64_t not_before_ns;                 /* closed loop: a pause after a refused connection */
    uint64_t receive;                       /* number of the current action */
    uint32_t n_failed_in_row;
    uint32_t held_i; /* the request that last waited for a free stream */
    double cpu_boundary_s, cpu_window_end_s;
    mu_load_result result; /* all but records */
    mu_status status;      /* MU_ERR_NOMEM, or MU_OK */

    mu_live live;
    _Atomic bool wants_stop, wants_cancel;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended_cond;
    bool ended;       /* under lock */
    mu_records fresh; /* under lock: ended since the owner last looked */

    mu_records spare, all; /* owner only */
    bool joined;           /* owner only */
};

/* The load thread; mu_load_start() has set up everything above. */
void *mu_load_loop(void *load);

#endif
