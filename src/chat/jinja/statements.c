#include "chat/jinja/eval.h"
#include "chat/jinja/print.h"

bool mu_capture(mu_eval *e, const mu_node *body, mu_flow *flow, mu_marked *out) {
    mu_marked_builder *outer = e->out, inner;
    mu_run_builder(e->run, &inner);
    e->out = &inner;
    bool ok = mu_execute(e, body, flow);
    e->out = outer;
    return ok && mu_run_built(e->run, &inner, out);
}

static bool set_member(mu_eval *e, const mu_node *target, mu_value value) {
    mu_value space;
    if (!mu_scope_get(e, target->name, &space)) return false;
    if (space.kind != MU_VALUE_NAMESPACE)
        return mu_run_fail(e->run, MU_ERR_INVALID,
                           "cannot assign attribute on non-namespace object");
    return mu_value_dict_set(e->run, space.dict, mu_value_text(target->attribute), value);
}

static bool unpack(mu_eval *e, const mu_node *target, mu_value value) {
    mu_value_list items;
    size_t n = 0;
    if (!mu_value_iterate(e->run, value, &items)) return false;
    for (const mu_node *part = target->args; part; part = part->next, n++) {
        if (n >= items.n) return mu_run_fail(e->run, MU_ERR_INVALID, "not enough values to unpack");
        if (!mu_assign(e, part, items.items[n])) return false;
    }
    if (n < items.n) return mu_run_fail(e->run, MU_ERR_INVALID, "too many values to unpack");
    return true;
}

bool mu_assign(mu_eval *e, const mu_node *target, mu_value value) {
    switch (target->kind) {
    case MU_NODE_NAME:
        return mu_scope_set(e, target->name, value);
    case MU_NODE_MEMBER:
        return set_member(e, target, value);
    default:
        MU_ASSERT(target->kind == MU_NODE_TUPLE);
        return unpack(e, target, value);
    }
}

static bool output(mu_eval *e, const mu_node *node) {
    mu_value value;
    mu_marked so_far;
    if (!mu_evaluate(e, node->a, &value) || !mu_value_print(e->run, value, e->out)) return false;
    return !e->out->failed || mu_run_built(e->run, e->out, &so_far);
}

/* An elif is the else of the if before it, so this walks instead of nesting. */
static bool if_(mu_eval *e, const mu_node *node, mu_flow *flow) {
    for (;;) {
        mu_value test;
        if (!mu_evaluate(e, node->a, &test)) return false;
        if (mu_value_is_true(test)) return mu_execute(e, node->body, flow);
        bool is_elif = node->other && node->other->kind == MU_NODE_IF && !node->other->next;
        if (!is_elif) return mu_execute(e, node->other, flow);
        node = node->other;
    }
}

/* The items for which the loop's condition holds. */
static bool filter_items(mu_eval *e, const mu_node *node, mu_value_list *items) {
    mu_value_list kept = {0};
    mu_scope *scope = e->scope;
    for (size_t i = 0; i < items->n; i++) {
        mu_value test;
        bool ok = mu_scope_push(e, scope) && mu_assign(e, node->a, items->items[i]) &&
                  mu_evaluate(e, node->c, &test);
        e->scope = scope;
        if (!ok) return false;
        if (mu_value_is_true(test) && !mu_value_list_append(e->run, &kept, items->items[i]))
            return false;
    }
    *items = kept;
    return true;
}

static bool turn(mu_eval *e, const mu_node *node, mu_loop *loop, mu_flow *flow) {
    mu_value self = {.kind = MU_VALUE_LOOP, .loop = loop};
    return mu_run_charge(e->run, 1) && mu_scope_push(e, loop->scope) &&
           mu_assign(e, node->a, loop->items.items[loop->index]) &&
           mu_scope_set(e, mu_marked_literal("loop"), self) && mu_execute(e, node->body, flow);
}

bool mu_loop_run(mu_eval *e, const mu_node *node, mu_value iterable, uint32_t depth,
                 mu_flow *flow) {
    mu_loop *loop = MU_NEW(e->run->arena, mu_loop, 1);
    mu_flow inner = MU_FLOW_ON;
    *flow = MU_FLOW_ON;
    if (!loop) return mu_run_fail_memory(e->run);
    *loop = (mu_loop){.depth = depth, .node = node, .scope = e->scope};
    if (!mu_value_iterate(e->run, iterable, &loop->items)) return false;
    if (node->c && !filter_items(e, node, &loop->items)) return false;
    bool ok = true;
    for (; ok && loop->index < loop->items.n && inner != MU_FLOW_BREAK; loop->index++) {
        ok = turn(e, node, loop, &inner);
    }
    if (ok && loop->items.n == 0)
        ok = mu_scope_push(e, loop->scope) && mu_execute(e, node->other, flow);
    e->scope = loop->scope;
    return ok;
}

static bool for_(mu_eval *e, const mu_node *node, mu_flow *flow) {
    mu_value iterable;
    return mu_evaluate(e, node->b, &iterable) && mu_loop_run(e, node, iterable, 0, flow);
}

