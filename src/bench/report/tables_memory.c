#include <math.h>
#include <string.h>

#include "bench/report/tables.h"

static void quantity(mu_table *t, const json_t *memory, const mu_figure_row *row) {
    mu_figure f = mu_memory_figure(memory, row->path);
    bool is_bytes = strncmp(row->unit, "B/", 2) == 0;
    if (isnan(f.value) || row->unit[0] == '\0') {
        mu_table_number(t, f.value);
    } else {
        mu_table_printf(t, "%s %s", (is_bytes ? mu_number_count : mu_number_of)(f.value).text,
                        is_bytes ? "B" : row->unit);
    }
}

static bool is_known(const mu_view *view, const size_t *systems, size_t n,
                     const mu_figure_row *row) {
    for (size_t k = 0; k < n; k++) {
        if (!isnan(mu_memory_figure(mu_view_memory(view, systems[k]), row->path).value))
            return true;
    }
    return false;
}

static void leak_verdicts(const mu_view *view, const size_t *systems, size_t n, mu_table *t) {
    bool is_told = false;
    for (size_t k = 0; k < n; k++) {
        is_told = is_told || mu_document_at(mu_view_memory(view, systems[k]), "leak.verdict");
    }
    if (!is_told) return;
    mu_table_row(t, NULL);
    mu_table_text(t, "Leak verdict");
    for (size_t k = 0; k < n; k++) {
        mu_table_text(t, mu_document_string(mu_view_memory(view, systems[k]), "leak.verdict"));
    }
}

void mu_tables_memory(const mu_view *view, mu_table *t) {
    mu_table_init(t, "Memory", NULL);
    mu_table_column(t, "Quantity", MU_COLUMN_TEXT);
    size_t shown[MU_TABLE_COLUMNS_MAX], n_shown = 0;
    for (size_t s = 0; s < view->n_systems && n_shown + 1 < MU_TABLE_COLUMNS_MAX; s++) {
        if (!mu_view_memory(view, s)) continue;
        shown[n_shown++] = s;
        mu_table_column(t, view->systems[s].name, MU_COLUMN_NUMBER);
    }
    for (uint32_t r = 0; r < mu_n_figure_rows; r++) {
        const mu_figure_row *row = &mu_figure_rows[r];
        if (!(row->shown & MU_SHOW_MEMORY) || !is_known(view, shown, n_shown, row)) continue;
        mu_table_row(t, NULL);
        mu_table_text(t, row->label);
        for (size_t k = 0; k < n_shown; k++) {
            quantity(t, mu_view_memory(view, shown[k]), row);
        }
    }
    leak_verdicts(view, shown, n_shown, t);
}

void mu_tables_loads(const mu_view *view, mu_table *t) {
    static const struct {
        const char *name, *path;
    } columns[] = {{"In page cache, %", "page_cache_percent"},
                   {"Load, s", "seconds"},
                   {"Until start, s", "split.start_s"},
                   {"Until ready, s", "split.ready_s"},
                   {"Until first token, s", "split.first_token_s"},
                   {"Peak, MB", "peak_mb"},
                   {"Settled, MB", "settled_mb"},
                   {"Read, MB", "read_mb"}};
    mu_table_init(t, "Loading the model", NULL);
    mu_table_column(t, "Load", MU_COLUMN_TEXT);
    mu_table_column(t, "System", MU_COLUMN_TEXT);
    for (size_t c = 0; c < MU_COUNTOF(columns); c++) {
        mu_table_column(t, columns[c].name, MU_COLUMN_NUMBER);
    }
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *loads = mu_document_at(mu_view_memory(view, s), "loads");
        for (size_t i = 0; i < json_array_size(loads); i++) {
            const json_t *load = json_array_get(loads, i);
            mu_table_row(t, NULL);
            mu_table_text(t, mu_document_string(load, "kind"));
            mu_table_text(t, view->systems[s].name);
            for (size_t c = 0; c < MU_COUNTOF(columns); c++) {
                mu_table_number(t, mu_document_number(load, columns[c].path));
            }
        }
    }
}

void mu_tables_arenas(const mu_view *view, mu_table *t) {
    mu_table_init(t, "Memory by owner", NULL);
    mu_table_column(t, "Owner", MU_COLUMN_TEXT);
    mu_table_column(t, "System", MU_COLUMN_TEXT);
    mu_table_column(t, "MB", MU_COLUMN_NUMBER);
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *arenas = mu_document_at(mu_view_memory(view, s), "arenas");
        for (size_t i = 0; i < json_array_size(arenas); i++) {
            mu_table_row(t, NULL);
            mu_table_text(t, mu_document_string(json_array_get(arenas, i), "name"));
            mu_table_text(t, view->systems[s].name);
            mu_table_number(t, mu_document_number(json_array_get(arenas, i), "mb"));
        }
    }
}

void mu_tables_leak(const mu_view *view, mu_table *t) {
    mu_table_init(t, "Growth of memory", NULL);
    mu_table_column(t, "Signal", MU_COLUMN_TEXT);
    mu_table_column(t, "System", MU_COLUMN_TEXT);
    mu_table_column(t, "MB/h [95 %]", MU_COLUMN_NUMBER);
    mu_table_column(t, "Bytes per request", MU_COLUMN_NUMBER);
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *signals = mu_document_at(mu_view_memory(view, s), "leak.signals");
        for (size_t i = 0; i < json_array_size(signals); i++) {
            const json_t *signal = json_array_get(signals, i);
            mu_table_row(t, NULL);
            mu_table_text(t, mu_document_string(signal, "name"));
            mu_table_text(t, view->systems[s].name);
            mu_table_interval(t, mu_document_number(signal, "slope_mb_h"),
                              mu_document_number(signal, "low"),
                              mu_document_number(signal, "high"));
            mu_table_number(t, mu_document_number(signal, "bytes_per_request"));
        }
    }
}
