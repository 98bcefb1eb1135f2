/* automaton.h - inside of a grammar: one automaton over bytes with a stack, made as it is walked.
 *
 * A state is a short key (kind, phase and a few numbers: "in the string of lexeme 7, after its
 * character state 12", "in object 3 after a comma, with properties 0 and 2 seen") that is interned;
 * its number is all the rest of the program sees. What a byte does to a state is computed when it
 * is first asked and kept. A byte leads along any number of paths: to a state, with states pushed
 * that go on when it is done. A state that is final may be left: the one on top of the stack goes
 * on.
 *
 *     key ──intern──▶ state ──byte──▶ paths: { push these, go there } ...
 *
 * From every state a whole text can be reached, so bytes that have a path never end in nothing.
 *
 * Threads: the grammar's lock is held. Memory: of the grammar's chunks, bounded; failures are
 * sticky in status: no state, no path.
 */
#ifndef MU_GRAMMAR_AUTOMATON_H
#define MU_GRAMMAR_AUTOMATON_H

#include "grammar/rules.h"
#include "grammar/value_set.h"

typedef uint32_t mu_state;

enum {
    MU_STATE_NONE = 0,
    MU_STATE_DONE = 1,    /* nothing follows here; what is on the stack goes on */
    MU_STATE_ACCEPT = 2,  /* at the bottom of the stack: the text is whole */
    MU_STATE_OUTSIDE = 3, /* at the bottom while a mask is made that leaves out what lies below */
    MU_STATES_MAX = 1 << 16,
    MU_PATHS_MAX = 256, /* of one state and byte */
    MU_PUSHES_MAX = 64, /* of one path */
};

typedef enum mu_state_kind {
    MU_KIND_FIXED,   /* none, done, accept, outside */
    MU_KIND_LITERAL, /* null, true, false: a which, b bytes read */
    MU_KIND_TEXT,    /* a lexeme, b its state, c bytes of a character: as it is, in UTF-8 */
    MU_KIND_STRING,  /* the same inside a JSON string: escapes, and a quote ends it */
    MU_KIND_VALUE,   /* before a value: a expression */
    MU_KIND_OBJECT,  /* a shape, b other properties, c and d by phase, extra: properties seen */
    MU_KIND_ARRAY,   /* a shape, b elements, extra: how many of each contains */
    MU_KIND_RULE,    /* extra: nodes of the rules */
} mu_state_kind;

typedef struct mu_key {
    uint8_t kind, phase, blanks, n_extra_bytes; /* the last is unused and zero */
    uint32_t a, b, c, d;
} mu_key;

typedef struct mu_path {
    mu_state to;
    uint32_t n_pushed;
    const mu_state *pushed; /* [n_pushed], the last is on top */
} mu_path;

/* What is being collected for one state and byte. */
typedef struct mu_paths {
    mu_path list[MU_PATHS_MAX];
    uint32_t n;
} mu_paths;

typedef struct mu_base_mask mu_base_mask;

typedef struct mu_state_row {
    const mu_key *key;
    const uint32_t *extra; /* [n_extra] */
    uint32_t n_extra;
    bool is_final, has_next;
    uint32_t *next;     /* [256] moves, NULL before the first */
    mu_base_mask *mask; /* NULL: not made yet */
} mu_state_row;

/* A move: none, one path without pushes (state << 1), or several (list << 1 | 1). */
enum { MU_MOVE_UNKNOWN = 0, MU_MOVE_NONE = 1 };

typedef struct mu_move_list {
    const mu_path *paths; /* [n] */
    uint32_t n;
} mu_move_list;

typedef struct mu_automaton {
    mu_chunks *memory;         /* borrowed */
    const mu_lexicon *lexicon; /* borrowed */
    const mu_algebra *algebra; /* borrowed */
    const mu_rules *rules;     /* borrowed */
    bool is_ordered;           /* properties come in the order of the schema */
    mu_status status;
    uint64_t n_work;    /* of making moves: nodes and properties looked at */
    uint32_t *marks;    /* [rules->n_nodes] the set that has reached a node last, owned */
    uint32_t n_marked;  /* sets so far */
    mu_state_row *rows; /* [n], owned */
    size_t n, cap;
    uint32_t *slots; /* [slots_size] row + 1 by hash of the key, owned */
    size_t slots_size;
    mu_move_list *lists; /* [n_lists], owned; 0 is not used */
    size_t n_lists, lists_cap;
    struct mu_object_names **names; /* [n_objects] by shape, NULL before the first, owned */
} mu_automaton;

mu_status mu_automaton_init(mu_automaton *automaton, mu_chunks *memory, const mu_lexicon *lexicon,
                            const mu_algebra *algebra, const mu_rules *rules) MU_MUST_USE;
void mu_automaton_deinit(mu_automaton *automaton); /* a zeroed one is allowed */

mu_state mu_automaton_intern(mu_automaton *automaton, const mu_key *key, const uint32_t *extra,
                             uint32_t n_extra);
uint32_t mu_automaton_move(mu_automaton *automaton, mu_state state, uint8_t byte);

static inline uint32_t mu_automaton_next(mu_automaton *automaton, mu_state state, uint8_t byte) {
    const mu_state_row *row = &automaton->rows[state];
    uint32_t move = row->next ? row->next[byte] : MU_MOVE_UNKNOWN;
    return move != MU_MOVE_UNKNOWN ? move : mu_automaton_move(automaton, state, byte);
}

/* Starts. */
mu_state mu_text_state(mu_automaton *automaton, mu_lexeme lexeme);
mu_state mu_value_state(mu_automaton *automaton, mu_expr expr);
mu_state mu_rule_state(mu_automaton *automaton, uint32_t rule);

/* For the kinds: add a path; with one state pushed below those it has. */
void mu_paths_add(mu_paths *paths, mu_state to);
void mu_paths_push_below(mu_automaton *automaton, mu_paths *paths, uint32_t first, mu_state state);

/* One function a kind: the paths of a byte, and whether the state may be left. */
void mu_text_paths(mu_automaton *automaton, const mu_state_row *row, uint8_t byte, mu_paths *out);
bool mu_text_is_final(const mu_automaton *automaton, const mu_key *key);
/* Characters that may all follow, in any order and number: how many at least, at most n_max. Safe
 * characters are those that a JSON string holds as they are. */
uint32_t mu_string_n_free(const mu_automaton *automaton, const mu_key *key, uint32_t n_max);
void mu_json_paths(mu_automaton *automaton, const mu_state_row *row, uint8_t byte, mu_paths *out);
void mu_rule_paths(mu_automaton *automaton, const mu_state_row *row, uint8_t byte, mu_paths *out);
bool mu_rule_is_final(const mu_automaton *automaton, const uint32_t *nodes, uint32_t n);

#endif
