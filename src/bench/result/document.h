/* document.h - what muai.bench/1 documents say: cells, systems, and how sure a figure is.
 *
 * A figure is named by a reference:
 *
 *     cell:ID.PATH            cell:latency-128-64-c1.ttft_ms.p95, cell:c8.throughput.requests_s
 *     memory:SYSTEM.PATH      memory:a.footprint.peak_mb
 *     capacity:SYSTEM.max_rate_per_s
 *
 * In a cell PATH starts below the cell, or below its "metrics" when a metric is named.
 *
 * Threads: any, while nobody changes the document. Memory: texts and values are borrowed from it.
 */
#ifndef MU_BENCH_RESULT_DOCUMENT_H
#define MU_BENCH_RESULT_DOCUMENT_H

#include "bench/result/path.h"

typedef struct mu_figure {
    double value, low, high; /* NAN: not known; low to high is the 95% interval */
    uint64_t n;              /* observations; 0: not said */
    const char *unit;        /* "" when not said */
    char why[120];           /* why value, or the interval, is not known; "" when nobody said */
    bool is_exact;           /* counted rather than sampled (a peak): has and needs no interval */
} mu_figure;

/* Whether this is a muai.bench/1 document that can be judged and rendered. MU_ERR_UNSUPPORTED for
 * other schemas (with what to do), MU_ERR_FORMAT with the field otherwise. */
mu_status mu_document_check(const json_t *doc, mu_err *err) MU_MUST_USE;

/* Array members by key; NULL: none. */
const json_t *mu_document_cell(const json_t *doc, const char *id);
/* Of a reference without its "cell:"; *path then stands behind the id. */
const json_t *mu_document_cell_of(const json_t *doc, const char **path);
const json_t *mu_document_system(const json_t *doc, const char *id);
const json_t *mu_document_memory(const json_t *doc, const char *system_id);
const json_t *mu_document_capacity(const json_t *doc, const char *system_id);

/* VALID or SATURATED: measured properly. A cell that does not say so is not. */
bool mu_cell_is_sound(const json_t *cell);
bool mu_cell_is_saturated(const json_t *cell);
bool mu_cell_has_flag(const json_t *cell, const char *flag_id);

/* The run failed, its validation failed, or it has cells and none is valid. */
bool mu_document_is_invalid(const json_t *doc);

/* A figure of a cell ("ttft_ms.p95", "throughput.requests_s", "efficiency.mbu"), of an entry of
 * "memory" ("footprint.peak_mb", "leak.slope_mb_h", "peak_mb": mu_memory_peak()) or "capacity", or
 * by reference. The interval of goodput is that of its attainment, that of max_rate_per_s reaches
 * to the lowest rate that failed. */
mu_figure mu_cell_figure(const json_t *cell, const char *path);
mu_figure mu_memory_figure(const json_t *memory, const char *path);
mu_figure mu_capacity_figure(const json_t *capacity, const char *path);
mu_figure mu_document_figure(const json_t *doc, const char *reference);

/* Cells with the same key were put under the same load: "latency closed c1 128/64 ...", without the
 * system and the run. out: [n], cut off. */
void mu_cell_key(const json_t *cell, char *out, size_t n);

/* One figure of all runs of a cell: those of its system with its key. Where the document has their
 * requests together ("pooled") it is of those; else the value is the median of the valid runs and
 * the interval the union of theirs, so it is known only when all of them know one. n_invalid (NULL
 * is allowed): runs that were left out. */
mu_figure mu_cell_runs_figure(const json_t *doc, const json_t *cell, const char *path,
                              uint32_t *out_n_invalid);

/* Highest peak of the process tree that any phase saw, MB. */
mu_figure mu_memory_peak(const json_t *memory);

#endif
