/* Filters over many values: lists, the characters of a text, the keys of a dict. Where the
 * reference gives a generator this gives the list of what it would yield. */
#include <string.h>

#include "chat/jinja/callable.h"
#include "chat/jinja/letters.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/print.h"
#include "chat/jinja/subscripts.h"

static mu_value empty(const char *what) {
    return mu_value_missing(MU_MISSING_OTHER, MU_VALUE_UNDEFINED, mu_marked_literal(what));
}

static bool is_set(mu_value v) {
    return mu_value_is_given(v) && v.kind != MU_VALUE_NONE;
}

static bool filter_length(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    int64_t n;
    (void)args;
    if (!mu_value_length(run, self, &n)) return false;
    *out = mu_value_int(n);
    return true;
}

static bool filter_list(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items, *copy;
    (void)args;
    if (!mu_value_iterate(run, self, &items) || !mu_value_list_new(run, items.n, &copy))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        if (!mu_value_list_append(run, copy, items.items[i])) return false;
    }
    *out = mu_value_of_list(copy, MU_VALUE_LIST);
    return true;
}

static bool filter_first(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items;
    (void)args;
    if (!mu_value_iterate(run, self, &items)) return false;
    *out = items.n > 0 ? items.items[0] : empty("No first item, sequence was empty.");
    return true;
}

static bool filter_last(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items;
    (void)args;
    if (!mu_value_iterate(run, self, &items)) return false;
    *out = items.n > 0 ? items.items[items.n - 1] : empty("No last item, sequence was empty.");
    return true;
}

static bool filter_reverse(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    const mu_value backwards[3] = {mu_value_none(), mu_value_none(), mu_value_int(-1)};
    if (self.kind == MU_VALUE_TEXT) return mu_value_slice(run, self, backwards, out);
    return filter_list(run, self, args, out) && mu_value_slice(run, *out, backwards, out);
}

static bool filter_join(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items;
    mu_marked between = {0};
    mu_marked_builder b;
    mu_run_builder(run, &b);
    if (mu_value_is_given(args->values[0]) && !mu_value_as_text(run, args->values[0], &between))
        return false;
    if (!mu_value_iterate(run, self, &items)) return false;
    for (size_t i = 0; i < items.n; i++) {
        mu_value item = items.items[i];
        if (is_set(args->values[1]) &&
            !mu_value_path(run, item, args->values[1], (mu_value){0}, &item))
            return false;
        if (i > 0) mu_marked_append(&b, between);
        if (!mu_value_print(run, item, &b)) return false;
    }
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(run, &b, &out->text);
}

static bool filter_items(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list *items;
    (void)args;
    if (self.kind != MU_VALUE_DICT && self.kind != MU_VALUE_UNDEFINED)
        return mu_run_fail(run, MU_ERR_INVALID, "Can only get item pairs from a mapping.");
    size_t n = self.kind == MU_VALUE_DICT ? self.dict->n : 0;
    if (!mu_value_list_new(run, n, &items)) return false;
    for (size_t i = 0; i < n; i++) {
        mu_value_list *pair;
        if (!mu_value_list_new(run, 2, &pair)) return false;
        if (!mu_value_list_append(run, pair, self.dict->pairs[i].key) ||
            !mu_value_list_append(run, pair, self.dict->pairs[i].value) ||
            !mu_value_list_append(run, items, mu_value_of_list(pair, MU_VALUE_TUPLE)))
            return false;
    }
    *out = mu_value_of_list(items, MU_VALUE_LIST);
    return true;
}

/* What items are ordered and told apart by. */
typedef struct order {
    mu_run *run;
    mu_value attribute; /* not given: the item itself */
    bool is_case_sensitive, is_reversed;
} order;

static bool order_key(const order *o, mu_value item, mu_value *out) {
    *out = item;
    if (is_set(o->attribute) && !mu_value_path(o->run, item, o->attribute, (mu_value){0}, out))
        return false;
    if (o->is_case_sensitive || out->kind != MU_VALUE_TEXT) return true;
    return mu_text_cased(o->run, out->text, MU_CASE_LOWER, &out->text);
}

/* Stable merge of two sorted halves; keys and items move together. */
typedef struct sorted {
    mu_value key, item;
} sorted;

static bool merge(const order *o, sorted *rows, sorted *spare, size_t n, size_t half) {
    size_t left = 0, right = half;
    for (size_t i = 0; i < n; i++) {
        bool takes_left = right == n;
        if (left < half && right < n) {
            int way;
            if (!mu_run_charge(o->run, 1) ||
                !mu_value_compare(o->run, rows[left].key, rows[right].key, &way))
                return false;
            takes_left = o->is_reversed ? way >= 0 : way <= 0;
        }
        spare[i] = takes_left ? rows[left++] : rows[right++];
    }
    memcpy(rows, spare, n * sizeof(*rows));
    return true;
}

static bool merge_sort(const order *o, sorted *rows, sorted *spare, size_t n) {
    if (n < 2) return true;
    size_t half = n / 2;
    return merge_sort(o, rows, spare, half) && merge_sort(o, rows + half, spare, n - half) &&
           merge(o, rows, spare, n, half);
}

