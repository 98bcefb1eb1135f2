#include <string.h>

#include "chat/jinja/eval.h"
#include "chat/jinja/print.h"

static bool add_value(mu_eval *e, mu_value_list *list, mu_value value) {
    return mu_value_list_append(e->run, list, value);
}

bool mu_arguments_add_keyword(mu_eval *e, mu_arguments *args, mu_marked name, mu_value value) {
    for (size_t i = 0; i < args->n_keywords; i++) {
        if (mu_marked_equals(args->keywords[i].name, name))
            return mu_run_fail(e->run, MU_ERR_INVALID, "two values for the keyword argument '%.*s'",
                               (int)(name.n < 60 ? name.n : 60), name.data);
    }
    /* The arena keeps the shorter arrays until the end: calls have a handful of keywords. */
    mu_keyword *grown = MU_NEW(e->run->arena, mu_keyword, args->n_keywords + 1);
    if (!grown) return mu_run_fail_memory(e->run);
    if (args->n_keywords > 0) memcpy(grown, args->keywords, args->n_keywords * sizeof(*grown));
    grown[args->n_keywords++] = (mu_keyword){name, value};
    args->keywords = grown;
    return mu_run_charge(e->run, 1 + args->n_keywords / 8);
}

static bool spread_keys(mu_eval *e, mu_value dict, mu_arguments *args) {
    if (dict.kind != MU_VALUE_DICT)
        return mu_run_fail(e->run, MU_ERR_INVALID, "argument after ** must be a mapping, not %s",
                           mu_value_type_name(dict.kind));
    for (size_t i = 0; i < dict.dict->n; i++) {
        mu_value key = dict.dict->pairs[i].key;
        if (key.kind != MU_VALUE_TEXT)
            return mu_run_fail(e->run, MU_ERR_INVALID, "keywords must be strings");
        if (!mu_arguments_add_keyword(e, args, key.text, dict.dict->pairs[i].value)) return false;
    }
    return true;
}

static bool spread(mu_eval *e, mu_value iterable, mu_value_list *values) {
    mu_value_list items;
    if (!mu_value_iterate(e->run, iterable, &items)) return false;
    for (size_t i = 0; i < items.n; i++) {
        if (!add_value(e, values, items.items[i])) return false;
    }
    return true;
}

bool mu_evaluate_arguments(mu_eval *e, const mu_node *list, mu_arguments *out) {
    mu_value_list values = {0};
    *out = (mu_arguments){0};
    for (const mu_node *node = list; node; node = node->next) {
        bool is_plain = node->kind != MU_NODE_KEYWORD && node->kind != MU_NODE_SPREAD &&
                        node->kind != MU_NODE_SPREAD_KEYS;
        mu_value value;
        if (!mu_evaluate(e, is_plain ? node : node->a, &value)) return false;
        bool ok = is_plain                       ? add_value(e, &values, value)
                  : node->kind == MU_NODE_SPREAD ? spread(e, value, &values)
                  : node->kind == MU_NODE_KEYWORD
                      ? mu_arguments_add_keyword(e, out, node->name, value)
                      : spread_keys(e, value, out);
        if (!ok) return false;
    }
    out->values = values.items;
    out->n = values.n;
    return true;
}

/* Binds one parameter in the new scope; *used says which keyword it took. */
static bool bind_parameter(mu_eval *e, const mu_node *param, size_t index, const mu_arguments *args,
                           uint8_t *used) {
    mu_value value = mu_value_missing(MU_MISSING_PARAMETER, MU_VALUE_MACRO, param->name);
    bool is_given = index < args->n;
    if (is_given) value = args->values[index];
    for (size_t i = 0; i < args->n_keywords; i++) {
        if (!mu_marked_equals(args->keywords[i].name, param->name)) continue;
        if (is_given)
            return mu_run_fail(e->run, MU_ERR_INVALID, "two values for the argument '%.*s'",
                               (int)(param->name.n < 60 ? param->name.n : 60), param->name.data);
        value = args->keywords[i].value;
        used[i] = 1;
        is_given = true;
    }
    if (!is_given && param->a && !mu_evaluate(e, param->a, &value)) return false;
    return mu_scope_set(e, param->name, value);
}

/* Keywords that no parameter took: caller, and the rest for kwargs. */
static bool bind_keywords(mu_eval *e, const mu_node *node, const mu_arguments *args,
                          const uint8_t *used) {
    mu_value_dict *rest;
    mu_value caller =
        mu_value_missing(MU_MISSING_OTHER, MU_VALUE_MACRO, mu_marked_literal("No caller defined"));
    if (!mu_value_dict_new(e->run, 0, &rest)) return false;
    for (size_t i = 0; i < args->n_keywords; i++) {
        mu_keyword keyword = args->keywords[i];
        if (used[i]) continue;
        if ((node->uses & MU_USES_CALLER) && mu_marked_is(keyword.name, "caller")) {
            caller = keyword.value;
        } else if (node->uses & MU_USES_KWARGS) {
            if (!mu_value_dict_add(e->run, rest, mu_value_text(keyword.name), keyword.value))
                return false;
        } else {
            return mu_run_fail(e->run, MU_ERR_INVALID,
                               "macro '%.*s' takes no keyword argument '%.*s'",
                               (int)(node->name.n < 60 ? node->name.n : 60),
                               node->name.data ? node->name.data : "",
                               (int)(keyword.name.n < 60 ? keyword.name.n : 60), keyword.name.data);
        }
    }
    if ((node->uses & MU_USES_KWARGS) &&
        !mu_scope_set(e, mu_marked_literal("kwargs"), mu_value_of_dict(rest)))
        return false;
    return !(node->uses & MU_USES_CALLER) || mu_scope_set(e, mu_marked_literal("caller"), caller);
}

