/* sample_document.h - a healthy muai.bench/1 document for tests, and how to spoil it.
 *
 * The document is tests/bench/fixtures/judge-good.json: 12 VALID cells of one system, every
 * built-in target passed. Tests run from the source folder.
 */
#ifndef MU_TESTS_BENCH_SAMPLE_DOCUMENT_H
#define MU_TESTS_BENCH_SAMPLE_DOCUMENT_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench/result/document.h"
#include "format/json.h"

static inline json_t *sample_document(void) {
    json_t *doc = NULL;
    mu_err err;
    if (mu_json_load("tests/bench/fixtures/judge-good.json", &doc, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    return doc;
}

/* Sets "cells.latency-128-64-c1.metrics.tpot_ms.p50" to a value written as JSON; the last word is
 * made where it is not there. In arrays of numbers and texts nothing can be set. */
static inline void sample_set(json_t *doc, const char *path, const char *value) {
    char folder[200];
    const char *dot = strrchr(path, '.');
    json_t *parsed = NULL;
    mu_err err;
    if (mu_json_parse(value, strlen(value), &parsed, &err) != MU_OK)
        fail_msg("%s: %s", value, err.text);
    snprintf(folder, sizeof(folder), "%.*s", dot ? (int)(dot - path) : 0, path);
    json_t *parent = dot ? (json_t *)(uintptr_t)mu_document_at(doc, folder) : doc;
    if (!json_is_object(parent)) fail_msg("%s: nothing to set", path);
    assert_int_equal(json_object_set_new(parent, dot ? dot + 1 : path, parsed), 0);
}

/* "path=value; path=value" */
static inline void sample_patch(json_t *doc, const char *patch) {
    char path[200], value[600];
    while (*patch) {
        size_t n_path = strcspn(patch, "=");
        const char *from = patch + n_path + 1, *end = strstr(from, "; ");
        size_t n_value = end ? (size_t)(end - from) : strlen(from);
        assert_true(n_path < sizeof(path) && n_value < sizeof(value) && patch[n_path] == '=');
        snprintf(path, sizeof(path), "%.*s", (int)n_path, patch);
        snprintf(value, sizeof(value), "%.*s", (int)n_value, from);
        sample_set(doc, path, value);
        patch = end ? end + 2 : from + n_value;
    }
}

/* Marks a cell, or all of them for NULL, as INVALID. */
static inline void sample_invalidate(json_t *doc, const char *id) {
    json_t *cells = json_object_get(doc, "cells"), *cell;
    size_t i;
    json_array_foreach(cells, i, cell) {
        if (id && strcmp(mu_document_text(cell, "id"), id) != 0) continue;
        sample_set(
            cell, "validity",
            "{\"status\": \"INVALID\", \"flags\": [{\"id\": \"client_bound\", \"why\": \"0.9 "
            "of a core\"}]}");
    }
}

/* A row of "targets" or the like by id; NULL: none. */
static inline const json_t *sample_row(const json_t *rows, const char *id) {
    return mu_document_at(rows, id);
}

#endif