static bool sort_items(const order *o, mu_value_list items, mu_value *out) {
    mu_value_list *list;
    sorted *rows = MU_NEW(o->run->arena, sorted, items.n);
    sorted *spare = MU_NEW(o->run->arena, sorted, items.n);
    if (!rows || !spare) return mu_run_fail_memory(o->run);
    for (size_t i = 0; i < items.n; i++) {
        rows[i].item = items.items[i];
        if (!order_key(o, items.items[i], &rows[i].key)) return false;
    }
    if (!merge_sort(o, rows, spare, items.n)) return false;
    if (!mu_value_list_new(o->run, items.n, &list)) return false;
    for (size_t i = 0; i < items.n; i++) {
        if (!mu_value_list_append(o->run, list, rows[i].item)) return false;
    }
    *out = mu_value_of_list(list, MU_VALUE_LIST);
    return true;
}

static bool filter_sort(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items;
    order o = {.run = run,
               .is_reversed = mu_value_is_true(args->values[0]),
               .is_case_sensitive = mu_value_is_true(args->values[1]),
               .attribute = args->values[2]};
    return mu_value_iterate(run, self, &items) && sort_items(&o, items, out);
}

static bool filter_dictsort(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value by = args->values[1];
    bool by_value =
        mu_value_is_given(by) && by.kind == MU_VALUE_TEXT && mu_marked_is(by.text, "value");
    if (mu_value_is_given(by) && !by_value &&
        !(by.kind == MU_VALUE_TEXT && mu_marked_is(by.text, "key")))
        return mu_run_fail(run, MU_ERR_INVALID, "You can only sort by either \"key\" or \"value\"");
    if (self.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, self);
    if (!filter_items(run, self, args, out)) return false;
    order o = {.run = run,
               .is_case_sensitive = mu_value_is_true(args->values[0]),
               .attribute = mu_value_int(by_value),
               .is_reversed = mu_value_is_true(args->values[2])};
    return sort_items(&o, *out->list, out);
}

static bool filter_unique(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items, keys = {0}, *kept;
    order o = {.run = run,
               .is_case_sensitive = mu_value_is_true(args->values[0]),
               .attribute = args->values[1]};
    if (!mu_value_iterate(run, self, &items) || !mu_value_list_new(run, 0, &kept)) return false;
    for (size_t i = 0; i < items.n; i++) {
        mu_value key;
        bool is_known;
        if (!order_key(&o, items.items[i], &key)) return false;
        if (!mu_value_contains(run, mu_value_of_list(&keys, MU_VALUE_LIST), key, &is_known))
            return false;
        if (is_known) continue;
        if (!mu_value_list_append(run, &keys, key) ||
            !mu_value_list_append(run, kept, items.items[i]))
            return false;
    }
    *out = mu_value_of_list(kept, MU_VALUE_LIST);
    return true;
}

static bool extreme(mu_run *run, mu_value self, const mu_arguments *args, int wanted,
                    mu_value *out) {
    mu_value_list items;
    mu_value best = {0};
    order o = {.run = run,
               .is_case_sensitive = mu_value_is_true(args->values[0]),
               .attribute = args->values[1]};
    if (!mu_value_iterate(run, self, &items)) return false;
    *out = empty("No aggregated item, sequence was empty.");
    for (size_t i = 0; i < items.n; i++) {
        mu_value key;
        int way = wanted;
        if (!order_key(&o, items.items[i], &key)) return false;
        if (i > 0 && !mu_value_compare(run, key, best, &way)) return false;
        if (wanted > 0 ? way <= 0 : way >= 0) continue;
        best = key;
        *out = items.items[i];
    }
    return true;
}

static bool filter_max(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    return extreme(run, self, args, 1, out);
}

static bool filter_min(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    return extreme(run, self, args, -1, out);
}

static bool filter_sum(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items;
    *out = mu_value_is_given(args->values[1]) ? args->values[1] : mu_value_int(0);
    if (!mu_value_iterate(run, self, &items)) return false;
    for (size_t i = 0; i < items.n; i++) {
        mu_value item = items.items[i];
        if (is_set(args->values[0]) &&
            !mu_value_path(run, item, args->values[0], (mu_value){0}, &item))
            return false;
        if (!mu_operator_apply(run, MU_OP_ADD, *out, item, out)) return false;
    }
    return true;
}

/* map, select and their kin take anything false for an empty list: None when there are no tools. */
static bool walk(mu_run *run, mu_value v, mu_value_list *out) {
    *out = (mu_value_list){0};
    return !mu_value_is_true(v) || mu_value_iterate(run, v, out);
}

