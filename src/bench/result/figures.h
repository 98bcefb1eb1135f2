/* figures.h - every figure that muai.bench/1 keeps, once: where it stands, what it is called, its
 * unit, which way is better, how several runs of it become one, and who shows it.
 *
 * The first rows are the metrics of requests, each a distribution of which a document has the
 * statistics of mu_figure_stats[]; the others are single numbers of a cell, of the memory of a
 * system and of its capacity. CSV, tables, comparisons, history, targets and the definitions in a
 * report walk this table; a figure that is added here is in all of them.
 *
 * Constant; any thread.
 */
#ifndef MU_BENCH_RESULT_FIGURES_H
#define MU_BENCH_RESULT_FIGURES_H

#include "base/base.h"

typedef enum mu_request_metric {
    MU_METRIC_TTFT,
    MU_METRIC_TTFT_SERVICE,
    MU_METRIC_TTFB,
    MU_METRIC_TTFC,
    MU_METRIC_TTST,
    MU_METRIC_TPOT,
    MU_METRIC_TPOT_ADJUSTED,
    MU_METRIC_ICL,
    MU_METRIC_ITL,
    MU_METRIC_E2E,
    MU_METRIC_E2E_SERVICE,
    MU_METRIC_TTLB,
    MU_METRIC_GAP_MAX,
    MU_METRIC_LAG,
    MU_METRIC_CONNECT,
    MU_METRIC_RATE_USER,
    MU_METRIC_PREFILL,
    MU_N_REQUEST_METRICS
} mu_request_metric;

typedef enum mu_place {
    MU_PLACE_METRIC, /* below "metrics" of a cell */
    MU_PLACE_CELL,
    MU_PLACE_MEMORY,
    MU_PLACE_CAPACITY,
} mu_place;

typedef enum mu_better { MU_BETTER_NEITHER, MU_BETTER_LOWER, MU_BETTER_HIGHER } mu_better;

/* Numbers of runs as one; a run that does not know it makes it unknown, except of FEWEST. */
typedef enum mu_merge {
    MU_MERGE_MEDIAN,
    MU_MERGE_SUM,
    MU_MERGE_LEAST,
    MU_MERGE_MOST,
    MU_MERGE_FEWEST, /* the least of those that are known */
} mu_merge;

/* Lengths of requests that must be equal for the figure of two systems to be of the same work. */
typedef enum mu_lengths { MU_LENGTHS_ANY, MU_LENGTHS_PROMPT, MU_LENGTHS_BOTH } mu_lengths;

enum {
    MU_SHOW_CSV = 1,
    MU_SHOW_WIDE = 2,    /* a metric's columns in the file of one line a cell */
    MU_SHOW_LATENCY = 4, /* the table of a cell's latency */
    MU_SHOW_MEMORY = 8,  /* the table of memory */
};

/* Statistics of a metric. VALUE stands for a single number. */
enum {
    MU_STAT_MEAN = 1,
    MU_STAT_MIN = 2,
    MU_STAT_P50 = 4,
    MU_STAT_P90 = 8,
    MU_STAT_P95 = 16,
    MU_STAT_P99 = 32,
    MU_STAT_P999 = 64,
    MU_STAT_MAX = 128,
    MU_STAT_VALUE = 256,
    MU_STATS_WIDE =
        MU_STAT_MEAN | MU_STAT_P50 | MU_STAT_P90 | MU_STAT_P95 | MU_STAT_P99 | MU_STAT_MAX,
    MU_STATS_TABLE = MU_STAT_P50 | MU_STAT_P90 | MU_STAT_P95 | MU_STAT_P99 | MU_STAT_MAX,
};

typedef struct mu_figure_stat {
    uint32_t set;     /* one of MU_STAT_* */
    const char *name; /* "p50" */
    double share;     /* 0.5; NAN: not a percentile */
} mu_figure_stat;

enum { MU_N_FIGURE_STATS = 8 };
extern const mu_figure_stat mu_figure_stats[MU_N_FIGURE_STATS];

typedef struct mu_figure_row {
    mu_place place;
    mu_better better;
    const char *path;  /* "ttft_ms", "throughput.output_tok_s" */
    const char *name;  /* of a column and in a comparison: "output_tok_s"; NULL: as the path */
    const char *label; /* for people: "Output tok/s" */
    const char *unit;  /* "": a share, or a bare number */
    mu_merge merge;
    uint32_t shown;              /* set of MU_SHOW_* */
    uint32_t followed, compared; /* sets of MU_STAT_*: in the history, between systems */
    const char *key;             /* in the history; NULL: its path */
    mu_lengths lengths;
    const char *formula, *remark; /* NULL: not among the definitions */
} mu_figure_row;

extern const mu_figure_row mu_figure_rows[];
extern const uint32_t mu_n_figure_rows;

static inline const char *mu_figure_name(const mu_figure_row *row) {
    return row->name ? row->name : row->path;
}

/* The row of a path, which may end with a statistic (of a metric) and begin with "metrics."; NULL:
 * the table has none. */
const mu_figure_row *mu_figure_row_of(mu_place place, const char *path);

/* How numbers of a key ("low", "rss_peak_mb") become one. */
mu_merge mu_merge_of(const char *key);

#endif
