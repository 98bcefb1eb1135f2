#include "chat/jinja/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "chat/jinja/parser_state.h"
#include "text/utf8.h"

void *mu_parser_fail(mu_parser *p, mu_status status, const char *fmt, ...) {
    char text[160];
    if (p->status != MU_OK) return NULL;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    p->status = mu_fail(p->err, status, "%s: line %u, column %u: %s", p->name, p->at->line,
                        p->at->column, text);
    return NULL;
}

mu_node *mu_parser_node(mu_parser *p, mu_node_kind kind, const mu_lexeme *token) {
    mu_node *node = MU_NEW(p->arena, mu_node, 1);
    if (!node) return mu_parser_fail(p, MU_ERR_LIMIT, "the chat template is too large");
    node->kind = kind;
    node->line = token->line;
    node->column = token->column;
    return node;
}

void mu_parser_append(mu_node_list *list, mu_node *node) {
    MU_ASSERT(node && !node->next);
    if (!list->end) list->end = &list->first;
    *list->end = node;
    list->end = &node->next;
}

bool mu_parser_enter(mu_parser *p) {
    if (p->n_nested++ < MU_PARSER_NESTING_MAX) return true;
    mu_parser_fail(p, MU_ERR_LIMIT, "nested deeper than %d", MU_PARSER_NESTING_MAX);
    return false;
}

void mu_parser_leave(mu_parser *p) {
    MU_ASSERT(p->n_nested > 0);
    p->n_nested--;
}

bool mu_parser_is_op(const mu_parser *p, mu_operator op) {
    return p->at->type == MU_LEX_OPERATOR && p->at->op == op;
}

bool mu_parser_is_word(const mu_parser *p, const char *word) {
    return p->at->type == MU_LEX_NAME && p->at->n == strlen(word) &&
           memcmp(p->at->text, word, p->at->n) == 0;
}

bool mu_parser_skip_op(mu_parser *p, mu_operator op) {
    bool is = mu_parser_is_op(p, op);
    p->at += is;
    return is;
}

bool mu_parser_skip_word(mu_parser *p, const char *word) {
    bool is = mu_parser_is_word(p, word);
    p->at += is;
    return is;
}

bool mu_parser_expect_op(mu_parser *p, mu_operator op, const char *what) {
    if (mu_parser_skip_op(p, op)) return true;
    mu_parser_fail(p, MU_ERR_FORMAT, "%s is expected", what);
    return false;
}

bool mu_parser_take_name(mu_parser *p, mu_marked *out) {
    if (p->at->type != MU_LEX_NAME) {
        mu_parser_fail(p, MU_ERR_FORMAT, "a name is expected");
        return false;
    }
    *out = (mu_marked){.data = p->at->text, .n = p->at->n};
    p->at++;
    return true;
}

static bool expect_block_end(mu_parser *p) {
    if (p->at->type == MU_LEX_BLOCK_END) {
        p->at++;
        return true;
    }
    mu_parser_fail(p, MU_ERR_FORMAT, "'%%}' is expected");
    return false;
}

static bool parse_until(mu_parser *p, const char *const *ends, size_t n_ends, mu_node **out);

/* The rest of a tag, then statements up to one of ends, whose word is read. NULL: failed. */
static const char *parse_body(mu_parser *p, const char *const *ends, size_t n_ends, mu_node **out) {
    mu_parser_skip_op(p, MU_OP_COLON);
    if (!expect_block_end(p) || !parse_until(p, ends, n_ends, out)) return NULL;
    for (size_t i = 0; i < n_ends; i++) {
        if (mu_parser_skip_word(p, ends[i])) return ends[i];
    }
    return mu_parser_fail(p, MU_ERR_FORMAT, "the template ends before '%s'", ends[n_ends - 1]);
}

static mu_node *with_body(mu_parser *p, mu_node *node, const char *end) {
    return node && parse_body(p, &end, 1, &node->body) ? node : NULL;
}

