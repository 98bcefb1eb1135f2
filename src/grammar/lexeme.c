/* Products of two automata are made from the pair of starts on, so only pairs that occur exist.
 * DEAD stands for "this one has refused already" in unions and differences.
 */
#include "grammar/lexeme.h"

#include <string.h>

#include "base/alloc.h"

static const uint32_t DEAD = UINT32_MAX;

typedef enum operation { AND, OR, MINUS, LENGTH } operation;

typedef struct mu_lexeme_memo {
    uint32_t op, a, b;
    mu_lexeme answer;
    bool is_used;
} memo;

typedef struct mu_draft_state {
    size_t edges; /* first in the draft's */
    uint32_t n_edges;
    bool accepts, is_live;
    uint32_t id; /* in the finished one */
} draft_state;

static const mu_lexeme_edge any_edge = {0, MU_CHAR_MAX, 0};
static const mu_lexeme_state any_state = {&any_edge, 1, true};

void mu_lexicon_init(mu_lexicon *lexicon, mu_chunks *memory) {
    *lexicon = (mu_lexicon){.memory = memory};
}

void mu_lexicon_deinit(mu_lexicon *lexicon) {
    mu_free(lexicon->dfas);
    mu_free(lexicon->memos);
    *lexicon = (mu_lexicon){0};
}

void mu_lexicon_fail(mu_lexicon *lexicon, mu_status status, const char *text) {
    if (lexicon->status == MU_OK) lexicon->status = mu_fail(&lexicon->err, status, "%s", text);
}

void mu_lexicon_fail_nomem(mu_lexicon *lexicon) {
    if (lexicon->memory->is_full) {
        mu_lexicon_fail(lexicon, MU_ERR_LIMIT, "the grammar needs too much memory; simplify it");
    } else {
        mu_lexicon_fail(lexicon, MU_ERR_NOMEM, "grammar");
    }
}

static void fail_states(mu_lexicon *lexicon) {
    mu_lexicon_fail(lexicon, MU_ERR_LIMIT,
                    "the grammar needs too many states; use smaller counts or simpler patterns");
}

const mu_lexeme_dfa *mu_lexeme_get(const mu_lexicon *lexicon, mu_lexeme lexeme) {
    static const mu_lexeme_dfa none = {NULL, 0, 0};
    static const mu_lexeme_dfa any = {&any_state, 1, 0};
    if (lexeme == MU_LEXEME_NONE) return &none;
    if (lexeme == MU_LEXEME_ANY) return &any;
    MU_ASSERT(lexeme - 2 < lexicon->n);
    return &lexicon->dfas[lexeme - 2];
}

/* Memo. */

static size_t memo_slot(const memo *memos, size_t size, uint32_t op, uint32_t a, uint32_t b) {
    uint64_t hash = (a * UINT64_C(0x9E3779B97F4A7C15)) ^ (b * UINT64_C(0xC2B2AE3D27D4EB4F)) ^ op;
    size_t slot = (size_t)(hash ^ hash >> 29) & (size - 1);
    while (memos[slot].is_used &&
           !(memos[slot].op == op && memos[slot].a == a && memos[slot].b == b)) {
        slot = (slot + 1) & (size - 1);
    }
    return slot;
}

static bool find_memo(const mu_lexicon *lexicon, operation op, uint32_t a, uint32_t b,
                      mu_lexeme *out) {
    if (lexicon->memos_size == 0) return false;
    const memo *found = &lexicon->memos[memo_slot(lexicon->memos, lexicon->memos_size, op, a, b)];
    if (found->is_used) *out = found->answer;
    return found->is_used;
}

static mu_lexeme add_memo(mu_lexicon *lexicon, operation op, uint32_t a, uint32_t b,
                          mu_lexeme answer) {
    if (lexicon->status != MU_OK) return MU_LEXEME_NONE;
    if (lexicon->n_memos * 2 >= lexicon->memos_size) {
        size_t size = lexicon->memos_size ? lexicon->memos_size * 2 : 64;
        memo *memos = MU_ALLOC(memo, size);
        if (!memos) {
            mu_lexicon_fail_nomem(lexicon);
            return MU_LEXEME_NONE;
        }
        for (size_t i = 0; i < lexicon->memos_size; i++) {
            const memo *old = &lexicon->memos[i];
            if (old->is_used) memos[memo_slot(memos, size, old->op, old->a, old->b)] = *old;
        }
        mu_free(lexicon->memos);
        lexicon->memos = memos;
        lexicon->memos_size = size;
    }
    size_t slot = memo_slot(lexicon->memos, lexicon->memos_size, op, a, b);
    lexicon->memos[slot] = (memo){op, a, b, answer, true};
    lexicon->n_memos++;
    return answer;
}

