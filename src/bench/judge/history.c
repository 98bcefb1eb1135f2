/* Every change is one BEGIN IMMEDIATE transaction: two writers queue up at its start instead of
 * finding out in the middle.
 */
#include "bench/judge/history.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "bench/judge/history_schema.h"
#include "bench/judge/sqlite.h"
#include "bench/judge/targets.h"
#include "bench/result/document.h"

enum { WAIT_MS = 30000, NAME_MAX_BYTES = 64 };

struct mu_history {
    mu_sqlite sqlite;
};

/* mkdir -p of what is above the file. */
static mu_status make_folders(const char *path, mu_err *err) {
    char folder[1024];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(folder)) {
        return mu_fail(err, MU_ERR_INVALID, "history: the path is %s", n ? "too long" : "empty");
    }
    memcpy(folder, path, n + 1);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
            return mu_fail_os(err, MU_ERR_IO,
                              "history: folder %.100s cannot be made (use --history FILE)", folder);
        }
        *slash = '/';
    }
    return MU_OK;
}

mu_status mu_history_open(const char *path, mu_history **out, mu_err *err) {
    mu_history *h = MU_ALLOC(mu_history, 1);
    if (!h) return mu_fail(err, MU_ERR_NOMEM, "history");
    mu_status status = make_folders(path, err);
    if (status == MU_OK) status = mu_sqlite_open(&h->sqlite, path, WAIT_MS, err);
    if (status == MU_OK) status = mu_sqlite_run(&h->sqlite, "PRAGMA foreign_keys = ON", err);
    if (status == MU_OK) status = mu_history_settle(&h->sqlite, err);
    if (status == MU_OK) {
        /* Kept in the file. Fails when another process is at work, who has then set it. */
        mu_err ignored;
        mu_status wal = mu_sqlite_run(&h->sqlite, "PRAGMA journal_mode = WAL", &ignored);
        (void)wal;
        *out = h;
        return MU_OK;
    }
    mu_history_close(h);
    return status;
}

void mu_history_close(mu_history *h) {
    if (!h) return;
    mu_sqlite_close(&h->sqlite);
    mu_free(h);
}

static int append_text(const char *text, size_t n, void *ctx) {
    mu_buf *buf = ctx;
    mu_buf_append(buf, text, n);
    return buf->failed ? -1 : 0;
}

/* "synthetic:gpt2 q8" of the first system. out: [n] */
static void name_model(const json_t *doc, char *out, size_t n) {
    const json_t *model =
        mu_document_at(json_array_get(mu_document_at(doc, "systems"), 0), "model");
    const char *id = mu_document_text(model, "id"), *dtype = mu_document_text(model, "dtype");
    snprintf(out, n, "%s%s%s", id[0] ? id : "unknown", dtype[0] ? " " : "", dtype);
}

static const char *verdict_of(const json_t *doc) {
    static const char *const names[] = {"pass", "fail", "invalid", "inconclusive"};
    const json_t *targets = mu_document_at(doc, "targets");
    int code = mu_targets_exit_code(doc, targets);
    if (code == MU_JUDGED_PASS && json_array_size(targets) == 0) return "not judged";
    return names[code];
}

static mu_status insert_run(mu_history *h, const char *id, const json_t *doc, mu_err *err) {
    char model[256];
    mu_buf text = {0};
    name_model(doc, model, sizeof(model));
    int code = json_dump_callback(doc, append_text, &text, JSON_COMPACT);
    const char *texts[] = {id,
                           mu_document_text(doc, "run.start"),
                           mu_document_text(doc, "run.suite"),
                           model,
                           mu_document_text(doc, "host.cpu"),
                           verdict_of(doc),
                           text.data ? text.data : ""};
    mu_status status = code == 0 ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "history: run %.80s", id);
    if (status == MU_OK) {
        status = mu_sqlite_query(&h->sqlite,
                                 "INSERT INTO runs (id, start, suite, model, host, verdict, "
                                 "document) VALUES (?, ?, ?, ?, ?, ?, ?)",
                                 texts, MU_COUNTOF(texts), NULL, err);
    }
    mu_buf_deinit(&text);
    return status == MU_OK ? mu_history_fill(&h->sqlite, id, doc, err) : status;
}

/* What is there under this id already: nothing, the same, or another one. */
static mu_status compare_stored(mu_history *h, const char *id, const json_t *doc,
                                bool *out_is_there, mu_err *err) {
    json_t *rows = NULL, *stored = NULL;
    mu_status status = mu_sqlite_query(&h->sqlite, "SELECT id, document FROM runs WHERE id = ?",
                                       &id, 1, &rows, err);
    *out_is_there = status == MU_OK && json_array_size(rows) > 0;
    if (*out_is_there) {
        status = mu_history_parse(&h->sqlite, json_array_get(rows, 0), &stored, err);
        if (status == MU_OK && !json_equal(stored, doc)) {
            status = mu_fail(err, MU_ERR_INVALID,
                             "history %.90s: another run has the id %.60s; remove it first with "
                             "muai bench history rm",
                             h->sqlite.path, id);
        }
    }
    json_decref(stored);
    json_decref(rows);
    return status;
}

