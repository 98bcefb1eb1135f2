/* path.h - values of a muai.bench/1 document by path.
 *
 * A document comes from a file, so nothing about it is taken for granted: whatever is absent, null
 * or of another type reads as "not known" (NAN, "", NULL) and never as zero. Every function takes
 * NULL for "absent", so callers chain them without asking in between.
 *
 * A path is keys joined by dots ("throughput.requests_s.value"). In an array the next word is the
 * "id", "kind", "name", "phase" or "system" of a member: "loads.cold.seconds".
 *
 * Threads: any, while nobody changes the document. Memory: everything is borrowed from it.
 */
#ifndef MU_BENCH_RESULT_PATH_H
#define MU_BENCH_RESULT_PATH_H

#include <jansson.h>

#include "base/status.h"

const json_t *mu_document_at(const json_t *json, const char *path);
double mu_document_number(const json_t *json, const char *path);      /* NAN */
const char *mu_document_text(const json_t *json, const char *path);   /* "" */
const char *mu_document_string(const json_t *json, const char *path); /* NULL: none, which differs
                                                                         from an empty one */
bool mu_document_is_true(const json_t *json, const char *path);
size_t mu_document_n(const json_t *json, const char *path); /* elements of an array, else 0 */
double mu_document_item(const json_t *array, size_t i);     /* element i as a number, else NAN */

/* The next word of a path, without its "."; false when there is none, or it is too long to exist.
 */
enum { MU_DOCUMENT_WORD = 80 };
bool mu_document_next_word(const char **path, char word[MU_DOCUMENT_WORD]);

/* The member of an array of objects whose key has this text; NULL: none. */
const json_t *mu_document_member(const json_t *array, const char *key, const char *text);

/* One of several runs (or blocks of a comparison) of the same cell. */
bool mu_cell_is_run(const json_t *cell);
/* "latency-128-64-c1-r2", a cell with "run" or "block", is one of latency-128-64-c1. out: [n], cut
 * off. */
void mu_cell_id_without_run(const json_t *cell, char *out, size_t n);

/* The entry of "pooled" with the requests of all valid runs of a cell; NULL: none. */
const json_t *mu_document_pooled(const json_t *doc, const json_t *cell);

/* A number for a document: null when it is not finite. NULL: no memory. */
json_t *mu_document_real(double value);

#endif
