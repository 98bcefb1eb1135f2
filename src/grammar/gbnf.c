/* Recursive descent into the rules' nodes. A counted atom is parsed again for each copy. */
#include "grammar/gbnf.h"

#include <string.h>

#include "base/alloc.h"
#include "grammar/lexeme.h"

enum { MANY = -1, NAME_MAX_BYTES = 128 };

/* A piece of automaton; last is a fork with both ways open. */
typedef struct piece {
    uint32_t first, last;
} piece;

typedef struct parser {
    mu_chunks *memory;
    mu_rules *rules;
    const char *text;
    size_t n, pos;
    uint32_t depth;
    const char **names; /* [n_rules] borrowed from text, with lengths; owned */
    size_t *name_sizes;
    size_t names_cap, sizes_cap;
    mu_status status;
    mu_err *err;
} parser;

static bool has_failed(const parser *p) {
    return p->status != MU_OK;
}

static void refuse(parser *p, mu_status status, const char *what) {
    if (has_failed(p)) return;
    uint32_t line = 1;
    for (size_t i = 0; i < p->pos && i < p->n; i++) {
        line += p->text[i] == '\n';
    }
    p->status = mu_fail(p->err, status, "grammar: line %u: %s", line, what);
}

static void fail_memory(parser *p) {
    if (p->rules->is_over_limit || p->memory->is_full) {
        refuse(p, MU_ERR_LIMIT, "the grammar unfolds to too many states");
    } else {
        refuse(p, MU_ERR_NOMEM, "no memory");
    }
}

/* Nodes. */

static uint32_t add_node(parser *p, const mu_rule_node *node) {
    uint32_t at = has_failed(p) ? 0 : mu_rules_node(p->rules, node);
    if (at == MU_NODE_NONE) fail_memory(p);
    return has_failed(p) ? 0 : at;
}

static uint32_t add_fork(parser *p) {
    return add_node(
        p, &(mu_rule_node){.kind = MU_RULE_FORK, .out = MU_NODE_NONE, .other = MU_NODE_NONE});
}

static piece empty_piece(parser *p) {
    uint32_t at = add_fork(p);
    return (piece){at, at};
}

static void connect(parser *p, uint32_t from, uint32_t to) {
    if (has_failed(p)) return;
    mu_rule_node *node = &p->rules->nodes[from];
    if (node->out == MU_NODE_NONE) {
        node->out = to;
    } else {
        MU_ASSERT(node->other == MU_NODE_NONE);
        node->other = to;
    }
}

static piece join(parser *p, piece a, piece b) {
    connect(p, a.last, b.first);
    return (piece){a.first, b.last};
}

static piece one_of(parser *p, const mu_charset *set) {
    uint32_t last = add_fork(p);
    uint32_t first = has_failed(p) ? 0 : mu_rules_chars(p->rules, set, last);
    if (first == MU_NODE_NONE) fail_memory(p);
    return (piece){first, last};
}

/* Text. */

static char peek(const parser *p) {
    return p->pos < p->n ? p->text[p->pos] : '\0';
}

static bool accept(parser *p, const char *literal) {
    size_t n = strlen(literal);
    if (p->n - p->pos < n || memcmp(p->text + p->pos, literal, n) != 0) return false;
    p->pos += n;
    return true;
}

