#include "bench/result/document.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text/utf8.h"

mu_status mu_document_check(const json_t *doc, mu_err *err) {
    static const char *const arrays[] = {"systems", "phases",          "cells",
                                         "memory",  "capacity",        "comparisons",
                                         "targets", "recommendations", "notes"};
    static const char schema[] = "muai.bench/1";
    if (!json_is_object(doc)) return mu_fail(err, MU_ERR_FORMAT, "not a JSON object");
    const char *name = mu_document_text(doc, "schema");
    if (strncmp(name, schema, sizeof(schema) - 1) != 0 ||
        (name[sizeof(schema) - 1] != '\0' && name[sizeof(schema) - 1] != '.')) {
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "schema: \"%.40s\" is not \"%s\"; give a file written by a suite of muai "
                       "bench",
                       name, schema);
    }
    if (!json_is_object(json_object_get(doc, "run"))) {
        return mu_fail(err, MU_ERR_FORMAT, "run: not an object");
    }
    for (size_t i = 0; i < MU_COUNTOF(arrays); i++) {
        const json_t *value = mu_document_at(doc, arrays[i]);
        if (value && !json_is_array(value)) {
            return mu_fail(err, MU_ERR_FORMAT, "%s: not an array", arrays[i]);
        }
    }
    return MU_OK;
}

const json_t *mu_document_cell(const json_t *doc, const char *id) {
    return mu_document_member(json_object_get(doc, "cells"), "id", id);
}

const json_t *mu_document_system(const json_t *doc, const char *id) {
    return mu_document_member(json_object_get(doc, "systems"), "id", id);
}

const json_t *mu_document_memory(const json_t *doc, const char *system_id) {
    return mu_document_member(json_object_get(doc, "memory"), "system", system_id);
}

const json_t *mu_document_capacity(const json_t *doc, const char *system_id) {
    return mu_document_member(json_object_get(doc, "capacity"), "system", system_id);
}

bool mu_cell_is_saturated(const json_t *cell) {
    return strcmp(mu_document_text(cell, "validity.status"), "SATURATED") == 0;
}

bool mu_cell_is_sound(const json_t *cell) {
    return strcmp(mu_document_text(cell, "validity.status"), "VALID") == 0 ||
           mu_cell_is_saturated(cell);
}

bool mu_cell_has_flag(const json_t *cell, const char *flag_id) {
    return mu_document_member(mu_document_at(cell, "validity.flags"), "id", flag_id) != NULL;
}

bool mu_document_is_invalid(const json_t *doc) {
    const json_t *cells = mu_document_at(doc, "cells");
    if (strcmp(mu_document_text(doc, "run.stop_reason"), "failed") == 0) return true;
    if (strcmp(mu_document_text(doc, "phases.validate.status"), "failed") == 0) return true;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        if (mu_cell_is_sound(json_array_get(cells, i))) return false;
    }
    return json_array_size(cells) > 0;
}

/* Texts of documents may be long: they are cut between characters. */
static void set_why(mu_figure *f, const char *why) {
    int n = snprintf(f->why, sizeof(f->why), "%s", why);
    size_t n_kept = n < (int)sizeof(f->why) ? (size_t)n : sizeof(f->why) - 1;
    f->why[mu_utf8_valid(f->why, n_kept)] = '\0';
}

static mu_figure unknown(const char *why) {
    mu_figure f = {.value = NAN,
                   .low = NAN,
                   .high = NAN,
                   .need = NAN,
                   .have = NAN,
                   .observed = NAN,
                   .unit = ""};
    set_why(&f, why);
    return f;
}

static mu_figure exact(double value, const char *unit) {
    mu_figure f = unknown(isnan(value) ? "not measured" : "");
    f.value = f.observed = value;
    f.unit = unit;
    f.is_exact = true;
    return f;
}

static const char *unit_of(mu_place place, const char *path) {
    const mu_figure_row *row = mu_figure_row_of(place, path);
    return row ? row->unit : "";
}

/* An interval counts only when it is one: two finite ends in order. */
static void set_interval(mu_figure *f, double low, double high) {
    if (!isfinite(low) || !isfinite(high) || low > high) return;
    f->low = low;
    f->high = high;
}

