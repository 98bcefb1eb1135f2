/* A Thompson automaton built while parsing, then made deterministic. A counted atom is parsed again
 * for each of its copies, so no tree is kept.
 *
 * ^ and $ are nodes that are passed without a character: ^ only in the closure of the start, $ only
 * when it is asked whether the text may end here.
 */
#include "grammar/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/charset.h"

static const uint32_t NOWHERE = UINT32_MAX;
static const uint32_t END = UINT32_MAX; /* of the pattern, as a character */
enum { COUNT_MAX = 10000, MANY = -1 };

typedef enum kind { CHARS, SPLIT, AT_START, AT_END, MATCH } kind;

typedef struct node {
    kind kind;
    uint32_t out, other; /* other: of SPLIT */
    mu_charset chars;    /* sealed */
} node;

/* A piece of automaton whose only way out is `last`, a SPLIT with both ways open. */
typedef struct piece {
    uint32_t first, last;
} piece;

typedef struct regex {
    mu_lexicon *lexicon;
    const char *text;
    size_t n, pos;
    uint32_t depth;
    node *nodes; /* [n_nodes], owned */
    size_t n_nodes, cap;
} regex;

static bool has_failed(const regex *r) {
    return r->lexicon->status != MU_OK;
}

static void refuse(regex *r, mu_status status, const char *what) {
    char text[160];
    snprintf(text, sizeof(text), "pattern: %s at byte %zu", what, r->pos);
    mu_lexicon_fail(r->lexicon, status, text);
}

static uint32_t add_node(regex *r, kind what) {
    if (!mu_lexicon_spend(r->lexicon, 1)) return 0;
    if (r->n_nodes == MU_REGEX_NODES_MAX) {
        refuse(r, MU_ERR_LIMIT, "unfolds to too many states");
        return 0;
    }
    if (!mu_grow((void **)&r->nodes, &r->cap, r->n_nodes + 1, sizeof(node))) {
        mu_lexicon_fail_nomem(r->lexicon);
        return 0;
    }
    r->nodes[r->n_nodes] = (node){.kind = what, .out = NOWHERE, .other = NOWHERE};
    return (uint32_t)r->n_nodes++;
}

static piece empty_piece(regex *r) {
    uint32_t at = add_node(r, SPLIT);
    return (piece){at, at};
}

static void connect(regex *r, uint32_t from, uint32_t to) {
    if (has_failed(r)) return;
    if (r->nodes[from].out == NOWHERE) {
        r->nodes[from].out = to;
    } else {
        MU_ASSERT(r->nodes[from].other == NOWHERE);
        r->nodes[from].other = to;
    }
}

static piece one_node(regex *r, kind what, mu_charset chars) {
    uint32_t at = add_node(r, what);
    piece p = empty_piece(r);
    if (has_failed(r)) return p;
    r->nodes[at].chars = chars;
    r->nodes[at].out = p.last;
    p.first = at;
    return p;
}

/* Characters. */

static uint32_t peek(const regex *r) {
    size_t n_bytes;
    return r->pos < r->n ? mu_char_decode(r->text + r->pos, &n_bytes) : END;
}

static uint32_t take(regex *r) {
    if (r->pos >= r->n) return END;
    size_t n_bytes;
    uint32_t c = mu_char_decode(r->text + r->pos, &n_bytes);
    r->pos += n_bytes;
    return c;
}

static bool accept(regex *r, const char *literal) {
    size_t n = strlen(literal);
    if (r->n - r->pos < n || memcmp(r->text + r->pos, literal, n) != 0) return false;
    r->pos += n;
    return true;
}

static void add_range(regex *r, mu_charset *set, uint32_t lo, uint32_t hi) {
    if (!has_failed(r) && !mu_charset_add(set, r->lexicon->memory, lo, hi)) {
        mu_lexicon_fail_nomem(r->lexicon);
    }
}

static void invert(regex *r, mu_charset *set) {
    mu_charset_seal(set);
    mu_charset out;
    if (!has_failed(r) && !mu_charset_invert(set, r->lexicon->memory, &out)) {
        mu_lexicon_fail_nomem(r->lexicon);
    }
    if (!has_failed(r)) *set = out;
}

