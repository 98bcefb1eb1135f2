#include "chat/jinja/subscripts.h"

#include <stdio.h>
#include <string.h>

#include "chat/jinja/characters.h"
#include "chat/jinja/loop.h"
#include "chat/jinja/print.h"

static const mu_callable_table *methods_of(mu_value_kind kind) {
    static const mu_callable_table none = {NULL, 0};
    switch (kind) {
    case MU_VALUE_TEXT:
        return &mu_methods_of_text;
    case MU_VALUE_DICT:
        return &mu_methods_of_dicts;
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        return &mu_methods_of_lists;
    case MU_VALUE_LOOP:
        return &mu_methods_of_loops;
    default:
        return &none;
    }
}

/* The attributes of an object alone. *out_found: it has one of that name, usable or not. */
static bool own_attribute(mu_run *run, mu_value object, mu_marked name, bool *out_found,
                          mu_value *out) {
    *out_found = true;
    if (object.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, object);
    if (name.n >= 2 && memcmp(name.data, "__", 2) == 0) {
        *out = mu_value_missing(MU_MISSING_UNSAFE, object.kind, name);
        return true;
    }
    const mu_callable *found = mu_callable_find(methods_of(object.kind), name);
    if (found && !found->fn) {
        *out = mu_value_missing(MU_MISSING_UNSAFE, object.kind, name);
        return true;
    }
    if (found) {
        mu_method *method = MU_NEW(run->arena, mu_method, 1);
        if (!method) return mu_run_fail_memory(run);
        *method = (mu_method){found, object};
        *out = (mu_value){.kind = MU_VALUE_METHOD, .method = method};
        return true;
    }
    if (object.kind == MU_VALUE_NAMESPACE) {
        mu_value *member;
        if (!mu_value_dict_find(run, object.dict, mu_value_text(name), &member)) return false;
        *out_found = member != NULL;
        if (member) *out = *member;
        return true;
    }
    *out_found = object.kind == MU_VALUE_LOOP && mu_loop_attribute(object.loop, name, out);
    return true;
}

/* object[key] as Python has it; an error of Python there is *out_found false here. */
static bool own_item(mu_run *run, mu_value object, mu_value key, bool *out_found, mu_value *out) {
    int64_t index = 0, n = 0;
    *out_found = false;
    if (object.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, object);
    if (object.kind == MU_VALUE_DICT) {
        mu_value *found = NULL;
        if (key.kind == MU_VALUE_LIST || key.kind == MU_VALUE_DICT) return true;
        if (!mu_value_dict_find(run, object.dict, key, &found)) return false;
        *out_found = found != NULL;
        if (found) *out = *found;
        return true;
    }
    bool is_text = object.kind == MU_VALUE_TEXT;
    if ((!is_text && !mu_value_is_sequence(object)) || !mu_value_as_int(key, &index)) return true;
    if (!mu_value_length(run, object, &n)) return false;
    if (index < 0) index += n;
    if (index < 0 || index >= n) return true;
    *out_found = true;
    if (!is_text) {
        *out = object.list->items[index];
        return true;
    }
    size_t from = mu_characters_offset(object.text.data, object.text.n, (size_t)index);
    size_t bytes = mu_characters_offset(object.text.data + from, object.text.n - from, 1);
    *out = mu_value_text(mu_marked_slice(object.text, from, bytes));
    return true;
}

bool mu_value_attribute(mu_run *run, mu_value object, mu_marked name, mu_value *out) {
    bool found;
    if (!own_attribute(run, object, name, &found, out)) return false;
    if (found) return true;
    if (!own_item(run, object, mu_value_text(name), &found, out)) return false;
    if (!found) *out = mu_value_missing(MU_MISSING_ATTRIBUTE, object.kind, name);
    return true;
}

bool mu_value_item(mu_run *run, mu_value object, mu_value key, mu_value *out) {
    bool found;
    if (!own_item(run, object, key, &found, out)) return false;
    if (found) return true;
    if (key.kind == MU_VALUE_TEXT) {
        if (!own_attribute(run, object, key.text, &found, out)) return false;
        if (!found) *out = mu_value_missing(MU_MISSING_ATTRIBUTE, object.kind, key.text);
        return true;
    }
    mu_marked name;
    if (!mu_value_as_text(run, key, &name)) return false;
    *out = mu_value_missing(MU_MISSING_ELEMENT, object.kind, name);
    return true;
}

