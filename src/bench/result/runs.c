#include "bench/result/runs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/stats/percentiles.h"
#include "text/utf8.h"

bool mu_runs_are_one(const json_t *a, const json_t *b) {
    char key[MU_CELL_KEY], other_key[MU_CELL_KEY];
    if (!mu_cell_is_run(a) || !mu_cell_is_run(b)) return false;
    if (strcmp(mu_document_text(a, "system"), mu_document_text(b, "system")) != 0) return false;
    mu_cell_key(a, key, sizeof(key));
    mu_cell_key(b, other_key, sizeof(other_key));
    return strcmp(key, other_key) == 0;
}

enum { CURVE_POINTS_MAX = 256 }; /* nobody writes more */

/* A merge in progress: the same value of each run, the shown one's first. */
typedef struct merge {
    size_t n;
    double *numbers; /* [n], scratch */
    bool failed;     /* no memory */
} merge;

/* Of the numbers, which may be reordered. NAN when a run does not know it; FEWEST: of those that
 * do.
 */
static double combine(merge *m, mu_merge rule) {
    double out = rule == MU_MERGE_SUM ? 0 : NAN;
    for (size_t i = 0; i < m->n; i++) {
        double number = m->numbers[i];
        if (isnan(number) && rule != MU_MERGE_FEWEST) return NAN;
        if (rule == MU_MERGE_SUM) out += number;
        if (rule == MU_MERGE_LEAST || rule == MU_MERGE_FEWEST) out = fmin(out, number);
        if (rule == MU_MERGE_MOST) out = fmax(out, number);
    }
    return rule == MU_MERGE_MEDIAN ? mu_values_median(m->numbers, m->n) : out;
}

static json_t *number_json(double value, bool is_whole) {
    if (is_whole && fabs(value) < 9e15) return json_integer((json_int_t)value);
    return mu_document_real(value);
}

/* The bounds of an interval are known where all runs know theirs. */
static json_t *merge_bounds(merge *m, const json_t *const *values) {
    double bounds[2];
    for (size_t end = 0; end < 2; end++) {
        for (size_t i = 0; i < m->n; i++) {
            m->numbers[i] = mu_document_item(values[i], end);
        }
        bounds[end] = combine(m, end == 0 ? MU_MERGE_LEAST : MU_MERGE_MOST);
        if (isnan(bounds[end])) return json_null();
    }
    return json_pack("[f, f]", bounds[0], bounds[1]);
}

static json_t *merge_curves(merge *m, const json_t *const *values) {
    json_t *out = json_array();
    if (json_array_size(values[0]) > CURVE_POINTS_MAX) return out;
    for (size_t k = 0; k < json_array_size(values[0]); k++) {
        double share = mu_document_item(json_array_get(values[0], k), 0);
        for (size_t i = 0; i < m->n; i++) {
            m->numbers[i] = mu_curve_at(values[i], share);
        }
        double value = combine(m, MU_MERGE_MEDIAN);
        if (isnan(share) || isnan(value)) continue;
        if (json_array_append_new(out, json_pack("[f, f]", share, value)) != 0) m->failed = true;
    }
    return out;
}

static json_t *merge_value(merge *m, const char *key, const json_t *const *values);

/* The keys of all runs: a percentile that some do not have is null, and why stands in their gate.
 */
static json_t *merge_objects(merge *m, bool is_intervals, const json_t *const *values) {
    json_t *out = json_object();
    const json_t **members = MU_ALLOC(const json_t *, m->n);
    for (size_t i = 0; members && i < m->n; i++) {
        const char *key;
        json_t *unused;
        json_object_foreach((json_t *)values[i], key, unused) {
            if (json_object_get(out, key)) continue;
            for (size_t k = 0; k < m->n; k++) {
                members[k] = json_object_get(values[k], key);
            }
            json_t *value = is_intervals ? merge_bounds(m, members) : merge_value(m, key, members);
            if (json_object_set_new(out, key, value) != 0) m->failed = true;
        }
    }
    m->failed = m->failed || !out || !members;
    mu_free(members);
    return out;
}

static json_t *merge_numbers(merge *m, const char *key, const json_t *const *values) {
    mu_merge rule = mu_merge_of(key);
    bool is_whole = rule == MU_MERGE_SUM;
    for (size_t i = 0; i < m->n; i++) {
        m->numbers[i] = mu_document_number(values[i], "");
        is_whole = is_whole && json_is_integer(values[i]);
    }
    return number_json(combine(m, rule), is_whole);
}