static mu_node *parse_if(mu_parser *p, const mu_lexeme *token) {
    static const char *const ends[] = {"elif", "else", "endif"};
    static const char *const last[] = {"endif"};
    mu_node *first = NULL, **place = &first;
    for (const char *end = "elif"; end != ends[2];) {
        mu_node *node = mu_parser_node(p, MU_NODE_IF, token);
        if (!node || !(node->a = mu_parse_tuple(p, false, NULL))) return NULL;
        *place = node;
        place = &node->other; /* an elif is an if in the else of the one before */
        token = p->at;
        end = parse_body(p, ends, MU_COUNTOF(ends), &node->body);
        if (!end) return NULL;
        if (end == ends[1]) {
            if (!parse_body(p, last, 1, &node->other)) return NULL;
            break;
        }
    }
    return first;
}

static mu_node *parse_if_tag(mu_parser *p, const mu_lexeme *token) {
    p->n_conditions++;
    mu_node *node = parse_if(p, token);
    p->n_conditions--;
    return node;
}

static mu_node *parse_for(mu_parser *p, const mu_lexeme *token) {
    static const char *const ends[] = {"else", "endfor"};
    mu_node *node = mu_parser_node(p, MU_NODE_FOR, token);
    if (!node || !(node->a = mu_parse_target(p, "in"))) return NULL;
    if (!mu_parser_skip_word(p, "in")) return mu_parser_fail(p, MU_ERR_FORMAT, "'in' is expected");
    if (!(node->b = mu_parse_tuple(p, false, "recursive"))) return NULL;
    if (mu_parser_skip_word(p, "if") && !(node->c = mu_parse_expression(p))) return NULL;
    node->is_recursive = mu_parser_skip_word(p, "recursive");
    p->n_loops++;
    const char *end = parse_body(p, ends, MU_COUNTOF(ends), &node->body);
    p->n_loops--;
    if (!end) return NULL;
    if (end == ends[0] && !parse_body(p, ends + 1, 1, &node->other)) return NULL;
    return node;
}

static mu_node *parse_set(mu_parser *p, const mu_lexeme *token) {
    mu_node *node = mu_parser_node(p, MU_NODE_SET, token);
    if (!node || !(node->a = mu_parse_target(p, NULL))) return NULL;
    if (mu_parser_skip_op(p, MU_OP_ASSIGN))
        return (node->b = mu_parse_tuple(p, true, NULL)) ? node : NULL;
    node->kind = MU_NODE_SET_BLOCK;
    mu_node *piped = mu_parser_node(p, MU_NODE_PIPED, token);
    if (!piped || !(node->b = mu_parse_filters(p, piped, false))) return NULL;
    return with_body(p, node, "endset");
}

/* (name, name = default, ...) */
static bool parse_parameters(mu_parser *p, mu_node **out) {
    mu_node_list params = {0};
    bool has_default = false;
    if (!mu_parser_expect_op(p, MU_OP_LPAREN, "'('")) return false;
    while (!mu_parser_is_op(p, MU_OP_RPAREN)) {
        mu_node *param = mu_parser_node(p, MU_NODE_PARAMETER, p->at);
        if (!param || !mu_parser_take_name(p, &param->name)) return false;
        if (mu_parser_skip_op(p, MU_OP_ASSIGN)) {
            has_default = true;
            if (!(param->a = mu_parse_expression(p))) return false;
        } else if (has_default) {
            mu_parser_fail(p, MU_ERR_FORMAT, "a parameter without default after one with");
            return false;
        }
        mu_parser_append(&params, param);
        if (!mu_parser_skip_op(p, MU_OP_COMMA)) break;
    }
    *out = params.first;
    return mu_parser_expect_op(p, MU_OP_RPAREN, "')'");
}

/* A body that is called: the loops around it are not its own. */
static mu_node *with_called_body(mu_parser *p, mu_node *node, const char *end) {
    uint32_t n_loops = p->n_loops, uses = p->uses;
    p->n_loops = p->uses = 0;
    node = with_body(p, node, end);
    if (node) node->uses = p->uses;
    p->n_loops = n_loops;
    p->uses |= uses;
    return node;
}

