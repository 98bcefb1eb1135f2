#include "bench/judge/targets_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/json.h"

typedef enum field_kind {
    FIELD_TEXT,
    FIELD_NUMBER,
    FIELD_SIDE,  /* "higher" or "lower" */
    FIELD_SHAPE, /* "128/64" */
    FIELD_PERCENTILE,
} field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t offset, size; /* in mu_target; size of texts */
    bool is_required;
} field;

#define TEXT_FIELD(name, is_required) \
    { #name, FIELD_TEXT, offsetof(mu_target, name), sizeof(((mu_target *)0)->name), is_required }
#define NUMBER_FIELD(name, is_required) \
    { #name, FIELD_NUMBER, offsetof(mu_target, name), 0, is_required }

/* percentile comes after metric, which it is appended to. */
static const field fields[] = {
    TEXT_FIELD(id, true),         TEXT_FIELD(name, false),
    TEXT_FIELD(metric, true),     {"percentile", FIELD_PERCENTILE, 0, 0, false},
    TEXT_FIELD(unit, false),      TEXT_FIELD(system, false),
    TEXT_FIELD(phase, false),     {"shape", FIELD_SHAPE, 0, 0, false},
    NUMBER_FIELD(clients, false), NUMBER_FIELD(rate_per_s, false),
    NUMBER_FIELD(limit, true),    {"better", FIELD_SIDE, 0, 0, true},
};

/* Where in the file an error is. */
typedef struct place {
    size_t index;
    mu_err *err;
} place;

static mu_status wrong(const place *at, const char *name, const char *what) {
    return mu_fail(at->err, MU_ERR_INVALID, "targets[%zu].%.40s: %s", at->index, name, what);
}

static mu_status read_text(const place *at, const field *f, const json_t *value, char *out) {
    const char *text = json_string_value(value);
    if (!text || text[0] == '\0') return wrong(at, f->name, "must be a text that is not empty");
    if (strlen(text) != json_string_length(value) || strlen(text) >= f->size) {
        return wrong(at, f->name, "is too long");
    }
    memcpy(out, text, strlen(text) + 1);
    return MU_OK;
}

static mu_status read_shape(const place *at, const json_t *value, mu_target *out) {
    const char *text = json_string_value(value);
    char *end = NULL;
    double prompt = text ? strtod(text, &end) : NAN;
    double output = text && end != text && *end == '/' ? strtod(end + 1, &end) : NAN;
    bool is_shape = prompt >= 1.0 && output >= 1.0 && prompt == floor(prompt) &&
                    output == floor(output) && *end == '\0';
    if (!is_shape) return wrong(at, "shape", "must be prompt and output tokens such as \"128/64\"");
    out->prompt_tokens = prompt;
    out->output_tokens = output;
    return MU_OK;
}

static mu_status read_percentile(const place *at, const json_t *value, mu_target *out) {
    static const struct {
        double percentile;
        const char *stat;
    } known[] = {{50, ".p50"}, {90, ".p90"}, {95, ".p95"}, {99, ".p99"}, {99.9, ".p999"}};
    size_t n = strlen(out->metric);
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        if (!json_is_number(value) || json_number_value(value) != known[i].percentile) continue;
        if (n + strlen(known[i].stat) >= sizeof(out->metric)) {
            return wrong(at, "metric", "is too long");
        }
        memcpy(out->metric + n, known[i].stat, strlen(known[i].stat) + 1);
        return MU_OK;
    }
    return wrong(at, "percentile", "must be one of 50, 90, 95, 99, 99.9");
}

static mu_status read_field(const place *at, const field *f, const json_t *value, mu_target *out) {
    const char *text = json_string_value(value);
    switch (f->kind) {
    case FIELD_TEXT:
        return read_text(at, f, value, (char *)out + f->offset);
    case FIELD_NUMBER:
        if (!json_is_number(value)) return wrong(at, f->name, "must be a number");
        *(double *)(void *)((char *)out + f->offset) = json_number_value(value);
        return MU_OK;
    case FIELD_SIDE:
        if (!text || (strcmp(text, "higher") != 0 && strcmp(text, "lower") != 0)) {
            return wrong(at, f->name, "must be \"higher\" or \"lower\"");
        }
        out->is_higher_better = text[0] == 'h';
        return MU_OK;
    case FIELD_SHAPE:
        return read_shape(at, value, out);
    case FIELD_PERCENTILE:
        return read_percentile(at, value, out);
    }
    return MU_OK;
}

static mu_status refuse_unknown_fields(const place *at, const json_t *item) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)item, key, value) {
        bool is_known = false;
        for (size_t i = 0; i < MU_COUNTOF(fields); i++) {
            is_known = is_known || strcmp(key, fields[i].name) == 0;
        }
        if (!is_known) return wrong(at, key, "is not a field of a target");
    }
    return MU_OK;
}

