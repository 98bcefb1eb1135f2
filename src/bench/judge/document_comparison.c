/* What is compared are the figures of runs, or of blocks: an arm is a list of those, one value a
 * valid cell. Statistics and verdicts are bench/stats/comparison.h, whose B is our a: its ratio
 * B / A is a / b, and what it calls faster is a.
 */
#include "bench/judge/document_comparison.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "bench/judge/targets.h"
#include "bench/result/document.h"
#include "bench/stats/comparison.h"
#include "bench/stats/percentiles.h"

enum { ARM_MAX = 256, ROWS_MAX = 32, RUNS_PUBLISHED = 5 };

static const double length_tolerance = 0.01;

typedef struct arm {
    double values[ARM_MAX], blocks[ARM_MAX]; /* block NAN: none */
    size_t n;
    size_t n_invalid;
    bool is_saturated;
    const json_t *first; /* cell, valid if one is */
    const char *unit;
    char why[120]; /* why a value is not known */
} arm;

typedef struct pair {
    const json_t *doc;
    const mu_compare_options *options;
    const json_t *a, *b; /* systems */
    json_t *reasons;     /* against comparing them at all; array of texts */
    json_t *rows, *notes;
    bool failed; /* no memory */
} pair;

static void append_text(pair *p, json_t *array, json_t *text) {
    if (!array) {
        json_decref(text);
    } else if (json_array_append_new(array, text) != 0) {
        p->failed = true;
    }
}

static const char *id_of(const json_t *system) {
    return mu_document_text(system, "id");
}

static const char *name_of(const json_t *system) {
    const char *name = mu_document_text(system, "name");
    return name[0] != '\0' ? name : id_of(system);
}

/* What the two systems run. A fact that one of them does not tell is a note, never a reason. */
static void compare_models(pair *p) {
    static const struct {
        const char *path, *what;
        bool is_precision;
    } facts[] = {{"model.architecture", "architecture", false},
                 {"model.dtype", "weights", true},
                 {"model.kv_dtype", "KV cache", true}};
    for (size_t i = 0; i < MU_COUNTOF(facts); i++) {
        const char *a = mu_document_text(p->a, facts[i].path);
        const char *b = mu_document_text(p->b, facts[i].path);
        if (a[0] == '\0' || b[0] == '\0') {
            append_text(p, p->notes,
                        json_sprintf("%s and %s: whether the %s is the same is not known",
                                     name_of(p->a), name_of(p->b), facts[i].what));
        } else if (strcmp(a, b) != 0) {
            bool is_note = facts[i].is_precision && p->options->any_precision;
            append_text(p, is_note ? p->notes : p->reasons,
                        json_sprintf("%s: %s against %s", facts[i].what, a, b));
        }
    }
    double n_a = mu_document_number(p->a, "model.parameters");
    double n_b = mu_document_number(p->b, "model.parameters");
    if (!isnan(n_a) && !isnan(n_b) && n_a != n_b) {
        append_text(p, p->reasons, json_sprintf("parameters: %.0f against %.0f", n_a, n_b));
    }
}

/* A run that is invalid as a whole may hold cells that call themselves VALID. */
static void refuse_invalid_runs(pair *p) {
    const json_t *systems[] = {p->a, p->b};
    bool is_invalid = mu_document_is_invalid(p->doc);
    for (size_t i = 0; i < MU_COUNTOF(systems); i++) {
        if (!is_invalid && !json_is_true(mu_document_at(systems[i], "is_of_invalid_run"))) continue;
        append_text(p, p->reasons, json_sprintf("%s: an invalid run", name_of(systems[i])));
    }
}

static bool belongs_to(const json_t *item, const json_t *system) {
    return strcmp(mu_document_text(item, "system"), id_of(system)) == 0;
}

static void arm_take(arm *out, const json_t *item, mu_figure figure) {
    if (isnan(figure.value)) {
        memcpy(out->why, figure.why, sizeof(out->why));
        return;
    }
    if (out->n == ARM_MAX) return;
    out->blocks[out->n] = mu_document_number(item, "block");
    out->values[out->n++] = figure.value;
    out->unit = figure.unit;
}

/* Valid runs under the load of `key`. */
static void arm_fill(arm *out, const pair *p, const json_t *system, const char *key,
                     const char *path) {
    char other_key[160];
    const json_t *cells = mu_document_at(p->doc, "cells");
    *out = (arm){.unit = ""};
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        mu_cell_key(cell, other_key, sizeof(other_key));
        if (!belongs_to(cell, system) || strcmp(key, other_key) != 0) continue;
        if (!mu_cell_is_sound(cell)) {
            out->n_invalid++;
            if (!out->first) out->first = cell;
            continue;
        }
        if (!mu_cell_is_sound(out->first)) out->first = cell;
        out->is_saturated = out->is_saturated || mu_cell_is_saturated(cell);
        arm_take(out, cell, mu_cell_figure(cell, path));
    }
}

