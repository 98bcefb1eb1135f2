#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "bench/report/tables.h"
#include "bench/result/escape.h"

/* Shares in % keep the digits that tell them from 100. */
static mu_number target_figure(double value, bool is_percent) {
    if (!is_percent) return mu_number_of(value);
    mu_number f = mu_number_percent(value / 100.0);
    char *unit = strstr(f.text, " %");
    if (unit) *unit = '\0';
    return f;
}

mu_target_text mu_target_text_of(const json_t *target) {
    mu_target_text text = {0};
    char u[20];
    mu_escape_fixed(u, sizeof(u), mu_document_string(target, "unit"), 12);
    const char *better = mu_document_string(target, "better");
    bool is_percent = strcmp(u, "%") == 0;
    double low = mu_document_number(target, "low"), high = mu_document_number(target, "high");
    double value = mu_document_number(target, "value");
    snprintf(text.value, sizeof(text.value), "%.40s%s%.20s", target_figure(value, is_percent).text,
             *u && isfinite(value) ? " " : "", isfinite(value) ? u : "");
    if (isfinite(low) && isfinite(high)) {
        snprintf(text.interval, sizeof(text.interval), "%.40s to %.40s",
                 target_figure(low, is_percent).text, target_figure(high, is_percent).text);
    }
    snprintf(text.limit, sizeof(text.limit), "%s %.40s%s%.20s",
             better && strcmp(better, "higher") == 0 ? ">" : "<",
             mu_number_tick(mu_document_number(target, "limit")).text, *u ? " " : "", u);
    return text;
}

void mu_tables_targets(const mu_view *view, mu_table *t) {
    mu_table_init(t, "Targets", NULL);
    mu_table_column(t, "Target", MU_COLUMN_TEXT);
    mu_table_column(t, "Value", MU_COLUMN_NUMBER);
    mu_table_column(t, "95 % interval", MU_COLUMN_NUMBER);
    mu_table_column(t, "Limit", MU_COLUMN_NUMBER);
    mu_table_column(t, "Verdict", MU_COLUMN_VERDICT);
    mu_table_column(t, "Why", MU_COLUMN_TEXT);
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *targets = mu_document_at(view->docs[d], "targets");
        for (size_t i = 0; i < json_array_size(targets); i++) {
            const json_t *target = json_array_get(targets, i);
            mu_table_row(t, NULL);
            mu_table_text(t, mu_document_string(target, "name"));
            mu_target_text text = mu_target_text_of(target);
            mu_table_text(t, text.value);
            mu_table_text(t, text.interval);
            mu_table_text(t, text.limit);
            mu_table_text(t, mu_document_string(target, "verdict"));
            mu_table_text(t, mu_document_string(target, "why"));
        }
    }
}

void mu_tables_phases(const mu_view *view, mu_table *t) {
    mu_table_init(t, "Status of each phase", NULL);
    mu_table_column(t, "Phase", MU_COLUMN_TEXT);
    mu_table_column(t, "Status", MU_COLUMN_VERDICT);
    mu_table_column(t, "Time", MU_COLUMN_NUMBER);
    mu_table_column(t, "Summary", MU_COLUMN_TEXT);
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *phases = mu_document_at(view->docs[d], "phases");
        for (size_t i = 0; i < json_array_size(phases); i++) {
            const json_t *phase = json_array_get(phases, i);
            mu_table_row(t, NULL);
            mu_table_text(t, mu_document_string(phase, "id"));
            mu_table_text(t, mu_document_string(phase, "status"));
            mu_table_text(t, mu_number_seconds(mu_document_number(phase, "duration_s")).text);
            mu_table_text(t, mu_document_string(phase, "summary"));
        }
    }
}

static void fidelity(mu_table *t, const json_t *system) {
    const json_t *agreement = mu_document_at(system, "fidelity.greedy_agreement");
    if (isfinite(mu_document_item(agreement, 0))) {
        mu_table_printf(t, "%s greedy tokens agree",
                        mu_number_percent(mu_document_item(agreement, 0)).text);
    } else {
        mu_table_text(t, "not measured");
    }
}

