/* Recursive descent with one function for each level of the grammar, loosest first. Filters and
 * tests bind tighter than any operator, but looser than unary minus and plus. */
#include <string.h>

#include "chat/jinja/parser_state.h"

static mu_node *parse_unary(mu_parser *p, bool with_filters);
static mu_node *parse_primary(mu_parser *p);

static mu_node *one(mu_parser *p, mu_node_kind kind, const mu_lexeme *token, mu_node *a) {
    mu_node *node = a ? mu_parser_node(p, kind, token) : NULL;
    if (node) node->a = a;
    return node;
}

static mu_node *two(mu_parser *p, mu_node_kind kind, const mu_lexeme *token, mu_node *a,
                    mu_node *b) {
    mu_node *node = b ? one(p, kind, token, a) : NULL;
    if (node) node->b = b;
    return node;
}

static mu_operator op_among(const mu_parser *p, const mu_operator *ops, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (mu_parser_is_op(p, ops[i])) return ops[i];
    }
    return MU_OP_NONE;
}

/* A level of operators that group from the left. */
static mu_node *parse_left(mu_parser *p, const mu_operator *ops, size_t n,
                           mu_node *(*operand)(mu_parser *)) {
    const mu_lexeme *token = p->at;
    mu_node *left = operand(p);
    mu_operator op;
    while (left && (op = op_among(p, ops, n)) != MU_OP_NONE) {
        p->at++;
        left = two(p, MU_NODE_BINARY, token, left, operand(p));
        if (left) left->op = op;
        token = p->at;
    }
    return left;
}

static mu_node *parse_power_operand(mu_parser *p) {
    return parse_unary(p, true);
}

static mu_node *parse_power(mu_parser *p) {
    static const mu_operator ops[] = {MU_OP_POW};
    return parse_left(p, ops, 1, parse_power_operand);
}

static mu_node *parse_product(mu_parser *p) {
    static const mu_operator ops[] = {MU_OP_MUL, MU_OP_DIV, MU_OP_FLOORDIV, MU_OP_MOD};
    return parse_left(p, ops, MU_COUNTOF(ops), parse_power);
}

static mu_node *parse_concat(mu_parser *p) {
    const mu_lexeme *token = p->at;
    mu_node *first = parse_product(p);
    if (!first || !mu_parser_is_op(p, MU_OP_TILDE)) return first;
    mu_node *node = mu_parser_node(p, MU_NODE_CONCAT, token);
    mu_node_list args = {0};
    mu_parser_append(&args, first);
    while (node && mu_parser_skip_op(p, MU_OP_TILDE)) {
        mu_node *next = parse_product(p);
        if (!next) return NULL;
        mu_parser_append(&args, next);
    }
    if (node) node->args = args.first;
    return node;
}

static mu_node *parse_sum(mu_parser *p) {
    static const mu_operator ops[] = {MU_OP_ADD, MU_OP_SUB};
    return parse_left(p, ops, MU_COUNTOF(ops), parse_concat);
}

static mu_operator take_comparison(mu_parser *p) {
    static const mu_operator ops[] = {MU_OP_EQ, MU_OP_NE, MU_OP_GT, MU_OP_GE, MU_OP_LT, MU_OP_LE};
    mu_operator op = op_among(p, ops, MU_COUNTOF(ops));
    if (op != MU_OP_NONE) {
        p->at++;
        return op;
    }
    if (mu_parser_skip_word(p, "in")) return MU_OP_IN;
    if (!mu_parser_is_word(p, "not")) return MU_OP_NONE;
    p->at++; /* an END follows at least */
    if (mu_parser_skip_word(p, "in")) return MU_OP_NOT_IN;
    p->at--;
    return MU_OP_NONE;
}

static mu_node *parse_compare(mu_parser *p) {
    const mu_lexeme *token = p->at;
    mu_node *first = parse_sum(p);
    if (!first) return NULL;
    mu_node_list operands = {0};
    mu_operator op;
    const mu_lexeme *at = p->at;
    while ((op = take_comparison(p)) != MU_OP_NONE) {
        mu_node *operand = one(p, MU_NODE_OPERAND, at, parse_sum(p));
        if (!operand) return NULL;
        operand->op = op;
        mu_parser_append(&operands, operand);
        at = p->at;
    }
    if (!operands.first) return first;
    mu_node *node = one(p, MU_NODE_COMPARE, token, first);
    if (node) node->args = operands.first;
    return node;
}

