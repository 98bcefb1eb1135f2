/* front.h - inside of a grammar: all ways to read a text so far, each a state and the stacks it may
 * stand on, and what a byte does to them.
 *
 * A state that may be left brings those on the stacks below it along at once, so a front is always
 * complete: MU_STATE_ACCEPT is in it exactly when the text may end here. Items ascend by state and
 * each state is there once.
 *
 * Threads: the grammar's lock is held.
 */
#ifndef MU_GRAMMAR_FRONT_H
#define MU_GRAMMAR_FRONT_H

#include "grammar/automaton.h"
#include "grammar/grammar.h"
#include "grammar/stacks.h"

typedef struct mu_front {
    uint32_t n;
    mu_matcher_item items[MU_MATCHER_ITEMS_MAX]; /* [n] */
} mu_front;

typedef struct mu_machine {
    mu_automaton automaton;
    mu_stacks stacks;
    bool is_overrun;  /* more than MU_MATCHER_ITEMS_MAX ways, or a mask of too many steps */
    uint64_t n_steps; /* of fronts: ways times bytes */
} mu_machine;

void mu_front_add(mu_machine *machine, mu_front *front, mu_state state, mu_stack stack);
/* Every state on top of the stacks, as when what was above them is done. */
void mu_front_add_tops(mu_machine *machine, mu_front *front, mu_stack stack);
void mu_front_step(mu_machine *machine, const mu_front *from, uint8_t byte, mu_front *out);
/* The same for a walk that mostly meets one state and one way. */
static inline void mu_front_step_fast(mu_machine *machine, const mu_front *from, uint8_t byte,
                                      mu_front *out) {
    const mu_state_row *rows = machine->automaton.rows;
    const uint32_t *next = rows[from->items[0].state].next;
    uint32_t move = from->n == 1 && next ? next[byte] : MU_MOVE_UNKNOWN;
    if (move == MU_MOVE_NONE) {
        out->n = 0;
    } else if (move != MU_MOVE_UNKNOWN && (move & 1) == 0 && !rows[move >> 1].is_final) {
        out->n = 1;
        out->items[0] = (mu_matcher_item){move >> 1, from->items[0].stack};
    } else {
        mu_front_step(machine, from, byte, out);
    }
}
bool mu_front_has(const mu_front *front, mu_state state);

#endif
