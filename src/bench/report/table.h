/* table.h - rows of text with a caption: built once, written as HTML, Markdown or for a terminal.
 *
 * Cells hold cleaned, unescaped text; writers escape. The first column names its row. Like mu_buf,
 * a table remembers a failed allocation in text.failed, and writers pass it on to their buffer.
 *
 *     mu_table t;
 *     mu_table_init(&t, "Phases", "phases");
 *     mu_table_column(&t, "Phase", MU_COLUMN_TEXT);
 *     mu_table_row(&t, NULL);
 *     mu_table_printf(&t, "%s", "latency");
 *
 * Threads: one. Memory: owned by the table; caption and headings are borrowed (literals).
 */
#ifndef MU_BENCH_REPORT_TABLE_H
#define MU_BENCH_REPORT_TABLE_H

#include "base/buf.h"
#include "bench/report/number.h"
#include "bench/result/view.h"

enum { MU_TABLE_COLUMNS_MAX = 16, MU_TABLE_NAME_BYTES = 48, MU_TABLE_CELL_CHARACTERS = 400 };

typedef enum mu_column_kind {
    MU_COLUMN_TEXT,
    MU_COLUMN_NUMBER,  /* right-aligned */
    MU_COLUMN_VERDICT, /* one word with a colour: pass, fail, VALID, faster ... */
} mu_column_kind;

typedef struct mu_table {
    const char *caption;
    const char *id;   /* of the element in HTML; NULL for none */
    const char *note; /* a sentence under the table; may be NULL */
    size_t n_needed;  /* columns behind these are left out before any text is cut; 0: none is */
    size_t n_columns;
    struct {
        char name[MU_TABLE_NAME_BYTES];
        mu_column_kind kind;
    } columns[MU_TABLE_COLUMNS_MAX];
    mu_buf text;   /* cells and row ids one after another, each with a NUL */
    size_t *cells; /* [n_cells], offsets in text */
    size_t n_cells, cells_cap;
    size_t *row_ids; /* [n_rows], offsets in text; an empty string: no id */
    size_t n_rows, rows_cap;
} mu_table;

void mu_table_init(mu_table *t, const char *caption, const char *id);
void mu_table_deinit(mu_table *t);
void mu_table_column(mu_table *t, const char *name, mu_column_kind kind);

/* Rows are filled cell by cell; cells that were not given are dashes. id may be NULL. */
void mu_table_row(mu_table *t, const char *id);
void mu_table_text(mu_table *t, const char *str); /* cleaned and cut; NULL: a dash */
void mu_table_printf(mu_table *t, const char *fmt, ...) MU_PRINTF(2, 3);
void mu_table_number(mu_table *t, double value);
void mu_table_interval(mu_table *t, double value, double low,
                       double high); /* "12.3 [12.1, 12.5]" */

/* A figure with its interval, "n/a (n=71 < 368)", or a dash. */
void mu_table_stat(mu_table *t, const mu_figure *stat, bool has_interval);

/* "" for a cell that was not given. */
const char *mu_table_cell(const mu_table *t, size_t row, size_t column);
const char *mu_table_row_id(const mu_table *t, size_t row);

/* A table without rows writes nothing. columns_max: of the page. */
void mu_table_write_html(const mu_table *t, mu_buf *out);
void mu_table_write_markdown(const mu_table *t, size_t columns_max, mu_buf *out);
void mu_table_write_text(const mu_table *t, size_t columns_max, bool has_colour, mu_buf *out);

/* What a verdict means to a reader: +1 good, -1 bad, 0 neither. */
int mu_verdict_sign(const char *verdict);

#endif
