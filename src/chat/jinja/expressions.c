#include "chat/jinja/eval.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/print.h"
#include "chat/jinja/subscripts.h"

static bool evaluate_list(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value_list *list;
    if (!mu_value_list_new(e->run, 0, &list)) return false;
    for (const mu_node *item = node->args; item; item = item->next) {
        mu_value value;
        if (!mu_evaluate(e, item, &value) || !mu_value_list_append(e->run, list, value))
            return false;
    }
    *out = mu_value_of_list(list, node->kind == MU_NODE_LIST ? MU_VALUE_LIST : MU_VALUE_TUPLE);
    return true;
}

static bool evaluate_dict(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value_dict *dict;
    if (!mu_value_dict_new(e->run, 0, &dict)) return false;
    for (const mu_node *key = node->args; key; key = key->next->next) {
        mu_value name, value;
        if (!mu_evaluate(e, key, &name) || !mu_evaluate(e, key->next, &value)) return false;
        if (!mu_value_dict_set(e->run, dict, name, value)) return false;
    }
    *out = mu_value_of_dict(dict);
    return true;
}

static bool evaluate_attribute(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value object;
    if (!mu_evaluate(e, node->a, &object)) return false;
    mu_eval_at(e, node);
    return mu_value_attribute(e->run, object, node->name, out);
}

static bool evaluate_item(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value object, key;
    if (!mu_evaluate(e, node->a, &object)) return false;
    if (node->b->kind != MU_NODE_SLICE) {
        if (!mu_evaluate(e, node->b, &key)) return false;
        mu_eval_at(e, node);
        return mu_value_item(e->run, object, key, out);
    }
    const mu_node *parts[3] = {node->b->a, node->b->b, node->b->c};
    mu_value bounds[3];
    for (int i = 0; i < 3; i++) {
        bounds[i] = mu_value_none();
        if (parts[i] && !mu_evaluate(e, parts[i], &bounds[i])) return false;
    }
    mu_eval_at(e, node);
    return mu_value_slice(e->run, object, bounds, out);
}

static bool evaluate_call(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value callee;
    mu_arguments args;
    if (!mu_evaluate(e, node->a, &callee)) return false;
    if (!mu_evaluate_arguments(e, node->args, &args)) return false;
    mu_eval_at(e, node);
    return mu_call(e, callee, &args, out);
}

/* Filters and tests. */
static bool evaluate_callable(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value self;
    mu_arguments args;
    if (!mu_evaluate(e, node->a, &self)) return false;
    if (!mu_evaluate_arguments(e, node->args, &args)) return false;
    mu_eval_at(e, node);
    if (!node->callable)
        return mu_run_fail(e->run, MU_ERR_UNSUPPORTED, "no %s named '%.*s'",
                           node->kind == MU_NODE_FILTER ? "filter" : "test", (int)node->name.n,
                           node->name.data);
    return mu_callable_call(e->run, node->callable, self, &args, out);
}

static bool evaluate_sign(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value value;
    if (!mu_evaluate(e, node->a, &value)) return false;
    mu_eval_at(e, node);
    if (!mu_operator_negate(e->run, value, out)) return false;
    return node->kind == MU_NODE_NEGATE || mu_operator_negate(e->run, *out, out);
}

static bool evaluate_binary(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value a, b;
    if (!mu_evaluate(e, node->a, &a) || !mu_evaluate(e, node->b, &b)) return false;
    mu_eval_at(e, node);
    return mu_operator_apply(e->run, node->op, a, b, out);
}

static bool evaluate_logic(mu_eval *e, const mu_node *node, mu_value *out) {
    if (!mu_evaluate(e, node->a, out)) return false;
    bool goes_on = mu_value_is_true(*out) == (node->kind == MU_NODE_AND);
    return !goes_on || mu_evaluate(e, node->b, out);
}

static bool evaluate_compare(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value left, right;
    bool is = true;
    if (!mu_evaluate(e, node->a, &left)) return false;
    for (const mu_node *operand = node->args; operand && is; operand = operand->next) {
        if (!mu_evaluate(e, operand->a, &right)) return false;
        mu_eval_at(e, operand);
        if (!mu_operator_compare(e->run, operand->op, left, right, &is)) return false;
        left = right;
    }
    *out = mu_value_bool(is);
    return true;
}

static bool evaluate_concat(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_marked_builder b;
    mu_run_builder(e->run, &b);
    for (const mu_node *part = node->args; part; part = part->next) {
        mu_value value;
        mu_marked text;
        if (!mu_evaluate(e, part, &value) || !mu_value_as_text(e->run, value, &text)) return false;
        mu_marked_append(&b, text);
    }
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(e->run, &b, &out->text);
}

static bool evaluate_condition(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_value test;
    if (!mu_evaluate(e, node->a, &test)) return false;
    if (mu_value_is_true(test)) return mu_evaluate(e, node->b, out);
    if (node->c) return mu_evaluate(e, node->c, out);
    *out = mu_value_missing(MU_MISSING_OTHER, MU_VALUE_UNDEFINED,
                            mu_marked_literal("an inline if without else was false"));
    return true;
}

static bool evaluate_not(mu_eval *e, const mu_node *node, mu_value *out) {
    if (!mu_evaluate(e, node->a, out)) return false;
    *out = mu_value_bool(!mu_value_is_true(*out));
    return true;
}

static bool dispatch(mu_eval *e, const mu_node *node, mu_value *out) {
    switch (node->kind) {
    case MU_NODE_CONST:
        *out = node->value;
        return true;
    case MU_NODE_PIPED:
        *out = e->piped;
        return true;
    case MU_NODE_NAME:
        return mu_scope_get(e, node->name, out);
    case MU_NODE_LIST:
    case MU_NODE_TUPLE:
        return evaluate_list(e, node, out);
    case MU_NODE_DICT:
        return evaluate_dict(e, node, out);
    case MU_NODE_ATTRIBUTE:
        return evaluate_attribute(e, node, out);
    case MU_NODE_ITEM:
        return evaluate_item(e, node, out);
    case MU_NODE_CALL:
        return evaluate_call(e, node, out);
    case MU_NODE_FILTER:
    case MU_NODE_TEST:
        return evaluate_callable(e, node, out);
    case MU_NODE_NOT:
        return evaluate_not(e, node, out);
    case MU_NODE_NEGATE:
    case MU_NODE_PLUS:
        return evaluate_sign(e, node, out);
    case MU_NODE_BINARY:
        return evaluate_binary(e, node, out);
    case MU_NODE_AND:
    case MU_NODE_OR:
        return evaluate_logic(e, node, out);
    case MU_NODE_COMPARE:
        return evaluate_compare(e, node, out);
    case MU_NODE_CONCAT:
        return evaluate_concat(e, node, out);
    case MU_NODE_CONDITION:
        return evaluate_condition(e, node, out);
    default:
        break;
    }
    MU_ASSERT(false); /* every kind is above */
    return false;
}

bool mu_evaluate(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_eval_at(e, node);
    if (!mu_run_charge(e->run, 1)) return false;
    if (e->run->depth >= MU_RUN_DEPTH_MAX)
        return mu_run_fail(e->run, MU_ERR_LIMIT, "evaluation nested deeper than %d",
                           MU_RUN_DEPTH_MAX);
    e->run->depth++;
    bool ok = dispatch(e, node, out);
    e->run->depth--;
    return ok;
}