/* Draft. */

uint32_t mu_lexeme_draft_state(mu_lexeme_draft *draft, bool accepts) {
    mu_lexicon *lexicon = draft->lexicon;
    if (!mu_lexicon_spend(lexicon, 1)) return 0;
    if (draft->n_states >= MU_LEXEME_STATES_MAX) {
        fail_states(lexicon);
        return 0;
    }
    if (!mu_grow((void **)&draft->states, &draft->states_cap, draft->n_states + 1,
                 sizeof(draft_state))) {
        mu_lexicon_fail_nomem(lexicon);
        return 0;
    }
    draft->states[draft->n_states] = (draft_state){.edges = draft->n_edges, .accepts = accepts};
    return (uint32_t)draft->n_states++;
}

void mu_lexeme_draft_edge(mu_lexeme_draft *draft, uint32_t from, uint32_t lo, uint32_t hi,
                          uint32_t to) {
    if (!mu_lexicon_spend(draft->lexicon, 1)) return;
    draft_state *state = &draft->states[from];
    if (state->n_edges == 0) state->edges = draft->n_edges;
    MU_ASSERT(state->edges + state->n_edges == draft->n_edges);
    if (state->n_edges > 0) {
        mu_lexeme_edge *last = &draft->edges[draft->n_edges - 1];
        MU_ASSERT(last->hi < lo);
        if (last->to == to && last->hi + 1 == lo) {
            last->hi = hi;
            return;
        }
    }
    if (!mu_grow((void **)&draft->edges, &draft->edges_cap, draft->n_edges + 1,
                 sizeof(mu_lexeme_edge))) {
        mu_lexicon_fail_nomem(draft->lexicon);
        return;
    }
    draft->edges[draft->n_edges++] = (mu_lexeme_edge){lo, hi, to};
    state->n_edges++;
}

/* Marks the states from which an accepting one can be reached: backwards, over edges sorted by
 * their target by counting. False: no memory. */
static bool mark_live(mu_lexeme_draft *draft) {
    size_t n = draft->n_states;
    uint32_t *firsts = MU_ALLOC(uint32_t, n + 1);
    uint32_t *froms = MU_ALLOC(uint32_t, draft->n_edges + 1);
    uint32_t *stack = MU_ALLOC(uint32_t, n + 1);
    bool ok = firsts && froms && stack;
    if (ok) {
        for (size_t e = 0; e < draft->n_edges; e++) {
            firsts[draft->edges[e].to]++;
        }
        for (size_t s = 0, sum = 0; s <= n; s++) {
            sum += firsts[s];
            firsts[s] = (uint32_t)sum; /* one past the last; filling moves it down */
        }
        for (size_t s = 0; s < n; s++) {
            for (size_t e = 0; e < draft->states[s].n_edges; e++) {
                froms[--firsts[draft->edges[draft->states[s].edges + e].to]] = (uint32_t)s;
            }
        }
        size_t n_stack = 0;
        for (size_t s = 0; s < n; s++) {
            draft->states[s].is_live = draft->states[s].accepts;
            if (draft->states[s].accepts) stack[n_stack++] = (uint32_t)s;
        }
        while (n_stack > 0) {
            uint32_t at = stack[--n_stack];
            for (uint32_t i = firsts[at]; i < firsts[at + 1]; i++) {
                if (draft->states[froms[i]].is_live) continue;
                draft->states[froms[i]].is_live = true;
                stack[n_stack++] = froms[i];
            }
        }
    }
    mu_free(firsts);
    mu_free(froms);
    mu_free(stack);
    return ok;
}

static uint64_t hash_dfa(const mu_lexeme_state *states, uint32_t n_states) {
    uint64_t hash = n_states;
    for (uint32_t s = 0; s < n_states; s++) {
        hash = (hash ^ (states[s].n_edges * 2 + states[s].accepts)) * UINT64_C(0x9E3779B97F4A7C15);
        for (uint32_t e = 0; e < states[s].n_edges; e++) {
            const mu_lexeme_edge *edge = &states[s].edges[e];
            hash ^= (uint64_t)edge->lo << 32 ^ (uint64_t)edge->hi << 11 ^ edge->to;
            hash = hash * UINT64_C(0xC2B2AE3D27D4EB4F) ^ hash >> 29;
        }
    }
    return hash;
}

