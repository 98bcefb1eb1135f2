/* machine.h - what a figure depends on besides the program: the machine and its settings.
 *
 * Read once, before measuring. Whatever cannot be read is unknown with its reason.
 * Threads: any. Memory: the struct is the caller's and owns nothing.
 */
#ifndef MU_BENCH_PROBE_MACHINE_H
#define MU_BENCH_PROBE_MACHINE_H

#include "bench/probe/fact.h"

enum { MU_MACHINE_ENV_MAX = 32 };

typedef struct mu_machine {
    mu_text_fact cpu_model, cpu_flags; /* of the flags those that matter to kernels */
    mu_text_fact cpu_vendor, microcode;
    mu_fact n_cpus_online, n_cpus_allowed, n_cores, n_sockets, n_numa_nodes;
    mu_text_fact cpus_allowed; /* "0-1" */
    mu_text_fact smt, governor, turbo;
    mu_fact frequency_max_mhz;
    mu_fact cache_l1d_bytes, cache_l2_bytes, cache_l3_bytes; /* of the first core */
    mu_text_fact kernel, kernel_command_line_hash;           /* FNV-1a of /proc/cmdline */
    mu_text_fact os, libc, clocksource;
    mu_text_fact thp, thp_defrag; /* the chosen word: "always", "madvise", "never" */
    mu_fact swappiness, overcommit, aslr;
    mu_fact anon_names; /* 1: the kernel names anonymous regions (CONFIG_ANON_VMA_NAME) */
    mu_text_fact virtualization, dmi; /* "bare metal" or the hypervisor; product */
    mu_fact memory_bytes, memory_available_bytes, swap_bytes;
    mu_fact cgroup_version; /* 1, 2 */
    mu_fact cgroup_cpus;    /* quota in cores; unknown "no limit" without one */
    mu_fact cgroup_memory_bytes;
    mu_fact open_files_max;                   /* ulimit -n, soft */
    char environment[MU_MACHINE_ENV_MAX][64]; /* names of MUAI_*, OMP_*, ... that are set */
    uint32_t n_environment;
} mu_machine;

void mu_machine_read(mu_machine *out);
/* With /proc, /sys and /etc under another root ("": the real one), for tests; what is asked of the
 * kernel by calls is real. */
void mu_machine_read_from(const char *root, mu_machine *out);
json_t *mu_machine_json(const mu_machine *machine); /* NULL: no memory */

#endif
