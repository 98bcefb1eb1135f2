#include "chat/jinja/value.h"

#include <string.h>

#include "chat/jinja/characters.h"

static const char *const type_names[MU_N_VALUE_KINDS] = {
    [MU_VALUE_UNDEFINED] = "Undefined", [MU_VALUE_NONE] = "NoneType",
    [MU_VALUE_BOOL] = "bool",           [MU_VALUE_INT] = "int",
    [MU_VALUE_FLOAT] = "float",         [MU_VALUE_TEXT] = "str",
    [MU_VALUE_LIST] = "list",           [MU_VALUE_TUPLE] = "tuple",
    [MU_VALUE_DICT] = "dict",           [MU_VALUE_NAMESPACE] = "Namespace",
    [MU_VALUE_FUNCTION] = "function",   [MU_VALUE_METHOD] = "method",
    [MU_VALUE_MACRO] = "Macro",         [MU_VALUE_LOOP] = "LoopContext",
};

mu_value mu_value_none(void) {
    return (mu_value){.kind = MU_VALUE_NONE};
}

mu_value mu_value_bool(bool boolean) {
    return (mu_value){.kind = MU_VALUE_BOOL, .boolean = boolean};
}

mu_value mu_value_int(int64_t integer) {
    return (mu_value){.kind = MU_VALUE_INT, .integer = integer};
}

mu_value mu_value_float(double real) {
    return (mu_value){.kind = MU_VALUE_FLOAT, .real = real};
}

mu_value mu_value_text(mu_marked text) {
    return (mu_value){.kind = MU_VALUE_TEXT, .text = text};
}

mu_value mu_value_literal(const char *text) {
    return mu_value_text(mu_marked_literal(text));
}

mu_value mu_value_missing(mu_missing why, mu_value_kind owner, mu_marked name) {
    return (mu_value){
        .kind = MU_VALUE_UNDEFINED, .missing = (uint8_t)why, .owner = (uint8_t)owner, .text = name};
}

mu_value mu_value_of_list(mu_value_list *list, mu_value_kind kind) {
    MU_ASSERT(kind == MU_VALUE_LIST || kind == MU_VALUE_TUPLE);
    return (mu_value){.kind = (uint8_t)kind, .list = list};
}

mu_value mu_value_of_dict(mu_value_dict *dict) {
    return (mu_value){.kind = MU_VALUE_DICT, .dict = dict};
}

bool mu_value_is_given(mu_value v) {
    return v.kind != MU_VALUE_UNDEFINED || v.missing != MU_MISSING_ARGUMENT;
}

bool mu_value_is_sequence(mu_value v) {
    return v.kind == MU_VALUE_LIST || v.kind == MU_VALUE_TUPLE;
}

bool mu_value_as_int(mu_value v, int64_t *out) {
    if (v.kind == MU_VALUE_BOOL) *out = v.boolean;
    if (v.kind == MU_VALUE_INT) *out = v.integer;
    return v.kind == MU_VALUE_BOOL || v.kind == MU_VALUE_INT;
}

bool mu_value_as_number(mu_value v, double *out) {
    int64_t integer = 0;
    if (mu_value_as_int(v, &integer)) {
        *out = (double)integer;
        return true;
    }
    if (v.kind == MU_VALUE_FLOAT) *out = v.real;
    return v.kind == MU_VALUE_FLOAT;
}

const char *mu_value_type_name(mu_value_kind kind) {
    MU_ASSERT(kind < MU_N_VALUE_KINDS);
    return type_names[kind];
}