static bool is_same_dfa(const mu_lexeme_dfa *a, const mu_lexeme_dfa *b) {
    if (a->hash != b->hash || a->n_states != b->n_states) return false;
    for (uint32_t s = 0; s < a->n_states; s++) {
        const mu_lexeme_state *x = &a->states[s], *y = &b->states[s];
        if (x->accepts != y->accepts || x->n_edges != y->n_edges) return false;
        if (x->n_edges && memcmp(x->edges, y->edges, x->n_edges * sizeof(*x->edges)) != 0) {
            return false;
        }
    }
    return true;
}

/* What is built alike has one number, however often it is asked for. */
static mu_lexeme add_dfa(mu_lexicon *lexicon, const mu_lexeme_state *states, uint32_t n_states) {
    if (n_states == 0) return MU_LEXEME_NONE;
    if (n_states == 1 && states[0].accepts && states[0].n_edges == 1 &&
        states[0].edges[0].lo == 0 && states[0].edges[0].hi == MU_CHAR_MAX) {
        return MU_LEXEME_ANY;
    }
    mu_lexeme_dfa dfa = {states, n_states, hash_dfa(states, n_states)};
    mu_lexicon_spend(lexicon, lexicon->n / 8);
    for (size_t i = 0; i < lexicon->n; i++) {
        if (is_same_dfa(&lexicon->dfas[i], &dfa)) return (mu_lexeme)(i + 2);
    }
    if (!mu_grow((void **)&lexicon->dfas, &lexicon->cap, lexicon->n + 1, sizeof(mu_lexeme_dfa))) {
        mu_lexicon_fail_nomem(lexicon);
        return MU_LEXEME_NONE;
    }
    lexicon->dfas[lexicon->n++] = dfa;
    return (mu_lexeme)(lexicon->n - 1 + 2);
}

/* Copies the live states, numbered anew, into the lexicon's memory. */
static mu_lexeme copy_live(mu_lexeme_draft *draft) {
    uint32_t n = 0;
    for (size_t s = 0; s < draft->n_states; s++) {
        if (draft->states[s].is_live) draft->states[s].id = n++;
    }
    if (draft->n_states == 0 || !draft->states[0].is_live) return MU_LEXEME_NONE;
    mu_lexeme_state *states = MU_CHUNK_NEW(draft->lexicon->memory, mu_lexeme_state, n);
    mu_lexeme_edge *edges = MU_CHUNK_NEW(draft->lexicon->memory, mu_lexeme_edge, draft->n_edges);
    if (!states || !edges) {
        mu_lexicon_fail_nomem(draft->lexicon);
        return MU_LEXEME_NONE;
    }
    for (size_t s = 0; s < draft->n_states; s++) {
        const draft_state *from = &draft->states[s];
        if (!from->is_live) continue;
        mu_lexeme_state *to = &states[from->id];
        *to = (mu_lexeme_state){.edges = edges, .accepts = from->accepts};
        for (size_t e = 0; e < from->n_edges; e++) {
            mu_lexeme_edge edge = draft->edges[from->edges + e];
            if (!draft->states[edge.to].is_live) continue;
            edge.to = draft->states[edge.to].id;
            *edges++ = edge;
            to->n_edges++;
        }
    }
    return add_dfa(draft->lexicon, states, n);
}

mu_lexeme mu_lexeme_draft_finish(mu_lexeme_draft *draft) {
    mu_lexeme lexeme = MU_LEXEME_NONE;
    if (draft->lexicon->status == MU_OK) {
        if (mark_live(draft)) {
            lexeme = copy_live(draft);
        } else {
            mu_lexicon_fail_nomem(draft->lexicon);
        }
    }
    mu_free(draft->states);
    mu_free(draft->edges);
    *draft = (mu_lexeme_draft){.lexicon = draft->lexicon};
    return lexeme;
}

/* Product. */

typedef struct pairs {
    struct {
        uint32_t a, b;
    } * list; /* [n], by state of the draft */
    size_t n, cap;
    uint32_t *slots; /* [size] index into list + 1 */
    size_t size;
} pairs;

static size_t pair_slot(const pairs *p, uint32_t a, uint32_t b) {
    uint64_t hash = ((uint64_t)a << 32 | b) * UINT64_C(0x9E3779B97F4A7C15);
    size_t slot = (size_t)(hash >> 32) & (p->size - 1);
    while (p->slots[slot] != 0 &&
           !(p->list[p->slots[slot] - 1].a == a && p->list[p->slots[slot] - 1].b == b)) {
        slot = (slot + 1) & (p->size - 1);
    }
    return slot;
}

