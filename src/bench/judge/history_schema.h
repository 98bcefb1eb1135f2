/* history_schema.h - the tables of a history, their versions, and what is derived from a document.
 * Private to judge/. Threads and memory: as sqlite.h.
 *
 *     runs     id, start, suite, model, host, verdict, document, headline figures
 *     names    name -> run
 *     figures  run, system, cell, metric -> value, low, high, unit
 */
#ifndef MU_BENCH_JUDGE_HISTORY_SCHEMA_H
#define MU_BENCH_JUDGE_HISTORY_SCHEMA_H

#include "bench/judge/sqlite.h"

/* Brings the file to the current version. MU_ERR_FORMAT for a database of another program,
 * MU_ERR_UNSUPPORTED for a version from the future: neither is touched. */
mu_status mu_history_settle(mu_sqlite *s, mu_err *err) MU_MUST_USE;

/* Headline and figures of a run that is in `runs`; inside a transaction. */
mu_status mu_history_fill(mu_sqlite *s, const char *id, const json_t *doc, mu_err *err) MU_MUST_USE;

/* The document of a row of "id" and "document". The caller owns *out. */
mu_status mu_history_parse(mu_sqlite *s, const json_t *row, json_t **out, mu_err *err) MU_MUST_USE;

#endif