/* The wording is that of the reference, so that an error can be looked up. */
bool mu_value_fail_undefined(mu_run *run, mu_value v) {
    MU_ASSERT(v.kind == MU_VALUE_UNDEFINED);
    int n = v.text.n < 80 ? (int)v.text.n : 80;
    const char *name = v.text.data ? v.text.data : "";
    const char *owner = v.owner == MU_VALUE_NONE ? "None" : type_names[v.owner];
    const char *object = v.owner == MU_VALUE_NONE ? "" : " object";
    switch (v.missing) {
    case MU_MISSING_NAME:
        return mu_run_fail(run, MU_ERR_INVALID, "'%.*s' is undefined", n, name);
    case MU_MISSING_ATTRIBUTE:
        return mu_run_fail(run, MU_ERR_INVALID, "'%s%s' has no attribute '%.*s'", owner, object, n,
                           name);
    case MU_MISSING_ELEMENT:
        return mu_run_fail(run, MU_ERR_INVALID, "%s%s has no element %.*s", owner, object, n, name);
    case MU_MISSING_PARAMETER:
        return mu_run_fail(run, MU_ERR_INVALID, "parameter '%.*s' was not provided", n, name);
    case MU_MISSING_UNSAFE:
        return mu_run_fail(run, MU_ERR_INVALID,
                           "access to attribute '%.*s' of '%s' object is unsafe.", n, name,
                           type_names[v.owner]);
    default:
        return mu_run_fail(run, MU_ERR_INVALID, "%.*s", n, name);
    }
}

static bool grow(mu_run *run, void **array, size_t *cap, size_t n, size_t elem_size) {
    if (n < *cap) return true;
    size_t grown = *cap < 4 ? 4 : 2 * *cap;
    void *data = mu_arena_alloc(run->arena, grown, elem_size, _Alignof(mu_value));
    if (!data) return mu_run_fail_memory(run);
    if (n > 0) memcpy(data, *array, n * elem_size);
    *array = data;
    *cap = grown;
    return true;
}

bool mu_value_list_new(mu_run *run, size_t cap, mu_value_list **out) {
    mu_value_list *list = MU_NEW(run->arena, mu_value_list, 1);
    mu_value *items = MU_NEW(run->arena, mu_value, cap);
    if (!list || !items) return mu_run_fail_memory(run);
    *list = (mu_value_list){.items = items, .cap = cap};
    *out = list;
    return true;
}

bool mu_value_list_append(mu_run *run, mu_value_list *list, mu_value item) {
    void *items = list->items;
    if (!mu_run_charge(run, 1) || !grow(run, &items, &list->cap, list->n, sizeof(item)))
        return false;
    list->items = items;
    list->items[list->n++] = item;
    return true;
}

bool mu_value_dict_new(mu_run *run, size_t cap, mu_value_dict **out) {
    mu_value_dict *dict = MU_NEW(run->arena, mu_value_dict, 1);
    mu_value_pair *pairs = MU_NEW(run->arena, mu_value_pair, cap);
    if (!dict || !pairs) return mu_run_fail_memory(run);
    *dict = (mu_value_dict){.pairs = pairs, .cap = cap};
    *out = dict;
    return true;
}

bool mu_value_dict_add(mu_run *run, mu_value_dict *dict, mu_value key, mu_value value) {
    void *pairs = dict->pairs;
    if (!mu_run_charge(run, 1) || !grow(run, &pairs, &dict->cap, dict->n, sizeof(mu_value_pair)))
        return false;
    dict->pairs = pairs;
    dict->pairs[dict->n++] = (mu_value_pair){key, value};
    return true;
}

bool mu_value_dict_find(mu_run *run, const mu_value_dict *dict, mu_value key,
                        mu_value **out_found) {
    *out_found = NULL;
    if (key.kind == MU_VALUE_LIST || key.kind == MU_VALUE_DICT)
        return mu_run_fail(run, MU_ERR_INVALID, "unhashable type: '%s'", type_names[key.kind]);
    if (!mu_run_charge(run, 1 + dict->n / 8)) return false;
    for (size_t i = 0; i < dict->n; i++) {
        bool is_equal;
        if (!mu_value_equals(run, dict->pairs[i].key, key, &is_equal)) return false;
        if (!is_equal) continue;
        *out_found = &dict->pairs[i].value;
        return true;
    }
    return true;
}

bool mu_value_dict_set(mu_run *run, mu_value_dict *dict, mu_value key, mu_value value) {
    mu_value *found;
    if (!mu_value_dict_find(run, dict, key, &found)) return false;
    if (!found) return mu_value_dict_add(run, dict, key, value);
    *found = value;
    return true;
}

