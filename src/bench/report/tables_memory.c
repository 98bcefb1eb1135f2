#include <math.h>
#include <string.h>

#include "bench/report/tables.h"

typedef enum unit { MEGABYTES, BYTES, RATIO, SLOPE, TEXT } unit;

static void quantity(mu_table *t, const json_t *memory, const char *path, unit u) {
    double value = mu_document_number(memory, path);
    if (u == TEXT) {
        mu_table_text(t, mu_document_string(memory, path));
    } else if (!isfinite(value)) {
        mu_table_number(t, value);
    } else if (u == MEGABYTES) {
        mu_table_printf(t, "%s MB", mu_number_of(value).text);
    } else if (u == BYTES) {
        mu_table_printf(t, "%s B", mu_number_count(value).text);
    } else if (u == SLOPE) {
        mu_table_printf(t, "%s MB/h", mu_number_of(value).text);
    } else {
        mu_table_number(t, value);
    }
}

void mu_tables_memory(const mu_view *view, mu_table *t) {
    static const struct {
        const char *name, *path;
        unit unit;
    } rows[] = {{"Peak of all phases", "footprint.peak_mb", MEGABYTES},
                {"Resident (RSS)", "footprint.rss_mb", MEGABYTES},
                {"Proportional (PSS)", "footprint.pss_mb", MEGABYTES},
                {"Private (USS)", "footprint.uss_mb", MEGABYTES},
                {"Unreclaimable", "footprint.unreclaimable_mb", MEGABYTES},
                {"Mapped files", "footprint.mapped_mb", MEGABYTES},
                {"Swap", "footprint.swap_mb", MEGABYTES},
                {"Before inference", "inference.before_mb", MEGABYTES},
                {"Peak under load", "inference.peak_mb", MEGABYTES},
                {"Inference adds", "inference.delta_mb", MEGABYTES},
                {"KV per token, by arithmetic", "kv.analytic_bytes_per_token", BYTES},
                {"KV per token, measured", "kv.measured_bytes_per_token", BYTES},
                {"KV measured / arithmetic", "kv.ratio", RATIO},
                {"Leak verdict", "leak.verdict", TEXT},
                {"Leak threshold", "leak.threshold_mb_h", SLOPE},
                {"Leak detection limit", "leak.detection_limit_mb_h", SLOPE}};
    mu_table_init(t, "Memory", NULL);
    mu_table_column(t, "Quantity", MU_COLUMN_TEXT);
    size_t shown[MU_TABLE_COLUMNS_MAX], n_shown = 0;
    for (size_t s = 0; s < view->n_systems && n_shown + 1 < MU_TABLE_COLUMNS_MAX; s++) {
        if (!mu_view_memory(view, s)) continue;
        shown[n_shown++] = s;
        mu_table_column(t, view->systems[s].name, MU_COLUMN_NUMBER);
    }
    for (size_t r = 0; n_shown > 0 && r < MU_COUNTOF(rows); r++) {
        bool is_known = false;
        for (size_t k = 0; k < n_shown; k++) {
            is_known = is_known || mu_document_at(mu_view_memory(view, shown[k]), rows[r].path);
        }
        if (!is_known) continue;
        mu_table_row(t, NULL);
        mu_table_text(t, rows[r].name);
        for (size_t k = 0; k < n_shown; k++) {
            quantity(t, mu_view_memory(view, shown[k]), rows[r].path, rows[r].unit);
        }
    }
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
