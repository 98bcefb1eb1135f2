/* Methods of texts, dicts and lists: those of Python that templates use. A row without a function
 * is a method that exists and would change its object: the sandbox refuses it. */
#include <string.h>

#include "chat/jinja/callable.h"
#include "chat/jinja/characters.h"
#include "chat/jinja/letters.h"
#include "chat/jinja/print.h"

#define METHOD(name) \
    static bool method_##name(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out)

static bool give(mu_value *out, mu_marked text) {
    *out = mu_value_text(text);
    return true;
}

static bool is_set(mu_value v) {
    return mu_value_is_given(v) && v.kind != MU_VALUE_NONE;
}

static bool split(mu_run *run, mu_value self, const mu_arguments *args, bool from_end,
                  mu_value *out) {
    mu_marked sep;
    int64_t max = -1;
    mu_value_list *list;
    bool has_sep = is_set(args->values[0]);
    if (has_sep && !mu_argument_text(run, "split", args->values[0], &sep)) return false;
    if (mu_value_is_given(args->values[1]) && !mu_argument_int(run, "split", args->values[1], &max))
        return false;
    if (!mu_text_split(run, self.text, has_sep ? &sep : NULL, max, from_end, &list)) return false;
    *out = mu_value_of_list(list, MU_VALUE_LIST);
    return true;
}

METHOD(split) {
    return split(run, self, args, false, out);
}

METHOD(rsplit) {
    return split(run, self, args, true, out);
}

METHOD(splitlines) {
    mu_value_list *list;
    if (!mu_text_split_lines(run, self.text, mu_value_is_true(args->values[0]), &list))
        return false;
    *out = mu_value_of_list(list, MU_VALUE_LIST);
    return true;
}

static bool strip(mu_run *run, mu_value self, const mu_arguments *args, int sides, mu_value *out) {
    mu_marked chars;
    bool has_chars = is_set(args->values[0]);
    if (has_chars && !mu_argument_text(run, "strip", args->values[0], &chars)) return false;
    if (!mu_run_charge(run, self.text.n / 64)) return false;
    return give(out, mu_text_stripped(self.text, has_chars ? &chars : NULL, sides));
}

METHOD(strip) {
    return strip(run, self, args, MU_STRIP_START | MU_STRIP_END, out);
}

METHOD(lstrip) {
    return strip(run, self, args, MU_STRIP_START, out);
}

METHOD(rstrip) {
    return strip(run, self, args, MU_STRIP_END, out);
}

static bool has_affix(mu_marked text, mu_marked affix, bool at_end) {
    if (affix.n > text.n) return false;
    mu_marked part = mu_marked_slice(text, at_end ? text.n - affix.n : 0, affix.n);
    return mu_marked_equals(part, affix);
}

/* One affix or a tuple of them, of which one is enough. */
static bool any_affix(mu_run *run, mu_value self, mu_value wanted, bool at_end, mu_value *out) {
    const char *what = at_end ? "endswith" : "startswith";
    mu_value_list one = {.items = &wanted, .n = 1};
    const mu_value_list *list = wanted.kind == MU_VALUE_TUPLE ? wanted.list : &one;
    bool has = false;
    for (size_t i = 0; i < list->n && !has; i++) {
        mu_marked affix;
        if (!mu_argument_text(run, what, list->items[i], &affix)) return false;
        has = has_affix(self.text, affix, at_end);
    }
    *out = mu_value_bool(has);
    return true;
}

METHOD(startswith) {
    return any_affix(run, self, args->values[0], false, out);
}

METHOD(endswith) {
    return any_affix(run, self, args->values[0], true, out);
}

METHOD(removeprefix) {
    mu_marked affix;
    if (!mu_argument_text(run, "removeprefix", args->values[0], &affix)) return false;
    size_t n = has_affix(self.text, affix, false) ? affix.n : 0;
    return give(out, mu_marked_slice(self.text, n, self.text.n - n));
}

METHOD(removesuffix) {
    mu_marked affix;
    if (!mu_argument_text(run, "removesuffix", args->values[0], &affix)) return false;
    size_t n = has_affix(self.text, affix, true) ? affix.n : 0;
    return give(out, mu_marked_slice(self.text, 0, self.text.n - n));
}