static const struct {
    char letter;
    uint8_t n;
    mu_char_range ranges[10];
} named_sets[] = {
    {'d', 1, {{'0', '9'}}},
    {'w', 4, {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {'s',
     10,
     {{9, 13},
      {32, 32},
      {0xA0, 0xA0},
      {0x1680, 0x1680},
      {0x2000, 0x200A},
      {0x2028, 0x2029},
      {0x202F, 0x202F},
      {0x205F, 0x205F},
      {0x3000, 0x3000},
      {0xFEFF, 0xFEFF}}},
};

/* \d and the like; a capital is the opposite. False: letter names no set. */
static bool add_named_set(regex *r, mu_charset *set, uint32_t letter) {
    for (size_t i = 0; i < MU_COUNTOF(named_sets); i++) {
        bool is_opposite = letter == (uint32_t)named_sets[i].letter - 32;
        if (!is_opposite && letter != (uint32_t)named_sets[i].letter) continue;
        mu_charset own = {0};
        for (size_t j = 0; j < named_sets[i].n; j++) {
            add_range(r, &own, named_sets[i].ranges[j].lo, named_sets[i].ranges[j].hi);
        }
        if (is_opposite) invert(r, &own);
        for (uint32_t j = 0; j < own.n && !has_failed(r); j++) {
            add_range(r, set, own.ranges[j].lo, own.ranges[j].hi);
        }
        return true;
    }
    return false;
}

static uint32_t take_hex(regex *r, int n_digits) {
    uint32_t value = 0;
    for (int i = 0; i < n_digits; i++) {
        uint32_t c = take(r);
        bool is_digit = c >= '0' && c <= '9', is_letter = (c | 32) >= 'a' && (c | 32) <= 'f';
        if (!is_digit && !is_letter) {
            refuse(r, MU_ERR_INVALID, "expected a hexadecimal digit");
            return 0;
        }
        value = value * 16 + (is_digit ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

static uint32_t take_braced_hex(regex *r) {
    uint32_t value = 0;
    while (!has_failed(r) && !accept(r, "}")) {
        value = value * 16 + take_hex(r, 1);
        if (value > MU_CHAR_MAX) {
            refuse(r, MU_ERR_INVALID, "a character above U+10FFFF");
            return 0;
        }
    }
    return value;
}

/* \uD83D\uDE00 is one character. */
static uint32_t take_u_escape(regex *r) {
    if (accept(r, "{")) return take_braced_hex(r);
    uint32_t high = take_hex(r, 4);
    if (high < 0xD800 || high > 0xDBFF || !accept(r, "\\u")) return high;
    uint32_t low = take_hex(r, 4);
    if (low < 0xDC00 || low > 0xDFFF) refuse(r, MU_ERR_INVALID, "half a surrogate pair");
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/* What follows a backslash and is one character. */
static uint32_t take_escape(regex *r, bool in_class) {
    uint32_t c = take(r);
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'f':
        return '\f';
    case 'v':
        return '\v';
    case 'x':
        return take_hex(r, 2);
    case 'u':
        return take_u_escape(r);
    case 'c':
        return take(r) & 31;
    case '0':
        return 0;
    default:
        break;
    }
    if (c == 'b' && in_class) return '\b';
    if (c == END) refuse(r, MU_ERR_INVALID, "a backslash ends the pattern");
    if (c >= '1' && c <= '9') refuse(r, MU_ERR_UNSUPPORTED, "back references are not supported");
    if (c == 'p' || c == 'P') refuse(r, MU_ERR_UNSUPPORTED, "\\p is not supported");
    if (c == 'b' || c == 'B') refuse(r, MU_ERR_UNSUPPORTED, "\\b is not supported");
    if (c == 'k') refuse(r, MU_ERR_UNSUPPORTED, "back references are not supported");
    if (c == 'A' || c == 'z' || c == 'Z') {
        refuse(r, MU_ERR_UNSUPPORTED, "\\A, \\z and \\Z are not supported, write ^ and $");
    }
    return c;
}

/* One end of a range, or a named set, which is added at once (false). */
static bool take_class_atom(regex *r, mu_charset *set, uint32_t *out) {
    uint32_t c = take(r);
    if (c == END) refuse(r, MU_ERR_INVALID, "a [ without ]");
    if (c == '\\') {
        if (add_named_set(r, set, peek(r))) {
            take(r);
            return false;
        }
        c = take_escape(r, true);
    }
    *out = c;
    return true;
}

static piece parse_class(regex *r) {
    mu_charset set = {0};
    bool is_inverted = accept(r, "^");
    while (!has_failed(r) && !accept(r, "]")) {
        uint32_t lo = 0, hi = 0;
        bool is_char = take_class_atom(r, &set, &lo);
        bool is_range = peek(r) == '-' && r->pos + 1 < r->n && r->text[r->pos + 1] != ']';
        if (!is_char) continue;
        if (!is_range) {
            add_range(r, &set, lo, lo);
            continue;
        }
        take(r);
        if (!take_class_atom(r, &set, &hi)) { /* [a-\d]: three things */
            add_range(r, &set, lo, lo);
            add_range(r, &set, '-', '-');
        } else if (hi < lo) {
            refuse(r, MU_ERR_INVALID, "a range that ends before it starts");
        } else {
            add_range(r, &set, lo, hi);
        }
    }
    if (is_inverted) {
        invert(r, &set);
    } else {
        mu_charset_seal(&set);
    }
    return one_node(r, CHARS, set);
}

static piece one_char(regex *r, uint32_t c) {
    mu_charset set = {0};
    add_range(r, &set, c, c);
    return one_node(r, CHARS, set);
}

static piece any_but_line_ends(regex *r) {
    mu_charset set = {0};
    add_range(r, &set, '\n', '\n');
    add_range(r, &set, '\r', '\r');
    add_range(r, &set, 0x2028, 0x2029);
    invert(r, &set);
    return one_node(r, CHARS, set);
}

/* Structure. */

static piece parse_alternatives(regex *r);

static piece parse_group(regex *r) {
    if (accept(r, "?")) {
        if (accept(r, "<=") || accept(r, "<!")) {
            refuse(r, MU_ERR_UNSUPPORTED, "lookbehind is not supported");
        } else if (accept(r, "=") || accept(r, "!")) {
            refuse(r, MU_ERR_UNSUPPORTED, "lookahead is not supported");
        } else if (accept(r, "P<") || accept(r, "<")) {
            while (peek(r) != END && !accept(r, ">")) {
                take(r);
            }
        } else if (!accept(r, ":")) {
            refuse(r, MU_ERR_UNSUPPORTED, "flags are not supported");
        }
    }
    if (++r->depth > MU_REGEX_DEPTH_MAX) refuse(r, MU_ERR_LIMIT, "groups nested too deeply");
    piece p = parse_alternatives(r);
    r->depth--;
    if (!has_failed(r) && !accept(r, ")")) refuse(r, MU_ERR_INVALID, "a ( without )");
    return p;
}

static piece parse_atom(regex *r) {
    uint32_t c = take(r);
    mu_charset none = {0};
    switch (c) {
    case '(':
        return parse_group(r);
    case '[':
        return parse_class(r);
    case '.':
        return any_but_line_ends(r);
    case '^':
        return one_node(r, AT_START, none);
    case '$':
        return one_node(r, AT_END, none);
    case '*':
    case '+':
    case '?':
        refuse(r, MU_ERR_INVALID, "nothing to repeat");
        return empty_piece(r);
    case '\\': {
        mu_charset set = {0};
        if (add_named_set(r, &set, peek(r))) {
            take(r);
            mu_charset_seal(&set);
            return one_node(r, CHARS, set);
        }
        return one_char(r, take_escape(r, false));
    }
    default:
        return one_char(r, c);
    }
}

static bool take_number(regex *r, int *out) {
    int value = 0, n = 0;
    while (r->pos < r->n && r->text[r->pos] >= '0' && r->text[r->pos] <= '9') {
        if (value <= COUNT_MAX) value = value * 10 + (r->text[r->pos] - '0');
        r->pos++;
        n++;
    }
    *out = value;
    return n > 0;
}

/* {m}, {m,} or {m,n}; anything else is not a count, and the brace stands for itself. */
static bool take_braces(regex *r, int *min, int *max) {
    size_t start = r->pos;
    if (accept(r, "{") && take_number(r, min)) {
        *max = *min;
        if (accept(r, ",") && !take_number(r, max)) *max = MANY;
        if (accept(r, "}")) return true;
    }
    r->pos = start;
    return false;
}

static bool take_count(regex *r, int *min, int *max) {
    *min = 0;
    *max = MANY;
    if (accept(r, "*")) return true;
    if (accept(r, "+")) {
        *min = 1;
        return true;
    }
    if (accept(r, "?")) {
        *max = 1;
        return true;
    }
    if (!take_braces(r, min, max)) return false;
    if (*min > COUNT_MAX || *max > COUNT_MAX) refuse(r, MU_ERR_LIMIT, "a count above 10000");
    if (*max != MANY && *max < *min) refuse(r, MU_ERR_INVALID, "a count {m,n} with n below m");
    return true;
}

static piece join(regex *r, piece a, piece b) {
    connect(r, a.last, b.first);
    return (piece){a.first, b.last};
}

/* The atom again, from its text. */
static piece copy_atom(regex *r, size_t start) {
    size_t after = r->pos;
    r->pos = start;
    piece p = parse_atom(r);
    r->pos = after;
    return p;
}

static piece loop(regex *r, piece body) {
    uint32_t again = add_node(r, SPLIT), out = add_node(r, SPLIT);
    connect(r, again, body.first);
    connect(r, again, out);
    connect(r, body.last, again);
    return (piece){again, out};
}

static piece parse_repeated(regex *r) {
    size_t start = r->pos;
    piece body = parse_atom(r);
    int min, max;
    if (has_failed(r) || !take_count(r, &min, &max)) return body;
    accept(r, "?"); /* lazy: the same texts */
    if (peek(r) == '*' || peek(r) == '+') refuse(r, MU_ERR_INVALID, "a count of a count");

    piece all = empty_piece(r);
    for (int i = 0; i < min && !has_failed(r); i++) {
        all = join(r, all, i == 0 ? body : copy_atom(r, start));
    }
    if (max == min) return all;
    piece rest = min == 0 ? body : copy_atom(r, start);
    if (max == MANY) return join(r, all, loop(r, rest));
    /* x{0,3} is (x(x(x)?)?)?: each copy leads to the end or to the next. */
    uint32_t end = add_node(r, SPLIT);
    for (int i = min; i < max && !has_failed(r); i++) {
        uint32_t fork = add_node(r, SPLIT);
        connect(r, all.last, fork);
        connect(r, fork, rest.first);
        connect(r, fork, end);
        all.last = rest.last;
        if (i + 1 < max) rest = copy_atom(r, start);
    }
    connect(r, all.last, end);
    return (piece){all.first, end};
}

static piece parse_sequence(regex *r) {
    piece all = empty_piece(r);
    while (!has_failed(r) && peek(r) != END && peek(r) != '|' && peek(r) != ')') {
        all = join(r, all, parse_repeated(r));
    }
    return all;
}

static piece parse_alternatives(regex *r) {
    piece all = parse_sequence(r);
    while (!has_failed(r) && accept(r, "|")) {
        piece other = parse_sequence(r);
        uint32_t fork = add_node(r, SPLIT), out = add_node(r, SPLIT);
        connect(r, fork, all.first);
        connect(r, fork, other.first);
        connect(r, all.last, out);
        connect(r, other.last, out);
        all = (piece){fork, out};
    }
    return all;
}

/* Determinization. */

typedef struct sets {
    uint32_t *members; /* all sets, one after the other, owned */
    size_t n_members, members_cap;
    size_t *starts; /* [n + 1] into members, owned */
    size_t n, starts_cap;
    uint32_t *slots; /* [size] set + 1, by hash, owned */
    size_t size;
    uint32_t *marks; /* [n_nodes] generation of the closure that reached it, owned */
    uint32_t *stack; /* [2 * n_nodes], owned */
    uint32_t generation;
    uint32_t final; /* MATCH, or the node of "anything may follow a match" */
    bool is_open;   /* the latter */
} sets;

/* Nodes that consume or end, reached from the stack without a character, appended to members. */
static bool close_over(regex *r, sets *s, size_t n_stack, bool at_start, bool at_end) {
    while (n_stack > 0) {
        uint32_t at = s->stack[--n_stack];
        if (s->marks[at] == s->generation) continue;
        s->marks[at] = s->generation;
        const node *n = &r->nodes[at];
        bool is_passed =
            n->kind == SPLIT || (n->kind == AT_START && at_start) || (n->kind == AT_END && at_end);
        if (is_passed) {
            if (n->other != NOWHERE) s->stack[n_stack++] = n->other;
            if (n->out != NOWHERE) s->stack[n_stack++] = n->out;
        } else if (n->kind != AT_START) {
            if (!mu_grow((void **)&s->members, &s->members_cap, s->n_members + 1,
                         sizeof(uint32_t))) {
                return false;
            }
            s->members[s->n_members++] = at;
        }
    }
    return true;
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_same_set(const sets *s, size_t a, const uint32_t *members, size_t n) {
    return s->starts[a + 1] - s->starts[a] == n &&
           memcmp(s->members + s->starts[a], members, n * sizeof(*members)) == 0;
}

static size_t set_slot(const sets *s, const uint32_t *members, size_t n) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ members[i]) * UINT64_C(0x9E3779B97F4A7C15);
    }
    size_t slot = (size_t)(hash >> 32) & (s->size - 1);
    while (s->slots[slot] != 0 && !is_same_set(s, s->slots[slot] - 1, members, n)) {
        slot = (slot + 1) & (s->size - 1);
    }
    return slot;
}

static bool grow_sets(sets *s) {
    if (!mu_grow((void **)&s->starts, &s->starts_cap, s->n + 2, sizeof(size_t))) return false;
    if (s->n * 2 < s->size) return true;
    size_t size = s->size ? s->size * 2 : 64;
    uint32_t *slots = MU_ALLOC(uint32_t, size);
    if (!slots) return false;
    mu_free(s->slots);
    s->slots = slots;
    s->size = size;
    for (size_t i = 0; i < s->n; i++) {
        size_t slot = set_slot(s, s->members + s->starts[i], s->starts[i + 1] - s->starts[i]);
        s->slots[slot] = (uint32_t)i + 1;
    }
    return true;
}

static bool may_end(regex *r, sets *s, size_t start, size_t n, bool at_start) {
    size_t n_stack = 0, n_before = s->n_members;
    for (size_t i = start; i < start + n; i++) {
        s->stack[n_stack++] = s->members[i];
    }
    s->generation++;
    if (!close_over(r, s, n_stack, at_start, true)) {
        mu_lexicon_fail_nomem(r->lexicon);
        return false;
    }
    bool found = false;
    for (size_t i = n_before; i < s->n_members; i++) {
        uint32_t at = s->members[i];
        found = found || at == s->final || r->nodes[at].kind == MATCH;
    }
    s->n_members = n_before;
    return found;
}

/* The state of the set at the end of members, from `start` on; takes it or drops it. */
static uint32_t intern_set(regex *r, sets *s, mu_lexeme_draft *draft, size_t start, bool at_start) {
    if (has_failed(r)) return 0;
    size_t n = s->n_members - start;
    mu_lexicon_spend(r->lexicon, n);
    qsort(s->members + start, n, sizeof(uint32_t), by_value);
    for (size_t i = start; s->is_open && i < s->n_members; i++) {
        if (s->members[i] == s->final) { /* matched: the rest cannot matter any more */
            s->members[start] = s->final;
            n = 1;
            s->n_members = start + 1;
        }
    }
    if (!grow_sets(s)) {
        mu_lexicon_fail_nomem(r->lexicon);
        return 0;
    }
    size_t slot = set_slot(s, s->members + start, n);
    if (s->slots[slot] != 0 && s->n > 0) {
        s->n_members = start;
        return s->slots[slot] - 1;
    }
    uint32_t state = mu_lexeme_draft_state(draft, may_end(r, s, start, n, at_start));
    s->starts[s->n] = start;
    s->starts[++s->n] = start + n;
    s->slots[slot] = (uint32_t)s->n;
    return state;
}

typedef struct bounds {
    uint32_t *at; /* where what is possible changes, owned */
    size_t n, cap;
} bounds;

static void find_bounds(regex *r, const sets *s, size_t set, bounds *b) {
    b->n = 0;
    for (size_t i = s->starts[set]; i < s->starts[set + 1]; i++) {
        const mu_charset *chars = &r->nodes[s->members[i]].chars;
        if (!mu_grow((void **)&b->at, &b->cap, b->n + 2 * (size_t)chars->n + 1, sizeof(uint32_t))) {
            mu_lexicon_fail_nomem(r->lexicon);
            return;
        }
        for (uint32_t j = 0; j < chars->n; j++) {
            b->at[b->n++] = chars->ranges[j].lo;
            b->at[b->n++] = chars->ranges[j].hi + 1;
        }
    }
    if (b->n > 0) qsort(b->at, b->n, sizeof(uint32_t), by_value);
}

static bool has_char(const mu_charset *chars, uint32_t c) {
    uint32_t lo = 0, hi = chars->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (chars->ranges[mid].hi < c) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < chars->n && chars->ranges[lo].lo <= c;
}

static void add_edges(regex *r, sets *s, mu_lexeme_draft *draft, size_t set, bounds *b) {
    find_bounds(r, s, set, b);
    for (size_t i = 0; i + 1 < b->n && !has_failed(r); i++) {
        uint32_t lo = b->at[i], hi = b->at[i + 1] - 1;
        if (b->at[i] == b->at[i + 1]) continue;
        size_t n_stack = 0, start = s->n_members;
        if (!mu_lexicon_spend(r->lexicon, s->starts[set + 1] - s->starts[set])) return;
        for (size_t m = s->starts[set]; m < s->starts[set + 1]; m++) {
            const node *n = &r->nodes[s->members[m]];
            if (n->kind == CHARS && has_char(&n->chars, lo)) s->stack[n_stack++] = n->out;
        }
        if (n_stack == 0) continue;
        s->generation++;
        if (!close_over(r, s, n_stack, false, false)) {
            mu_lexicon_fail_nomem(r->lexicon);
            return;
        }
        uint32_t to = intern_set(r, s, draft, start, false);
        mu_lexeme_draft_edge(draft, (uint32_t)set, lo, hi, to);
    }
}

static mu_lexeme determinize(regex *r, uint32_t first, uint32_t final, bool is_open) {
    sets s = {.final = final, .is_open = is_open};
    bounds b = {0};
    mu_lexeme_draft draft = {.lexicon = r->lexicon};
    s.marks = MU_ALLOC(uint32_t, r->n_nodes);
    s.stack = MU_ALLOC(uint32_t, 3 * r->n_nodes + 1);
    if (s.marks && s.stack) {
        s.stack[0] = first;
        s.generation = 1;
        if (close_over(r, &s, 1, true, false)) {
            intern_set(r, &s, &draft, 0, true);
        } else {
            mu_lexicon_fail_nomem(r->lexicon);
        }
        for (size_t set = 0; set < s.n && !has_failed(r); set++) {
            add_edges(r, &s, &draft, set, &b);
        }
    } else {
        mu_lexicon_fail_nomem(r->lexicon);
    }
    mu_lexeme lexeme = mu_lexeme_draft_finish(&draft);
    mu_free(s.members);
    mu_free(s.starts);
    mu_free(s.slots);
    mu_free(s.marks);
    mu_free(s.stack);
    mu_free(b.at);
    return lexeme;
}

static piece any_text(regex *r) {
    mu_charset all = {0};
    add_range(r, &all, 0, MU_CHAR_MAX);
    return loop(r, one_node(r, CHARS, all));
}

mu_lexeme mu_regex_lexeme(mu_lexicon *lexicon, const char *pattern, size_t n, mu_regex_form form) {
    regex r = {.lexicon = lexicon, .text = pattern, .n = n};
    piece all = empty_piece(&r);
    if (form == MU_REGEX_SEARCH) all = join(&r, all, any_text(&r));
    all = join(&r, all, parse_alternatives(&r));
    if (!has_failed(&r) && r.pos < r.n) refuse(&r, MU_ERR_INVALID, "a ) without (");
    uint32_t match = add_node(&r, MATCH), final = match;
    if (form == MU_REGEX_SEARCH) {
        piece rest = any_text(&r);
        all = join(&r, all, rest);
        if (!has_failed(&r)) final = r.nodes[rest.first].out; /* the loop's consuming node */
    }
    connect(&r, all.last, match);
    mu_lexeme lexeme = MU_LEXEME_NONE;
    if (!has_failed(&r)) lexeme = determinize(&r, all.first, final, form == MU_REGEX_SEARCH);
    mu_free(r.nodes);
    return lexeme;
}

mu_lexeme mu_regex_texts(mu_lexicon *lexicon, const mu_regex_text *texts, size_t n_texts) {
    regex r = {.lexicon = lexicon};
    uint32_t first = add_node(&r, SPLIT), match = add_node(&r, MATCH), fork = first;
    for (size_t i = 0; i < n_texts && !has_failed(&r); i++) {
        piece all = empty_piece(&r);
        for (size_t at = 0, n_bytes = 0; at < texts[i].n && !has_failed(&r); at += n_bytes) {
            all = join(&r, all, one_char(&r, mu_char_decode(texts[i].data + at, &n_bytes)));
        }
        connect(&r, all.last, match);
        connect(&r, fork, all.first);
        if (i + 1 < n_texts) {
            uint32_t next = add_node(&r, SPLIT);
            connect(&r, fork, next);
            fork = next;
        }
    }
    mu_lexeme lexeme = MU_LEXEME_NONE;
    if (!has_failed(&r)) lexeme = determinize(&r, first, match, false);
    mu_free(r.nodes);
    return lexeme;
}