/* Blanks and comments, line breaks too where a rule may go on. */
static void skip_blanks(parser *p, bool over_lines) {
    while (p->pos < p->n) {
        char c = peek(p);
        if (c == '#') {
            while (p->pos < p->n && peek(p) != '\n') {
                p->pos++;
            }
        } else if (c == ' ' || c == '\t' || (over_lines && (c == '\n' || c == '\r'))) {
            p->pos++;
        } else {
            return;
        }
    }
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static size_t name_size(const parser *p) {
    size_t n = 0;
    while (p->pos + n < p->n && is_name_char(p->text[p->pos + n])) {
        n++;
    }
    return n;
}

static uint32_t rule_of(parser *p, const char *name, size_t n) {
    for (size_t i = 0; i < p->rules->n_rules; i++) {
        if (p->name_sizes[i] == n && memcmp(p->names[i], name, n) == 0) return (uint32_t)i;
    }
    size_t need = p->rules->n_rules + 1;
    uint32_t rule = MU_NODE_NONE;
    if (mu_grow((void **)&p->names, &p->names_cap, need, sizeof(char *)) &&
        mu_grow((void **)&p->name_sizes, &p->sizes_cap, need, sizeof(size_t))) {
        rule = mu_rules_add(p->rules);
    }
    if (rule == MU_NODE_NONE) {
        fail_memory(p);
        return 0;
    }
    p->names[rule] = name;
    p->name_sizes[rule] = n;
    return rule;
}

static uint32_t take_hex(parser *p, int n_digits) {
    uint32_t value = 0;
    for (int i = 0; i < n_digits; i++) {
        char c = peek(p), low = (char)(c | 32);
        bool is_digit = c >= '0' && c <= '9', is_letter = low >= 'a' && low <= 'f';
        if (!is_digit && !is_letter) {
            refuse(p, MU_ERR_INVALID, "expected a hexadecimal digit");
            return 0;
        }
        value = value << 4 | (uint32_t)(is_digit ? c - '0' : low - 'a' + 10);
        p->pos++;
    }
    if (value > MU_CHAR_MAX) refuse(p, MU_ERR_INVALID, "a character above U+10FFFF");
    return value;
}

static uint32_t take_char(parser *p) {
    if (p->pos >= p->n) {
        refuse(p, MU_ERR_INVALID, "the grammar ends inside a literal or class");
        return 0;
    }
    if (!accept(p, "\\")) {
        size_t n_bytes;
        uint32_t c = mu_char_decode(p->text + p->pos, &n_bytes);
        p->pos += n_bytes;
        return c;
    }
    static const char letters[] = "nrt\\\"[]-^/", characters[] = "\n\r\t\\\"[]-^/";
    if (accept(p, "x")) return take_hex(p, 2);
    if (accept(p, "u")) return take_hex(p, 4);
    if (accept(p, "U")) return take_hex(p, 8);
    const char *found = peek(p) ? strchr(letters, peek(p)) : NULL;
    if (!found) {
        refuse(p, MU_ERR_INVALID, "an escape that does not exist");
        return 0;
    }
    p->pos++;
    return (uint8_t)characters[found - letters];
}

static void add_range(parser *p, mu_charset *set, uint32_t lo, uint32_t hi) {
    if (!has_failed(p) && !mu_charset_add(set, p->memory, lo, hi)) fail_memory(p);
}

/* Structure. */

static piece parse_alternatives(parser *p, bool over_lines);

static piece parse_literal(parser *p) {
    piece all = empty_piece(p);
    while (!has_failed(p) && !accept(p, "\"")) {
        mu_charset set = {0};
        uint32_t c = take_char(p);
        add_range(p, &set, c, c);
        all = join(p, all, one_of(p, &set));
    }
    return all;
}

static piece parse_class(parser *p) {
    mu_charset set = {0}, inverse;
    bool is_inverted = accept(p, "^");
    while (!has_failed(p) && !accept(p, "]")) {
        uint32_t lo = take_char(p), hi = lo;
        bool is_range = peek(p) == '-' && p->pos + 1 < p->n && p->text[p->pos + 1] != ']';
        if (is_range) {
            p->pos++;
            hi = take_char(p);
        }
        if (hi < lo) refuse(p, MU_ERR_INVALID, "a range that ends before it starts");
        add_range(p, &set, lo, hi);
    }
    mu_charset_seal(&set);
    if (set.n == 0 && !is_inverted) refuse(p, MU_ERR_INVALID, "a class without characters");
    if (is_inverted && !has_failed(p)) {
        if (!mu_charset_invert(&set, p->memory, &inverse)) fail_memory(p);
        set = inverse;
    }
    return one_of(p, &set);
}

static piece parse_call(parser *p) {
    size_t n = name_size(p);
    uint32_t rule = rule_of(p, p->text + p->pos, n);
    p->pos += n;
    uint32_t last = add_fork(p);
    uint32_t first = add_node(
        p, &(mu_rule_node){.kind = MU_RULE_CALL, .rule = rule, .out = last, .other = MU_NODE_NONE});
    return (piece){first, last};
}

static piece parse_atom(parser *p) {
    if (accept(p, "\"")) return parse_literal(p);
    if (accept(p, "[")) return parse_class(p);
    if (accept(p, ".")) {
        mu_charset all = {0};
        add_range(p, &all, 0, MU_CHAR_MAX);
        return one_of(p, &all);
    }
    if (accept(p, "(")) {
        if (++p->depth > MU_GBNF_DEPTH_MAX) refuse(p, MU_ERR_LIMIT, "groups nested too deeply");
        piece group = parse_alternatives(p, true);
        p->depth--;
        skip_blanks(p, true);
        if (!has_failed(p) && !accept(p, ")")) refuse(p, MU_ERR_INVALID, "a ( without )");
        return group;
    }
    if (name_size(p) > 0) return parse_call(p);
    refuse(p, MU_ERR_INVALID, "expected a literal, a class, a group or the name of a rule");
    return empty_piece(p);
}

static int take_number(parser *p) {
    int value = 0;
    if (peek(p) < '0' || peek(p) > '9') refuse(p, MU_ERR_INVALID, "expected a number");
    while (peek(p) >= '0' && peek(p) <= '9') {
        if (value <= MU_GBNF_COUNT_MAX) value = value * 10 + (peek(p) - '0');
        p->pos++;
    }
    if (value > MU_GBNF_COUNT_MAX) refuse(p, MU_ERR_LIMIT, "a count above 5000");
    return value;
}

static bool take_count(parser *p, int *min, int *max) {
    *min = 0;
    *max = MANY;
    if (accept(p, "*")) return true;
    if (accept(p, "+")) {
        *min = 1;
        return true;
    }
    if (accept(p, "?")) {
        *max = 1;
        return true;
    }
    if (!accept(p, "{")) return false;
    *min = peek(p) == ',' ? 0 : take_number(p);
    *max = *min;
    if (accept(p, ",")) *max = peek(p) == '}' ? MANY : take_number(p);
    if (!accept(p, "}")) refuse(p, MU_ERR_INVALID, "a count without }");
    if (*max != MANY && *max < *min) refuse(p, MU_ERR_INVALID, "a count {m,n} with n below m");
    return true;
}

static piece copy_atom(parser *p, size_t start) {
    size_t after = p->pos;
    p->pos = start;
    piece copy = parse_atom(p);
    p->pos = after;
    return copy;
}

static piece parse_repeated(parser *p) {
    size_t start = p->pos;
    piece body = parse_atom(p);
    int min, max;
    if (has_failed(p) || !take_count(p, &min, &max)) return body;
    piece all = empty_piece(p);
    for (int i = 0; i < min && !has_failed(p); i++) {
        all = join(p, all, i == 0 ? body : copy_atom(p, start));
    }
    if (max == min) return all;
    piece rest = min == 0 ? body : copy_atom(p, start);
    uint32_t end = add_fork(p);
    if (max == MANY) {
        uint32_t again = add_fork(p);
        connect(p, all.last, again);
        connect(p, again, rest.first);
        connect(p, again, end);
        connect(p, rest.last, again);
        return (piece){all.first, end};
    }
    for (int i = min; i < max && !has_failed(p); i++) {
        uint32_t fork = add_fork(p);
        connect(p, all.last, fork);
        connect(p, fork, rest.first);
        connect(p, fork, end);
        all.last = rest.last;
        if (i + 1 < max) rest = copy_atom(p, start);
    }
    connect(p, all.last, end);
    return (piece){all.first, end};
}

/* Whether a new rule starts here: its name and ::=. */
static bool is_rule_start(const parser *p) {
    size_t at = p->pos + name_size(p);
    while (at < p->n && (p->text[at] == ' ' || p->text[at] == '\t')) {
        at++;
    }
    return at > p->pos && p->n - at >= 3 && memcmp(p->text + at, "::=", 3) == 0;
}

static piece parse_sequence(parser *p, bool over_lines) {
    piece all = empty_piece(p);
    for (;;) {
        skip_blanks(p, over_lines);
        char c = peek(p);
        bool ends = p->pos >= p->n || c == '|' || c == ')' || c == '\n' || c == '\r';
        if (has_failed(p) || ends || (over_lines && p->depth == 0 && is_rule_start(p))) return all;
        all = join(p, all, parse_repeated(p));
    }
}

/* A | at the end of a line or at the start of the next one goes on with the rule. */
static bool accept_bar(parser *p) {
    size_t start = p->pos;
    skip_blanks(p, true);
    if (accept(p, "|")) {
        skip_blanks(p, true);
        return true;
    }
    p->pos = start;
    return false;
}

static piece parse_alternatives(parser *p, bool over_lines) {
    piece all = parse_sequence(p, over_lines);
    while (!has_failed(p) && accept_bar(p)) {
        piece other = parse_sequence(p, over_lines);
        uint32_t fork = add_fork(p), out = add_fork(p);
        connect(p, fork, all.first);
        connect(p, fork, other.first);
        connect(p, all.last, out);
        connect(p, other.last, out);
        all = (piece){fork, out};
    }
    return all;
}

static void parse_rule(parser *p) {
    size_t n = name_size(p);
    if (n == 0 || n > NAME_MAX_BYTES || !is_rule_start(p)) {
        refuse(p, MU_ERR_INVALID, "expected the name of a rule and ::=");
        return;
    }
    uint32_t rule = rule_of(p, p->text + p->pos, n);
    p->pos += n;
    skip_blanks(p, false);
    accept(p, "::=");
    skip_blanks(p, true);
    piece all = parse_alternatives(p, false);
    uint32_t end = add_node(
        p, &(mu_rule_node){.kind = MU_RULE_END, .out = MU_NODE_NONE, .other = MU_NODE_NONE});
    connect(p, all.last, end);
    if (has_failed(p)) return;
    if (p->rules->rules[rule].first != MU_NODE_NONE) {
        refuse(p, MU_ERR_INVALID, "a rule that is there already");
        return;
    }
    p->rules->rules[rule].first = all.first;
    skip_blanks(p, true);
}

static void fail_rule(parser *p, uint32_t rule, mu_status status, const char *what) {
    if (has_failed(p)) return;
    p->status =
        mu_fail(p->err, status, "grammar: rule %.*s: %s",
                (int)(p->name_sizes[rule] < 64 ? p->name_sizes[rule] : 64), p->names[rule], what);
}

static void check(parser *p, uint32_t *out_root) {
    *out_root = rule_of(p, "root", 4);
    for (uint32_t i = 0; i < p->rules->n_rules; i++) {
        if (p->rules->rules[i].first == MU_NODE_NONE) {
            fail_rule(p, i, MU_ERR_INVALID, "it is not defined");
        }
    }
    uint32_t rule = 0;
    if (has_failed(p)) return;
    mu_status status = mu_rules_check(p->rules, &rule);
    if (status == MU_ERR_INVALID) fail_rule(p, rule, status, "it can never end");
    if (status == MU_ERR_UNSUPPORTED) {
        fail_rule(p, rule, status, "it calls itself before it reads anything (left recursion)");
    }
    if (status != MU_OK) refuse(p, status, "no memory");
}

mu_status mu_gbnf_parse(mu_chunks *memory, const char *text, size_t n, mu_rules *rules,
                        uint32_t *out_root, mu_err *err) {
    parser p = {.memory = memory, .rules = rules, .text = text, .n = n, .err = err};
    skip_blanks(&p, true);
    while (!has_failed(&p) && p.pos < p.n) {
        parse_rule(&p);
    }
    uint32_t root = 0;
    if (!has_failed(&p)) check(&p, &root);
    if (!has_failed(&p)) *out_root = root;
    mu_free(p.names);
    mu_free(p.name_sizes);
    return p.status;
}