bool mu_value_is_true(mu_value v) {
    switch (v.kind) {
    case MU_VALUE_UNDEFINED:
    case MU_VALUE_NONE:
        return false;
    case MU_VALUE_BOOL:
        return v.boolean;
    case MU_VALUE_INT:
        return v.integer != 0;
    case MU_VALUE_FLOAT:
        return v.real != 0;
    case MU_VALUE_TEXT:
        return v.text.n > 0;
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        return v.list->n > 0;
    case MU_VALUE_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

static bool equals_at(mu_run *run, mu_value a, mu_value b, uint32_t level, bool *out);

static bool lists_equal(mu_run *run, const mu_value_list *a, const mu_value_list *b, uint32_t level,
                        bool *out) {
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        if (!equals_at(run, a->items[i], b->items[i], level + 1, out)) return false;
    }
    return true;
}

static bool dicts_equal(mu_run *run, const mu_value_dict *a, const mu_value_dict *b, uint32_t level,
                        bool *out) {
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        mu_value *found;
        if (!mu_value_dict_find(run, b, a->pairs[i].key, &found)) return false;
        *out = found != NULL;
        if (found && !equals_at(run, a->pairs[i].value, *found, level + 1, out)) return false;
    }
    return true;
}

static bool equals_at(mu_run *run, mu_value a, mu_value b, uint32_t level, bool *out) {
    double x = 0, y = 0;
    if (level > MU_RUN_NESTING_MAX)
        return mu_run_fail(run, MU_ERR_LIMIT, "values nested deeper than %d", MU_RUN_NESTING_MAX);
    if (level > 0 && !mu_run_charge(run, 1)) return false;
    if (mu_value_as_number(a, &x) && mu_value_as_number(b, &y)) {
        bool both_int = a.kind != MU_VALUE_FLOAT && b.kind != MU_VALUE_FLOAT;
        int64_t i = 0, j = 0;
        *out = both_int ? mu_value_as_int(a, &i) && mu_value_as_int(b, &j) && i == j : x == y;
        return true;
    }
    *out = false;
    if (a.kind != b.kind) return true;
    switch (a.kind) {
    case MU_VALUE_UNDEFINED:
    case MU_VALUE_NONE:
        *out = true;
        return true;
    case MU_VALUE_TEXT:
        *out = mu_marked_equals(a.text, b.text);
        return true;
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        return lists_equal(run, a.list, b.list, level, out);
    case MU_VALUE_DICT:
        return dicts_equal(run, a.dict, b.dict, level, out);
    case MU_VALUE_NAMESPACE:
        *out = a.dict == b.dict;
        return true;
    default:
        *out = a.function == b.function;
        return true; /* the same object */
    }
}

bool mu_value_equals(mu_run *run, mu_value a, mu_value b, bool *out) {
    return equals_at(run, a, b, 0, out);
}

static bool compare_at(mu_run *run, mu_value a, mu_value b, uint32_t level, int *out);

static bool compare_lists(mu_run *run, const mu_value_list *a, const mu_value_list *b,
                          uint32_t level, int *out) {
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool is_equal;
        if (!mu_run_charge(run, 1)) return false;
        if (!equals_at(run, a->items[i], b->items[i], level + 1, &is_equal)) return false;
        if (!is_equal) return compare_at(run, a->items[i], b->items[i], level + 1, out);
    }
    *out = (a->n > b->n) - (a->n < b->n);
    return true;
}