static mu_node *parse_not(mu_parser *p) {
    const mu_lexeme *token = p->at;
    if (!mu_parser_skip_word(p, "not")) return parse_compare(p);
    mu_node *node = mu_parser_enter(p) ? one(p, MU_NODE_NOT, token, parse_not(p)) : NULL;
    mu_parser_leave(p);
    return node;
}

static mu_node *parse_and(mu_parser *p) {
    const mu_lexeme *token = p->at;
    mu_node *left = parse_not(p);
    while (left && mu_parser_skip_word(p, "and")) {
        left = two(p, MU_NODE_AND, token, left, parse_not(p));
    }
    return left;
}

static mu_node *parse_or(mu_parser *p) {
    const mu_lexeme *token = p->at;
    mu_node *left = parse_and(p);
    while (left && mu_parser_skip_word(p, "or")) {
        left = two(p, MU_NODE_OR, token, left, parse_and(p));
    }
    return left;
}

mu_node *mu_parse_unconditional(mu_parser *p) {
    mu_node *node = mu_parser_enter(p) ? parse_or(p) : NULL;
    mu_parser_leave(p);
    return node;
}

static mu_node *parse_conditions(mu_parser *p) {
    const mu_lexeme *token = p->at;
    mu_node *then = parse_or(p);
    while (then && mu_parser_skip_word(p, "if")) {
        p->n_conditions++;
        mu_node *node = two(p, MU_NODE_CONDITION, token, parse_or(p), then);
        if (node && mu_parser_skip_word(p, "else")) {
            node->c = mu_parse_expression(p);
            if (!node->c) node = NULL;
        }
        p->n_conditions--;
        then = node;
    }
    return then;
}

mu_node *mu_parse_expression(mu_parser *p) {
    mu_node *node = mu_parser_enter(p) ? parse_conditions(p) : NULL;
    mu_parser_leave(p);
    return node;
}

static bool is_tuple_end(const mu_parser *p, const char *end) {
    return p->at->type == MU_LEX_VARIABLE_END || p->at->type == MU_LEX_BLOCK_END ||
           mu_parser_is_op(p, MU_OP_RPAREN) || (end && mu_parser_is_word(p, end));
}

/* Items with commas between, as one(): a single one without a comma is itself. */
static mu_node *parse_items(mu_parser *p, mu_node *(*item)(mu_parser *), const char *end,
                            bool may_be_empty) {
    const mu_lexeme *token = p->at;
    mu_node_list items = {0};
    bool is_tuple = false;
    while (!is_tuple_end(p, end)) {
        mu_node *node = item(p);
        if (!node) return NULL;
        mu_parser_append(&items, node);
        if (!mu_parser_skip_op(p, MU_OP_COMMA)) break;
        is_tuple = true;
    }
    if (!is_tuple && items.first) return items.first;
    if (!items.first && !may_be_empty)
        return mu_parser_fail(p, MU_ERR_FORMAT, "an expression is expected");
    mu_node *node = mu_parser_node(p, MU_NODE_TUPLE, token);
    if (node) node->args = items.first;
    return node;
}

mu_node *mu_parse_tuple(mu_parser *p, bool with_condition, const char *end) {
    return parse_items(p, with_condition ? mu_parse_expression : mu_parse_unconditional, end,
                       false);
}

static mu_node *parse_target_item(mu_parser *p) {
    const mu_lexeme *token = p->at;
    if (mu_parser_skip_op(p, MU_OP_LPAREN)) {
        mu_node *inner = mu_parser_enter(p) ? parse_items(p, parse_target_item, NULL, false) : NULL;
        mu_parser_leave(p);
        return inner && mu_parser_expect_op(p, MU_OP_RPAREN, "')'") ? inner : NULL;
    }
    mu_node *node = mu_parser_node(p, MU_NODE_NAME, token);
    if (!node || !mu_parser_take_name(p, &node->name)) return NULL;
    static const char *const constants[] = {"true", "false", "none", "True", "False", "None"};
    for (size_t i = 0; i < MU_COUNTOF(constants); i++) {
        if (mu_marked_is(node->name, constants[i]))
            return mu_parser_fail(p, MU_ERR_FORMAT, "can't assign to '%s'", constants[i]);
    }
    if (!mu_parser_skip_op(p, MU_OP_DOT)) return node;
    node->kind = MU_NODE_MEMBER;
    return mu_parser_take_name(p, &node->attribute) ? node : NULL;
}