double mu_curve_at(const json_t *curve, double share) {
    double before_share = NAN, before = NAN;
    for (size_t i = 0; i < json_array_size(curve); i++) {
        const json_t *point = json_array_get(curve, i);
        double at = mu_document_item(point, 0), value = mu_document_item(point, 1);
        if (at >= share) {
            if (isnan(before) || at <= before_share) return value;
            return before + (value - before) * (share - before_share) / (at - before_share);
        }
        before_share = at;
        before = value;
    }
    return before;
}

/* Of a percentile that so few samples are no estimate of. */
static double observed(const json_t *metric, const char *stat) {
    for (size_t i = 0; i < MU_N_FIGURE_STATS; i++) {
        if (strcmp(mu_figure_stats[i].name, stat) != 0 || isnan(mu_figure_stats[i].share)) continue;
        return mu_curve_at(mu_document_at(metric, "curve"), mu_figure_stats[i].share);
    }
    return NAN;
}

static mu_figure metric_figure(const json_t *metric, const char *stat) {
    mu_figure f = unknown(mu_document_text(metric, "why"));
    double n = mu_document_number(metric, "n");
    if (*stat == '\0') stat = "p50";
    const json_t *ci = mu_document_at(mu_document_at(metric, "ci"), stat);
    const json_t *gate = mu_document_at(mu_document_at(metric, "gate"), stat);
    f.value = mu_document_number(metric, stat);
    f.observed = isnan(f.value) ? observed(metric, stat) : f.value;
    f.unit = mu_document_text(metric, "unit");
    f.n = n > 0.0 && n < 1e15 ? (uint64_t)n : 0;
    set_interval(&f, mu_document_item(ci, 0), mu_document_item(ci, 1));
    f.need = mu_document_number(gate, "need");
    f.have = mu_document_number(gate, "have");
    if (isnan(f.value) && f.why[0] == '\0' && !isnan(f.need)) {
        snprintf(f.why, sizeof(f.why), "%.10s needs %.0f independent requests, there are %.0f",
                 stat, f.need, f.have);
    } else if (isnan(f.value) && f.why[0] == '\0') {
        set_why(&f, "not measured");
    } else if (isnan(f.low) && f.why[0] == '\0') {
        set_why(&f, "no interval was computed");
    }
    return f;
}

mu_figure mu_cell_stat(const json_t *cell, const char *metric, const char *stat) {
    return metric_figure(mu_document_at(mu_document_at(cell, "metrics"), metric), stat);
}

/* {"value", "low", "high"} or a number beside which nothing is said. */
static mu_figure plain_figure(const json_t *json, const char *unit) {
    mu_figure f = unknown(mu_document_text(json, "why"));
    f.unit = unit;
    f.value = f.observed = mu_document_number(json, json_is_object(json) ? "value" : "");
    set_interval(&f, mu_document_number(json, "low"), mu_document_number(json, "high"));
    if (f.why[0] == '\0' && isnan(f.value)) {
        set_why(&f, "not measured");
    } else if (f.why[0] == '\0' && isnan(f.low)) {
        set_why(&f, "no interval was computed");
    }
    return f;
}

mu_figure mu_cell_figure(const json_t *cell, const char *path) {
    if (!cell) return unknown("there is no such cell");
    const char *rest = path;
    char word[MU_DOCUMENT_WORD];
    if (strncmp(rest, "metrics.", 8) == 0) rest += 8;
    if (!mu_document_next_word(&rest, word)) return unknown("not the name of a figure");
    const json_t *metric = mu_document_at(mu_document_at(cell, "metrics"), word);
    if (metric) return metric_figure(metric, rest);

    bool is_count = strcmp(word, "window") == 0 ||
                    (strcmp(word, "reliability") == 0 && strcmp(rest, "success") != 0);
    const char *unit = unit_of(MU_PLACE_CELL, path);
    if (is_count) return exact(mu_document_number(cell, path), unit);
    mu_figure f = plain_figure(mu_document_at(cell, path), unit);
    if (strcmp(path, "goodput.requests_s") == 0) {
        mu_figure share = plain_figure(mu_document_at(cell, "goodput.attainment"), unit);
        if (share.value > 0.0) {
            set_interval(&f, f.value * share.low / share.value, f.value * share.high / share.value);
        }
    }
    return f;
}

void mu_cell_key(const json_t *cell, char *out, size_t n) {
    const json_t *load = mu_document_at(cell, "load");
    int is_stream = json_is_false(json_object_get(load, "stream")) ? 0 : 1;
    snprintf(out, n, "%s %s c%.0f r%.6g %.0f/%.0f %s s%d", mu_document_text(cell, "phase"),
             mu_document_text(load, "kind"), mu_document_number(load, "clients"),
             mu_document_number(load, "rate_per_s"), mu_document_number(load, "prompt_tokens"),
             mu_document_number(load, "output_tokens"), mu_document_text(load, "endpoint"),
             is_stream);
}