static bool bind_rest(mu_eval *e, const mu_node *node, const mu_arguments *args, size_t n_params) {
    mu_value_list *rest;
    if (args->n > n_params && !(node->uses & MU_USES_VARARGS))
        return mu_run_fail(e->run, MU_ERR_INVALID,
                           "macro '%.*s' takes not more than %zu argument(s)",
                           (int)(node->name.n < 60 ? node->name.n : 60),
                           node->name.data ? node->name.data : "", n_params);
    if (!(node->uses & MU_USES_VARARGS)) return true;
    if (!mu_value_list_new(e->run, 0, &rest)) return false;
    for (size_t i = n_params; i < args->n; i++) {
        if (!add_value(e, rest, args->values[i])) return false;
    }
    return mu_scope_set(e, mu_marked_literal("varargs"), mu_value_of_list(rest, MU_VALUE_TUPLE));
}

static bool bind(mu_eval *e, const mu_node *node, const mu_arguments *args) {
    size_t n_params = 0;
    uint8_t *used = MU_NEW(e->run->arena, uint8_t, args->n_keywords + 1);
    if (!used) return mu_run_fail_memory(e->run);
    /* caller is there before the defaults are evaluated; a parameter of its name comes after. */
    for (const mu_node *param = node->args; param; param = param->next) {
        if (!bind_parameter(e, param, n_params++, args, used)) return false;
    }
    bool has_caller = false; /* macro m(caller=none): it was bound as any other */
    for (const mu_node *param = node->args; param; param = param->next) {
        has_caller |= mu_marked_is(param->name, "caller");
    }
    mu_node plain = *node;
    if (has_caller) plain.uses &= ~(uint32_t)MU_USES_CALLER;
    return bind_rest(e, node, args, n_params) && bind_keywords(e, &plain, args, used);
}

static bool call_macro(mu_eval *e, const mu_macro *macro, const mu_arguments *args, mu_value *out) {
    mu_scope *scope = e->scope;
    mu_flow flow;
    if (e->run->n_macros >= MU_RUN_MACROS_MAX)
        return mu_run_fail(e->run, MU_ERR_LIMIT, "macros called deeper than %d", MU_RUN_MACROS_MAX);
    e->run->n_macros++;
    *out = mu_value_text((mu_marked){0});
    bool ok = mu_scope_push(e, macro->scope) && bind(e, macro->node, args) &&
              mu_capture(e, macro->node->body, &flow, &out->text);
    e->run->n_macros--;
    e->scope = scope;
    return ok;
}

static bool call_loop(mu_eval *e, mu_loop *loop, const mu_arguments *args, mu_value *out) {
    mu_scope *scope = e->scope;
    mu_marked_builder *outer = e->out, inner;
    mu_flow flow;
    if (!loop->node->is_recursive || args->n != 1)
        return mu_run_fail(e->run, MU_ERR_INVALID,
                           "loop() is for recursive loops and takes one argument");
    mu_run_builder(e->run, &inner);
    e->out = &inner;
    e->scope = loop->scope;
    bool ok = mu_loop_run(e, loop->node, args->values[0], loop->depth + 1, &flow);
    e->out = outer;
    e->scope = scope;
    *out = mu_value_text((mu_marked){0});
    return ok && mu_run_built(e->run, &inner, &out->text);
}

static bool call_method(mu_eval *e, const mu_method *method, const mu_arguments *args,
                        mu_value *out) {
    if (!mu_callable_call(e->run, method->function, method->self, args, out)) return false;
    if (out->kind == MU_VALUE_TEXT && method->self.kind == MU_VALUE_TEXT)
        out->is_markup = method->self.is_markup;
    return true;
}

bool mu_call(mu_eval *e, mu_value callee, const mu_arguments *args, mu_value *out) {
    switch (callee.kind) {
    case MU_VALUE_FUNCTION:
        return mu_callable_call(e->run, callee.function, mu_value_none(), args, out);
    case MU_VALUE_METHOD:
        return call_method(e, callee.method, args, out);
    case MU_VALUE_MACRO:
        return call_macro(e, callee.macro, args, out);
    case MU_VALUE_LOOP:
        return call_loop(e, callee.loop, args, out);
    case MU_VALUE_UNDEFINED:
        return mu_value_fail_undefined(e->run, callee);
    default:
        return mu_run_fail(e->run, MU_ERR_INVALID, "'%s' object is not callable",
                           mu_value_type_name(callee.kind));
    }
}
