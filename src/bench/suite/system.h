/* system.h - a system under test: our own server as a child process, or any server by its URL.
 *
 *     open ──▶ start (child: spawn, wait until ready) ──▶ probe ──▶ loads ──▶ stop ──▶ close
 *
 * A system can be started again after it was stopped: every start is a fresh process, which is what
 * a run is. A foreign server is only probed; its process is known when its pid is given.
 *
 * Threads: one; start() from a thread that lives as long as the server. Memory: options are
 * borrowed until close.
 */
#ifndef MU_BENCH_SUITE_SYSTEM_H
#define MU_BENCH_SUITE_SYSTEM_H

#include <jansson.h>

#include "bench/load/target.h"
#include "bench/probe/load_state.h"
#include "bench/probe/server_process.h"

enum { MU_SERVE_ARGS_MAX = 64 };

/* What is known of our own model before anything is measured. */
typedef struct mu_own_model {
    const char *reference;             /* "synthetic:gpt2:q8" */
    const char *architecture;          /* "gpt2" */
    const char *device;                /* "cpu, avx2 kernels", "cuda:0, NVIDIA H200 (sm_90)" */
    const char *weight_type, *kv_type; /* "q8", "f32" */
    uint32_t n_ctx, vocab_size;
    uint64_t n_parameters, weight_bytes, kv_bytes_per_token;
    bool is_synthetic; /* random weights */
    const char *path;  /* of the weights' file, for the page cache; NULL: none */
} mu_own_model;

typedef struct mu_system_options {
    char id[2];       /* "a" */
    const char *name; /* that reports call it by; NULL: what it says of itself */
    /* Our own: */
    const mu_own_model *own;                   /* NULL: a foreign one */
    const char *program;                       /* to run: "PROGRAM serve REFERENCE ..." */
    const char *serve_args[MU_SERVE_ARGS_MAX]; /* [n_serve_args], after the reference */
    uint32_t n_serve_args;
    const char *cpus;        /* that the server may use; NULL: ours */
    const char *output_path; /* where it writes */
    /* A foreign one: */
    const char *url;
    pid_t pid; /* of its process, 0: not known */
    /* The GPU that the process computes on, where it is known: */
    const char *gpu_pci_bus_id; /* "0000:01:00.0"; NULL: none */
    const char *nvml_library;   /* backend/gpu_usage.h */
    /* Both: */
    const char *api_key, *model_id;
    bool use_chat, use_text, is_insecure;
    const char *ca_file; /* target.h */
    bool (*is_canceled)(void);
} mu_system_options;

typedef struct mu_system mu_system;

mu_status mu_system_open(const mu_system_options *options, mu_system **out,
                         mu_err *err) MU_MUST_USE;
void mu_system_close(mu_system *system); /* stops a child; NULL is allowed */

/* A fresh child, ready for requests, then the probe; of a foreign one only the probe, once. */
mu_status mu_system_start(mu_system *system, mu_err *err) MU_MUST_USE;
/* Only the child, for load times: first_token_s gets the time from its start to the answer of a
 * request for one token. start() then probes it. */
mu_status mu_system_start_timed(mu_system *system, double *out_first_token_s,
                                mu_err *err) MU_MUST_USE;
void mu_system_stop(mu_system *system); /* a foreign one goes on */

const char *mu_system_id(const mu_system *system);
bool mu_system_is_own(const mu_system *system);
const mu_own_model *mu_system_own(const mu_system *system);               /* NULL: foreign */
const mu_target *mu_system_target(const mu_system *system);               /* after start() */
pid_t mu_system_pid(const mu_system *system);                             /* 0: not known */
mu_server_process_facts mu_system_process_facts(const mu_system *system); /* our own */
mu_sampler *mu_system_sampler(const mu_system *system); /* NULL: no process is known */

/* A number of GET /metrics: the first sample of that name, labels ignored. Unknown when the server
 * has none. */
mu_fact mu_system_metric(const mu_system *system, const char *name);

/* The entry of "systems". NULL: no memory. */
json_t *mu_system_json(const mu_system *system);

#endif
