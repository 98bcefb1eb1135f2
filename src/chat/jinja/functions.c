/* What every template can call: range, namespace, dict, raise_exception, strftime_now. */
#include <string.h>

#include "chat/jinja/callable.h"
#include "chat/jinja/print.h"

enum { RANGE_MAX = 100000, TIME_FORMAT_MAX = 256, TIME_TEXT_MAX = 1024 };

static bool function_range(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    int64_t bounds[3] = {0, 0, 1};
    mu_value_list *list;
    (void)self;
    for (size_t i = 0; i < args->n && mu_value_is_given(args->values[i]); i++) {
        if (i == 1) bounds[0] = bounds[1]; /* a single argument is the stop */
        if (!mu_argument_int(run, "range", args->values[i], &bounds[i < 2 ? 1 : 2])) return false;
    }
    if (bounds[2] == 0) return mu_run_fail(run, MU_ERR_INVALID, "range() arg 3 must not be zero");
    if (!mu_value_list_new(run, 0, &list)) return false;
    for (int64_t at = bounds[0]; bounds[2] > 0 ? at < bounds[1] : at > bounds[1];) {
        if (list->n == RANGE_MAX)
            return mu_run_fail(run, MU_ERR_LIMIT,
                               "Range too big. The sandbox blocks ranges larger "
                               "than %d.",
                               RANGE_MAX);
        if (!mu_value_list_append(run, list, mu_value_int(at))) return false;
        if (__builtin_add_overflow(at, bounds[2], &at)) break;
    }
    *out = mu_value_of_list(list, MU_VALUE_LIST);
    return true;
}

/* Members from dicts and from keywords. */
static bool fill(mu_run *run, const mu_arguments *args, mu_value_dict **out) {
    if (!mu_value_dict_new(run, 0, out)) return false;
    for (size_t i = 0; i < args->n; i++) {
        mu_value from = args->values[i];
        if (from.kind != MU_VALUE_DICT)
            return mu_run_fail(run, MU_ERR_INVALID, "a mapping is expected, not %s",
                               mu_value_type_name(from.kind));
        for (size_t k = 0; k < from.dict->n; k++) {
            if (!mu_value_dict_set(run, *out, from.dict->pairs[k].key, from.dict->pairs[k].value))
                return false;
        }
    }
    for (size_t i = 0; i < args->n_keywords; i++) {
        mu_value key = mu_value_text(args->keywords[i].name);
        if (!mu_value_dict_set(run, *out, key, args->keywords[i].value)) return false;
    }
    return true;
}

static bool function_dict(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_dict *dict;
    (void)self;
    if (!fill(run, args, &dict)) return false;
    *out = mu_value_of_dict(dict);
    return true;
}

static bool function_namespace(mu_run *run, mu_value self, const mu_arguments *args,
                               mu_value *out) {
    if (!function_dict(run, self, args, out)) return false;
    out->kind = MU_VALUE_NAMESPACE;
    return true;
}

static bool function_raise(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_marked message;
    (void)self, (void)out;
    if (!mu_value_as_text(run, args->values[0], &message)) return false;
    return mu_run_raise(run, message);
}

static bool function_strftime(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_marked given;
    char format[TIME_FORMAT_MAX + 2], text[TIME_TEXT_MAX];
    mu_marked_builder b;
    (void)self;
    if (!mu_argument_text(run, "strftime_now", args->values[0], &given)) return false;
    if (given.n > TIME_FORMAT_MAX)
        return mu_run_fail(run, MU_ERR_LIMIT, "strftime_now: a format of more than %d bytes",
                           TIME_FORMAT_MAX);
    if (given.n > 0) memcpy(format, given.data, given.n);
    format[given.n] = '.'; /* so that an empty result is not taken for a failure */
    format[given.n + 1] = '\0';
    size_t n = strftime(text, sizeof(text), format, &run->now);
    if (n == 0) return mu_run_fail(run, MU_ERR_LIMIT, "strftime_now: the result is too long");
    mu_run_builder(run, &b);
    mu_marked_append_bytes(&b, text, n - 1, false);
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(run, &b, &out->text);
}

static const mu_callable functions[] = {
    {"dict", function_dict, 0, {0}, true},
    {"namespace", function_namespace, 0, {0}, true},
    {"raise_exception", function_raise, 1, {"message"}, false},
    {"range", function_range, 1, {"start", "stop", "step"}, false},
    {"strftime_now", function_strftime, 1, {"format"}, false},
};

const mu_callable_table mu_functions = {functions, MU_COUNTOF(functions)};
