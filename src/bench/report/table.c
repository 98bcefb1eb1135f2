#include "bench/report/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/result/escape.h"

static const char dash[] = "\xe2\x80\x93";

void mu_table_init(mu_table *t, const char *caption, const char *id) {
    *t = (mu_table){.caption = caption, .id = id};
}

void mu_table_deinit(mu_table *t) {
    mu_buf_deinit(&t->text);
    mu_free(t->cells);
    mu_free(t->row_ids);
    *t = (mu_table){0};
}

void mu_table_column(mu_table *t, const char *name, mu_column_kind kind) {
    MU_ASSERT(t->n_columns < MU_TABLE_COLUMNS_MAX && t->n_rows == 0);
    snprintf(t->columns[t->n_columns].name, MU_TABLE_NAME_BYTES, "%s", name);
    t->columns[t->n_columns++].kind = kind;
}

static bool grow(mu_table *t, size_t **array, size_t *cap, size_t need) {
    void *grown = *array;
    if (t->text.failed || !mu_grow(&grown, cap, need, sizeof(**array))) {
        t->text.failed = true;
        return false;
    }
    *array = grown;
    return true;
}

void mu_table_row(mu_table *t, const char *id) {
    if (!grow(t, &t->row_ids, &t->rows_cap, t->n_rows + 1) ||
        !grow(t, &t->cells, &t->cells_cap, (t->n_rows + 1) * t->n_columns)) {
        return;
    }
    t->row_ids[t->n_rows] = t->text.n;
    mu_buf_append_str(&t->text, id ? id : "");
    mu_buf_append(&t->text, "", 1);
    size_t missing = t->text.n;
    mu_buf_append(&t->text, dash, sizeof(dash));
    for (size_t i = 0; i < t->n_columns; i++)
        t->cells[t->n_rows * t->n_columns + i] = missing;
    t->n_cells = t->n_rows * t->n_columns;
    t->n_rows++;
}

static void begin_cell(mu_table *t) {
    if (t->text.failed) return;
    MU_ASSERT(t->n_cells < t->n_rows * t->n_columns);
    t->cells[t->n_cells++] = t->text.n;
}

void mu_table_text(mu_table *t, const char *str) {
    begin_cell(t);
    size_t start = t->text.n;
    mu_escape_plain(&t->text, str, MU_TABLE_CELL_CHARACTERS);
    if (t->text.n == start) mu_buf_append_str(&t->text, dash);
    mu_buf_append(&t->text, "", 1);
}

void mu_table_printf(mu_table *t, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    mu_table_text(t, text);
}

void mu_table_number(mu_table *t, double value) {
    mu_table_printf(t, "%s", mu_number_of(value).text);
}

void mu_table_interval(mu_table *t, double value, double low, double high) {
    if (!isfinite(value) || !isfinite(low) || !isfinite(high)) {
        mu_table_number(t, value);
        return;
    }
    mu_table_printf(t, "%s [%s, %s]", mu_number_of(value).text, mu_number_of(low).text,
                    mu_number_of(high).text);
}

void mu_table_stat(mu_table *t, const mu_figure *s, bool has_interval) {
    if (isfinite(s->value)) {
        mu_table_interval(t, s->value, has_interval ? s->low : NAN, s->high);
    } else if (isfinite(s->need) && isfinite(s->have)) {
        mu_table_printf(t, "n/a (n=%s < %s)", mu_number_count(s->have).text,
                        mu_number_count(s->need).text);
    } else {
        mu_table_number(t, NAN);
    }
}

const char *mu_table_cell(const mu_table *t, size_t row, size_t column) {
    MU_ASSERT(row < t->n_rows && column < t->n_columns);
    return t->text.data + t->cells[row * t->n_columns + column];
}

const char *mu_table_row_id(const mu_table *t, size_t row) {
    MU_ASSERT(row < t->n_rows);
    return t->text.data + t->row_ids[row];
}

int mu_verdict_sign(const char *verdict) {
    static const struct {
        const char *word;
        int sign;
    } rows[] = {{"pass", 1},      {"passed", 1},  {"VALID", 1},      {"NO LEAK", 1},
                {"faster", 1},    {"fail", -1},   {"failed", -1},    {"INVALID", -1},
                {"LEAK", -1},     {"slower", -1}, {"RETENTION", -1}, {"SATURATED", -1},
                {"not valid", -1}};
    for (size_t i = 0; verdict && i < MU_COUNTOF(rows); i++) {
        if (strcmp(verdict, rows[i].word) == 0) return rows[i].sign;
    }
    return 0;
}
