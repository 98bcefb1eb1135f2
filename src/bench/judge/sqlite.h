/* sqlite.h - SQLite with the program's allocator and its way of reporting errors. Private to
 * judge/.
 *
 * Statements are prepared, bound by position and stepped in one call; text is always bound, never
 * pasted into SQL.
 *
 * Threads: a mu_sqlite belongs to one thread. Memory: close() finishes everything.
 */
#ifndef MU_BENCH_JUDGE_SQLITE_H
#define MU_BENCH_JUDGE_SQLITE_H

#include <jansson.h>
#include <sqlite3.h>

#include "base/status.h"

typedef struct mu_sqlite {
    sqlite3 *db;
    char path[512]; /* for messages; cut off */
} mu_sqlite;

/* Opens or creates; waits wait_ms for other writers from then on. */
mu_status mu_sqlite_open(mu_sqlite *s, const char *path, int wait_ms, mu_err *err) MU_MUST_USE;
void mu_sqlite_close(mu_sqlite *s); /* a zeroed one is allowed */

/* What the last failure was and what to do about it. */
mu_status mu_sqlite_fail(const mu_sqlite *s, int code, mu_err *err);

mu_status mu_sqlite_prepare(mu_sqlite *s, const char *sql, sqlite3_stmt **out,
                            mu_err *err) MU_MUST_USE;

/* Statements without parameters and results, separated by ";". */
mu_status mu_sqlite_run(mu_sqlite *s, const char *sql, mu_err *err) MU_MUST_USE;

/* One statement with text parameters (NULL: null); its rows as objects keyed by column, or dropped
 * when out_rows is NULL. */
mu_status mu_sqlite_query(mu_sqlite *s, const char *sql, const char *const *texts, size_t n_texts,
                          json_t **out_rows, mu_err *err) MU_MUST_USE;

/* The number a statement without parameters gives. */
mu_status mu_sqlite_number(mu_sqlite *s, const char *sql, int64_t *out, mu_err *err) MU_MUST_USE;

/* One statement whose parameters are bound; it is reset for the next. */
mu_status mu_sqlite_step(mu_sqlite *s, sqlite3_stmt *statement, mu_err *err) MU_MUST_USE;

/* Ends a transaction: with the work done when status is MU_OK, else as if nothing had been. The
 * status of the whole. */
mu_status mu_sqlite_finish(mu_sqlite *s, mu_status status, mu_err *err) MU_MUST_USE;

#endif
