/* server_process.h - a server that a suite starts, waits for, measures and ends.
 *
 *     open ──▶ wait_ready ──ready──▶ (measure) ──▶ stop ──▶ close
 *                  └── died, or not ready in time: the error quotes its last lines
 *
 * The child leads its own process group and is killed when the thread that opened it ends
 * (PR_SET_PDEATHSIG; so open() from a thread that lives as long as the server). stop() and close()
 * kill the group and whoever descends from it: no orphans. Its output goes to a file.
 *
 * Threads: one at a time. Memory: options are borrowed during open().
 */
#ifndef MU_BENCH_PROBE_SERVER_PROCESS_H
#define MU_BENCH_PROBE_SERVER_PROCESS_H

#include <sys/types.h>

#include "base/status.h"

typedef struct mu_server_process mu_server_process;

typedef struct mu_server_process_options {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* "NAME=value", added to ours; NULL-terminated or NULL */
    const char *directory;   /* to run in; NULL: ours */
    const char *output_path; /* standard output and error, emptied first */
    const char *cpus;        /* "0", "0-3,8": the CPUs it may use; NULL: ours */
} mu_server_process_options;

typedef struct mu_server_process_facts {
    pid_t pid;
    bool is_running;
    int exit_code;               /* when it ended by itself or was stopped; 128 + n by signal n */
    uint64_t started_ns;         /* mu_now_ns() before fork */
    double ready_s;              /* from there to the first answer 200; 0: not ready yet */
    char ready_path[16];         /* which path answered */
    double stop_s;               /* from SIGTERM to the end */
    bool was_killed;             /* it ignored SIGTERM */
    double user_s, system_s;     /* once it has ended: of itself and children it waited for */
    uint64_t resident_bytes_max; /* once it has ended: of itself, or its largest child */
} mu_server_process_facts;

/* MU_ERR_NOT_FOUND: argv[0] cannot be run; MU_ERR_INVALID: cpus; MU_ERR_IO: output_path. */
mu_status mu_server_process_open(const mu_server_process_options *options, mu_server_process **out,
                                 mu_err *err) MU_MUST_USE;

/* Ask url ("http://127.0.0.1:8000") for /readyz, and where that is 404 for /health, and where that
 * is 404 for /v1/models, until one answers 200. MU_ERR_IO: the child ended, with its last lines;
 * MU_ERR_TIMEOUT; MU_ERR_CANCELED when is_canceled says so (NULL: never). */
mu_status mu_server_process_wait_ready(mu_server_process *process, const char *url,
                                       double timeout_s, bool (*is_canceled)(void),
                                       mu_err *err) MU_MUST_USE;

/* SIGTERM, and SIGKILL to the group if it has not ended in grace_s. */
void mu_server_process_stop(mu_server_process *process, double grace_s);
void mu_server_process_close(mu_server_process *process); /* stops it first; NULL is allowed */

mu_server_process_facts mu_server_process_get_facts(mu_server_process *process);
/* The last lines of its output, at most cap - 1 bytes; "" when there are none. */
void mu_server_process_tail(const mu_server_process *process, char *out, size_t cap);

/* A TCP port of 127.0.0.1 that is free now; 0: none. Somebody else may take it meanwhile: where the
 * server can take port 0 and say which it got, that is better. */
uint32_t mu_free_port(void);

typedef struct mu_http_question {
    const char *url;
    const char *json; /* the body of a POST; NULL: a GET */
    const char *key;  /* as Authorization: Bearer; NULL: none */
    double timeout_s;
} mu_http_question;

/* One blocking request over libcurl, whatever proxy the environment names. MU_ERR_IO: no answer;
 * MU_ERR_LIMIT: more than 64 MiB. body is appended to; NULL: not wanted. */
struct mu_buf;
mu_status mu_http_ask(const mu_http_question *question, long *out_code, struct mu_buf *body,
                      mu_err *err) MU_MUST_USE;
mu_status mu_http_get(const char *url, double timeout_s, long *out_code, struct mu_buf *body,
                      mu_err *err) MU_MUST_USE;

#endif
