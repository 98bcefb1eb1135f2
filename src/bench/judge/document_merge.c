/* The first document is the frame: its run, host, targets. Everything that names a system is copied
 * under a new letter, and cells of later documents get that letter as suffix, so that ids of the
 * first stay what they are.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/judge/document_comparison.h"
#include "bench/result/document.h"

enum { SYSTEMS_MAX = 26 };

typedef struct merge {
    json_t *systems, *cells, *memory, *capacity, *notes; /* arrays of the result */
    size_t n_systems;
    bool failed;
} merge;

/* Old ids of one document and what they become. */
typedef struct letters {
    const json_t *doc;
    size_t first; /* letter of its first system */
    bool is_frame;
} letters;

/* The new id of a system, by its place in its document; 0: it has no such system. */
static char letter_of(const letters *l, const char *old_id) {
    const json_t *systems = mu_document_at(l->doc, "systems");
    for (size_t i = 0; i < json_array_size(systems); i++) {
        if (strcmp(mu_document_text(json_array_get(systems, i), "id"), old_id) == 0) {
            return (char)('a' + l->first + i);
        }
    }
    return 0;
}

static void set(merge *m, json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) != 0) m->failed = true;
}

static void append(merge *m, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) != 0) m->failed = true;
}

/* Copies of the items of an array whose key names a system, under its letter. */
static void take_items(merge *m, const letters *l, const char *array, const char *key,
                       json_t *out) {
    const json_t *items = mu_document_at(l->doc, array);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        char letter[2] = {letter_of(l, mu_document_text(item, key)), '\0'};
        if (letter[0] == '\0' || !json_is_object(item)) continue;
        json_t *copy = json_deep_copy(item);
        set(m, copy, key, json_string(letter));
        if (out == m->cells && !l->is_frame) {
            set(m, copy, "id", json_sprintf("%s-%s", mu_document_text(item, "id"), letter));
        }
        append(m, out, copy);
    }
}

/* Cells that a capacity search names have a suffix now. */
static void rename_capacity_cells(merge *m, const letters *l, size_t from) {
    for (size_t i = from; i < json_array_size(m->capacity) && !l->is_frame; i++) {
        json_t *item = json_array_get(m->capacity, i), *ids = json_array();
        const json_t *old = mu_document_at(item, "cells");
        for (size_t k = 0; k < json_array_size(old); k++) {
            const char *id = json_string_value(json_array_get(old, k));
            append(m, ids, json_sprintf("%s-%s", id ? id : "", mu_document_text(item, "system")));
        }
        set(m, item, "cells", ids);
    }
}

static bool is_name_taken(const merge *m, const char *name, size_t until) {
    for (size_t i = 0; i < until; i++) {
        if (strcmp(mu_document_text(json_array_get(m->systems, i), "name"), name) == 0) return true;
    }
    return false;
}

static void take_document(merge *m, const json_t *doc, const char *name, const char *label) {
    letters l = {doc, m->n_systems, m->n_systems == 0};
    size_t n = json_array_size(mu_document_at(doc, "systems"));
    size_t from = json_array_size(m->capacity), first = json_array_size(m->systems);
    take_items(m, &l, "systems", "id", m->systems);
    take_items(m, &l, "cells", "system", m->cells);
    take_items(m, &l, "memory", "system", m->memory);
    take_items(m, &l, "capacity", "system", m->capacity);
    rename_capacity_cells(m, &l, from);
    for (size_t i = first; i < json_array_size(m->systems); i++) {
        json_t *system = json_array_get(m->systems, i);
        if (mu_document_is_invalid(doc)) set(m, system, "is_of_invalid_run", json_true());
        const char *own = mu_document_text(system, "name");
        const char *from_file = name ? name : mu_document_text(doc, "run.id");
        if (label) {
            set(m, system, "name", n > 1 ? json_sprintf("%s %s", label, own) : json_string(label));
        } else if (is_name_taken(m, own, first)) {
            set(m, system, "name", json_sprintf("%s (%s)", own, from_file));
        }
    }
    m->n_systems += n;
}

/* Machines that are not the same make ratios of machines too. */
static void compare_hosts(merge *m, const json_t *first, const json_t *other, const char *name) {
    static const char *const paths[] = {"host.cpu", "host.kernel"};
    for (size_t i = 0; i < MU_COUNTOF(paths); i++) {
        const char *a = mu_document_text(first, paths[i]), *b = mu_document_text(other, paths[i]);
        if (strcmp(a, b) == 0) continue;
        append(
            m, m->notes,
            json_sprintf("%s: %s is \"%s\" there and \"%s\" in the first: ratios are of machines "
                         "too",
                         name, paths[i], b, a));
    }
    double a = mu_document_number(first, "host.cores_usable");
    double b = mu_document_number(other, "host.cores_usable");
    if (a != b && a == a && b == b) {
        append(m, m->notes,
               json_sprintf("%s: %.0f usable cores there and %.0f in the first", name, b, a));
    }
}

static json_t *assemble(merge *m, const json_t *first, const mu_compare_options *options) {
    json_t *doc = json_copy((json_t *)(uintptr_t)first);
    json_t *comparisons;
    if (!doc) return NULL;
    set(m, doc, "systems", json_incref(m->systems));
    set(m, doc, "cells", json_incref(m->cells));
    set(m, doc, "memory", json_incref(m->memory));
    set(m, doc, "capacity", json_incref(m->capacity));
    comparisons = m->failed ? NULL : mu_compare_systems(doc, options, m->notes);
    set(m, doc, "comparisons", comparisons);
    set(m, doc, "notes", json_incref(m->notes));
    if (!m->failed) return doc;
    json_decref(doc);
    return NULL;
}

mu_status mu_compare_documents(const json_t *const *docs, const char *const *names, size_t n,
                               const mu_compare_options *options, json_t **out, mu_err *err) {
    MU_ASSERT(n >= 2);
    const json_t *notes = mu_document_at(docs[0], "notes");
    merge m = {.systems = json_array(),
               .cells = json_array(),
               .memory = json_array(),
               .capacity = json_array(),
               .notes = notes ? json_deep_copy(notes) : json_array()};
    mu_status status = MU_OK;
    for (size_t i = 0; i < n && status == MU_OK; i++) {
        const char *name = names && names[i] ? names[i] : mu_document_text(docs[i], "run.id");
        if (m.n_systems + json_array_size(mu_document_at(docs[i], "systems")) > SYSTEMS_MAX) {
            status = mu_fail(err, MU_ERR_LIMIT, "%.80s: more than %d systems to compare", name,
                             SYSTEMS_MAX);
            break;
        }
        take_document(&m, docs[i], name, options->labels ? options->labels[i] : NULL);
        if (i > 0) compare_hosts(&m, docs[0], docs[i], name);
    }
    json_t *doc = status == MU_OK ? assemble(&m, docs[0], options) : NULL;
    json_decref(m.systems);
    json_decref(m.cells);
    json_decref(m.memory);
    json_decref(m.capacity);
    json_decref(m.notes);
    if (status == MU_OK && !doc) status = mu_fail(err, MU_ERR_NOMEM, "comparison of %zu files", n);
    if (status == MU_OK) *out = doc;
    return status;
}