static bool set(mu_eval *e, const mu_node *node) {
    mu_value value;
    if (!mu_evaluate(e, node->b, &value)) return false;
    mu_eval_at(e, node);
    return mu_assign(e, node->a, value);
}

/* The body's text through the filters. */
static bool filtered(mu_eval *e, const mu_node *node, const mu_node *filters, mu_flow *flow,
                     mu_value *out) {
    mu_scope *scope = e->scope;
    mu_value piped = e->piped;
    mu_marked text;
    bool ok = mu_scope_push(e, scope) && mu_capture(e, node->body, flow, &text);
    e->scope = scope;
    if (!ok) return false;
    e->piped = mu_value_text(text);
    ok = mu_evaluate(e, filters, out);
    e->piped = piped;
    return ok;
}

static bool set_block(mu_eval *e, const mu_node *node, mu_flow *flow) {
    mu_value value;
    return filtered(e, node, node->b, flow, &value) && mu_assign(e, node->a, value);
}

static bool filter_block(mu_eval *e, const mu_node *node, mu_flow *flow) {
    mu_value value;
    return filtered(e, node, node->a, flow, &value) && mu_value_print(e->run, value, e->out);
}

static bool define(mu_eval *e, const mu_node *node, mu_value *out) {
    mu_macro *macro = MU_NEW(e->run->arena, mu_macro, 1);
    if (!macro) return mu_run_fail_memory(e->run);
    *macro = (mu_macro){node, e->scope};
    *out = (mu_value){.kind = MU_VALUE_MACRO, .macro = macro};
    return true;
}

static bool macro(mu_eval *e, const mu_node *node) {
    mu_value value;
    return define(e, node, &value) && mu_scope_set(e, node->name, value);
}

static bool call_block(mu_eval *e, const mu_node *node) {
    mu_value callee, caller, result;
    mu_arguments args;
    if (!mu_evaluate(e, node->a->a, &callee)) return false;
    if (!mu_evaluate_arguments(e, node->a->args, &args) || !define(e, node, &caller)) return false;
    if (!mu_arguments_add_keyword(e, &args, mu_marked_literal("caller"), caller)) return false;
    mu_eval_at(e, node);
    return mu_call(e, callee, &args, &result) && mu_value_print(e->run, result, e->out);
}

/* The values of "with" are those of the outer scope. */
static bool with(mu_eval *e, const mu_node *node, mu_flow *flow) {
    mu_scope *scope = e->scope;
    if (!mu_scope_push(e, scope)) return false;
    mu_scope *inner = e->scope;
    bool ok = true;
    for (const mu_node *set_node = node->args; ok && set_node; set_node = set_node->next) {
        mu_value value;
        e->scope = scope;
        ok = mu_evaluate(e, set_node->b, &value);
        e->scope = inner;
        ok = ok && mu_assign(e, set_node->a, value);
    }
    ok = ok && mu_execute(e, node->body, flow);
    e->scope = scope;
    return ok;
}

static bool scope(mu_eval *e, const mu_node *node, mu_flow *flow) {
    mu_scope *outer = e->scope;
    bool ok = mu_scope_push(e, outer) && mu_execute(e, node->body, flow);
    e->scope = outer;
    return ok;
}

static bool statement(mu_eval *e, const mu_node *node, mu_flow *flow) {
    switch (node->kind) {
    case MU_NODE_OUTPUT:
        return output(e, node);
    case MU_NODE_IF:
        return if_(e, node, flow);
    case MU_NODE_FOR:
        return for_(e, node, flow);
    case MU_NODE_SET:
        return set(e, node);
    case MU_NODE_SET_BLOCK:
        return set_block(e, node, flow);
    case MU_NODE_MACRO:
        return macro(e, node);
    case MU_NODE_CALL_BLOCK:
        return call_block(e, node);
    case MU_NODE_FILTER_BLOCK:
        return filter_block(e, node, flow);
    case MU_NODE_WITH:
        return with(e, node, flow);
    case MU_NODE_SCOPE:
        return scope(e, node, flow);
    case MU_NODE_BREAK:
        *flow = MU_FLOW_BREAK;
        return true;
    case MU_NODE_CONTINUE:
        *flow = MU_FLOW_CONTINUE;
        return true;
    default:
        break;
    }
    MU_ASSERT(false); /* every kind is above */
    return false;
}

bool mu_execute(mu_eval *e, const mu_node *list, mu_flow *flow) {
    *flow = MU_FLOW_ON;
    if (e->run->depth >= MU_RUN_DEPTH_MAX)
        return mu_run_fail(e->run, MU_ERR_LIMIT, "evaluation nested deeper than %d",
                           MU_RUN_DEPTH_MAX);
    e->run->depth++;
    bool ok = true;
    for (const mu_node *node = list; ok && node && *flow == MU_FLOW_ON; node = node->next) {
        mu_eval_at(e, node);
        ok = statement(e, node, flow);
    }
    e->run->depth--;
    return ok;
}