static json_t *merge_value(merge *m, const char *key, const json_t *const *values) {
    const json_t *first = NULL;
    for (size_t i = 0; i < m->n && !first; i++) {
        if (!json_is_null(values[i])) first = values[i];
    }
    if (json_is_object(first)) return merge_objects(m, strcmp(key, "ci") == 0, values);
    if (json_is_number(first)) return merge_numbers(m, key, values);
    if (strcmp(key, "curve") == 0) return merge_curves(m, values);
    return first ? json_incref((json_t *)(values[0] ? values[0] : first)) : json_null();
}

static bool has_status(const json_t *cell, const char *status) {
    return !status || strcmp(mu_document_text(cell, "validity.status"), status) == 0;
}

/* The runs to go by: valid ones, else saturated ones, else all. out: [n]. */
static size_t choose(const json_t *const *runs, size_t n, const json_t **out) {
    static const char *const statuses[] = {"VALID", "SATURATED", NULL};
    size_t n_chosen = 0;
    for (size_t s = 0; s < MU_COUNTOF(statuses) && n_chosen == 0; s++) {
        for (size_t i = 0; i < n; i++) {
            if (has_status(runs[i], statuses[s])) out[n_chosen++] = runs[i];
        }
    }
    return n_chosen;
}

/* The run whose throughput is the median goes first. */
static void put_middle_first(const json_t **runs, size_t n) {
    size_t middle = 0;
    for (size_t i = 0; i < n; i++) {
        double own = mu_document_number(runs[i], "throughput.output_tok_s.value");
        size_t n_below = 0;
        for (size_t k = 0; k < n; k++) {
            double other = mu_document_number(runs[k], "throughput.output_tok_s.value");
            n_below += other < own || (other == own && k < i);
        }
        if (n_below == (n - 1) / 2 && isfinite(own)) middle = i;
    }
    const json_t *first = runs[middle];
    runs[middle] = runs[0];
    runs[0] = first;
}

static void set(merge *m, json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) != 0) m->failed = true;
}

/* What is not a figure: the names, and how many runs there are. */
static void set_names(merge *m, json_t *out, const json_t *shown, size_t n_all) {
    char id[160], label[200], of_all[32] = "";
    bool is_block = !isnan(mu_document_number(shown, "block"));
    const char *old = mu_document_string(shown, "label");
    mu_cell_id_without_run(shown, id, sizeof(id));
    if (m->n < n_all) snprintf(of_all, sizeof(of_all), " of %zu", n_all);
    snprintf(label, sizeof(label), "%.120s, %zu%s %ss", old ? old : id, m->n, of_all,
             is_block ? "block" : "run");
    label[mu_utf8_valid(label, strlen(label))] = '\0';
    set(m, out, "id", json_string(id));
    set(m, out, "label", json_string(label));
    if (json_object_get(shown, "validity")) {
        set(m, out, "validity", json_incref(json_object_get(shown, "validity")));
    }
    set(m, out, "n_runs", json_integer((json_int_t)m->n));
    set(m, out, "shown_run",
        mu_document_real(mu_document_number(shown, is_block ? "block" : "run")));
    json_object_del(out, "run");
    json_object_del(out, "block");
}

static void set_pooled(merge *m, json_t *out, const json_t *pooled) {
    json_t *metrics = json_object_get(out, "metrics"), *of_all = json_object_get(pooled, "metrics");
    json_t *metric;
    const char *key;
    json_object_foreach(of_all, key, metric) {
        bool is_known = mu_document_number(metric, "n") > 0;
        if (is_known && metrics) set(m, metrics, key, json_incref(metric));
    }
}

json_t *mu_runs_merge(const json_t *const *runs, size_t n, const json_t *pooled) {
    MU_ASSERT(n > 0);
    const json_t **chosen = MU_ALLOC(const json_t *, n);
    merge m = {.numbers = MU_ALLOC(double, n)};
    json_t *out = NULL;
    if (chosen && m.numbers) {
        m.n = choose(runs, n, chosen);
        put_middle_first(chosen, m.n);
        out = merge_objects(&m, false, chosen);
        if (out) set_names(&m, out, chosen[0], n);
        if (out) set_pooled(&m, out, pooled);
    }
    if (m.failed) {
        json_decref(out);
        out = NULL;
    }
    mu_free(chosen);
    mu_free(m.numbers);
    return out;
}