static mu_node *parse_macro(mu_parser *p, const mu_lexeme *token) {
    mu_node *node = mu_parser_node(p, MU_NODE_MACRO, token);
    if (!node || !mu_parser_take_name(p, &node->name)) return NULL;
    if (!parse_parameters(p, &node->args)) return NULL;
    return with_called_body(p, node, "endmacro");
}

static mu_node *parse_call_block(mu_parser *p, const mu_lexeme *token) {
    mu_node *node = mu_parser_node(p, MU_NODE_CALL_BLOCK, token);
    if (!node) return NULL;
    if (mu_parser_is_op(p, MU_OP_LPAREN) && !parse_parameters(p, &node->args)) return NULL;
    if (!(node->a = mu_parse_expression(p))) return NULL;
    if (node->a->kind != MU_NODE_CALL)
        return mu_parser_fail(p, MU_ERR_FORMAT, "a call is expected");
    return with_called_body(p, node, "endcall");
}

static mu_node *parse_filter_block(mu_parser *p, const mu_lexeme *token) {
    mu_node *node = mu_parser_node(p, MU_NODE_FILTER_BLOCK, token);
    mu_node *piped = mu_parser_node(p, MU_NODE_PIPED, token);
    if (!node || !piped || !(node->a = mu_parse_filters(p, piped, true))) return NULL;
    return with_body(p, node, "endfilter");
}

static mu_node *parse_with(mu_parser *p, const mu_lexeme *token) {
    mu_node *node = mu_parser_node(p, MU_NODE_WITH, token);
    mu_node_list sets = {0};
    while (node && p->at->type != MU_LEX_BLOCK_END) {
        mu_node *set = mu_parser_node(p, MU_NODE_SET, p->at);
        if (!set || !(set->a = mu_parse_target(p, NULL))) return NULL;
        if (!mu_parser_expect_op(p, MU_OP_ASSIGN, "'='")) return NULL;
        if (!(set->b = mu_parse_expression(p))) return NULL;
        mu_parser_append(&sets, set);
        if (!mu_parser_skip_op(p, MU_OP_COMMA)) break;
    }
    if (node) node->args = sets.first;
    return with_body(p, node, "endwith");
}

static mu_node *parse_generation(mu_parser *p, const mu_lexeme *token) {
    return with_called_body(p, mu_parser_node(p, MU_NODE_SCOPE, token), "endgeneration");
}

static mu_node *parse_print(mu_parser *p, const mu_lexeme *token) {
    mu_node *node = mu_parser_node(p, MU_NODE_OUTPUT, token);
    return node && (node->a = mu_parse_expression(p)) ? node : NULL;
}

static mu_node *parse_jump(mu_parser *p, const mu_lexeme *token) {
    bool is_break = token->text[0] == 'b';
    if (p->n_loops == 0)
        return mu_parser_fail(p, MU_ERR_FORMAT, "'%s' outside of a loop",
                              is_break ? "break" : "continue");
    return mu_parser_node(p, is_break ? MU_NODE_BREAK : MU_NODE_CONTINUE, token);
}

static const struct {
    const char *word;
    mu_node *(*parse)(mu_parser *p, const mu_lexeme *token); /* NULL: valid Jinja, not for us */
} tags[] = {
    {"if", parse_if_tag},
    {"for", parse_for},
    {"set", parse_set},
    {"macro", parse_macro},
    {"break", parse_jump},
    {"continue", parse_jump},
    {"call", parse_call_block},
    {"with", parse_with},
    {"filter", parse_filter_block},
    {"print", parse_print},
    {"include", NULL},
    {"generation", parse_generation},
    {"extends", NULL},
    {"import", NULL},
    {"from", NULL},
    {"block", NULL},
    {"autoescape", NULL},
    {"do", NULL},
    {"trans", NULL},
};