void mu_tables_systems(const mu_view *view, mu_table *t) {
    static const char *columns[] = {"System", "Engine", "Device",  "Model",          "Weights",
                                    "KV",     "Size",   "Context", "Tokens counted", "Fidelity"};
    mu_table_init(t, "Systems under test", NULL);
    for (size_t i = 0; i < MU_COUNTOF(columns); i++)
        mu_table_column(t, columns[i], MU_COLUMN_TEXT);
    for (size_t s = 0; s < view->n_systems; s++) {
        const json_t *system = view->systems[s].json;
        mu_table_row(t, NULL);
        mu_table_text(t, view->systems[s].name);
        mu_table_text(t, mu_document_string(system, "engine"));
        mu_table_text(t, mu_document_string(system, "device"));
        mu_table_text(t, mu_document_string(system, "model.id"));
        mu_table_text(t, mu_document_string(system, "model.dtype"));
        mu_table_text(t, mu_document_string(system, "model.kv_dtype"));
        mu_table_text(t, mu_number_bytes(mu_document_number(system, "model.weight_bytes")).text);
        mu_table_text(t, mu_number_count(mu_document_number(system, "model.n_ctx")).text);
        mu_table_text(t, mu_document_string(system, "token_count_source"));
        fidelity(t, system);
    }
}

/* "TTFT (user) p50, ms" of "ttft_ms.p50"; what the table of figures does not have is as it is. */
static void metric_cell(mu_table *t, const json_t *c) {
    const char *metric = mu_document_text(c, "metric"), *unit = mu_document_text(c, "unit");
    size_t n = strcspn(metric, ".");
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const mu_figure_row *row = &mu_figure_rows[i];
        const char *name = row->key ? row->key : mu_figure_name(row);
        bool is_whole = strcmp(name, metric) == 0;
        bool is_stat = row->place == MU_PLACE_METRIC && strncmp(name, metric, n) == 0 &&
                       name[n] == '\0' && metric[n] == '.';
        if (!is_whole && !is_stat) continue;
        bool has_unit = row->unit[0] && !strstr(row->label, row->unit);
        mu_table_printf(t, "%s%s%.8s%s%s", row->label, is_stat ? " " : "",
                        is_stat ? metric + n + 1 : "", has_unit ? ", " : "",
                        has_unit ? row->unit : "");
        return;
    }
    mu_table_printf(t, "%.80s%s%.20s", metric, unit[0] ? ", " : "", unit);
}

/* "3.00 times faster", "12.0 % less": of the first against the other. */
static void change_cell(mu_table *t, const json_t *c) {
    double ratio = mu_document_number(c, "ratio");
    bool is_time = strcmp(mu_document_text(c, "unit"), "ms") == 0;
    if (!(ratio > 0.0)) {
        mu_table_text(t, NULL);
        return;
    }
    const char *more = is_time ? "slower" : "more", *less = is_time ? "faster" : "less";
    double times = ratio >= 1.0 ? ratio : 1.0 / ratio;
    if (times >= 1.5) {
        mu_table_printf(t, "%s times %s", mu_number_of(times).text, ratio >= 1.0 ? more : less);
    } else if (fabs(ratio - 1.0) < 0.0005) {
        mu_table_text(t, "the same");
    } else {
        mu_table_printf(t, "%s %% %s", mu_number_of(100.0 * fabs(ratio - 1.0)).text,
                        ratio >= 1.0 ? more : less);
    }
}

static void evidence_cell(mu_table *t, const json_t *c) {
    double n = mu_document_number(c, "blocks");
    bool is_paired = mu_document_is_true(c, "paired");
    if (!(n > 0.0)) {
        mu_table_text(t, NULL);
    } else {
        mu_table_printf(t, "%.0f %s%s%s", n, is_paired ? "block" : "run", n == 1.0 ? "" : "s",
                        is_paired ? "" : " each");
    }
}

