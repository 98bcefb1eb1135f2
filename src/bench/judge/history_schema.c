/* The file says whose it is (application_id) and which version its tables have (user_version).
 * Each version is a step from the one before, so a new file and an old one take the same road. What
 * is in `figures` and in the headline columns follows from the documents, so a step that changes
 * them fills them again from there.
 */
#include "bench/judge/history_schema.h"

#include <math.h>
#include <stdio.h>

#include "bench/judge/key_figures.h"
#include "format/json.h"

enum { APPLICATION_ID = 0x6d756169 }; /* "muai" */

static const struct {
    const char *sql;
    bool refill; /* figures and headlines of the runs that are there */
} steps[] = {
    {"CREATE TABLE runs (id TEXT PRIMARY KEY, start TEXT NOT NULL, suite TEXT NOT NULL,"
     " model TEXT NOT NULL, host TEXT NOT NULL, verdict TEXT NOT NULL, document TEXT NOT NULL);",
     false},
    {"ALTER TABLE runs ADD COLUMN ttft_p50_ms REAL;"
     "ALTER TABLE runs ADD COLUMN decode_tok_s REAL;"
     "ALTER TABLE runs ADD COLUMN output_tok_s REAL;"
     "ALTER TABLE runs ADD COLUMN requests_s REAL;"
     "ALTER TABLE runs ADD COLUMN peak_mb REAL;"
     "CREATE TABLE names (name TEXT PRIMARY KEY,"
     " run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE);"
     "CREATE TABLE figures (run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,"
     " system TEXT NOT NULL, cell TEXT NOT NULL, metric TEXT NOT NULL, value REAL NOT NULL,"
     " low REAL, high REAL, unit TEXT NOT NULL,"
     " PRIMARY KEY (run, system, cell, metric)) WITHOUT ROWID;"
     "CREATE INDEX figures_metric ON figures (metric, run);"
     "CREATE INDEX runs_start ON runs (start);",
     true},
};

static mu_status bind_number(mu_sqlite *s, sqlite3_stmt *statement, int i, double value,
                             mu_err *err) {
    int code = isfinite(value) ? sqlite3_bind_double(statement, i, value)
                               : sqlite3_bind_null(statement, i);
    return code == SQLITE_OK ? MU_OK : mu_sqlite_fail(s, code, err);
}

static mu_status bind_texts(mu_sqlite *s, sqlite3_stmt *statement, const char *const *texts, int n,
                            mu_err *err) {
    for (int i = 0; i < n; i++) {
        int code = sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_TRANSIENT);
        if (code != SQLITE_OK) return mu_sqlite_fail(s, code, err);
    }
    return MU_OK;
}

typedef struct filling {
    mu_sqlite *sqlite;
    sqlite3_stmt *statement;
    const char *id;
    mu_status status;
    mu_err *err;
} filling;

static bool add_figure(void *ctx, const mu_key_figure *k) {
    filling *f = ctx;
    const char *texts[] = {f->id, k->system, k->cell, k->metric, k->figure.unit};
    const double numbers[] = {k->figure.value, k->figure.low, k->figure.high};
    f->status = bind_texts(f->sqlite, f->statement, texts, MU_COUNTOF(texts), f->err);
    for (int i = 0; i < 3 && f->status == MU_OK; i++) {
        f->status = bind_number(f->sqlite, f->statement, (int)MU_COUNTOF(texts) + 1 + i, numbers[i],
                                f->err);
    }
    if (f->status == MU_OK) {
        f->status = mu_sqlite_step(f->sqlite, f->statement, f->err);
    }
    return f->status == MU_OK;
}