static mu_node *parse_statement(mu_parser *p) {
    const mu_lexeme *token = p->at;
    mu_marked word = {0};
    if (!mu_parser_take_name(p, &word)) return NULL;
    for (size_t i = 0; i < MU_COUNTOF(tags); i++) {
        if (!mu_marked_is(word, tags[i].word)) continue;
        if (tags[i].parse) return tags[i].parse(p, token);
        p->at = token;
        return mu_parser_fail(p, MU_ERR_UNSUPPORTED, "'%s' is not for chat templates",
                              tags[i].word);
    }
    p->at = token;
    return mu_parser_fail(p, MU_ERR_FORMAT, "unknown tag '%.*s'", (int)(word.n < 80 ? word.n : 80),
                          word.data);
}

static mu_node *parse_data(mu_parser *p) {
    mu_node *node = mu_parser_node(p, MU_NODE_OUTPUT, p->at);
    mu_node *text = mu_parser_node(p, MU_NODE_CONST, p->at);
    if (!node || !text) return NULL;
    text->value = mu_value_text((mu_marked){.data = p->at->text, .n = p->at->n});
    node->a = text;
    p->at++;
    return node;
}

static mu_node *parse_variable(mu_parser *p) {
    mu_node *node = mu_parser_node(p, MU_NODE_OUTPUT, p->at++);
    if (!node || !(node->a = mu_parse_tuple(p, true, NULL))) return NULL;
    if (p->at->type != MU_LEX_VARIABLE_END)
        return mu_parser_fail(p, MU_ERR_FORMAT, "'}}' is expected");
    p->at++;
    return node;
}

static bool is_among(const mu_parser *p, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (mu_parser_is_word(p, words[i])) return true;
    }
    return false;
}

/* Statements up to the word of one of ends, or to the end of the template. */
static bool parse_list(mu_parser *p, const char *const *ends, size_t n_ends, mu_node_list *list) {
    while (p->at->type != MU_LEX_END) {
        mu_node *node;
        if (p->at->type == MU_LEX_DATA) {
            node = parse_data(p);
        } else if (p->at->type == MU_LEX_VARIABLE_BEGIN) {
            node = parse_variable(p);
        } else {
            MU_ASSERT(p->at->type == MU_LEX_BLOCK_BEGIN);
            p->at++;
            if (is_among(p, ends, n_ends)) return true;
            node = parse_statement(p);
            if (node && !expect_block_end(p)) node = NULL;
        }
        if (!node) return false;
        mu_parser_append(list, node);
    }
    return true;
}

static bool parse_until(mu_parser *p, const char *const *ends, size_t n_ends, mu_node **out) {
    mu_node_list list = {0};
    bool ok = mu_parser_enter(p) && parse_list(p, ends, n_ends, &list);
    mu_parser_leave(p);
    *out = list.first;
    return ok;
}

size_t mu_parser_arena_bytes(size_t n) {
    return ((size_t)64 << 10) + n * (sizeof(mu_node) / 2 + 4);
}

mu_status mu_parse_template(const char *name, const char *source, size_t n, mu_arena *arena,
                            mu_node **out, mu_err *err) {
    if (n > MU_PARSER_SOURCE_MAX)
        return mu_fail(err, MU_ERR_LIMIT, "%s: a chat template of %zu bytes, at most %d", name, n,
                       MU_PARSER_SOURCE_MAX);
    if (mu_utf8_valid(source, n) != n)
        return mu_fail(err, MU_ERR_FORMAT, "%s: byte %zu is not UTF-8", name,
                       mu_utf8_valid(source, n));
    mu_lexeme *tokens;
    size_t n_tokens;
    mu_status status = mu_lex(name, source, n, arena, &tokens, &n_tokens, err);
    if (status == MU_OK) {
        mu_parser p = {.name = name, .at = tokens, .arena = arena, .err = err};
        parse_until(&p, NULL, 0, out);
        status = p.status;
    }
    mu_free(tokens);
    return status;
}