mu_node *mu_parse_target(mu_parser *p, const char *end) {
    return parse_items(p, parse_target_item, end, false);
}

static mu_node *parse_list(mu_parser *p, const mu_lexeme *token) {
    mu_node_list items = {0};
    while (!mu_parser_is_op(p, MU_OP_RBRACKET)) {
        mu_node *item = mu_parse_expression(p);
        if (!item) return NULL;
        mu_parser_append(&items, item);
        if (!mu_parser_skip_op(p, MU_OP_COMMA)) break;
    }
    if (!mu_parser_expect_op(p, MU_OP_RBRACKET, "']'")) return NULL;
    mu_node *node = mu_parser_node(p, MU_NODE_LIST, token);
    if (node) node->args = items.first;
    return node;
}

static mu_node *parse_dict(mu_parser *p, const mu_lexeme *token) {
    mu_node_list items = {0};
    while (!mu_parser_is_op(p, MU_OP_RBRACE)) {
        mu_node *key = mu_parse_expression(p);
        if (!key || !mu_parser_expect_op(p, MU_OP_COLON, "':'")) return NULL;
        mu_node *value = mu_parse_expression(p);
        if (!value) return NULL;
        mu_parser_append(&items, key);
        mu_parser_append(&items, value);
        if (!mu_parser_skip_op(p, MU_OP_COMMA)) break;
    }
    if (!mu_parser_expect_op(p, MU_OP_RBRACE, "'}'")) return NULL;
    mu_node *node = mu_parser_node(p, MU_NODE_DICT, token);
    if (node) node->args = items.first;
    return node;
}

/* Strings that stand beside each other are one. */
static mu_node *parse_strings(mu_parser *p, const mu_lexeme *token) {
    size_t n = 0, at = 0;
    for (const mu_lexeme *t = token; t->type == MU_LEX_STRING; t++) {
        n += t->n;
    }
    char *joined = mu_arena_alloc(p->arena, n + 1, 1, 1);
    mu_node *node = mu_parser_node(p, MU_NODE_CONST, token);
    if (!joined || !node) return mu_parser_fail(p, MU_ERR_LIMIT, "the chat template is too large");
    for (p->at = token; p->at->type == MU_LEX_STRING; p->at++) {
        if (p->at->n > 0) memcpy(joined + at, p->at->text, p->at->n);
        at += p->at->n;
    }
    node->value = mu_value_text((mu_marked){.data = joined, .n = n});
    return node;
}

static mu_node *parse_word(mu_parser *p, const mu_lexeme *token) {
    static const struct {
        const char *word;
        mu_value_kind kind;
        bool boolean;
    } constants[] = {{"true", MU_VALUE_BOOL, true},   {"True", MU_VALUE_BOOL, true},
                     {"false", MU_VALUE_BOOL, false}, {"False", MU_VALUE_BOOL, false},
                     {"none", MU_VALUE_NONE, false},  {"None", MU_VALUE_NONE, false}};
    mu_node *node = mu_parser_node(p, MU_NODE_NAME, token);
    if (!node || !mu_parser_take_name(p, &node->name)) return NULL;
    p->uses |= mu_marked_is(node->name, "caller")    ? MU_USES_CALLER
               : mu_marked_is(node->name, "varargs") ? MU_USES_VARARGS
               : mu_marked_is(node->name, "kwargs")  ? MU_USES_KWARGS
                                                     : 0u;
    for (size_t i = 0; i < MU_COUNTOF(constants); i++) {
        if (!mu_marked_is(node->name, constants[i].word)) continue;
        node->kind = MU_NODE_CONST;
        node->value = constants[i].kind == MU_VALUE_NONE ? mu_value_none()
                                                         : mu_value_bool(constants[i].boolean);
    }
    return node;
}

static mu_node *parse_number(mu_parser *p, const mu_lexeme *token) {
    mu_node *node = mu_parser_node(p, MU_NODE_CONST, token);
    p->at++;
    if (!node) return NULL;
    node->value =
        token->type == MU_LEX_INTEGER ? mu_value_int(token->integer) : mu_value_float(token->real);
    return node;
}

static mu_node *parse_brackets(mu_parser *p) {
    mu_node *node = parse_items(p, mu_parse_expression, NULL, true);
    return node && mu_parser_expect_op(p, MU_OP_RPAREN, "')'") ? node : NULL;
}