METHOD(replace) {
    mu_marked old, new;
    int64_t max = -1;
    if (mu_value_is_given(args->values[2]) &&
        !mu_argument_int(run, "replace", args->values[2], &max))
        return false;
    *out = mu_value_text((mu_marked){0});
    return mu_argument_text(run, "replace", args->values[0], &old) &&
           mu_argument_text(run, "replace", args->values[1], &new) &&
           mu_text_replaced(run, self.text, old, new, max, &out->text);
}

static bool cased(mu_run *run, mu_value self, mu_letter_case how, mu_value *out) {
    *out = mu_value_text((mu_marked){0});
    return mu_text_cased(run, self.text, how, &out->text);
}

METHOD(upper) {
    (void)args;
    return cased(run, self, MU_CASE_UPPER, out);
}

METHOD(lower) {
    (void)args;
    return cased(run, self, MU_CASE_LOWER, out);
}

METHOD(title) {
    (void)args;
    return cased(run, self, MU_CASE_TITLE, out);
}

METHOD(capitalize) {
    (void)args;
    return cased(run, self, MU_CASE_CAPITALIZED, out);
}

METHOD(join) {
    mu_value_list items;
    mu_marked_builder b;
    mu_run_builder(run, &b);
    if (!mu_value_iterate(run, args->values[0], &items)) return false;
    for (size_t i = 0; i < items.n; i++) {
        mu_marked text;
        if (!mu_argument_text(run, "join", items.items[i], &text)) return false;
        if (i > 0) mu_marked_append(&b, self.text);
        mu_marked_append(&b, text);
        if (!mu_run_charge(run, 1)) return false;
    }
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(run, &b, &out->text);
}

static bool find(mu_run *run, mu_value self, const mu_arguments *args, bool from_end,
                 int64_t *out) {
    mu_marked needle;
    if (!mu_argument_text(run, "find", args->values[0], &needle)) return false;
    size_t at =
        from_end ? mu_marked_find_last(self.text, needle) : mu_marked_find(self.text, needle, 0);
    *out = at == SIZE_MAX ? -1 : at == 0 ? 0 : (int64_t)mu_characters_count(self.text.data, at);
    return mu_run_charge(run, self.text.n / 64);
}

METHOD(find) {
    int64_t at;
    if (!find(run, self, args, false, &at)) return false;
    *out = mu_value_int(at);
    return true;
}

METHOD(rfind) {
    int64_t at;
    if (!find(run, self, args, true, &at)) return false;
    *out = mu_value_int(at);
    return true;
}

METHOD(index) {
    if (!method_find(run, self, args, out)) return false;
    return out->integer >= 0 || mu_run_fail(run, MU_ERR_INVALID, "substring not found");
}

METHOD(count) {
    mu_marked needle;
    int64_t n = 0;
    if (!mu_argument_text(run, "count", args->values[0], &needle)) return false;
    if (needle.n == 0) return mu_run_fail(run, MU_ERR_INVALID, "count: an empty text");
    for (size_t at = 0; (at = mu_marked_find(self.text, needle, at)) != SIZE_MAX; at += needle.n) {
        n++;
    }
    *out = mu_value_int(n);
    return mu_run_charge(run, self.text.n / 64);
}

static bool is_digit(uint32_t c) {
    return c >= '0' && c <= '9';
}

static bool is_letter_or_digit(uint32_t c) {
    return is_digit(c) || mu_character_is_letter(c);
}

static bool all(mu_run *run, mu_marked text, bool (*is)(uint32_t), mu_value *out) {
    bool holds = text.n > 0;
    size_t n;
    for (size_t at = 0; at < text.n && holds; at += n) {
        holds = is(mu_character_decode(text.data + at, text.n - at, &n));
    }
    *out = mu_value_bool(holds);
    return mu_run_charge(run, text.n / 64);
}

METHOD(isdigit) {
    (void)args;
    return all(run, self.text, is_digit, out);
}

METHOD(isalpha) {
    (void)args;
    return all(run, self.text, mu_character_is_letter, out);
}

METHOD(isalnum) {
    (void)args;
    return all(run, self.text, is_letter_or_digit, out);
}

METHOD(isspace) {
    (void)args;
    return all(run, self.text, mu_character_is_space, out);
}