static void arm_fill_memory(arm *out, const pair *p, const json_t *system) {
    const json_t *memory = mu_document_at(p->doc, "memory");
    *out = (arm){.unit = ""};
    for (size_t i = 0; i < json_array_size(memory); i++) {
        const json_t *item = json_array_get(memory, i);
        if (belongs_to(item, system)) arm_take(out, item, mu_memory_peak(item));
    }
}

static double arm_median(const arm *from) {
    double values[ARM_MAX];
    if (from->n == 0) return NAN;
    memcpy(values, from->values, from->n * sizeof(values[0]));
    return mu_values_median(values, from->n);
}

/* The median of what an arm has in a block; NAN: nothing. */
static double block_median(const arm *from, double block) {
    double values[ARM_MAX];
    size_t n = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (from->blocks[i] == block) values[n++] = from->values[i];
    }
    return n > 0 ? mu_values_median(values, n) : NAN;
}

/* One value of each arm for each block that both have. False: not a comparison in blocks. */
static bool pair_blocks(const arm *a, const arm *b, double *out_a, double *out_b, size_t *out_n) {
    *out_n = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (isnan(a->blocks[i])) return false;
    }
    for (size_t i = 0; i < b->n; i++) {
        if (isnan(b->blocks[i])) return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        bool is_seen = false;
        for (size_t k = 0; k < i; k++) {
            is_seen = is_seen || a->blocks[k] == a->blocks[i];
        }
        double other = block_median(b, a->blocks[i]);
        if (is_seen || isnan(other)) continue;
        out_a[*out_n] = block_median(a, a->blocks[i]);
        out_b[(*out_n)++] = other;
    }
    return *out_n > 0;
}

static mu_status compare_arms(const pair *p, const arm *a, const arm *b, bool is_higher_better,
                              mu_comparison *out, mu_err *err) {
    double blocks_a[ARM_MAX], blocks_b[ARM_MAX];
    size_t n;
    mu_comparison_options options = {.delta = p->options->delta,
                                     .noise_floor = p->options->noise_floor,
                                     .higher_is_better = is_higher_better,
                                     .seed = p->options->seed};
    if (pair_blocks(a, b, blocks_a, blocks_b, &n)) {
        return mu_comparison_paired(blocks_b, blocks_a, n, &options, out, err);
    }
    return mu_comparison_unpaired(b->values, b->n, a->values, a->n, &options, out, err);
}

/* A row before its verdict. */
typedef struct row {
    char metric[64];
    bool is_higher_better, is_compared;
    arm a, b;
    mu_comparison result;
    mu_buf why; /* why it is not compared, or not decided */
    json_t *reasons;
} row;

static bool differ(double a, double b) {
    return fabs(a - b) > length_tolerance * fmax(fabs(a), fabs(b)); /* false of NAN */
}

/* Reasons of the two cells. */
static void compare_lengths(pair *p, row *r, mu_lengths needs) {
    static const struct {
        const char *path, *what;
        mu_lengths from;
    } lengths[] = {{"tokens.prompt_mean", "prompt tokens", MU_LENGTHS_PROMPT},
                   {"tokens.output_mean", "output tokens", MU_LENGTHS_BOTH}};
    for (size_t i = 0; i < MU_COUNTOF(lengths); i++) {
        double a = mu_document_number(r->a.first, lengths[i].path);
        double b = mu_document_number(r->b.first, lengths[i].path);
        if (needs < lengths[i].from || !differ(a, b)) continue;
        append_text(p, r->reasons, json_sprintf("%s: %.4g against %.4g", lengths[i].what, a, b));
    }
}

static void say_reasons(row *r) {
    for (size_t i = 0; i < json_array_size(r->reasons); i++) {
        mu_buf_printf(&r->why, "%s%s", i == 0 ? "NOT COMPARABLE: " : "; ",
                      json_string_value(json_array_get(r->reasons, i)));
    }
}

static const char *known_why(const arm *a) {
    return a->why[0] != '\0' ? a->why : "not measured";
}

/* Fills result, or says why there is none. */
static void row_compare(pair *p, row *r, bool is_latency) {
    say_reasons(r);
    mu_err err;
    if (r->a.n == 0 || r->b.n == 0) {
        const arm *missing = r->a.n == 0 ? &r->a : &r->b;
        const char *name = name_of(r->a.n == 0 ? p->a : p->b);
        mu_buf_printf(&r->why, "%s%s: %s", r->why.n > 0 ? "; " : "", name,
                      missing->n_invalid > 0 ? "every run is INVALID" : known_why(missing));
        return;
    }
    mu_status status = compare_arms(p, &r->a, &r->b, r->is_higher_better, &r->result, &err);
    if (status == MU_ERR_NOMEM) p->failed = true;
    r->is_compared = status == MU_OK;
    if (status != MU_OK) {
        mu_buf_printf(&r->why, "%s%s", r->why.n > 0 ? "; " : "", err.text);
    } else if (is_latency && (r->a.is_saturated || r->b.is_saturated)) {
        mu_buf_printf(&r->why, "%sSATURATED: latency depends on the length of the test",
                      r->why.n > 0 ? "; " : "");
    }
}

