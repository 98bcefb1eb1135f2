/* document_comparison.h - is a faster than b? Over systems of one document, or over documents.
 *
 * Cells are matched by phase and load (kind, clients or rate, prompt and output tokens, endpoint,
 * streaming). The unit of evidence is a run of a fresh server or a block of an interleaved
 * comparison, never a request: cells with "block" are paired by block, cells with "run" are two
 * independent samples. The ratio a/b, its interval, test and verdict are those of
 * bench/stats/comparison.h; Holm's correction goes over the metrics of one cell.
 *
 *     ttft_ms.p50  ttft_ms.p95  tpot_ms.p50  output_tok_s  requests_s  goodput     of each cell
 *     memory.peak_mb                                                               of the system
 *
 * A comparison is refused ("comparable": false with "reasons", verdict "inconclusive") when model
 * or weight type differ, when a cell is INVALID, or, for what depends on lengths, when the measured
 * prompt or output lengths differ by more than 1%. Different hosts and unknown facts are warned
 * about in "notes". One run on either side gives a ratio marked "exploratory" and no verdict.
 *
 * Threads: any. Memory: the caller owns what is returned.
 */
#ifndef MU_BENCH_JUDGE_DOCUMENT_COMPARISON_H
#define MU_BENCH_JUDGE_DOCUMENT_COMPARISON_H

#include <jansson.h>

#include "base/status.h"

typedef struct mu_compare_options {
    double delta;              /* practical margin; 0: 0.02 */
    double noise_floor;        /* of an A/A run; replaces delta when larger */
    bool any_precision;        /* different weight types are a note, not a refusal */
    uint64_t seed;             /* of the bootstrap */
    const char *const *labels; /* of documents: what their systems are called; NULL: as they are */
} mu_compare_options;

/* The "comparisons" array of the systems inside one document: the first against each other one.
 * notes: NULL or an array that warnings are added to. Empty when there is one system. NULL when
 * there is no memory. */
json_t *mu_compare_systems(const json_t *doc, const mu_compare_options *options,
                           json_t *notes) MU_MUST_USE;

/* One document out of n >= 2: systems, cells, memory and capacity of all, targets and run of the
 * first, comparisons of its first system against each other. System ids become a, b, c, ...; cells
 * of the second document and on get their system's as suffix. names[i] (a file name) tells systems
 * apart that are called the same; names may be NULL.
 * MU_ERR_LIMIT beyond 26 systems, MU_ERR_NOMEM. The caller owns *out. */
mu_status mu_compare_documents(const json_t *const *docs, const char *const *names, size_t n,
                               const mu_compare_options *options, json_t **out,
                               mu_err *err) MU_MUST_USE;

/* MU_JUDGED_FAIL when something is slower (or takes more), MU_JUDGED_INVALID when nothing could be
 * compared, MU_JUDGED_INCONCLUSIVE when something is undecided, else MU_JUDGED_PASS. */
int mu_compare_exit_code(const json_t *comparisons);

#endif