static bool compare_at(mu_run *run, mu_value a, mu_value b, uint32_t level, int *out) {
    double x = 0, y = 0;
    int64_t i = 0, j = 0;
    if (level > MU_RUN_NESTING_MAX)
        return mu_run_fail(run, MU_ERR_LIMIT, "values nested deeper than %d", MU_RUN_NESTING_MAX);
    if (a.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, a);
    if (b.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, b);
    if (mu_value_as_int(a, &i) && mu_value_as_int(b, &j)) {
        *out = (i > j) - (i < j);
        return true;
    }
    if (mu_value_as_number(a, &x) && mu_value_as_number(b, &y)) {
        *out = (x > y) - (x < y);
        return true;
    }
    if (a.kind == MU_VALUE_TEXT && b.kind == MU_VALUE_TEXT) {
        *out = mu_marked_compare(a.text, b.text);
        return true;
    }
    if (mu_value_is_sequence(a) && a.kind == b.kind)
        return compare_lists(run, a.list, b.list, level, out);
    return mu_run_fail(run, MU_ERR_INVALID,
                       "comparison not supported between instances of '%s' and '%s'",
                       type_names[a.kind], type_names[b.kind]);
}

bool mu_value_compare(mu_run *run, mu_value a, mu_value b, int *out) {
    return compare_at(run, a, b, 0, out);
}

static bool list_contains(mu_run *run, const mu_value_list *list, mu_value item, bool *out) {
    *out = false;
    if (!mu_run_charge(run, 1 + list->n / 8)) return false;
    for (size_t i = 0; i < list->n && !*out; i++) {
        if (!mu_value_equals(run, list->items[i], item, out)) return false;
    }
    return true;
}

bool mu_value_contains(mu_run *run, mu_value container, mu_value item, bool *out) {
    mu_value *found;
    *out = false;
    switch (container.kind) {
    case MU_VALUE_TEXT:
        if (item.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, item);
        if (item.kind != MU_VALUE_TEXT)
            return mu_run_fail(run, MU_ERR_INVALID,
                               "'in <string>' requires string as left operand, not %s",
                               type_names[item.kind]);
        if (!mu_run_charge(run, 1 + container.text.n / 256)) return false;
        *out = mu_marked_find(container.text, item.text, 0) != SIZE_MAX;
        return true;
    case MU_VALUE_DICT:
        if (!mu_value_dict_find(run, container.dict, item, &found)) return false;
        *out = found != NULL;
        return true;
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        return list_contains(run, container.list, item, out);
    case MU_VALUE_UNDEFINED:
        return true;
    default:
        return mu_run_fail(run, MU_ERR_INVALID, "argument of type '%s' is not iterable",
                           type_names[container.kind]);
    }
}

bool mu_value_length(mu_run *run, mu_value v, int64_t *out) {
    switch (v.kind) {
    case MU_VALUE_UNDEFINED:
        *out = 0;
        return true;
    case MU_VALUE_TEXT:
        *out = v.text.n ? (int64_t)mu_characters_count(v.text.data, v.text.n) : 0;
        return mu_run_charge(run, v.text.n / 256);
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        *out = (int64_t)v.list->n;
        return true;
    case MU_VALUE_DICT:
        *out = (int64_t)v.dict->n;
        return true;
    default:
        return mu_run_fail(run, MU_ERR_INVALID, "object of type '%s' has no len()",
                           type_names[v.kind]);
    }
}

static bool iterate_text(mu_run *run, mu_marked text, mu_value_list *out) {
    for (size_t at = 0, n; at < text.n; at += n) {
        n = mu_characters_offset(text.data + at, text.n - at, 1);
        mu_value character = mu_value_text(mu_marked_slice(text, at, n));
        if (!mu_value_list_append(run, out, character)) return false;
    }
    return true;
}

bool mu_value_iterate(mu_run *run, mu_value v, mu_value_list *out) {
    *out = (mu_value_list){0};
    switch (v.kind) {
    case MU_VALUE_UNDEFINED:
        return true;
    case MU_VALUE_TEXT:
        return iterate_text(run, v.text, out);
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        *out = *v.list;
        return true;
    case MU_VALUE_DICT:
        for (size_t i = 0; i < v.dict->n; i++) {
            if (!mu_value_list_append(run, out, v.dict->pairs[i].key)) return false;
        }
        return true;
    default:
        return mu_run_fail(run, MU_ERR_INVALID, "'%s' object is not iterable", type_names[v.kind]);
    }
}