/* A call by name: args from at on go to the built-in. */
static bool call_named(mu_run *run, const char *what, const mu_callable *found,
                       const mu_arguments *args, size_t at, mu_value item, mu_value *out) {
    mu_arguments rest = *args;
    if (!found)
        return mu_run_fail(
            run, MU_ERR_INVALID, "no %s named '%.*s'", what,
            (int)(args->values[at - 1].text.n < 60 ? args->values[at - 1].text.n : 60),
            args->values[at - 1].text.data);
    rest.values += at;
    rest.n -= at;
    return mu_callable_call(run, found, item, &rest, out);
}

/* map(attribute="a.b", default=x) */
static bool map_attribute(mu_run *run, const mu_arguments *args, mu_value item, mu_value *out) {
    mu_value attribute = {0}, fallback = {0};
    for (size_t i = 0; i < args->n_keywords; i++) {
        mu_keyword keyword = args->keywords[i];
        bool is_attribute = mu_marked_is(keyword.name, "attribute");
        if (!is_attribute && !mu_marked_is(keyword.name, "default"))
            return mu_run_fail(run, MU_ERR_INVALID, "map: unexpected keyword argument '%.*s'",
                               (int)(keyword.name.n < 60 ? keyword.name.n : 60), keyword.name.data);
        *(is_attribute ? &attribute : &fallback) = keyword.value;
    }
    if (!mu_value_is_given(attribute))
        return mu_run_fail(run, MU_ERR_INVALID, "map requires a filter argument");
    return mu_value_path(run, item, attribute, fallback, out);
}

static bool filter_map(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list items, *mapped;
    mu_marked name = {0};
    if (args->n > 0 && !mu_argument_text(run, "map", args->values[0], &name)) return false;
    if (!walk(run, self, &items) || !mu_value_list_new(run, items.n, &mapped)) return false;
    for (size_t i = 0; i < items.n; i++) {
        mu_value result;
        bool ok = args->n > 0 ? call_named(run, "filter", mu_filter_find(name), args, 1,
                                           items.items[i], &result)
                              : map_attribute(run, args, items.items[i], &result);
        if (!ok || !mu_value_list_append(run, mapped, result)) return false;
    }
    *out = mu_value_of_list(mapped, MU_VALUE_LIST);
    return true;
}

typedef struct choice {
    bool by_attribute, keeps_true;
} choice;

/* select, reject: [test, args...]; selectattr, rejectattr: attribute first. */
static bool choose(mu_run *run, mu_value self, const mu_arguments *args, choice how,
                   mu_value *out) {
    size_t at = how.by_attribute ? 1 : 0;
    mu_value_list items, *kept;
    mu_marked name = {0};
    if (args->n < at) return mu_run_fail(run, MU_ERR_INVALID, "missing the name of an attribute");
    if (args->n > at && !mu_argument_text(run, "name of a test", args->values[at], &name))
        return false;
    if (!walk(run, self, &items) || !mu_value_list_new(run, 0, &kept)) return false;
    for (size_t i = 0; i < items.n; i++) {
        mu_value tested = items.items[i], result;
        if (how.by_attribute &&
            !mu_value_path(run, tested, args->values[0], (mu_value){0}, &tested))
            return false;
        result = tested;
        if (args->n > at &&
            !call_named(run, "test", mu_test_find(name), args, at + 1, tested, &result))
            return false;
        if (mu_value_is_true(result) != how.keeps_true) continue;
        if (!mu_value_list_append(run, kept, items.items[i])) return false;
    }
    *out = mu_value_of_list(kept, MU_VALUE_LIST);
    return true;
}

static bool filter_select(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    return choose(run, self, args, (choice){false, true}, out);
}

static bool filter_reject(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    return choose(run, self, args, (choice){false, false}, out);
}

static bool filter_selectattr(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    return choose(run, self, args, (choice){true, true}, out);
}

static bool filter_rejectattr(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    return choose(run, self, args, (choice){true, false}, out);
}

static const mu_callable filters[] = {
    {"count", filter_length, 0, {0}, false},
    {"dictsort", filter_dictsort, 0, {"case_sensitive", "by", "reverse"}, false},
    {"first", filter_first, 0, {0}, false},
    {"items", filter_items, 0, {0}, false},
    {"join", filter_join, 0, {"d", "attribute"}, false},
    {"last", filter_last, 0, {0}, false},
    {"length", filter_length, 0, {0}, false},
    {"list", filter_list, 0, {0}, false},
    {"map", filter_map, 0, {0}, true},
    {"max", filter_max, 0, {"case_sensitive", "attribute"}, false},
    {"min", filter_min, 0, {"case_sensitive", "attribute"}, false},
    {"reject", filter_reject, 0, {0}, true},
    {"rejectattr", filter_rejectattr, 0, {0}, true},
    {"reverse", filter_reverse, 0, {0}, false},
    {"select", filter_select, 0, {0}, true},
    {"selectattr", filter_selectattr, 0, {0}, true},
    {"sort", filter_sort, 0, {"reverse", "case_sensitive", "attribute"}, false},
    {"sum", filter_sum, 0, {"attribute", "start"}, false},
    {"unique", filter_unique, 0, {"case_sensitive", "attribute"}, false},
};

const mu_callable_table mu_filters_of_lists = {filters, MU_COUNTOF(filters)};