static mu_node *parse_primary(mu_parser *p) {
    const mu_lexeme *token = p->at;
    switch (token->type) {
    case MU_LEX_NAME:
        return parse_word(p, token);
    case MU_LEX_STRING:
        return parse_strings(p, token);
    case MU_LEX_INTEGER:
    case MU_LEX_FLOAT:
        return parse_number(p, token);
    default:
        break;
    }
    if (mu_parser_skip_op(p, MU_OP_LPAREN)) return parse_brackets(p);
    if (mu_parser_skip_op(p, MU_OP_LBRACKET)) return parse_list(p, token);
    if (mu_parser_skip_op(p, MU_OP_LBRACE)) return parse_dict(p, token);
    return mu_parser_fail(p, MU_ERR_FORMAT, "an expression is expected");
}

static mu_node *parse_argument(mu_parser *p) {
    const mu_lexeme *token = p->at;
    if (mu_parser_skip_op(p, MU_OP_MUL))
        return one(p, MU_NODE_SPREAD, token, mu_parse_expression(p));
    if (mu_parser_skip_op(p, MU_OP_POW))
        return one(p, MU_NODE_SPREAD_KEYS, token, mu_parse_expression(p));
    bool is_keyword = token->type == MU_LEX_NAME && token[1].type == MU_LEX_OPERATOR &&
                      token[1].op == MU_OP_ASSIGN;
    if (!is_keyword) return mu_parse_expression(p);
    p->at += 2;
    mu_node *node = one(p, MU_NODE_KEYWORD, token, mu_parse_expression(p));
    if (node) node->name = (mu_marked){.data = token->text, .n = token->n};
    return node;
}

/* From the '(' to behind the ')'. Order: by position, *list, by keyword, **dict. */
static bool parse_arguments(mu_parser *p, mu_node **out) {
    mu_node_list args = {0};
    int stage = 0;
    if (!mu_parser_expect_op(p, MU_OP_LPAREN, "'('")) return false;
    while (!mu_parser_is_op(p, MU_OP_RPAREN)) {
        mu_node *arg = parse_argument(p);
        if (!arg) return false;
        int own = arg->kind == MU_NODE_SPREAD        ? 1
                  : arg->kind == MU_NODE_KEYWORD     ? 2
                  : arg->kind == MU_NODE_SPREAD_KEYS ? 3
                                                     : 0;
        bool is_again = own == stage && (own == 1 || own == 3);
        bool may_follow = own >= stage || (own == 1 && stage == 2);
        if (!may_follow || is_again) {
            mu_parser_fail(p, MU_ERR_FORMAT, "invalid order of arguments");
            return false;
        }
        if (own > stage) stage = own;
        mu_parser_append(&args, arg);
        if (!mu_parser_skip_op(p, MU_OP_COMMA)) break;
    }
    *out = args.first;
    return mu_parser_expect_op(p, MU_OP_RPAREN, "')'");
}

static mu_node *parse_bound(mu_parser *p) {
    const mu_lexeme *token = p->at;
    mu_node *first = NULL, *second = NULL, *third = NULL;
    if (!mu_parser_is_op(p, MU_OP_COLON)) {
        first = mu_parse_expression(p);
        if (!first || !mu_parser_is_op(p, MU_OP_COLON)) return first;
    }
    p->at++;
    mu_node *node = mu_parser_node(p, MU_NODE_SLICE, token);
    bool ends = mu_parser_is_op(p, MU_OP_RBRACKET) || mu_parser_is_op(p, MU_OP_COLON);
    if (!ends && !(second = mu_parse_expression(p))) return NULL;
    if (mu_parser_skip_op(p, MU_OP_COLON) && !mu_parser_is_op(p, MU_OP_RBRACKET) &&
        !(third = mu_parse_expression(p)))
        return NULL;
    if (!node) return NULL;
    node->a = first;
    node->b = second;
    node->c = third;
    return node;
}

static mu_node *parse_subscript(mu_parser *p, mu_node *object, const mu_lexeme *token) {
    if (mu_parser_skip_op(p, MU_OP_LBRACKET)) {
        mu_node *node = two(p, MU_NODE_ITEM, token, object, parse_bound(p));
        return node && mu_parser_expect_op(p, MU_OP_RBRACKET, "']'") ? node : NULL;
    }
    p->at++; /* the dot */
    if (p->at->type == MU_LEX_INTEGER)
        return two(p, MU_NODE_ITEM, token, object, parse_number(p, p->at));
    mu_node *node = one(p, MU_NODE_ATTRIBUTE, token, object);
    return node && mu_parser_take_name(p, &node->name) ? node : NULL;
}