static bool grow_pairs(pairs *p) {
    if (p->n * 2 < p->size) return true;
    size_t size = p->size ? p->size * 2 : 64;
    uint32_t *slots = MU_ALLOC(uint32_t, size);
    if (!slots) return false;
    mu_free(p->slots);
    p->slots = slots;
    p->size = size;
    for (size_t i = 0; i < p->n; i++) {
        p->slots[pair_slot(p, p->list[i].a, p->list[i].b)] = (uint32_t)i + 1;
    }
    return true;
}

static bool does_accept(const mu_lexeme_dfa *dfa, uint32_t state) {
    return state != DEAD && dfa->states[state].accepts;
}

static uint32_t pair_state(pairs *p, mu_lexeme_draft *draft, operation op,
                           const mu_lexeme_dfa *dfas[2], uint32_t a, uint32_t b) {
    if (draft->lexicon->status != MU_OK) return 0;
    if (!grow_pairs(p) || !mu_grow((void **)&p->list, &p->cap, p->n + 1, sizeof(p->list[0]))) {
        mu_lexicon_fail_nomem(draft->lexicon);
        return 0;
    }
    size_t slot = pair_slot(p, a, b);
    if (p->slots[slot] != 0) return p->slots[slot] - 1;
    bool in_a = does_accept(dfas[0], a), in_b = does_accept(dfas[1], b);
    bool accepts = op == AND ? in_a && in_b : op == OR ? in_a || in_b : in_a && !in_b;
    uint32_t state = mu_lexeme_draft_state(draft, accepts);
    p->list[p->n].a = a;
    p->list[p->n].b = b;
    p->slots[slot] = (uint32_t)++p->n;
    return state;
}

/* Where character `at` leads in one of the two, and up to which character that holds. */
static uint32_t lead(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t *next, uint32_t at,
                     uint32_t *hi) {
    *hi = MU_CHAR_MAX;
    if (state == DEAD) return DEAD;
    const mu_lexeme_state *s = &dfa->states[state];
    while (*next < s->n_edges && s->edges[*next].hi < at) {
        (*next)++;
    }
    if (*next == s->n_edges) return DEAD;
    const mu_lexeme_edge *edge = &s->edges[*next];
    *hi = edge->lo > at ? edge->lo - 1 : edge->hi;
    return edge->lo > at ? DEAD : edge->to;
}

static bool is_dead_pair(operation op, uint32_t a, uint32_t b) {
    if (op == AND) return a == DEAD || b == DEAD;
    if (op == MINUS) return a == DEAD;
    return a == DEAD && b == DEAD;
}

static mu_lexeme product(mu_lexicon *lexicon, operation op, mu_lexeme x, mu_lexeme y) {
    mu_lexeme answer = MU_LEXEME_NONE;
    if (lexicon->status != MU_OK) return answer;
    if (find_memo(lexicon, op, x, y, &answer)) return answer;

    const mu_lexeme_dfa *dfas[2] = {mu_lexeme_get(lexicon, x), mu_lexeme_get(lexicon, y)};
    mu_lexeme_draft draft = {.lexicon = lexicon};
    pairs p = {0};
    pair_state(&p, &draft, op, dfas, 0, 0);
    for (size_t i = 0; i < p.n && lexicon->status == MU_OK; i++) {
        uint32_t a = p.list[i].a, b = p.list[i].b, next_a = 0, next_b = 0, hi_a, hi_b;
        for (uint32_t at = 0; at <= MU_CHAR_MAX && mu_lexicon_spend(lexicon, 1);) {
            uint32_t to_a = lead(dfas[0], a, &next_a, at, &hi_a);
            uint32_t to_b = lead(dfas[1], b, &next_b, at, &hi_b);
            uint32_t hi = hi_a < hi_b ? hi_a : hi_b;
            if (!is_dead_pair(op, to_a, to_b)) {
                uint32_t to = pair_state(&p, &draft, op, dfas, to_a, to_b);
                mu_lexeme_draft_edge(&draft, (uint32_t)i, at, hi, to);
            }
            at = hi + 1;
        }
    }
    mu_free(p.list);
    mu_free(p.slots);
    return add_memo(lexicon, op, x, y, mu_lexeme_draft_finish(&draft));
}