static bool partition(mu_run *run, mu_value self, const mu_arguments *args, bool from_end,
                      mu_value *out) {
    mu_marked sep, text = self.text;
    mu_value_list *parts;
    if (!mu_argument_text(run, "partition", args->values[0], &sep)) return false;
    if (sep.n == 0) return mu_run_fail(run, MU_ERR_INVALID, "empty separator");
    size_t at = from_end ? mu_marked_find_last(text, sep) : mu_marked_find(text, sep, 0);
    mu_marked three[3] = {text, {0}, {0}};
    if (at == SIZE_MAX && from_end) {
        three[0] = (mu_marked){0};
        three[2] = text;
    } else if (at != SIZE_MAX) {
        three[0] = mu_marked_slice(text, 0, at);
        three[1] = mu_marked_slice(text, at, sep.n);
        three[2] = mu_marked_slice(text, at + sep.n, text.n - at - sep.n);
    }
    if (!mu_run_charge(run, text.n / 64) || !mu_value_list_new(run, 3, &parts)) return false;
    for (int i = 0; i < 3; i++) {
        if (!mu_value_list_append(run, parts, mu_value_text(three[i]))) return false;
    }
    *out = mu_value_of_list(parts, MU_VALUE_TUPLE);
    return true;
}

METHOD(partition) {
    return partition(run, self, args, false, out);
}

METHOD(rpartition) {
    return partition(run, self, args, true, out);
}

/* The value that "{0}", "{}" or "{name}" stands for. */
static bool format_argument(mu_run *run, mu_marked name, const mu_arguments *args, size_t *next,
                            mu_value *out) {
    size_t index = 0;
    bool is_index = true;
    for (size_t i = 0; i < name.n; i++) {
        is_index = is_index && is_digit((uint8_t)name.data[i]) && i < 6;
        if (is_index) index = index * 10 + (size_t)(name.data[i] - '0');
    }
    if (is_index) {
        if (name.n == 0) index = (*next)++;
        if (index >= args->n)
            return mu_run_fail(run, MU_ERR_INVALID, "Replacement index %zu out of range", index);
        *out = args->values[index];
        return true;
    }
    for (size_t i = 0; i < args->n_keywords; i++) {
        if (!mu_marked_equals(args->keywords[i].name, name)) continue;
        *out = args->keywords[i].value;
        return true;
    }
    return mu_run_fail(run, MU_ERR_INVALID, "format: no value for '{%.*s}'",
                       (int)(name.n < 60 ? name.n : 60), name.data);
}

METHOD(format) {
    mu_marked text = self.text;
    mu_marked_builder b;
    size_t next = 0;
    mu_run_builder(run, &b);
    for (size_t at = 0; at < text.n;) {
        char c = text.data[at];
        bool is_double = at + 1 < text.n && text.data[at + 1] == c;
        if ((c != '{' && c != '}') || is_double) {
            mu_marked_append(&b, mu_marked_slice(text, at, 1));
            at += (c == '{' || c == '}') ? 2 : 1;
            continue;
        }
        size_t end = mu_marked_find(text, mu_marked_literal("}"), at);
        if (c == '}' || end == SIZE_MAX)
            return mu_run_fail(run, MU_ERR_INVALID, "format: a brace that stands alone");
        mu_value value;
        mu_marked name = mu_marked_slice(text, at + 1, end - at - 1);
        if (!mu_run_charge(run, 1) || !format_argument(run, name, args, &next, &value) ||
            !mu_value_print(run, value, &b))
            return false;
        at = end + 1;
    }
    *out = mu_value_text((mu_marked){0});
    return mu_run_charge(run, text.n / 16) && mu_run_built(run, &b, &out->text);
}

static bool dict_list(mu_run *run, const mu_value_dict *dict, bool keys, bool values,
                      mu_value *out) {
    mu_value_list *list;
    if (!mu_value_list_new(run, dict->n, &list)) return false;
    for (size_t i = 0; i < dict->n; i++) {
        mu_value item = keys ? dict->pairs[i].key : dict->pairs[i].value;
        mu_value_list *pair;
        if (keys && values) {
            if (!mu_value_list_new(run, 2, &pair) || !mu_value_list_append(run, pair, item) ||
                !mu_value_list_append(run, pair, dict->pairs[i].value))
                return false;
            item = mu_value_of_list(pair, MU_VALUE_TUPLE);
        }
        if (!mu_value_list_append(run, list, item)) return false;
    }
    *out = mu_value_of_list(list, MU_VALUE_LIST);
    return true;
}

METHOD(items) {
    (void)args;
    return dict_list(run, self.dict, true, true, out);
}

METHOD(keys) {
    (void)args;
    return dict_list(run, self.dict, true, false, out);
}

METHOD(values) {
    (void)args;
    return dict_list(run, self.dict, false, true, out);
}

