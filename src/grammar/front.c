#include "grammar/front.h"

#include <string.h>

static void insert(mu_machine *m, mu_front *front, mu_state state, mu_stack stack) {
    uint32_t at = 0;
    while (at < front->n && front->items[at].state < state) {
        at++;
    }
    mu_matcher_item *item = &front->items[at];
    if (at < front->n && item->state == state) {
        item->stack = mu_stacks_merge(&m->stacks, item->stack, stack);
        return;
    }
    if (front->n == MU_MATCHER_ITEMS_MAX) {
        m->is_overrun = true;
        return;
    }
    memmove(item + 1, item, (front->n - at) * sizeof(*item));
    *item = (mu_matcher_item){state, stack};
    front->n++;
}

void mu_front_add_tops(mu_machine *m, mu_front *front, mu_stack stack) {
    while (stack != 0) {
        mu_stack_link link = m->stacks.links[stack]; /* a copy: adding moves links */
        mu_front_add(m, front, link.state, link.below);
        stack = link.next;
    }
}

/* Recursion is as deep as final states lie on one another, at most MU_STACK_DEPTH_MAX. */
void mu_front_add(mu_machine *m, mu_front *front, mu_state state, mu_stack stack) {
    bool is_final = m->automaton.rows[state].is_final;
    if (state != MU_STATE_DONE) insert(m, front, state, stack);
    if (is_final) mu_front_add_tops(m, front, stack);
}

static void add_path(mu_machine *m, mu_front *out, const mu_path *path, mu_stack stack) {
    for (uint32_t i = 0; i < path->n_pushed; i++) {
        stack = mu_stacks_push(&m->stacks, path->pushed[i], stack);
        if (stack == 0) return;
    }
    mu_front_add(m, out, path->to, stack);
}

void mu_front_step(mu_machine *m, const mu_front *from, uint8_t byte, mu_front *out) {
    out->n = 0;
    m->n_steps += from->n;
    for (uint32_t i = 0; i < from->n; i++) {
        mu_matcher_item item = from->items[i];
        uint32_t move = mu_automaton_next(&m->automaton, item.state, byte);
        if (move == MU_MOVE_NONE) continue;
        if ((move & 1) == 0) {
            mu_front_add(m, out, move >> 1, item.stack);
            continue;
        }
        mu_move_list list = m->automaton.lists[move >> 1];
        for (uint32_t p = 0; p < list.n; p++) {
            add_path(m, out, &list.paths[p], item.stack);
        }
    }
}

bool mu_front_has(const mu_front *front, mu_state state) {
    for (uint32_t i = 0; i < front->n; i++) {
        if (front->items[i].state == state) return true;
    }
    return false;
}