/* Python's slice.indices(): *start and *count of a walk by *step over n elements. */
static bool slice_indices(mu_run *run, const mu_value bounds[3], int64_t n, int64_t *start,
                          int64_t *step, int64_t *count) {
    int64_t given[3] = {0, 0, 1};
    bool is_given[3];
    for (int i = 0; i < 3; i++) {
        is_given[i] = bounds[i].kind != MU_VALUE_NONE;
        if (is_given[i] && !mu_value_as_int(bounds[i], &given[i]))
            return mu_run_fail(run, MU_ERR_INVALID, "slice indices must be integers or None");
    }
    *step = given[2];
    if (*step == 0) return mu_run_fail(run, MU_ERR_INVALID, "slice step cannot be zero");
    if (*step < -n - 1) *step = -n - 1; /* as far as any step of that sign goes */
    if (*step > n + 1) *step = n + 1;
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n;
    int64_t ends[2] = {*step < 0 ? high : low, *step < 0 ? low : high};
    for (int i = 0; i < 2; i++) {
        if (!is_given[i]) continue;
        int64_t at = given[i] < 0 ? given[i] + n : given[i];
        ends[i] = at < low ? low : at > high ? high : at;
    }
    *start = ends[0];
    int64_t distance = *step > 0 ? ends[1] - ends[0] : ends[0] - ends[1];
    int64_t stride = *step > 0 ? *step : -*step;
    *count = distance > 0 ? (distance + stride - 1) / stride : 0;
    return true;
}

static bool slice_list(mu_run *run, mu_value object, int64_t start, int64_t step, int64_t count,
                       mu_value *out) {
    mu_value_list *list;
    if (!mu_value_list_new(run, (size_t)count, &list)) return false;
    for (int64_t i = 0; i < count; i++) {
        if (!mu_value_list_append(run, list, object.list->items[start + i * step])) return false;
    }
    *out = mu_value_of_list(list, object.kind);
    return true;
}

static bool slice_text(mu_run *run, mu_marked text, int64_t start, int64_t step, int64_t count,
                       mu_value *out) {
    size_t from = mu_characters_offset(text.data, text.n, (size_t)start);
    if (step == 1) {
        size_t n = mu_characters_offset(text.data + from, text.n - from, (size_t)count);
        *out = mu_value_text(mu_marked_slice(text, from, n));
        return true;
    }
    mu_value_list characters;
    mu_marked_builder b;
    mu_run_builder(run, &b);
    if (!mu_value_iterate(run, mu_value_text(text), &characters)) return false;
    for (int64_t i = 0; i < count; i++) {
        mu_marked_append(&b, characters.items[start + i * step].text);
    }
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(run, &b, &out->text);
}

bool mu_value_slice(mu_run *run, mu_value object, const mu_value bounds[3], mu_value *out) {
    int64_t n = 0, start = 0, step = 1, count = 0;
    if (object.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, object);
    if (object.kind != MU_VALUE_TEXT && !mu_value_is_sequence(object)) {
        *out = mu_value_missing(MU_MISSING_ELEMENT, object.kind, mu_marked_literal("slice"));
        return true;
    }
    if (!mu_value_length(run, object, &n)) return false;
    if (!slice_indices(run, bounds, n, &start, &step, &count)) return false;
    if (count == 0) start = 0;
    if (object.kind != MU_VALUE_TEXT) return slice_list(run, object, start, step, count, out);
    if (!mu_run_charge(run, object.text.n / 64)) return false;
    if (!slice_text(run, object.text, start, step, count, out)) return false;
    out->is_markup = object.is_markup;
    return true;
}

/* One part of a path: a number or a name. */
static mu_value path_key(mu_marked part) {
    int64_t index = 0;
    bool is_number = part.n > 0 && part.n < 10;
    for (size_t i = 0; is_number && i < part.n; i++) {
        is_number = part.data[i] >= '0' && part.data[i] <= '9';
        index = index * 10 + (part.data[i] - '0');
    }
    return is_number ? mu_value_int(index) : mu_value_text(part);
}

static bool path_part(mu_run *run, mu_value object, mu_value key, mu_value fallback,
                      mu_value *out) {
    if (!mu_value_item(run, object, key, out)) return false;
    if (out->kind == MU_VALUE_UNDEFINED && mu_value_is_given(fallback)) *out = fallback;
    return true;
}

bool mu_value_path(mu_run *run, mu_value object, mu_value path, mu_value fallback, mu_value *out) {
    if (path.kind != MU_VALUE_TEXT) return path_part(run, object, path, fallback, out);
    for (size_t from = 0; from <= path.text.n;) {
        size_t dot = mu_marked_find(path.text, mu_marked_literal("."), from);
        size_t end = dot == SIZE_MAX ? path.text.n : dot;
        mu_value key = path_key(mu_marked_slice(path.text, from, end - from));
        if (!path_part(run, object, key, fallback, out)) return false;
        object = *out;
        from = end + 1;
    }
    return true;
}