METHOD(get) {
    mu_value *found;
    if (!mu_value_dict_find(run, self.dict, args->values[0], &found)) return false;
    *out = found ? *found : mu_value_is_given(args->values[1]) ? args->values[1] : mu_value_none();
    return true;
}

/* Values are not changed once built, so a copy is the value itself. */
METHOD(copy) {
    (void)run, (void)args;
    *out = self;
    return true;
}

METHOD(list_index) {
    for (size_t i = 0; i < self.list->n; i++) {
        bool is_equal;
        if (!mu_run_charge(run, 1) ||
            !mu_value_equals(run, self.list->items[i], args->values[0], &is_equal))
            return false;
        if (!is_equal) continue;
        *out = mu_value_int((int64_t)i);
        return true;
    }
    return mu_run_fail(run, MU_ERR_INVALID, "value is not in list");
}

METHOD(list_count) {
    int64_t n = 0;
    for (size_t i = 0; i < self.list->n; i++) {
        bool is_equal;
        if (!mu_run_charge(run, 1) ||
            !mu_value_equals(run, self.list->items[i], args->values[0], &is_equal))
            return false;
        n += is_equal;
    }
    *out = mu_value_int(n);
    return true;
}

static const mu_callable of_text[] = {
    {"capitalize", method_capitalize, 0, {0}, false},
    {"count", method_count, 1, {"sub"}, false},
    {"endswith", method_endswith, 1, {"suffix"}, false},
    {"find", method_find, 1, {"sub"}, false},
    {"format", method_format, 0, {0}, true},
    {"index", method_index, 1, {"sub"}, false},
    {"isalnum", method_isalnum, 0, {0}, false},
    {"isalpha", method_isalpha, 0, {0}, false},
    {"isdigit", method_isdigit, 0, {0}, false},
    {"isspace", method_isspace, 0, {0}, false},
    {"join", method_join, 1, {"iterable"}, false},
    {"lower", method_lower, 0, {0}, false},
    {"lstrip", method_lstrip, 0, {"chars"}, false},
    {"partition", method_partition, 1, {"sep"}, false},
    {"removeprefix", method_removeprefix, 1, {"prefix"}, false},
    {"removesuffix", method_removesuffix, 1, {"suffix"}, false},
    {"replace", method_replace, 2, {"old", "new", "count"}, false},
    {"rfind", method_rfind, 1, {"sub"}, false},
    {"rpartition", method_rpartition, 1, {"sep"}, false},
    {"rsplit", method_rsplit, 0, {"sep", "maxsplit"}, false},
    {"rstrip", method_rstrip, 0, {"chars"}, false},
    {"split", method_split, 0, {"sep", "maxsplit"}, false},
    {"splitlines", method_splitlines, 0, {"keepends"}, false},
    {"startswith", method_startswith, 1, {"prefix"}, false},
    {"strip", method_strip, 0, {"chars"}, false},
    {"title", method_title, 0, {0}, false},
    {"upper", method_upper, 0, {0}, false},
};

static const mu_callable of_dicts[] = {
    {"clear", NULL, 0, {0}, false},
    {"copy", method_copy, 0, {0}, false},
    {"get", method_get, 1, {"key", "default"}, false},
    {"items", method_items, 0, {0}, false},
    {"keys", method_keys, 0, {0}, false},
    {"pop", NULL, 0, {0}, false},
    {"popitem", NULL, 0, {0}, false},
    {"setdefault", NULL, 0, {0}, false},
    {"update", NULL, 0, {0}, false},
    {"values", method_values, 0, {0}, false},
};

static const mu_callable of_lists[] = {
    {"append", NULL, 0, {0}, false},      {"clear", NULL, 0, {0}, false},
    {"copy", method_copy, 0, {0}, false}, {"count", method_list_count, 1, {"value"}, false},
    {"extend", NULL, 0, {0}, false},      {"index", method_list_index, 1, {"value"}, false},
    {"insert", NULL, 0, {0}, false},      {"pop", NULL, 0, {0}, false},
    {"remove", NULL, 0, {0}, false},      {"reverse", NULL, 0, {0}, false},
    {"sort", NULL, 0, {0}, false},
};

const mu_callable_table mu_methods_of_text = {of_text, MU_COUNTOF(of_text)};
const mu_callable_table mu_methods_of_dicts = {of_dicts, MU_COUNTOF(of_dicts)};
const mu_callable_table mu_methods_of_lists = {of_lists, MU_COUNTOF(of_lists)};
