/* history.h - the runs of this machine in one SQLite file: documents whole, and their key figures
 * in a table for trends.
 *
 * Several processes may add at once: the file is in WAL mode and a writer waits for others. A run
 * is added in one transaction, so it is there whole or not at all. Older files are brought up to
 * the current version on opening, newer ones are refused. A full disk, a corrupt file or one that
 * may not be written are errors that say what to do; nothing is ever deleted to recover.
 *
 * A run is named by its id, the start of its id when that is unique, a name given by
 * mu_history_name(), or "last".
 *
 * Threads: a mu_history belongs to one thread. Memory: the caller owns JSON that is returned.
 */
#ifndef MU_BENCH_JUDGE_HISTORY_H
#define MU_BENCH_JUDGE_HISTORY_H

#include <jansson.h>

#include "base/status.h"

typedef struct mu_history mu_history;

typedef struct mu_history_filter {
    const char *model; /* part of the model's id; NULL: any */
    const char *cell;  /* part of the cell's id, of figures only; NULL: any */
    uint32_t limit;    /* newest n; 0: all */
} mu_history_filter;

/* Opens or creates the file and the folders above it. */
mu_status mu_history_open(const char *path, mu_history **out, mu_err *err) MU_MUST_USE;
void mu_history_close(mu_history *history); /* NULL is allowed */

/* Adds the document under its run.id. The same document again is MU_OK and changes nothing; another
 * one with the same id is MU_ERR_INVALID. */
mu_status mu_history_add(mu_history *history, const json_t *doc, mu_err *err) MU_MUST_USE;

/* MU_ERR_NOT_FOUND when no run, or more than one, has that name. */
mu_status mu_history_find(mu_history *history, const char *name, json_t **out_doc,
                          mu_err *err) MU_MUST_USE;

/* Newest first: [{"id", "start", "suite", "model", "host", "verdict", "names": [...],
 * "ttft_p50_ms", "decode_tok_s", "requests_s", "peak_mb"}]; figures that are not known are null. */
mu_status mu_history_list(mu_history *history, const mu_history_filter *filter, json_t **out,
                          mu_err *err) MU_MUST_USE;

/* One metric over time ("ttft_ms.p50", "throughput.output_tok_s", "memory.peak_mb"), valid cells
 * only: [{"model", "host", "cell", "unit", "points": [{"id", "start", "value", "low", "high"}]}],
 * oldest point first, a series for each model, host and cell. */
mu_status mu_history_trend(mu_history *history, const char *metric, const mu_history_filter *filter,
                           json_t **out, mu_err *err) MU_MUST_USE;

/* The metrics that mu_history_trend() knows of this file, sorted: array of strings. */
mu_status mu_history_metrics(mu_history *history, json_t **out, mu_err *err) MU_MUST_USE;

/* Gives a run a name, taking it from the run that had it. Names are letters, digits, "-", "_", "."
 * and not "last". */
mu_status mu_history_name(mu_history *history, const char *name, const char *run,
                          mu_err *err) MU_MUST_USE;
mu_status mu_history_remove(mu_history *history, const char *run, mu_err *err) MU_MUST_USE;

#endif
