#include <string.h>

#include "chat/jinja/eval.h"

bool mu_scope_push(mu_eval *e, mu_scope *parent) {
    mu_scope *scope = MU_NEW(e->run->arena, mu_scope, 1);
    if (!scope) return mu_run_fail_memory(e->run);
    scope->parent = parent;
    e->scope = scope;
    return true;
}

static mu_binding *find(mu_scope *scope, mu_marked name) {
    for (size_t i = 0; i < scope->n; i++) {
        if (mu_marked_equals(scope->bindings[i].name, name)) return &scope->bindings[i];
    }
    return NULL;
}

bool mu_scope_set(mu_eval *e, mu_marked name, mu_value value) {
    mu_scope *scope = e->scope;
    mu_binding *found = find(scope, name);
    if (!mu_run_charge(e->run, 1 + scope->n / 8)) return false;
    if (found) {
        found->value = value;
        return true;
    }
    if (scope->n == scope->cap) {
        size_t cap = scope->cap == 0 ? 4 : 2 * scope->cap;
        mu_binding *grown = MU_NEW(e->run->arena, mu_binding, cap);
        if (!grown) return mu_run_fail_memory(e->run);
        if (scope->n > 0) memcpy(grown, scope->bindings, scope->n * sizeof(*grown));
        scope->bindings = grown;
        scope->cap = cap;
    }
    scope->bindings[scope->n++] = (mu_binding){name, value};
    return true;
}

bool mu_scope_get(mu_eval *e, mu_marked name, mu_value *out) {
    for (mu_scope *scope = e->scope; scope; scope = scope->parent) {
        const mu_binding *found = find(scope, name);
        if (!mu_run_charge(e->run, 1 + scope->n / 8)) return false;
        if (!found) continue;
        *out = found->value;
        return true;
    }
    const mu_callable *function = mu_callable_find(&mu_functions, name);
    *out = function ? (mu_value){.kind = MU_VALUE_FUNCTION, .function = function}
                    : mu_value_missing(MU_MISSING_NAME, MU_VALUE_UNDEFINED, name);
    return true;
}