static mu_status fill_figures(mu_sqlite *s, const char *id, const mu_view *view, mu_err *err) {
    filling f = {.sqlite = s, .id = id, .err = err};
    f.status = mu_sqlite_prepare(s,
                                 "INSERT OR IGNORE INTO figures (run, system, cell, metric, unit, "
                                 "value, low, high) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                                 &f.statement, err);
    if (f.status == MU_OK) mu_key_figures_visit(view, add_figure, &f);
    sqlite3_finalize(f.statement);
    return f.status;
}

static mu_status fill_headline(mu_sqlite *s, const char *id, const mu_view *view, mu_err *err) {
    mu_headline line = mu_headline_of(view);
    const double numbers[] = {line.ttft_p50_ms, line.decode_tok_s, line.output_tok_s,
                              line.requests_s, line.peak_mb};
    sqlite3_stmt *statement = NULL;
    mu_status status =
        mu_sqlite_prepare(s,
                          "UPDATE runs SET ttft_p50_ms = ?2, decode_tok_s = ?3, output_tok_s = ?4, "
                          "requests_s = ?5, peak_mb = ?6 WHERE id = ?1",
                          &statement, err);
    if (status == MU_OK) status = bind_texts(s, statement, &id, 1, err);
    for (int i = 0; i < (int)MU_COUNTOF(numbers) && status == MU_OK; i++) {
        status = bind_number(s, statement, i + 2, numbers[i], err);
    }
    if (status == MU_OK) status = mu_sqlite_step(s, statement, err);
    sqlite3_finalize(statement);
    return status;
}

mu_status mu_history_parse(mu_sqlite *s, const json_t *row, json_t **out, mu_err *err) {
    const json_t *text = json_object_get(row, "document");
    mu_err inner;
    mu_status status =
        mu_json_parse(json_string_value(text), json_string_length(text), out, &inner);
    if (status == MU_OK) return MU_OK;
    return mu_fail(err, status, "history %.90s: run %.60s: %.70s", s->path,
                   mu_document_text(row, "id"), inner.text);
}

mu_status mu_history_fill(mu_sqlite *s, const char *id, const json_t *doc, mu_err *err) {
    mu_view view;
    mu_status status = mu_view_init(&view, &doc, 1, err);
    if (status != MU_OK) return status;
    status = fill_headline(s, id, &view, err);
    if (status == MU_OK) status = fill_figures(s, id, &view, err);
    mu_view_deinit(&view);
    return status;
}

static mu_status refill(mu_sqlite *s, mu_err *err) {
    json_t *ids = NULL;
    mu_status status = mu_sqlite_query(s, "SELECT id FROM runs", NULL, 0, &ids, err);
    for (size_t i = 0; i < json_array_size(ids) && status == MU_OK; i++) {
        const char *id = mu_document_text(json_array_get(ids, i), "id");
        json_t *rows = NULL, *doc = NULL;
        status =
            mu_sqlite_query(s, "SELECT id, document FROM runs WHERE id = ?", &id, 1, &rows, err);
        if (status == MU_OK) status = mu_history_parse(s, json_array_get(rows, 0), &doc, err);
        if (status == MU_OK) {
            status = mu_history_fill(s, id, doc, err);
        } else if (status == MU_ERR_FORMAT) {
            status = MU_OK; /* a damaged run is not followed, and does not lock the others up */
        }
        json_decref(doc);
        json_decref(rows);
    }
    json_decref(ids);
    return status;
}

static mu_status migrate(mu_sqlite *s, mu_err *err) {
    int64_t version = 0;
    char sql[80];
    mu_status status = mu_sqlite_run(s, "BEGIN IMMEDIATE", err);
    if (status != MU_OK) return status;
    status = mu_sqlite_number(s, "PRAGMA user_version", &version, err);
    if (version >= (int64_t)MU_COUNTOF(steps)) return mu_sqlite_finish(s, status, err);
    for (size_t i = (size_t)version; i < MU_COUNTOF(steps) && status == MU_OK; i++) {
        status = mu_sqlite_run(s, steps[i].sql, err);
        if (status == MU_OK && steps[i].refill) status = refill(s, err);
    }
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %zu; PRAGMA application_id = %d",
             MU_COUNTOF(steps), APPLICATION_ID);
    if (status == MU_OK) status = mu_sqlite_run(s, sql, err);
    return mu_sqlite_finish(s, status, err);
}

mu_status mu_history_settle(mu_sqlite *s, mu_err *err) {
    int64_t application = 0, version = 0, n_tables = 0;
    /* One transaction: between two looks another process may make the tables. */
    mu_status status = mu_sqlite_run(s, "BEGIN", err);
    if (status != MU_OK) return status;
    status = mu_sqlite_number(s, "PRAGMA application_id", &application, err);
    if (status == MU_OK) {
        status = mu_sqlite_number(s, "PRAGMA user_version", &version, err);
    }
    if (status == MU_OK) {
        status = mu_sqlite_number(s, "SELECT count(*) FROM sqlite_schema", &n_tables, err);
    }
    status = mu_sqlite_finish(s, status, err);
    if (status != MU_OK) return status;
    if (application != APPLICATION_ID && n_tables > 0) {
        return mu_fail(err, MU_ERR_FORMAT,
                       "history %.90s: a database of another program, left as it is; use --history "
                       "FILE",
                       s->path);
    }
    if (version < 0 || version > (int64_t)MU_COUNTOF(steps)) {
        return mu_fail(
            err, MU_ERR_UNSUPPORTED,
            "history %.90s: version %lld, this muai knows up to %zu: use a newer muai or "
            "--history FILE",
            s->path, (long long)version, MU_COUNTOF(steps));
    }
    return version == (int64_t)MU_COUNTOF(steps) ? MU_OK : migrate(s, err);
}
