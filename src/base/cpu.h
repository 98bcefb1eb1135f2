/* cpu.h - how many cores this process may really use, and what the CPU is.
 *
 * Threads beyond the cgroup quota are worse than none: the kernel stops all of them together. So
 * the count is the least of affinity and quota, rounded down, at least 1.
 */
#ifndef MU_BASE_CPU_H
#define MU_BASE_CPU_H

#include "base/base.h"

typedef struct mu_cpu_facts {
    char name[64];         /* "AMD EPYC 9654 ..." or "" */
    uint32_t n_online;     /* cores of the machine */
    uint32_t n_affinity;   /* cores of the affinity mask */
    double quota;          /* cores of the tightest cgroup quota, 0: none */
    uint32_t n_usable;     /* what the program uses */
    char limited_by[16];   /* "affinity", "cgroup quota" or "machine" */
    uint64_t memory_bytes; /* of the machine */
    uint64_t
        memory_available_bytes;  /* now, or what is left of the cgroup limit when that is less */
    uint64_t memory_limit_bytes; /* of the tightest cgroup, 0: none */
} mu_cpu_facts;

void mu_cpu_facts_read(mu_cpu_facts *out);

/* The same with /proc and /sys under another root ("": the real one), for tests. */
void mu_cpu_facts_read_from(const char *root, mu_cpu_facts *out);

/* How many threads to start: n, or for 0 as many as the process may use. */
uint32_t mu_cpu_threads(uint32_t n);

/* Bytes of this process that are in memory now, and the most there ever were; 0 when unknown. */
uint64_t mu_memory_resident_bytes(void);
uint64_t mu_memory_peak_bytes(void);

#endif