mu_lexeme mu_lexeme_and(mu_lexicon *lexicon, mu_lexeme a, mu_lexeme b) {
    if (a == MU_LEXEME_NONE || b == MU_LEXEME_NONE) return MU_LEXEME_NONE;
    if (a == b || b == MU_LEXEME_ANY) return a;
    if (a == MU_LEXEME_ANY) return b;
    return a < b ? product(lexicon, AND, a, b) : product(lexicon, AND, b, a);
}

mu_lexeme mu_lexeme_or(mu_lexicon *lexicon, mu_lexeme a, mu_lexeme b) {
    if (a == MU_LEXEME_ANY || b == MU_LEXEME_ANY) return MU_LEXEME_ANY;
    if (a == b || b == MU_LEXEME_NONE) return a;
    if (a == MU_LEXEME_NONE) return b;
    return a < b ? product(lexicon, OR, a, b) : product(lexicon, OR, b, a);
}

mu_lexeme mu_lexeme_minus(mu_lexicon *lexicon, mu_lexeme a, mu_lexeme b) {
    if (a == b || a == MU_LEXEME_NONE || b == MU_LEXEME_ANY) return MU_LEXEME_NONE;
    if (b == MU_LEXEME_NONE) return a;
    return product(lexicon, MINUS, a, b);
}

mu_lexeme mu_lexeme_length(mu_lexicon *lexicon, uint32_t n_min, uint32_t n_max) {
    mu_lexeme answer = MU_LEXEME_NONE;
    if (lexicon->status != MU_OK || n_min > n_max) return answer;
    if (find_memo(lexicon, LENGTH, n_min, n_max, &answer)) return answer;
    bool is_open = n_max == UINT32_MAX;
    uint32_t n_states = (is_open ? n_min : n_max) + 1;
    if (n_states > MU_LEXEME_STATES_MAX) {
        fail_states(lexicon);
        return MU_LEXEME_NONE;
    }
    mu_lexeme_draft draft = {.lexicon = lexicon};
    for (uint32_t i = 0; i < n_states; i++) {
        mu_lexeme_draft_state(&draft, i >= n_min);
    }
    for (uint32_t i = 0; i < n_states && lexicon->status == MU_OK; i++) {
        bool is_last = i + 1 == n_states;
        if (is_last && !is_open) break;
        mu_lexeme_draft_edge(&draft, i, 0, MU_CHAR_MAX, is_last ? i : i + 1);
    }
    return add_memo(lexicon, LENGTH, n_min, n_max, mu_lexeme_draft_finish(&draft));
}

/* Reading. */

static const mu_lexeme_edge *first_edge_to(const mu_lexeme_state *s, uint32_t character) {
    uint32_t lo = 0, hi = s->n_edges; /* the first edge that ends at or after the character */
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (s->edges[mid].hi < character) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < s->n_edges ? &s->edges[lo] : NULL;
}

uint32_t mu_lexeme_step(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t character) {
    MU_DASSERT(state < dfa->n_states);
    const mu_lexeme_edge *edge = first_edge_to(&dfa->states[state], character);
    return edge && edge->lo <= character ? edge->to : DEAD;
}

uint32_t mu_lexeme_step_all(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t lo, uint32_t hi) {
    const mu_lexeme_edge *edge = first_edge_to(&dfa->states[state], lo);
    return edge && edge->lo <= lo && hi <= edge->hi ? edge->to : DEAD;
}

bool mu_lexeme_has_step(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t lo, uint32_t hi) {
    const mu_lexeme_edge *edge = first_edge_to(&dfa->states[state], lo);
    return edge && edge->lo <= hi;
}

uint32_t mu_char_decode(const char *text, size_t *n_bytes) {
    uint8_t lead_byte = (uint8_t)text[0];
    size_t n = lead_byte < 0x80 ? 1 : lead_byte < 0xE0 ? 2 : lead_byte < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? lead_byte : lead_byte & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        c = c << 6 | ((uint8_t)text[i] & 0x3F);
    }
    *n_bytes = n;
    return c;
}

bool mu_lexeme_matches(const mu_lexicon *lexicon, mu_lexeme lexeme, const char *text, size_t n) {
    const mu_lexeme_dfa *dfa = mu_lexeme_get(lexicon, lexeme);
    if (dfa->n_states == 0) return false;
    uint32_t state = 0;
    for (size_t i = 0, n_bytes = 0; i < n && state != DEAD; i += n_bytes) {
        state = mu_lexeme_step(dfa, state, mu_char_decode(text + i, &n_bytes));
    }
    return state != DEAD && dfa->states[state].accepts;
}
