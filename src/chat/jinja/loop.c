#include "chat/jinja/loop.h"

#include "chat/jinja/callable.h"

static mu_value neighbour(const mu_loop *loop, bool is_there, size_t index, const char *name) {
    if (is_there) return loop->items.items[index];
    return mu_value_missing(MU_MISSING_OTHER, MU_VALUE_LOOP, mu_marked_literal(name));
}

bool mu_loop_attribute(const mu_loop *loop, mu_marked name, mu_value *out) {
    int64_t index = (int64_t)loop->index, n = (int64_t)loop->items.n;
    const struct {
        const char *name;
        mu_value value;
    } rows[] = {
        {"index", mu_value_int(index + 1)},
        {"index0", mu_value_int(index)},
        {"revindex", mu_value_int(n - index)},
        {"revindex0", mu_value_int(n - index - 1)},
        {"first", mu_value_bool(index == 0)},
        {"last", mu_value_bool(index == n - 1)},
        {"length", mu_value_int(n)},
        {"depth", mu_value_int((int64_t)loop->depth + 1)},
        {"depth0", mu_value_int(loop->depth)},
        {"previtem", neighbour(loop, index > 0, loop->index - 1, "there is no previous item")},
        {"nextitem", neighbour(loop, index + 1 < n, loop->index + 1, "there is no next item")},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (!mu_marked_is(name, rows[i].name)) continue;
        *out = rows[i].value;
        return true;
    }
    return false;
}

static bool cycle(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    if (args->n == 0) return mu_run_fail(run, MU_ERR_INVALID, "no items for cycling given");
    *out = args->values[self.loop->index % args->n];
    return true;
}

static bool changed(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value_list *seen;
    bool is_same = false;
    if (!mu_value_list_new(run, args->n, &seen)) return false;
    for (size_t i = 0; i < args->n; i++) {
        if (!mu_value_list_append(run, seen, args->values[i])) return false;
    }
    mu_value now = mu_value_of_list(seen, MU_VALUE_TUPLE);
    mu_value before = self.loop->changed;
    if (mu_value_is_given(before) && !mu_value_equals(run, before, now, &is_same)) return false;
    self.loop->changed = now;
    *out = mu_value_bool(!is_same);
    return true;
}

static const mu_callable methods[] = {
    {.name = "cycle", .fn = cycle, .is_open = true},
    {.name = "changed", .fn = changed, .is_open = true},
};

const mu_callable_table mu_methods_of_loops = {methods, MU_COUNTOF(methods)};
