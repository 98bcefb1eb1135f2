/* chart.h - a chart as a figure of HTML: caption, legend, inline SVG, and a table of the same
 * values.
 *
 * Four kinds: lines and points against two axes, horizontal bars (single or stacked), intervals of
 * ratios (forest), and requests against time (waterfall). Each is filled through its own functions
 * and written once. Colour is never alone: series differ in dash and marker too.
 *
 * The drawing is 540 units wide; the style sheet keeps its letters legible at any width. What is
 * drawn from n values has n marks, and its table n values: tests count both.
 *
 * Threads: one. Memory: a chart owns its points and copies names; a failed allocation is remembered
 * in `failed` and passed on to the buffer that it is written to.
 */
#ifndef MU_BENCH_REPORT_CHART_H
#define MU_BENCH_REPORT_CHART_H

#include "base/buf.h"
#include "bench/report/axis.h"
#include "bench/report/table.h"

enum { MU_CHART_SERIES_MAX = 8, MU_CHART_NAME_BYTES = 80, MU_CHART_WIDTH = 540 };

typedef struct mu_point {
    double x, y;
    double low, high; /* interval of y; NAN when there is none */
    bool is_hollow;   /* of a cell that is not valid */
    char label[32];   /* beside the mark; may be empty */
} mu_point;

typedef struct mu_series {
    char name[MU_CHART_NAME_BYTES];
    mu_point *points; /* [n], rising in x where has_line */
    size_t n, cap;
    uint32_t style; /* colour, dash and marker; 0 to MU_CHART_SERIES_MAX - 1 */
    bool has_line, has_marks, has_band;
    bool is_dashed, is_solid; /* instead of the dash of the style */
} mu_series;

typedef struct mu_chart {
    const char *title;           /* borrowed */
    const char *x_name, *y_name; /* with their units; borrowed */
    char note[240];              /* a sentence under the caption */
    mu_axis_kind x_kind, y_kind;
    bool y_from_zero, ticks_at_values; /* ticks at the values of x where these are few */
    bool is_low;                       /* two thirds of the usual height */
    mu_series series[MU_CHART_SERIES_MAX];
    size_t n_series;
    double limit; /* a line across, with limit_name; NAN for none */
    char limit_name[48];
    double mark_x; /* a line upright, with mark_name; NAN for none */
    char mark_name[48];
    double shade_from; /* from here to the right the figures depend on the length of the test */
    bool failed;
} mu_chart;

void mu_chart_init(mu_chart *c, const char *title, const char *x_name, const char *y_name);
void mu_chart_deinit(mu_chart *c);

/* NULL when there are MU_CHART_SERIES_MAX already. The style is the number of the series. */
mu_series *mu_chart_add(mu_chart *c, const char *name);

/* Points that are not finite are left out. s may be NULL. */
void mu_chart_point(mu_chart *c, mu_series *s, mu_point p);
void mu_chart_xy(mu_chart *c, mu_series *s, double x, double y);

/* At most n points a series, the ones that keep its shape (largest triangles, Steinarsson 2013). */
void mu_chart_decimate(mu_chart *c, size_t n);

size_t mu_chart_n_points(const mu_chart *c);

/* Nothing is written for a chart without points. */
void mu_chart_write(const mu_chart *c, mu_buf *out);

/* Horizontal bars: each row has parts that are stacked in order. */
typedef struct mu_bars {
    const char *title, *unit, *row_name; /* borrowed; what a row is: "Phase" */
    char parts[MU_CHART_SERIES_MAX][MU_CHART_NAME_BYTES];
    size_t n_parts;
    struct mu_bar {
        char name[MU_CHART_NAME_BYTES];
        double values[MU_CHART_SERIES_MAX]; /* [n_parts]; NAN: none */
    } rows[24];
    size_t n_rows;
} mu_bars;

void mu_bars_write(const mu_bars *b, mu_buf *out);

/* Ratios with intervals around 1, on a scale of logarithms; the band is what counts as equal. */
typedef struct mu_forest {
    const char *title;
    char note[240];
    struct mu_forest_row {
        char name[MU_CHART_NAME_BYTES];
        double ratio, low, high, delta;
        char verdict[24];
    } rows[32];
    size_t n_rows;
} mu_forest;

void mu_forest_write(const mu_forest *f, mu_buf *out);

/* One request a line, each from its own start: waiting, prefill, decode. Times in ms. */
typedef struct mu_request_row {
    double start, wait, ttft, e2e, tokens, gap_max;
    bool ok;
} mu_request_row;

/* rows: [n], n <= 200, in order of start. */
void mu_waterfall_write(const char *title, const mu_request_row *rows, size_t n, mu_buf *out);

/* Counts between bounds: counts[i] is above bounds[i - 1] and up to bounds[i]. bounds: [n], counts:
 * [n + 1]. */
void mu_histogram_write(const char *title, const char *unit, const double *bounds,
                        const double *counts, size_t n, mu_buf *out);

/* What all kinds share: the figure up to the SVG's content, and its end with the table. alt: one
 * sentence for those who do not see it. The legend is of keys [n_keys]; none: no legend. */
typedef struct mu_figure_head {
    const char *title, *note, *alt;
    const char *attributes; /* of the SVG, for the script; may be NULL */
    double height;
} mu_figure_head;

typedef struct mu_key {
    const char *name;
    uint32_t style;
    bool is_area, has_line, has_marks, is_dashed, is_solid;
} mu_key;

void mu_chart_open(const mu_figure_head *head, const mu_key *keys, size_t n_keys, mu_buf *out);
void mu_chart_close(const mu_table *table, mu_buf *out);

#endif