mu_figure mu_memory_peak(const json_t *memory) {
    static const char *const peaks[] = {"footprint.peak_mb", "inference.peak_mb"};
    static const char *const lists[] = {"loads", "phases"};
    double peak = NAN;
    for (size_t i = 0; i < MU_COUNTOF(peaks); i++) {
        peak = fmax(peak, mu_document_number(memory, peaks[i]));
    }
    for (size_t i = 0; i < MU_COUNTOF(lists); i++) {
        const json_t *list = mu_document_at(memory, lists[i]);
        for (size_t k = 0; k < json_array_size(list); k++) {
            peak = fmax(peak, mu_document_number(json_array_get(list, k), "peak_mb"));
        }
    }
    peak = fmax(peak, mu_document_number(memory, "footprint.unreclaimable_mb") +
                          mu_document_number(memory, "footprint.mapped_mb"));
    return exact(peak, "MB");
}

/* The slope of what the verdict goes by: the live heap where it is known. */
static mu_figure leak_slope(const json_t *memory) {
    const json_t *signals = mu_document_at(memory, "leak.signals");
    const json_t *best = mu_document_member(signals, "name", "live_heap");
    if (isnan(mu_document_number(best, "slope_mb_h"))) best = json_array_get(signals, 0);
    mu_figure f = unknown(mu_document_text(memory, "leak.why"));
    f.unit = "MB/h";
    f.value = f.observed = mu_document_number(best, "slope_mb_h");
    set_interval(&f, mu_document_number(best, "low"), mu_document_number(best, "high"));
    return f;
}

mu_figure mu_memory_figure(const json_t *memory, const char *path) {
    if (!memory) return unknown("memory of this system was not measured");
    if (strcmp(path, "peak_mb") == 0) return mu_memory_peak(memory);
    if (strcmp(path, "leak.slope_mb_h") == 0) return leak_slope(memory);
    if (strcmp(path, "kv.measured_bytes_per_token") == 0) {
        mu_figure f = plain_figure(mu_document_at(memory, path), unit_of(MU_PLACE_MEMORY, path));
        set_interval(&f, mu_document_number(memory, "kv.low"),
                     mu_document_number(memory, "kv.high"));
        return f;
    }
    return exact(mu_document_number(memory, path), unit_of(MU_PLACE_MEMORY, path));
}

mu_figure mu_capacity_figure(const json_t *capacity, const char *path) {
    if (!capacity) return unknown("capacity of this system was not measured");
    mu_figure f = plain_figure(mu_document_at(capacity, path), unit_of(MU_PLACE_CAPACITY, path));
    if (strcmp(path, "max_rate_per_s") == 0) {
        set_interval(&f, f.value, mu_document_number(capacity, "failing_rate_per_s"));
        if (isnan(f.value)) {
            set_why(&f, mu_document_text(capacity, "why"));
        }
    }
    return f;
}

const json_t *mu_document_longest(const json_t *array, const char *key, const char **text) {
    const json_t *best = NULL;
    size_t best_n = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *id = mu_document_text(item, key);
        size_t n = strlen(id);
        if (n > best_n && strncmp(*text, id, n) == 0 && (*text)[n] == '.') {
            best = item;
            best_n = n;
        }
    }
    if (best) *text += best_n + 1;
    return best;
}

mu_figure mu_document_figure(const json_t *doc, const char *reference) {
    static const struct {
        const char *prefix, *array, *key;
        mu_figure (*figure)(const json_t *item, const char *path);
    } kinds[] = {
        {"cell:", "cells", "id", mu_cell_figure},
        {"memory:", "memory", "system", mu_memory_figure},
        {"capacity:", "capacity", "system", mu_capacity_figure},
    };
    for (size_t i = 0; i < MU_COUNTOF(kinds); i++) {
        size_t n = strlen(kinds[i].prefix);
        if (strncmp(reference, kinds[i].prefix, n) != 0) continue;
        const char *path = reference + n;
        const json_t *item =
            mu_document_longest(json_object_get(doc, kinds[i].array), kinds[i].key, &path);
        return kinds[i].figure(item, path);
    }
    return unknown("not a reference such as cell:ID.PATH, memory:SYSTEM.PATH");
}
