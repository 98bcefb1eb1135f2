/* lexeme.h - sets of texts as deterministic automata over characters, and their algebra.
 *
 * A lexeme is what a string, a number or a key may be. It is named by a small number in a lexicon;
 * the same question asked twice has one answer. Every state of a lexeme can still reach an
 * accepting one, so whatever has been read can be finished: a mask never leads into a dead end.
 *
 * Failures are sticky: after the first one (no memory, too many states) every operation returns
 * MU_LEXEME_NONE and the lexicon's status says why, so that code which combines lexemes is a
 * straight line with one check.
 *
 * Threads: one at a time while it is built; any for reading after. Memory: of the lexicon.
 */
#ifndef MU_GRAMMAR_LEXEME_H
#define MU_GRAMMAR_LEXEME_H

#include "base/status.h"
#include "grammar/chunks.h"

typedef uint32_t mu_lexeme;

enum {
    MU_LEXEME_NONE = 0, /* no text */
    MU_LEXEME_ANY = 1,  /* every text */
    MU_CHAR_MAX = 0x10FFFF,
    MU_LEXEME_STATES_MAX = 100000,  /* of one lexeme */
    MU_LEXICON_WORK_MAX = 30000000, /* steps of compiling one grammar: some tenths of a second */
};

typedef struct mu_lexeme_edge {
    uint32_t lo, hi; /* characters, both included; edges of a state ascend and do not overlap */
    uint32_t to;
} mu_lexeme_edge;

typedef struct mu_lexeme_state {
    const mu_lexeme_edge *edges; /* [n_edges] */
    uint32_t n_edges;
    bool accepts;
} mu_lexeme_state;

typedef struct mu_lexeme_dfa {
    const mu_lexeme_state *states; /* [n_states], the first is the start; none: no text */
    uint32_t n_states;
    uint64_t hash; /* of all of it */
} mu_lexeme_dfa;

typedef struct mu_lexicon {
    mu_chunks *memory; /* borrowed */
    mu_status status;  /* the first failure, MU_OK before */
    mu_err err;
    mu_lexeme_dfa *dfas; /* [n], owned */
    size_t n, cap;
    struct mu_lexeme_memo *memos; /* [memos_size] answers by question, owned */
    size_t memos_size, n_memos;
    uint64_t n_work;
} mu_lexicon;

void mu_lexicon_init(mu_lexicon *lexicon, mu_chunks *memory);
void mu_lexicon_deinit(mu_lexicon *lexicon); /* a zeroed one is allowed */

/* Record a failure, if it is the first. */
void mu_lexicon_fail(mu_lexicon *lexicon, mu_status status, const char *text);
void mu_lexicon_fail_nomem(mu_lexicon *lexicon); /* no memory, or the grammar's share is used up */

/* Count n steps of work; beyond MU_LEXICON_WORK_MAX it is a failure, whatever the steps were for.
 */
static inline bool mu_lexicon_spend(mu_lexicon *lexicon, uint64_t n) {
    lexicon->n_work += n;
    if (lexicon->n_work > MU_LEXICON_WORK_MAX && lexicon->status == MU_OK) {
        mu_lexicon_fail(lexicon, MU_ERR_LIMIT,
                        "the grammar takes too long to compile; simplify it");
    }
    return lexicon->status == MU_OK;
}

const mu_lexeme_dfa *mu_lexeme_get(const mu_lexicon *lexicon, mu_lexeme lexeme);

mu_lexeme mu_lexeme_and(mu_lexicon *lexicon, mu_lexeme a, mu_lexeme b);
mu_lexeme mu_lexeme_or(mu_lexicon *lexicon, mu_lexeme a, mu_lexeme b);
mu_lexeme mu_lexeme_minus(mu_lexicon *lexicon, mu_lexeme a, mu_lexeme b);

/* Texts of n_min to n_max characters; UINT32_MAX: no limit. */
mu_lexeme mu_lexeme_length(mu_lexicon *lexicon, uint32_t n_min, uint32_t n_max);

/* text: [n], valid UTF-8. */
bool mu_lexeme_matches(const mu_lexicon *lexicon, mu_lexeme lexeme, const char *text, size_t n);

/* The state after a character, UINT32_MAX when there is none. */
uint32_t mu_lexeme_step(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t character);
/* The state that every character of lo..hi leads to, UINT32_MAX when there is no such one. */
uint32_t mu_lexeme_step_all(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t lo, uint32_t hi);
/* Whether some character of lo..hi may follow. */
bool mu_lexeme_has_step(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t lo, uint32_t hi);

/* Building one by hand: states in any order, edges of one state together and ascending. finish()
 * drops what cannot reach an accepting state and frees the draft. State 0 is the start. */
typedef struct mu_lexeme_draft {
    mu_lexicon *lexicon;
    struct mu_draft_state *states; /* [n_states], owned */
    mu_lexeme_edge *edges;         /* [n_edges], owned */
    size_t n_states, states_cap, n_edges, edges_cap;
} mu_lexeme_draft;

uint32_t mu_lexeme_draft_state(mu_lexeme_draft *draft, bool accepts);
/* Edges of the last state for which edges were added, or a later one. */
void mu_lexeme_draft_edge(mu_lexeme_draft *draft, uint32_t from, uint32_t lo, uint32_t hi,
                          uint32_t to);
mu_lexeme mu_lexeme_draft_finish(mu_lexeme_draft *draft);

/* One character of valid UTF-8 at text; *n_bytes is its length. */
uint32_t mu_char_decode(const char *text, size_t *n_bytes);

#endif