static bool is_exploratory(const mu_comparison *c) {
    size_t fewest = c->n_a < c->n_b ? c->n_a : c->n_b;
    return fewest < (c->is_paired ? MU_PAIRS_MIN : RUNS_PUBLISHED);
}

/* After Holm: what is not decided says what would decide it. */
static void row_settle(row *r) {
    mu_comparison *c = &r->result;
    if (!r->is_compared) return;
    if (r->why.n > 0) { /* refused: the ratio stands, the verdict does not */
        c->verdict = MU_VERDICT_INCONCLUSIVE;
        return;
    }
    if (c->verdict != MU_VERDICT_INCONCLUSIVE) return;
    const char *unit = c->is_paired ? "blocks" : "runs a side";
    size_t fewest = c->n_a < c->n_b ? c->n_a : c->n_b;
    size_t least = c->is_paired ? MU_PAIRS_MIN : MU_ARM_MIN;
    if (fewest < least) {
        mu_buf_printf(&r->why, "%zu %s cannot decide: at least %zu are needed", fewest, unit,
                      least);
    } else if (c->n_more > 0) {
        mu_buf_printf(&r->why, "about %u more %s would decide", c->n_more, unit);
    }
}

static json_t *row_json(const pair *p, const row *r, const char *cell, double delta) {
    const mu_comparison *c = &r->result;
    bool has_interval = r->is_compared && isfinite(c->ci.high) && c->ci.low > 0.0;
    size_t fewest = c->n_a < c->n_b ? c->n_a : c->n_b;
    if (r->why.failed) return NULL;
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:b, s:b, "
        "s:O, "
        "s:f, s:s, s:o}",
        "a", id_of(p->a), "b", id_of(p->b), "cell", cell, "metric", r->metric, "unit",
        r->a.unit[0] ? r->a.unit : r->b.unit, "better", r->is_higher_better ? "higher" : "lower",
        "a_value", mu_document_real(arm_median(&r->a)), "b_value",
        mu_document_real(arm_median(&r->b)), "ratio",
        mu_document_real(r->is_compared ? c->ratio : NAN), "low",
        mu_document_real(has_interval ? c->ci.low : NAN), "high",
        mu_document_real(has_interval ? c->ci.high : NAN), "p",
        mu_document_real(r->is_compared ? c->p : NAN), "p_holm",
        mu_document_real(r->is_compared ? c->p_holm : NAN), "blocks",
        (json_int_t)(r->is_compared ? fewest : 0), "paired", r->is_compared && c->is_paired,
        "exploratory", !r->is_compared || is_exploratory(c), "comparable",
        json_array_size(r->reasons) == 0, "reasons", r->reasons, "delta",
        r->is_compared ? c->delta : delta, "verdict", mu_verdict_name(c->verdict), "why",
        r->why.n > 0 ? json_string(r->why.data) : json_null());
}

/* Holm over the rows that were compared, then their JSON. */
static void finish_rows(pair *p, row *rows, size_t n, const char *cell) {
    mu_comparison compared[ROWS_MAX];
    size_t n_compared = 0;
    double delta = p->options->delta > 0.0 ? p->options->delta : 0.02;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].is_compared) compared[n_compared++] = rows[i].result;
    }
    mu_comparison_holm(compared, n_compared);
    n_compared = 0;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].is_compared) rows[i].result = compared[n_compared++];
        row_settle(&rows[i]);
        json_t *json = row_json(p, &rows[i], cell, fmax(delta, p->options->noise_floor));
        if (json_array_append_new(p->rows, json) != 0) p->failed = true;
        mu_buf_deinit(&rows[i].why);
        json_decref(rows[i].reasons);
    }
}

static void row_init(pair *p, row *r, const mu_figure_row *figure, const char *stat) {
    *r = (row){.is_higher_better = figure->better == MU_BETTER_HIGHER};
    snprintf(r->metric, sizeof(r->metric), "%s%s%s",
             figure->key ? figure->key : mu_figure_name(figure), stat ? "." : "", stat ? stat : "");
    r->reasons = json_copy(p->reasons);
    if (!r->reasons) p->failed = true;
}

