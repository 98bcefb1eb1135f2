/* SQLite asks an allocator for the size of a block, which base/alloc.h does not keep: each block
 * carries its size in front.
 */
#include "bench/judge/sqlite.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

typedef union block_head {
    size_t size;
    max_align_t align;
} block_head;

static void *block_alloc(int size) {
    block_head *head = mu_alloc(sizeof(*head) + (size_t)size);
    if (!head) return NULL;
    head->size = (size_t)size;
    return head + 1;
}

static void block_free(void *ptr) {
    mu_free((block_head *)ptr - 1);
}

static int block_size(void *ptr) {
    return ptr ? (int)((block_head *)ptr - 1)->size : 0;
}

static void *block_resize(void *ptr, int size) {
    void *grown = block_alloc(size);
    if (!grown) return NULL;
    memcpy(grown, ptr, (size_t)(block_size(ptr) < size ? block_size(ptr) : size));
    block_free(ptr);
    return grown;
}

static int round_up(int size) {
    return (size + 7) & ~7;
}

static int start(void *ctx) {
    (void)ctx;
    return SQLITE_OK;
}

static void stop(void *ctx) {
    (void)ctx;
}

static void use_our_allocator(void) {
    static const sqlite3_mem_methods methods = {.xMalloc = block_alloc,
                                                .xFree = block_free,
                                                .xRealloc = block_resize,
                                                .xSize = block_size,
                                                .xRoundup = round_up,
                                                .xInit = start,
                                                .xShutdown = stop};
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

mu_status mu_sqlite_fail(const mu_sqlite *s, int code, mu_err *err) {
    static const struct {
        int code;
        mu_status status;
        const char *text;
    } known[] = {
        {SQLITE_NOMEM, MU_ERR_NOMEM, "out of memory"},
        {SQLITE_FULL, MU_ERR_IO,
         "no room on the disk; nothing was changed: free some and try again, or choose another "
         "place with --history FILE"},
        {SQLITE_IOERR_WRITE, MU_ERR_IO,
         "no room on the disk, or the disk fails; nothing was changed: free some and try again, or "
         "use --history FILE"},
        {SQLITE_BUSY, MU_ERR_BUSY, "another process keeps it locked; try again when that is done"},
        {SQLITE_NOTADB, MU_ERR_FORMAT,
         "not a SQLite file; it is left as it is: move it away, or use --history FILE"},
        {SQLITE_CORRUPT, MU_ERR_FORMAT,
         "damaged; it is left as it is: rescue it with \"sqlite3 FILE .recover\", or move it away"},
        {SQLITE_READONLY, MU_ERR_IO,
         "may not be written: change the rights of the file and its folder, or use --history FILE"},
        {SQLITE_CANTOPEN, MU_ERR_IO,
         "cannot be opened: look at the rights of its folder, or use --history FILE"},
        {SQLITE_PERM, MU_ERR_IO, "may not be opened: look at its rights, or use --history FILE"},
    };
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        if (code != known[i].code && (code & 0xff) != known[i].code) continue;
        return mu_fail(err, known[i].status, "history %.90s: %s", s->path, known[i].text);
    }
    errno = s->db ? sqlite3_system_errno(s->db) : 0;
    const char *what = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
    if (errno != 0) return mu_fail_os(err, MU_ERR_IO, "history %.90s: %.80s", s->path, what);
    return mu_fail(err, MU_ERR_IO, "history %.90s: %.120s", s->path, what);
}

mu_status mu_sqlite_open(mu_sqlite *s, const char *path, int wait_ms, mu_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, use_our_allocator);

    *s = (mu_sqlite){0};
    snprintf(s->path, sizeof(s->path), "%s", path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &s->db, flags, NULL);
    if (code == SQLITE_OK) code = sqlite3_extended_result_codes(s->db, 1);
    if (code == SQLITE_OK) code = sqlite3_busy_timeout(s->db, wait_ms);
    if (code == SQLITE_OK) return MU_OK;
    mu_status status = mu_sqlite_fail(s, code, err);
    mu_sqlite_close(s);
    return status;
}

