/* process.h - what a process and its descendants use: memory, CPU time, faults, switches.
 *
 * Sums are over the tree (mu_process_tree_read()). Rss is summed as it is and counts shared pages
 * several times; Pss does not. Of every process
 *
 *     uss           = Private_Clean + Private_Dirty + Private_Hugetlb
 *     unreclaimable = max(Pss_Dirty, Pss_Anon - LazyFree + Pss_Shmem) + SwapPss + Private_Hugetlb
 *
 * unreclaimable is what the process needs even when the system is short: anonymous memory, also
 * private copies of file pages (the kernel counts them as anonymous); shared memory; and, because
 * Pss_Dirty = dirty anonymous + dirty shared memory + dirty file pages, the file pages that are
 * written and not yet on disk: max(0, Pss_Dirty - Pss_Anon - Pss_Shmem). No page counts twice.
 * Clean file pages (mapped weights) are not in it. Before Linux 6.0 there is no Pss_Dirty:
 * Private_Dirty then stands for it.
 *
 * Cost: statm is a few microseconds a process; rollup and smaps walk the page tables under the
 * process's mmap lock: never inside a latency window.
 *
 * A process that ends meanwhile is left out. Threads: any. No state.
 */
#ifndef MU_BENCH_PROBE_PROCESS_H
#define MU_BENCH_PROBE_PROCESS_H

#include <sys/types.h>

#include "base/status.h"
#include "bench/probe/fact.h"

enum { MU_PROCESSES_MAX = 512 };

typedef struct mu_process_tree {
    pid_t pids[MU_PROCESSES_MAX]; /* the root first */
    uint32_t n;
    bool is_cut; /* there were more */
} mu_process_tree;

/* MU_ERR_NOT_FOUND: there is no such process, or it has ended and waits to be asked how. */
mu_status mu_process_tree_read(pid_t root, mu_process_tree *out, mu_err *err) MU_MUST_USE;

/* Bytes. */
typedef struct mu_process_memory {
    mu_fact rss, pss, pss_dirty, pss_anon, pss_file, pss_shmem;
    mu_fact shared_clean, shared_dirty, private_clean, private_dirty, private_hugetlb;
    mu_fact anonymous, lazy_free, anon_huge, swap, swap_pss;
    mu_fact uss, unreclaimable;
} mu_process_memory;

/* smaps_rollup. All facts are unknown, with the reason, when it may not be read. */
void mu_process_memory_read(const mu_process_tree *tree, mu_process_memory *out);
json_t *mu_process_memory_json(const mu_process_memory *memory); /* NULL: no memory */

/* Resident bytes by /proc/pid/statm: fast and approximate (the kernel batches its counters). */
mu_fact mu_process_rss_fast(const mu_process_tree *tree);

/* The most resident bytes since the last reset: VmHWM, summed (an upper bound for a tree, whose
 * members need not peak together). reset: MU_ERR_UNSUPPORTED with the reason. */
mu_fact mu_process_peak(const mu_process_tree *tree);
mu_status mu_process_peak_reset(const mu_process_tree *tree, mu_err *err) MU_MUST_USE;

/* Regions whose name in smaps is name, or begins with it up to a final '*': "[heap]",
 * "[anon:muai-kv]", "[anon:muai-*", "/path/model.safetensors". Bytes. */
typedef struct mu_process_region {
    uint32_t n; /* regions; 0: none of that name */
    mu_fact size, rss, pss, private_clean, private_dirty, anonymous, anon_huge, swap;
} mu_process_region;

void mu_process_region_read(const mu_process_tree *tree, const char *name, mu_process_region *out);

/* Counts since the process began. Switches, run-queue wait and time on CPU are those of threads
 * that are alive now; user and system time have the resolution of the kernel's tick (10 ms). */
typedef struct mu_process_activity {
    mu_fact user_s, system_s;
    mu_fact on_cpu_s, queued_s; /* schedstat: ran; was ready and waited for a CPU */
    mu_fact minor_faults, major_faults;
    mu_fact switches_voluntary, switches_forced;
    mu_fact read_bytes, written_bytes; /* from and to storage */
    mu_fact threads, fds;              /* now */
} mu_process_activity;

void mu_process_activity_read(const mu_process_tree *tree, mu_process_activity *out);
/* end - begin, member by member; threads and fds are the end's. What a process of the tree did that
 * ended in between is lost, so an interval is best measured where none ends. */
mu_process_activity mu_process_activity_since(const mu_process_activity *begin,
                                              const mu_process_activity *end);
json_t *mu_process_activity_json(const mu_process_activity *activity); /* NULL: no memory */

/* Pure parsers of the files' text, for the readers above and their tests. What is missing or
 * malformed is unknown. */
void mu_smaps_rollup_parse(const char *text, mu_process_memory *out);
void mu_smaps_region_parse(const char *text, const char *name, mu_process_region *out);
bool mu_proc_stat_parse(const char *text, double ticks_per_s, pid_t *parent,
                        mu_process_activity *out); /* false: malformed; out is untouched */
bool mu_proc_statm_parse(const char *text, uint64_t *out_resident_pages);
mu_fact mu_proc_field(const char *text, const char *key); /* "key: number" of status, io */

#endif