static void comparison_row(const mu_view *view, const json_t *doc, const json_t *c, mu_table *t) {
    const char *verdict = mu_document_string(c, "verdict");
    bool is_open = verdict && strcmp(verdict, "inconclusive") == 0;
    mu_table_row(t, NULL);
    mu_table_text(t, mu_document_string(c, "cell"));
    metric_cell(t, c);
    mu_table_number(t, mu_document_number(c, "b_value"));
    mu_table_number(t, mu_document_number(c, "a_value"));
    change_cell(t, c);
    mu_table_text(t, is_open ? "not proven" : verdict);
    evidence_cell(t, c);
    mu_table_interval(t, mu_document_number(c, "ratio"), mu_document_number(c, "low"),
                      mu_document_number(c, "high"));
    mu_table_number(t, mu_document_number(c, "p_holm"));
    mu_table_text(t, mu_document_string(c, "why"));
    if (view->n_systems > 2) {
        mu_table_printf(
            t, "%s against %s",
            mu_view_name(view, mu_view_find_system(view, doc, mu_document_string(c, "a"))),
            mu_view_name(view, mu_view_find_system(view, doc, mu_document_string(c, "b"))));
    }
}

void mu_tables_comparisons(const mu_view *view, mu_table *t) {
    static const struct {
        const char *name;
        mu_column_kind kind;
    } columns[] = {{"Cell", MU_COLUMN_TEXT},       {"Metric", MU_COLUMN_TEXT},
                   {"B", MU_COLUMN_NUMBER},        {"A", MU_COLUMN_NUMBER},
                   {"A is", MU_COLUMN_TEXT},       {"Verdict", MU_COLUMN_VERDICT},
                   {"Of", MU_COLUMN_TEXT},         {"A / B [95 %]", MU_COLUMN_NUMBER},
                   {"p (Holm)", MU_COLUMN_NUMBER}, {"Why", MU_COLUMN_TEXT}};
    char names[2][MU_TABLE_NAME_BYTES];
    mu_table_init(t, "Comparison", NULL);
    t->n_needed = 6;
    for (size_t i = 0; i < 2; i++) { /* A and B by name where there are two */
        snprintf(names[i], sizeof(names[i]), "%c: %.40s", i == 0 ? 'A' : 'B',
                 mu_view_name(view, i));
    }
    for (size_t i = 0; i < MU_COUNTOF(columns); i++) {
        const char *name = columns[i].name;
        if (view->n_systems == 2 && i == 2) name = names[1];
        if (view->n_systems == 2 && i == 3) name = names[0];
        mu_table_column(t, name, columns[i].kind);
    }
    if (view->n_systems > 2) mu_table_column(t, "A against B", MU_COLUMN_TEXT);
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *all = mu_document_at(view->docs[d], "comparisons");
        for (size_t i = 0; i < json_array_size(all); i++) {
            comparison_row(view, view->docs[d], json_array_get(all, i), t);
        }
    }
}

void mu_tables_instrument(const mu_view *view, mu_table *t) {
    static const struct {
        const char *name, *key;
    } columns[] = {{"Streams", "streams"},
                   {"Requests", "n"},
                   {"TTFT bias, \xc2\xb5s", "ttft_bias_us"},
                   {"TTFT error p99, \xc2\xb5s", "ttft_error_p99_us"},
                   {"Gap bias, \xc2\xb5s", "gap_bias_us"},
                   {"Gap error p99, \xc2\xb5s", "gap_error_p99_us"}};
    mu_table_init(t, "Error of the instrument, against a server whose times are known", NULL);
    for (size_t c = 0; c < MU_COUNTOF(columns); c++) {
        mu_table_column(t, columns[c].name, MU_COLUMN_NUMBER);
    }
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *rows = mu_document_at(view->docs[d], "instrument.rows");
        for (size_t i = 0; i < json_array_size(rows); i++) {
            mu_table_row(t, NULL);
            for (size_t c = 0; c < MU_COUNTOF(columns); c++) {
                double value = mu_document_number(json_array_get(rows, i), columns[c].key);
                mu_table_text(t, c < 2 ? mu_number_count(value).text : mu_number_of(value).text);
            }
        }
    }
}

static void fact(mu_table *t, const char *name, const char *text) {
    mu_table_row(t, NULL);
    mu_table_text(t, name);
    mu_table_text(t, text);
}

static void begin_facts(mu_table *t, const char *caption) {
    mu_table_init(t, caption, NULL);
    mu_table_column(t, "Fact", MU_COLUMN_TEXT);
    mu_table_column(t, "Value", MU_COLUMN_TEXT);
}

