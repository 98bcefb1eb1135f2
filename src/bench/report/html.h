/* html.h - the page of a report while it is built: sections in order, and what was left out.
 *
 * The sections are rows of a table in html.c; a writer looks at the view and fills its section, or
 * writes nothing where there is nothing to show. The first screen is the head, the key figures with
 * one chart, and three recommendations; what follows is folded. All text goes through
 * mu_escape_html(); ids and classes are literals or made by mu_html_id().
 *
 * Threads: one. Memory: the page owns its buffers.
 */
#ifndef MU_BENCH_REPORT_HTML_H
#define MU_BENCH_REPORT_HTML_H

#include "base/buf.h"
#include "bench/report/chart.h"
#include "bench/report/tables.h"
#include "bench/result/view.h"

typedef struct mu_page {
    const mu_view *view;
    mu_buf body;
    mu_buf contents;   /* items of the list of sections */
    mu_buf absent;     /* items of the list of what is not shown */
    size_t points_max; /* of a line; shorter when the page would be too long */
    size_t cells_max;  /* that are shown in detail */
} mu_page;

/* name: literal tag and class, as in "p class=\"note\"". str is escaped. */
void mu_page_element(mu_page *page, const char *open, const char *str, const char *close);
void mu_page_table(mu_page *page, mu_table_builder build);
void mu_page_chart(mu_page *page, mu_chart *chart); /* decimated, written, deinitialised */

void mu_html_head(mu_page *page);  /* title, badges, summary */
void mu_html_facts(mu_page *page); /* model, engine, machine, time */
void mu_html_key_figures(mu_page *page);
/* Throughput and time to first token by clients; false: fewer than two were measured. */
bool mu_html_load_overview(mu_page *page);
/* Time to first token by prompt length; false: fewer than two were measured. */
bool mu_html_latency_overview(mu_page *page);
void mu_html_verdict(mu_page *page);
void mu_html_recommendations(mu_page *page);
void mu_html_latency(mu_page *page);
void mu_html_load(mu_page *page);
void mu_html_pareto(mu_page *page);
void mu_html_time(mu_page *page);
void mu_html_requests(mu_page *page);
void mu_html_stalls(mu_page *page);
void mu_html_memory(mu_page *page);
void mu_html_efficiency(mu_page *page);
void mu_html_comparison(mu_page *page);
void mu_html_reliability(mu_page *page);
void mu_html_tables(mu_page *page);
void mu_html_method(mu_page *page);

#endif
