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

#include "bench/result/figures.h"
#include "bench/result/path.h"

typedef struct mu_figure {
    double value, low, high; /* NAN: not known; low to high is the 95% interval */
    uint64_t n;              /* observations; 0: not said */
    double need, have;       /* samples that a percentile needs and has; NAN: that is not why */
    double observed;         /* the value, or what so few samples say of it; NAN: nothing */
    const char *unit;        /* "" when not said */
    char why[120];           /* why value, or the interval, is not known; "" when nobody said */
    bool is_exact;           /* counted rather than sampled (a peak): has and needs no interval */
} mu_figure;

/* Whether this is a muai.bench/1 document that can be judged and rendered. MU_ERR_UNSUPPORTED for
 * other schemas (with what to do), MU_ERR_FORMAT with the field otherwise. */
mu_status mu_document_check(const json_t *doc, mu_err *err) MU_MUST_USE;

/* Array members by key; NULL: none. */
const json_t *mu_document_cell(const json_t *doc, const char *id);
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
mu_figure mu_cell_stat(const json_t *cell, const char *metric, const char *stat);

/* A quantile function, [share, value] in order of share, between its points; NAN: it has none. */
double mu_curve_at(const json_t *curve, double share);

/* The item of an array whose key starts *text and is followed by "."; the longest, for ids may hold
 * dots. *text then stands behind both. NULL: none. */
const json_t *mu_document_longest(const json_t *array, const char *key, const char **text);

/* Cells with the same key were put under the same load: "latency closed c1 128/64 ...", without the
 * system and the run. out: [n], cut off. */
enum { MU_CELL_KEY = 160 };
void mu_cell_key(const json_t *cell, char *out, size_t n);

/* Highest peak of the process tree that any phase saw, MB. */
mu_figure mu_memory_peak(const json_t *memory);

#endif