static void compare_figure(pair *p, row *r, const mu_figure_row *figure, const char *stat,
                           const char *key) {
    char path[96];
    snprintf(path, sizeof(path), "%s%s%s", figure->path, stat ? "." : "", stat ? stat : "");
    row_init(p, r, figure, stat);
    arm_fill(&r->a, p, p->a, key, path);
    arm_fill(&r->b, p, p->b, key, path);
    compare_lengths(p, r, figure->lengths);
    row_compare(p, r, !r->is_higher_better);
}

static void compare_cell(pair *p, row *rows, const json_t *cell, const char *key) {
    char id[160];
    size_t n = 0;
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const mu_figure_row *figure = &mu_figure_rows[i];
        if (figure->place > MU_PLACE_CELL) continue;
        for (size_t s = 0; s < MU_N_FIGURE_STATS; s++) {
            if (!(figure->compared & mu_figure_stats[s].set)) continue;
            MU_ASSERT(n < ROWS_MAX);
            compare_figure(p, &rows[n++], figure, mu_figure_stats[s].name, key);
        }
        if (!(figure->compared & MU_STAT_VALUE)) continue;
        MU_ASSERT(n < ROWS_MAX);
        compare_figure(p, &rows[n++], figure, NULL, key);
    }
    mu_cell_id_without_run(cell, id, sizeof(id));
    finish_rows(p, rows, n, id);
}

static void compare_memory(pair *p, row *r) {
    row_init(p, r, mu_figure_row_of(MU_PLACE_MEMORY, "peak_mb"), NULL);
    arm_fill_memory(&r->a, p, p->a);
    arm_fill_memory(&r->b, p, p->b);
    if (r->a.n == 0 && r->b.n == 0) {
        json_decref(r->reasons);
        return;
    }
    row_compare(p, r, false);
    finish_rows(p, r, 1, "memory");
}

static bool has_key(const pair *p, const json_t *system, const char *key, size_t until) {
    char other_key[160];
    const json_t *cells = mu_document_at(p->doc, "cells");
    for (size_t i = 0; i < json_array_size(cells) && i < until; i++) {
        const json_t *cell = json_array_get(cells, i);
        mu_cell_key(cell, other_key, sizeof(other_key));
        if (belongs_to(cell, system) && strcmp(key, other_key) == 0) return true;
    }
    return false;
}

static void compare_pair(pair *p, row *rows) {
    char key[160];
    size_t n_alone = 0, n_matched = 0;
    const json_t *cells = mu_document_at(p->doc, "cells");
    compare_models(p);
    refuse_invalid_runs(p);
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        mu_cell_key(cell, key, sizeof(key));
        bool is_of_a = belongs_to(cell, p->a), is_of_b = belongs_to(cell, p->b);
        if (is_of_a && has_key(p, p->b, key, SIZE_MAX)) {
            if (has_key(p, p->a, key, i)) continue; /* another run of one that is done */
            compare_cell(p, rows, cell, key);
            n_matched++;
        } else if (is_of_a || (is_of_b && !has_key(p, p->a, key, SIZE_MAX))) {
            n_alone++;
        }
    }
    compare_memory(p, &rows[0]);
    if (n_alone > 0) {
        append_text(p, p->notes,
                    json_sprintf("%s and %s: %zu cells have no counterpart with the same phase and "
                                 "load, and are not compared; %zu have",
                                 name_of(p->a), name_of(p->b), n_alone, n_matched));
    }
}

json_t *mu_compare_systems(const json_t *doc, const mu_compare_options *options, json_t *notes) {
    const json_t *systems = mu_document_at(doc, "systems");
    json_t *out = json_array();
    row *rows = MU_ALLOC(row, ROWS_MAX);
    bool is_ok = out && rows;
    for (size_t i = 1; i < json_array_size(systems) && is_ok; i++) {
        pair p = {.doc = doc,
                  .options = options,
                  .a = json_array_get(systems, 0),
                  .b = json_array_get(systems, i),
                  .reasons = json_array(),
                  .rows = out,
                  .notes = notes};
        if (p.reasons) compare_pair(&p, rows);
        is_ok = p.reasons && !p.failed;
        json_decref(p.reasons);
    }
    mu_free(rows);
    if (is_ok) return out;
    json_decref(out);
    return NULL;
}

int mu_compare_exit_code(const json_t *comparisons) {
    size_t n = json_array_size(comparisons), n_refused = 0, n_open = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(comparisons, i);
        const char *verdict = mu_document_text(item, "verdict");
        bool is_refused = json_is_false(mu_document_at(item, "comparable")) ||
                          isnan(mu_document_number(item, "ratio"));
        if (strcmp(verdict, "slower") == 0) return MU_JUDGED_FAIL;
        if (is_refused) {
            n_refused++;
        } else if (strcmp(verdict, "inconclusive") == 0) {
            n_open++;
        }
    }
    if (n_refused == n) return MU_JUDGED_INVALID;
    return n_refused + n_open > 0 ? MU_JUDGED_INCONCLUSIVE : MU_JUDGED_PASS;
}