void mu_sqlite_close(mu_sqlite *s) {
    sqlite3_close_v2(s->db);
    s->db = NULL;
}

mu_status mu_sqlite_prepare(mu_sqlite *s, const char *sql, sqlite3_stmt **out, mu_err *err) {
    int code = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? MU_OK : mu_sqlite_fail(s, code, err);
}

mu_status mu_sqlite_run(mu_sqlite *s, const char *sql, mu_err *err) {
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? MU_OK : mu_sqlite_fail(s, code, err);
}

static json_t *column_json(sqlite3_stmt *statement, int i) {
    switch (sqlite3_column_type(statement, i)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(statement, i));
    case SQLITE_FLOAT:
        return isfinite(sqlite3_column_double(statement, i))
                   ? json_real(sqlite3_column_double(statement, i))
                   : json_null();
    case SQLITE_TEXT:
        return json_stringn((const char *)sqlite3_column_text(statement, i),
                            (size_t)sqlite3_column_bytes(statement, i));
    default:
        return json_null();
    }
}

static bool add_row(json_t *rows, sqlite3_stmt *statement) {
    json_t *row = json_object();
    bool is_ok = row != NULL;
    for (int i = 0; i < sqlite3_column_count(statement) && is_ok; i++) {
        const char *name = sqlite3_column_name(statement, i);
        is_ok = name && json_object_set_new(row, name, column_json(statement, i)) == 0;
    }
    if (is_ok) return json_array_append_new(rows, row) == 0;
    json_decref(row);
    return false;
}

mu_status mu_sqlite_query(mu_sqlite *s, const char *sql, const char *const *texts, size_t n_texts,
                          json_t **out_rows, mu_err *err) {
    sqlite3_stmt *statement = NULL;
    json_t *rows = json_array();
    mu_status status = rows ? mu_sqlite_prepare(s, sql, &statement, err)
                            : mu_fail(err, MU_ERR_NOMEM, "history %.90s", s->path);
    int code = SQLITE_OK;
    for (size_t i = 0; i < n_texts && status == MU_OK && code == SQLITE_OK; i++) {
        code = sqlite3_bind_text(statement, (int)i + 1, texts[i], -1, SQLITE_STATIC);
    }
    while (status == MU_OK && code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW) break;
        if (!add_row(rows, statement))
            status = mu_fail(err, MU_ERR_NOMEM, "history %.90s", s->path);
        code = SQLITE_OK;
    }
    if (status == MU_OK && code != SQLITE_DONE) status = mu_sqlite_fail(s, code, err);
    sqlite3_finalize(statement);
    if (status != MU_OK || !out_rows) {
        json_decref(rows);
    } else {
        *out_rows = rows;
    }
    return status;
}

mu_status mu_sqlite_number(mu_sqlite *s, const char *sql, int64_t *out, mu_err *err) {
    sqlite3_stmt *statement = NULL;
    mu_status status = mu_sqlite_prepare(s, sql, &statement, err);
    if (status == MU_OK) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
        } else {
            status = mu_sqlite_fail(s, code, err);
        }
    }
    sqlite3_finalize(statement);
    return status;
}

mu_status mu_sqlite_step(mu_sqlite *s, sqlite3_stmt *statement, mu_err *err) {
    int code = sqlite3_step(statement);
    mu_status status =
        code == SQLITE_DONE || code == SQLITE_ROW ? MU_OK : mu_sqlite_fail(s, code, err);
    sqlite3_reset(statement);
    return status;
}

mu_status mu_sqlite_finish(mu_sqlite *s, mu_status status, mu_err *err) {
    if (status == MU_OK) status = mu_sqlite_run(s, "COMMIT", err);
    if (status != MU_OK) {
        mu_err ignored;
        mu_status undone = mu_sqlite_run(s, "ROLLBACK", &ignored);
        (void)undone; /* after a full disk SQLite has rolled back by itself */
    }
    return status;
}
