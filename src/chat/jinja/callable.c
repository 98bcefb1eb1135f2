#include "chat/jinja/callable.h"

#include <string.h>

const mu_callable *mu_callable_find(const mu_callable_table *table, mu_marked name) {
    for (size_t i = 0; i < table->n; i++) {
        if (mu_marked_is(name, table->rows[i].name)) return &table->rows[i];
    }
    return NULL;
}

const mu_callable *mu_filter_find(mu_marked name) {
    const mu_callable *found = mu_callable_find(&mu_filters_of_text, name);
    return found ? found : mu_callable_find(&mu_filters_of_lists, name);
}

const mu_callable *mu_test_find(mu_marked name) {
    return mu_callable_find(&mu_tests, name);
}

static size_t n_params(const mu_callable *callable) {
    size_t n = 0;
    while (n < MU_CALLABLE_PARAMS_MAX && callable->params[n]) {
        n++;
    }
    return n;
}

static bool bind_keyword(mu_run *run, const mu_callable *callable, size_t n, mu_keyword keyword,
                         mu_value *values) {
    for (size_t i = 0; i < n; i++) {
        if (!mu_marked_is(keyword.name, callable->params[i])) continue;
        if (mu_value_is_given(values[i]))
            return mu_run_fail(run, MU_ERR_INVALID, "%s() got two values for '%s'", callable->name,
                               callable->params[i]);
        values[i] = keyword.value;
        return true;
    }
    return mu_run_fail(run, MU_ERR_INVALID, "%s() got an unexpected keyword argument '%.*s'",
                       callable->name, (int)(keyword.name.n < 60 ? keyword.name.n : 60),
                       keyword.name.data);
}

bool mu_callable_call(mu_run *run, const mu_callable *callable, mu_value self,
                      const mu_arguments *args, mu_value *out) {
    if (!mu_run_charge(run, 1)) return false;
    if (callable->is_open) return callable->fn(run, self, args, out);
    mu_value values[MU_CALLABLE_PARAMS_MAX] = {0};
    size_t n = n_params(callable);
    if (args->n > n)
        return mu_run_fail(run, MU_ERR_INVALID, "%s() takes %zu arguments but %zu were given",
                           callable->name, n, args->n);
    if (args->n > 0) memcpy(values, args->values, args->n * sizeof(*values));
    for (size_t i = 0; i < args->n_keywords; i++) {
        if (!bind_keyword(run, callable, n, args->keywords[i], values)) return false;
    }
    for (size_t i = 0; i < callable->n_required; i++) {
        if (!mu_value_is_given(values[i]))
            return mu_run_fail(run, MU_ERR_INVALID, "%s() missing a required argument: '%s'",
                               callable->name, callable->params[i]);
    }
    return callable->fn(run, self, &(mu_arguments){.values = values, .n = n}, out);
}

bool mu_argument_text(mu_run *run, const char *what, mu_value v, mu_marked *out) {
    if (v.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, v);
    if (v.kind != MU_VALUE_TEXT)
        return mu_run_fail(run, MU_ERR_INVALID, "%s: a str is expected, not %s", what,
                           mu_value_type_name(v.kind));
    *out = v.text;
    return true;
}

bool mu_argument_int(mu_run *run, const char *what, mu_value v, int64_t *out) {
    if (v.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, v);
    if (mu_value_as_int(v, out)) return true;
    return mu_run_fail(run, MU_ERR_INVALID, "%s: an int is expected, not %s", what,
                       mu_value_type_name(v.kind));
}