static mu_node *parse_call(mu_parser *p, mu_node *callee) {
    mu_node *node = one(p, MU_NODE_CALL, p->at, callee);
    return node && parse_arguments(p, &node->args) ? node : NULL;
}

static mu_node *parse_postfix(mu_parser *p, mu_node *node) {
    while (node) {
        if (mu_parser_is_op(p, MU_OP_DOT) || mu_parser_is_op(p, MU_OP_LBRACKET)) {
            node = parse_subscript(p, node, p->at);
        } else if (mu_parser_is_op(p, MU_OP_LPAREN)) {
            node = parse_call(p, node);
        } else {
            break;
        }
    }
    return node;
}

/* Whether name is known is said here, unless it may stay unreached. */
static bool resolve(mu_parser *p, mu_node *node, const char *what, const mu_callable *found) {
    node->callable = found;
    if (found || p->n_conditions > 0) return true;
    mu_parser_fail(p, MU_ERR_UNSUPPORTED, "no %s named '%.*s'", what, (int)node->name.n,
                   node->name.data);
    return false;
}

mu_node *mu_parse_filters(mu_parser *p, mu_node *input, bool is_inline) {
    while (input && (is_inline || mu_parser_skip_op(p, MU_OP_PIPE))) {
        mu_node *node = one(p, MU_NODE_FILTER, p->at, input);
        is_inline = false;
        if (!node || !mu_parser_take_name(p, &node->name)) return NULL;
        if (!resolve(p, node, "filter", mu_filter_find(node->name))) return NULL;
        if (mu_parser_is_op(p, MU_OP_LPAREN) && !parse_arguments(p, &node->args)) return NULL;
        input = node;
    }
    return input;
}

static bool begins_operand(const mu_parser *p) {
    switch (p->at->type) {
    case MU_LEX_STRING:
    case MU_LEX_INTEGER:
    case MU_LEX_FLOAT:
        return true;
    case MU_LEX_NAME:
        return !mu_parser_is_word(p, "else") && !mu_parser_is_word(p, "or") &&
               !mu_parser_is_word(p, "and");
    default:
        return mu_parser_is_op(p, MU_OP_LBRACKET) || mu_parser_is_op(p, MU_OP_LBRACE);
    }
}

/* After "is". A test's single argument needs no brackets. */
static mu_node *parse_test(mu_parser *p, mu_node *tested) {
    const mu_lexeme *token = p->at;
    bool is_negated = mu_parser_skip_word(p, "not");
    mu_node *node = one(p, MU_NODE_TEST, token, tested);
    if (!node || !mu_parser_take_name(p, &node->name)) return NULL;
    if (!resolve(p, node, "test", mu_test_find(node->name))) return NULL;
    if (mu_parser_is_op(p, MU_OP_LPAREN)) {
        if (!parse_arguments(p, &node->args)) return NULL;
    } else if (begins_operand(p)) {
        if (mu_parser_is_word(p, "is"))
            return mu_parser_fail(p, MU_ERR_FORMAT, "tests cannot be chained with 'is'");
        node->args = parse_postfix(p, parse_primary(p));
        if (!node->args) return NULL;
    }
    return is_negated ? one(p, MU_NODE_NOT, token, node) : node;
}

static mu_node *parse_signed(mu_parser *p, const mu_lexeme *token) {
    p->at++;
    mu_node_kind kind = token->op == MU_OP_SUB ? MU_NODE_NEGATE : MU_NODE_PLUS;
    mu_node *node = mu_parser_enter(p) ? one(p, kind, token, parse_unary(p, false)) : NULL;
    mu_parser_leave(p);
    return node;
}

static mu_node *parse_unary(mu_parser *p, bool with_filters) {
    bool is_signed = mu_parser_is_op(p, MU_OP_SUB) || mu_parser_is_op(p, MU_OP_ADD);
    mu_node *node = is_signed ? parse_signed(p, p->at) : parse_primary(p);
    node = parse_postfix(p, node);
    while (node && with_filters) {
        if (mu_parser_is_op(p, MU_OP_PIPE)) {
            node = mu_parse_filters(p, node, false);
        } else if (mu_parser_skip_word(p, "is")) {
            node = parse_test(p, node);
        } else if (mu_parser_is_op(p, MU_OP_LPAREN)) {
            node = parse_call(p, node);
        } else {
            break;
        }
    }
    return node;
}
