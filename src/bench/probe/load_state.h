/* load_state.h - what went on beside and inside the measurement: the machine's load once a second
 * and the memory of a process tree ten times a second.
 *
 * A machine reading is a set of counters; two make shares of the time between (pure). The sampler
 * is a thread at nice 19 that takes readings at absolute instants; a sample it takes late by more
 * than half its period counts as a gap: the series then has nothing there, and says so.
 *
 * Threads: open, close, allow and the getters by the owner; the sampler has one thread of its own.
 * Memory: the series holds at most n_samples_max samples, allocated by open(); further ones are
 * counted as dropped.
 */
#ifndef MU_BENCH_PROBE_LOAD_STATE_H
#define MU_BENCH_PROBE_LOAD_STATE_H

#include "base/status.h"
#include "bench/probe/process.h"

/* Counters since boot. */
typedef struct mu_load_counters {
    uint64_t at_ns;         /* mu_now_ns() */
    mu_fact busy_s, idle_s; /* of all CPUs: user + nice + system + irq; idle + iowait */
    mu_fact steal_s;
    mu_fact switches, running;                                /* context switches; runnable now */
    mu_fact stalled_cpu_us, stalled_io_us, stalled_memory_us; /* PSI, "some total" */
    mu_fact frequency_mhz;                                    /* now, mean of all CPUs */
    mu_fact throttled;           /* thermal throttle events of all cores */
    mu_fact temperature_c;       /* the hottest zone, now */
    mu_fact cgroup_throttled_us; /* of our cgroup's quota */
} mu_load_counters;

/* Shares of an interval, 0 to 1. */
typedef struct mu_load_state {
    double seconds;
    mu_fact busy, steal; /* of all CPUs' time */
    mu_fact switches_per_s;
    mu_fact stalled_cpu, stalled_io, stalled_memory;
    mu_fact frequency_mhz, throttled, temperature_c; /* the end's; throttled: events in between */
    mu_fact cgroup_throttled;
} mu_load_state;

void mu_load_counters_read(mu_load_counters *out);
mu_load_state mu_load_between(const mu_load_counters *begin, const mu_load_counters *end);
json_t *mu_load_state_json(const mu_load_state *state); /* NULL: no memory */

/* Pure parsers; what is missing is unknown. */
void mu_proc_cpu_parse(const char *text, double ticks_per_s, mu_load_counters *out);
mu_fact mu_pressure_parse(const char *text); /* "some ... total=N" in microseconds */

typedef struct mu_sampler mu_sampler;

typedef struct mu_sampler_options {
    pid_t root;                 /* of the process tree; 0: the machine only */
    uint32_t fast_ms;           /* between statm readings; 0: 100 */
    uint32_t slow_ms;           /* between machine readings and rollups; 0: 1000 */
    uint32_t n_samples_max;     /* 0: 36000, an hour at 10 Hz */
    const char *gpu_pci_bus_id; /* that the root computes on; NULL: none. Borrowed during open() */
    const char *nvml_library;   /* backend/gpu_usage.h; as the id */
} mu_sampler_options;

typedef struct mu_load_sample {
    uint64_t at_ns;
    mu_fact rss;                          /* bytes, statm */
    mu_fact pss, pss_anon, unreclaimable; /* rollup: at most each slow_ms, and only while allowed */
    mu_fact cpu_s;                        /* user and system time of the tree, since it began */
    mu_fact busy, steal;                  /* since the slow sample before; unknown in between */
    mu_fact stalled_cpu, stalled_memory, frequency_mhz;
    mu_fact gpu_memory, gpu_process; /* bytes, slow: used by everybody, by the root alone */
    mu_fact gpu_busy;                /* slow: 0 to 1, of NVML's last sample period */
} mu_load_sample;

typedef struct mu_sampler_facts {
    uint32_t n_samples, n_dropped;
    uint32_t n_gaps;
    double gap_s_max;     /* the longest time between two samples */
    double cpu_s;         /* the sampler's own CPU time */
    uint64_t own_bytes;   /* of the series */
    bool is_root_gone;    /* the root process ended */
    bool is_low_priority; /* nice 19 was granted */
    bool has_gpu;         /* NVML knows the one that was named */
} mu_sampler_facts;

mu_status mu_sampler_open(const mu_sampler_options *options, mu_sampler **out,
                          mu_err *err) MU_MUST_USE;
/* Rollups walk page tables under the mmap lock of the server: off (as at open) inside latency
 * windows. Returns when no rollup is running any more. */
void mu_sampler_allow_rollup(mu_sampler *sampler, bool allowed);
/* Samples so far from number first on, at most cap; returns how many. */
uint32_t mu_sampler_copy(mu_sampler *sampler, uint32_t first, mu_load_sample *out, uint32_t cap);
mu_sampler_facts mu_sampler_get_facts(mu_sampler *sampler);
/* {"fast_ms", ..., "gaps", "at_ns": [...], "rss": [...], ...}: a column each, null when unknown;
 * those of the GPU only with has_gpu. */
json_t *mu_sampler_json(mu_sampler *sampler); /* NULL: no memory */
void mu_sampler_close(mu_sampler *sampler);   /* NULL is allowed */

#endif
