/* tables.h - the tables of a report, each from the whole view. Renderings differ in which they
 * show.
 *
 * A builder initialises *t and fills it; a table without rows means that there is nothing to say.
 * The column of systems is there only when there are several. Percentiles below their gate say so.
 *
 * Pure; any thread. The caller deinits *t, also after a failed allocation (t->text.failed).
 */
#ifndef MU_BENCH_REPORT_TABLES_H
#define MU_BENCH_REPORT_TABLES_H

#include "bench/report/table.h"
#include "bench/result/view.h"

typedef void (*mu_table_builder)(const mu_view *view, mu_table *t);

/* A target's figures with their units; interval is empty when there is none. Cleaned. */
typedef struct mu_target_text {
    char value[64], interval[96], limit[72];
} mu_target_text;

mu_target_text mu_target_text_of(const json_t *target);

/* tables_run.c: what was asked, where it ran, what came of it. */
void mu_tables_targets(const mu_view *view, mu_table *t);
void mu_tables_phases(const mu_view *view, mu_table *t);
void mu_tables_systems(const mu_view *view, mu_table *t); /* model, size, engine, device, counts */
void mu_tables_comparisons(const mu_view *view, mu_table *t);
void mu_tables_instrument(const mu_view *view, mu_table *t);
void mu_tables_run(const mu_view *view, mu_table *t);
void mu_tables_host(const mu_view *view, mu_table *t);
void mu_tables_definitions(const mu_view *view, mu_table *t);

/* tables_load.c: cells. */
void mu_tables_summary(const mu_view *view, mu_table *t); /* one row a latency cell, for pasting */
void mu_tables_by_input(const mu_view *view, mu_table *t);
void mu_tables_load(const mu_view *view, mu_table *t);
void mu_tables_concurrency(const mu_view *view, mu_table *t); /* closed loop only, short */
void mu_tables_capacity(const mu_view *view, mu_table *t);
void mu_tables_efficiency(const mu_view *view, mu_table *t);
void mu_tables_reliability(const mu_view *view, mu_table *t); /* with the rule of three */
void mu_tables_failures(const mu_view *view, mu_table *t);    /* class, count, first message */
void mu_tables_invalid(const mu_view *view, mu_table *t); /* cells that are not VALID, and why */
void mu_tables_cell_latency(const json_t *cell, mu_table *t); /* metric x percentile, of one cell */

/* tables_memory.c */
void mu_tables_memory(const mu_view *view, mu_table *t); /* quantity x system */
void mu_tables_loads(const mu_view *view, mu_table *t);
void mu_tables_arenas(const mu_view *view, mu_table *t);
void mu_tables_leak(const mu_view *view, mu_table *t);

#endif