mu_status mu_history_add(mu_history *h, const json_t *doc, mu_err *err) {
    mu_status status = mu_document_check(doc, err);
    if (status != MU_OK) return status;
    const char *id = mu_document_text(doc, "run.id");
    if (id[0] == '\0') return mu_fail(err, MU_ERR_FORMAT, "history: the document has no run.id");
    bool is_there = false;
    status = mu_sqlite_run(&h->sqlite, "BEGIN IMMEDIATE", err);
    if (status != MU_OK) return status;
    status = compare_stored(h, id, doc, &is_there, err);
    if (status == MU_OK && !is_there) status = insert_run(h, id, doc, err);
    return mu_sqlite_finish(&h->sqlite, status, err);
}

/* The id of the one run that a name means. Tried in this order; the first that finds any decides.
 * out: owned, json_decref(). */
static mu_status find_id(mu_history *h, const char *name, json_t **out, mu_err *err) {
    static const char *const ways[] = {
        "SELECT id FROM runs WHERE id = ?1",
        "SELECT run AS id FROM names WHERE name = ?1",
        "SELECT id FROM runs WHERE ?1 = 'last' ORDER BY start DESC, rowid DESC LIMIT 1",
        "SELECT id FROM runs WHERE substr(id, 1, length(?1)) = ?1 AND length(?1) > 0 LIMIT 2",
    };
    for (size_t i = 0; i < MU_COUNTOF(ways); i++) {
        json_t *rows = NULL;
        mu_status status = mu_sqlite_query(&h->sqlite, ways[i], &name, 1, &rows, err);
        if (status != MU_OK) return status;
        size_t n = json_array_size(rows);
        if (n == 1) *out = json_incref(json_object_get(json_array_get(rows, 0), "id"));
        json_decref(rows);
        if (n == 1) return MU_OK;
        if (n > 1) {
            return mu_fail(err, MU_ERR_NOT_FOUND, "history: more than one run starts with %.80s",
                           name);
        }
    }
    return mu_fail(err, MU_ERR_NOT_FOUND,
                   "history %.90s: no run %.60s (muai bench history lists them)", h->sqlite.path,
                   name);
}

mu_status mu_history_find(mu_history *h, const char *name, json_t **out_doc, mu_err *err) {
    json_t *id = NULL, *rows = NULL;
    mu_status status = find_id(h, name, &id, err);
    if (status != MU_OK) return status;
    const char *text = json_string_value(id);
    status = mu_sqlite_query(&h->sqlite, "SELECT id, document FROM runs WHERE id = ?", &text, 1,
                             &rows, err);
    if (status == MU_OK && json_array_size(rows) == 0) {
        status = mu_fail(err, MU_ERR_NOT_FOUND, "history: run %.80s was removed just now", text);
    }
    if (status == MU_OK)
        status = mu_history_parse(&h->sqlite, json_array_get(rows, 0), out_doc, err);
    json_decref(rows);
    json_decref(id);
    return status;
}

static mu_status out_of_memory(const mu_history *h, mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "history %.90s", h->sqlite.path);
}

/* "names" of each row: group_concat()'s text to an array. Names have no commas. */
static mu_status split_names(mu_history *h, json_t *rows, mu_err *err) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *names = json_array();
        const char *text = mu_document_text(row, "names");
        while (*text) {
            size_t n = strcspn(text, ",");
            json_array_append_new(names, json_stringn(text, n));
            text += n + (text[n] == ',');
        }
        if (json_object_set_new(row, "names", names) != 0) return out_of_memory(h, err);
    }
    return MU_OK;
}

mu_status mu_history_list(mu_history *h, const mu_history_filter *filter, json_t **out,
                          mu_err *err) {
    char limit[16];
    snprintf(limit, sizeof(limit), "%lld", filter->limit > 0 ? (long long)filter->limit : -1LL);
    const char *texts[] = {filter->model ? filter->model : "", limit};
    json_t *rows = NULL;
    mu_status status = mu_sqlite_query(
        &h->sqlite,
        "SELECT id, start, suite, model, host, verdict, ttft_p50_ms, decode_tok_s, output_tok_s,"
        " requests_s, peak_mb,"
        " (SELECT group_concat(name) FROM names WHERE run = runs.id) AS names"
        " FROM runs WHERE instr(model, ?1) > 0 OR ?1 = ''"
        " ORDER BY start DESC, rowid DESC LIMIT CAST(?2 AS INTEGER)",
        texts, MU_COUNTOF(texts), &rows, err);
    if (status == MU_OK) status = split_names(h, rows, err);
    if (status != MU_OK) {
        json_decref(rows);
        return status;
    }
    *out = rows;
    return MU_OK;
}