/* A reference says which cell; a path needs to be told. */
static mu_status check_metric(const place *at, mu_target *out) {
    static const char *const kinds[] = {"cell:", "memory:", "capacity:"};
    for (size_t i = 0; i < MU_COUNTOF(kinds); i++) {
        if (strncmp(out->metric, kinds[i], strlen(kinds[i])) == 0) out->is_reference = true;
    }
    if (!out->is_reference && strchr(out->metric, ':')) {
        return wrong(at, "metric", "starts with none of \"cell:\", \"memory:\", \"capacity:\"");
    }
    if (out->is_reference && !strchr(out->metric, '.')) {
        return wrong(at, "metric",
                     "must be cell:ID.PATH, memory:SYSTEM.PATH or capacity:SYSTEM.PATH");
    }
    bool is_placed = out->phase[0] != '\0' || !isnan(out->prompt_tokens) || !isnan(out->clients) ||
                     !isnan(out->rate_per_s);
    if (!out->is_reference && !is_placed) {
        return wrong(at, "metric",
                     "needs \"phase\", \"shape\", \"clients\" or \"rate_per_s\", or "
                     "to start with \"cell:ID.\"");
    }
    if (out->is_reference && (is_placed || out->system[0] != '\0')) {
        return wrong(at, "metric",
                     "names its cell itself: leave out system, phase, shape, clients "
                     "and rate_per_s");
    }
    return MU_OK;
}

static mu_status read_target(const place *at, const json_t *item, mu_target *out) {
    *out =
        (mu_target){.prompt_tokens = NAN, .output_tokens = NAN, .clients = NAN, .rate_per_s = NAN};
    if (!json_is_object(item)) {
        return mu_fail(at->err, MU_ERR_INVALID, "targets[%zu]: not an object", at->index);
    }
    mu_status status = refuse_unknown_fields(at, item);
    for (size_t i = 0; i < MU_COUNTOF(fields) && status == MU_OK; i++) {
        const json_t *value = json_object_get(item, fields[i].name);
        if (value) {
            status = read_field(at, &fields[i], value, out);
        } else if (fields[i].is_required) {
            status = wrong(at, fields[i].name, "is missing");
        }
    }
    if (status == MU_OK) status = check_metric(at, out);
    if (status == MU_OK && out->name[0] == '\0') memcpy(out->name, out->id, sizeof(out->id));
    return status;
}

static mu_status read_targets(const json_t *json, mu_targets *out, mu_err *err) {
    const json_t *builtin = json_object_get(json, "builtin");
    const json_t *items = json_object_get(json, "targets");
    if (!json_is_object(json)) return mu_fail(err, MU_ERR_INVALID, "not a JSON object");
    if (builtin && !json_is_boolean(builtin)) {
        return mu_fail(err, MU_ERR_INVALID, "builtin: must be true or false");
    }
    if (!json_is_array(items)) return mu_fail(err, MU_ERR_INVALID, "targets: must be an array");
    if (json_object_size(json) > (builtin ? 2u : 1u)) {
        return mu_fail(err, MU_ERR_INVALID, "only \"builtin\" and \"targets\" are known fields");
    }
    if (json_array_size(items) > MU_TARGETS_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "targets: %zu, at most %d", json_array_size(items),
                       MU_TARGETS_MAX);
    }
    out->has_builtin = !builtin || json_is_true(builtin);
    for (size_t i = 0; i < json_array_size(items); i++) {
        place at = {i, err};
        mu_status status = read_target(&at, json_array_get(items, i), &out->items[i]);
        if (status != MU_OK) return status;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(out->items[k].id, out->items[i].id) != 0) continue;
            return wrong(&at, "id", "is used twice");
        }
        out->n++;
    }
    return MU_OK;
}

static mu_status from_json(json_t *json, mu_targets **out, mu_err *err) {
    mu_targets *targets = MU_ALLOC(mu_targets, 1);
    mu_status status =
        targets ? read_targets(json, targets, err) : mu_fail(err, MU_ERR_NOMEM, "targets");
    json_decref(json);
    if (status != MU_OK) {
        mu_free(targets);
        return status;
    }
    *out = targets;
    return MU_OK;
}

mu_status mu_targets_parse(const char *text, size_t n, mu_targets **out, mu_err *err) {
    json_t *json = NULL;
    mu_status status = mu_json_parse(text, n, &json, err);
    return status == MU_OK ? from_json(json, out, err) : status;
}

mu_status mu_targets_load(const char *path, mu_targets **out, mu_err *err) {
    json_t *json = NULL;
    mu_err inner;
    mu_status status = mu_json_load(path, &json, err);
    if (status != MU_OK) return status;
    status = from_json(json, out, &inner);
    return status == MU_OK ? MU_OK : mu_fail(err, status, "%s: %s", path, inner.text);
}

void mu_targets_close(mu_targets *targets) {
    mu_free(targets);
}