void mu_tables_run(const mu_view *view, mu_table *t) {
    begin_facts(t, "Run");
    for (size_t d = 0; d < view->n_docs; d++) {
        const json_t *doc = view->docs[d];
        fact(t, "Run", mu_document_string(doc, "run.id"));
        fact(t, "Suite", mu_document_string(doc, "run.suite"));
        fact(t, "Start", mu_document_string(doc, "run.start"));
        fact(t, "End", mu_document_string(doc, "run.end"));
        fact(t, "Duration", mu_number_seconds(mu_document_number(doc, "run.duration_s")).text);
        fact(t, "Fresh server processes",
             mu_number_count(mu_document_number(doc, "run.runs")).text);
        fact(t, "Seed", mu_number_count(mu_document_number(doc, "run.seed")).text);
        fact(t, "Stopped because", mu_document_string(doc, "run.stop_reason"));
        if (mu_document_string(doc, "run.why"))
            fact(t, "Reason", mu_document_string(doc, "run.why"));
        fact(t, "Tool", mu_document_string(doc, "tool.name"));
        fact(t, "Version", mu_document_string(doc, "tool.version"));
        fact(t, "Compiler", mu_document_string(doc, "tool.compiler"));
        fact(t, "Build", mu_document_string(doc, "tool.build"));
        if (mu_document_string(doc, "tool.git"))
            fact(t, "Commit", mu_document_string(doc, "tool.git"));
        if (mu_document_string(doc, "raw.path"))
            fact(t, "Raw records", mu_document_string(doc, "raw.path"));
        if (mu_document_string(doc, "raw.sha256"))
            fact(t, "SHA-256", mu_document_string(doc, "raw.sha256"));
    }
}

static int append(const char *data, size_t n, void *ctx) {
    mu_buf *buf = ctx;
    mu_buf_append(buf, data, n);
    return buf->failed ? -1 : 0;
}

/* Every leaf of the host, its keys joined by dots. Depth is limited by the JSON parser's. */
static void host_facts(mu_table *t, const json_t *json, const char *path) {
    if (!json) return;
    if (json_is_object(json)) {
        const char *key;
        const json_t *value;
        json_object_foreach((json_t *)json, key, value) {
            char inner[160];
            snprintf(inner, sizeof(inner), "%.90s%s%.60s", path, *path ? "." : "", key);
            host_facts(t, value, inner);
        }
        return;
    }
    if (json_is_array(json) && json_array_size(json) > 0 &&
        !json_is_string(json_array_get(json, 0)) && !json_is_number(json_array_get(json, 0))) {
        return; /* lists of objects are in the document */
    }
    mu_buf text = {0};
    if (json_is_string(json)) {
        mu_buf_append_str(&text, json_string_value(json));
    } else if (json_is_number(json)) {
        mu_buf_append_str(&text, mu_number_exact(json_number_value(json)).text);
    } else if (json_is_null(json)) {
        mu_buf_append_str(&text, "not known");
    } else if (json_dump_callback(json, append, &text, JSON_ENCODE_ANY | JSON_COMPACT) != 0) {
        text.failed = true;
    }
    if (text.failed) t->text.failed = true;
    fact(t, path, text.data);
    mu_buf_deinit(&text);
}

void mu_tables_host(const mu_view *view, mu_table *t) {
    begin_facts(t, "Machine");
    for (size_t d = 0; d < view->n_docs; d++) {
        if (d == 0 || !json_equal(mu_document_at(view->docs[d], "host"),
                                  mu_document_at(view->docs[0], "host"))) {
            host_facts(t, mu_document_at(view->docs[d], "host"), "");
        }
    }
}

void mu_tables_definitions(const mu_view *view, mu_table *t) {
    (void)view;
    mu_table_init(t, "What each figure means", NULL);
    t->note =
        "s: intended send. d: first write. h: first byte. a(k): arrival of chunk k of K. z: end. "
        "N: output tokens. P: prompt tokens, C of them cached. Percentiles are nearest rank.";
    mu_table_column(t, "Figure", MU_COLUMN_TEXT);
    mu_table_column(t, "Formula", MU_COLUMN_TEXT);
    mu_table_column(t, "Remark", MU_COLUMN_TEXT);
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const mu_figure_row *row = &mu_figure_rows[i];
        if (!row->formula) continue;
        mu_table_row(t, NULL);
        mu_table_text(t, row->label);
        mu_table_text(t, row->formula);
        mu_table_text(t, row->remark);
    }
}