/* Rows come sorted by series: each change of one of these begins another. */
static const char *const series_keys[] = {"model", "host", "system", "cell", "unit"};

static bool is_same_series(const json_t *a, const json_t *b) {
    for (size_t i = 0; i < MU_COUNTOF(series_keys); i++) {
        if (!json_equal(json_object_get(a, series_keys[i]), json_object_get(b, series_keys[i]))) {
            return false;
        }
    }
    return true;
}

static json_t *begin_series(const json_t *row) {
    json_t *series = json_object();
    for (size_t i = 0; i < MU_COUNTOF(series_keys); i++) {
        json_object_set(series, series_keys[i], json_object_get(row, series_keys[i]));
    }
    json_object_set_new(series, "points", json_array());
    return series;
}

static json_t *group_series(const json_t *rows) {
    json_t *all = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (i == 0 || !is_same_series(row, json_array_get(rows, i - 1))) {
            json_array_append_new(all, begin_series(row));
        }
        json_t *series = json_array_get(all, json_array_size(all) - 1);
        json_t *point =
            json_pack("{s:O, s:O, s:O, s:O, s:O}", "id", json_object_get(row, "id"), "start",
                      json_object_get(row, "start"), "value", json_object_get(row, "value"), "low",
                      json_object_get(row, "low"), "high", json_object_get(row, "high"));
        if (json_array_append_new(json_object_get(series, "points"), point) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

mu_status mu_history_trend(mu_history *h, const char *metric, const mu_history_filter *filter,
                           json_t **out, mu_err *err) {
    char limit[16];
    snprintf(limit, sizeof(limit), "%lld", filter->limit > 0 ? (long long)filter->limit : -1LL);
    const char *texts[] = {metric, filter->model ? filter->model : "",
                           filter->cell ? filter->cell : "", limit};
    json_t *rows = NULL;
    mu_status status = mu_sqlite_query(
        &h->sqlite,
        "SELECT model, host, system, cell, unit, runs.id AS id, start, value, low, high"
        " FROM (SELECT *, rowid AS at FROM runs WHERE instr(model, ?2) > 0 OR ?2 = ''"
        "       ORDER BY start DESC, rowid DESC LIMIT CAST(?4 AS INTEGER)) AS runs"
        " JOIN figures ON figures.run = runs.id"
        " WHERE metric = ?1 AND (instr(cell, ?3) > 0 OR ?3 = '')"
        " ORDER BY model, host, system, cell, unit, start, at",
        texts, MU_COUNTOF(texts), &rows, err);
    if (status != MU_OK) return status;
    json_t *series = group_series(rows);
    json_decref(rows);
    if (!series) return out_of_memory(h, err);
    *out = series;
    return MU_OK;
}

mu_status mu_history_metrics(mu_history *h, json_t **out, mu_err *err) {
    json_t *rows = NULL;
    mu_status status = mu_sqlite_query(
        &h->sqlite, "SELECT DISTINCT metric FROM figures ORDER BY metric", NULL, 0, &rows, err);
    if (status != MU_OK) return status;
    json_t *names = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_array_append(names, json_object_get(json_array_get(rows, i), "metric"));
    }
    bool is_whole = json_array_size(names) == json_array_size(rows) && names;
    json_decref(rows);
    if (!is_whole) {
        json_decref(names);
        return out_of_memory(h, err);
    }
    *out = names;
    return MU_OK;
}

static bool is_name(const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i])) return false;
    }
    return n > 0 && n <= NAME_MAX_BYTES && strcmp(name, "last") != 0;
}

/* A change to the one run that a name means. sql: ?1 is its id, ?2 is extra. */
static mu_status change(mu_history *h, const char *run, const char *sql, const char *extra,
                        mu_err *err) {
    json_t *id = NULL;
    mu_status status = mu_sqlite_run(&h->sqlite, "BEGIN IMMEDIATE", err);
    if (status != MU_OK) return status;
    status = find_id(h, run, &id, err);
    if (status == MU_OK) {
        const char *texts[] = {json_string_value(id), extra};
        status = mu_sqlite_query(&h->sqlite, sql, texts, extra ? 2 : 1, NULL, err);
    }
    json_decref(id);
    return mu_sqlite_finish(&h->sqlite, status, err);
}

mu_status mu_history_name(mu_history *h, const char *name, const char *run, mu_err *err) {
    if (!is_name(name)) {
        return mu_fail(err, MU_ERR_INVALID,
                       "name \"%.60s\": at most %d letters, digits, \"-\", \"_\", \".\", and not "
                       "\"last\"",
                       name, NAME_MAX_BYTES);
    }
    return change(h, run, "INSERT OR REPLACE INTO names (run, name) VALUES (?1, ?2)", name, err);
}

mu_status mu_history_remove(mu_history *h, const char *run, mu_err *err) {
    return change(h, run, "DELETE FROM runs WHERE id = ?1", NULL, err);
}
