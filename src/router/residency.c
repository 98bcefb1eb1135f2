#include "router/residency.h"

#include <math.h>
#include <string.h>

const char *mu_phase_name(mu_phase phase) {
    static const char *const names[] = {"unloaded", "loading", "loaded", "closing"};
    _Static_assert(MU_COUNTOF(names) == MU_N_PHASES, "one name each");
    return names[phase];
}

const char *mu_eviction_name(mu_eviction reason) {
    static const char *const names[] = {"room", "idle", "asked"};
    _Static_assert(MU_COUNTOF(names) == MU_N_EVICTIONS, "one name each");
    return names[reason];
}

/* What is seen */

static uint64_t guess_load_ns(uint64_t bytes) {
    return bytes; /* 1 GB/s */
}

uint32_t mu_residency_add(mu_residency *r, uint64_t bytes, bool is_ready, uint64_t now_ns) {
    MU_ASSERT(r->n < MU_RESIDENCY_MAX && bytes > 0);
    r->models[r->n] = (mu_residency_model){
        .bytes = bytes,
        .phase = is_ready ? MU_READY : MU_ABSENT,
        .since_ns = now_ns,
        .used_ns = now_ns,
        .load_ns = guess_load_ns(bytes),
    };
    return r->n++;
}

static bool is_wanted(const mu_residency_model *m) {
    return m->load.n_waiting > 0 || m->is_asked_for;
}

static bool is_in_line(const mu_residency_model *m) {
    return m->phase == MU_ABSENT && is_wanted(m);
}

static double uses_at(const mu_residency *r, const mu_residency_model *m, uint64_t now_ns) {
    if (r->half_life_ns == 0 || now_ns <= m->uses_at_ns) return m->uses;
    return m->uses * exp2(-(double)(now_ns - m->uses_at_ns) / (double)r->half_life_ns);
}

void mu_residency_observe(mu_residency *r, uint32_t i, const mu_residency_load *load,
                          uint64_t now_ns) {
    MU_ASSERT(i < r->n);
    mu_residency_model *m = &r->models[i];
    bool was_in_line = is_in_line(m);
    uint64_t n_new = load->n_requests - m->load.n_requests;
    bool was_used = n_new > 0 || load->n_running + load->n_waiting > 0 ||
                    m->load.n_running + m->load.n_waiting > 0;
    if (n_new > 0) {
        m->uses = uses_at(r, m, now_ns) + (double)n_new;
        m->uses_at_ns = now_ns;
    }
    if (was_used) m->used_ns = now_ns;
    m->load = *load;
    if (!was_in_line && is_in_line(m)) m->since_ns = now_ns;
}

void mu_residency_ask(mu_residency *r, uint32_t i, mu_residency_wish wish, uint64_t now_ns) {
    MU_ASSERT(i < r->n);
    mu_residency_model *m = &r->models[i];
    bool was_in_line = is_in_line(m), is_there = m->phase != MU_ABSENT;
    switch (wish) {
    case MU_WISH_LOAD:
        m->is_asked_for = !is_there;
        m->is_asked_to_go = false;
        m->used_ns = now_ns;
        break;
    case MU_WISH_UNLOAD:
        m->is_asked_for = false;
        m->is_asked_to_go = is_there;
        break;
    case MU_WISH_PIN:
    case MU_WISH_UNPIN:
        m->is_pinned = wish == MU_WISH_PIN;
        break;
    case MU_N_WISHES:
        break;
    }
    if (!was_in_line && is_in_line(m)) m->since_ns = now_ns;
}

static void enter(mu_residency_model *m, mu_phase phase, uint64_t now_ns) {
    m->phase = phase;
    m->since_ns = now_ns;
}

void mu_residency_loaded(mu_residency *r, uint32_t i, uint64_t load_ns, uint64_t now_ns) {
    MU_ASSERT(i < r->n && r->models[i].phase == MU_LOADING);
    mu_residency_model *m = &r->models[i];
    m->load_ns = load_ns;
    m->n_loads++;
    m->used_ns = now_ns;
    enter(m, MU_READY, now_ns);
}

void mu_residency_failed(mu_residency *r, uint32_t i) {
    MU_ASSERT(i < r->n && r->models[i].phase == MU_LOADING);
    mu_residency_model *m = &r->models[i];
    m->n_failures++;
    m->is_asked_to_go = false;
    m->phase = MU_ABSENT; /* in line since then, if at all */
}

/* Sums */

uint64_t mu_residency_bytes(const mu_residency *r) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->models[i].phase != MU_ABSENT) bytes += r->models[i].bytes;
    }
    return bytes;
}

uint64_t mu_residency_pinned_bytes(const mu_residency *r) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        const mu_residency_model *m = &r->models[i];
        if (m->phase != MU_ABSENT && m->is_pinned) bytes += m->bytes;
    }
    return bytes;
}

static uint64_t free_bytes(const mu_residency *r) {
    uint64_t bytes = mu_residency_bytes(r);
    return bytes < r->budget ? r->budget - bytes : 0;
}

/* Who goes */

static uint64_t turn_end_ns(const mu_residency_model *m) {
    uint64_t turn_ns = m->load_ns < MU_TURN_MOST_NS ? m->load_ns * MU_TURN_LOADS : MU_TURN_MOST_NS;
    if (turn_ns < MU_TURN_LEAST_NS) turn_ns = MU_TURN_LEAST_NS;
    if (turn_ns > MU_TURN_MOST_NS) turn_ns = MU_TURN_MOST_NS;
    return m->since_ns + turn_ns;
}

static bool is_idle(const mu_residency_model *m) {
    return m->phase == MU_READY && m->load.n_running + m->load.n_waiting == 0;
}

static bool may_go(const mu_residency_model *m, uint64_t now_ns) {
    if (m->is_pinned || m->phase == MU_ABSENT || m->phase == MU_LOADING) return false;
    return m->phase == MU_CLOSING || is_idle(m) || now_ns >= turn_end_ns(m);
}

/* Of loading it again, in seconds times uses. Busy ones are dearer than all that are idle, and what
 * is closing already is the first of them. */
static double cost_of(const mu_residency *r, const mu_residency_model *m, uint64_t now_ns) {
    enum { BUSY = 1000000000 };
    double cost = (double)m->load_ns * 1e-9 * uses_at(r, m, now_ns);
    return is_idle(m) ? cost : m->phase == MU_CLOSING ? BUSY : 2.0 * BUSY + cost;
}

typedef struct victims {
    uint32_t items[MU_RESIDENCY_MAX]; /* the cheapest first */
    uint32_t n;
} victims;

static void insert(const mu_residency *r, victims *v, uint32_t i, uint64_t now_ns) {
    double cost = cost_of(r, &r->models[i], now_ns);
    uint32_t at = v->n++;
    for (; at > 0 && cost_of(r, &r->models[v->items[at - 1]], now_ns) > cost; at--) {
        v->items[at] = v->items[at - 1];
    }
    v->items[at] = i;
}

/* Leave out the dearest that the others make room enough without. */
static void prune(const mu_residency *r, victims *v, uint64_t spare) {
    for (uint32_t at = v->n; at-- > 0;) {
        uint64_t bytes = r->models[v->items[at]].bytes;
        if (bytes > spare) continue;
        spare -= bytes;
        memmove(v->items + at, v->items + at + 1, (--v->n - at) * sizeof(v->items[0]));
    }
}

/* The cheapest of those that may go, until `bytes` are free. False: they are not enough. */
static bool choose_victims(const mu_residency *r, uint64_t bytes, uint64_t now_ns, victims *out) {
    victims all = {.n = 0};
    uint64_t room = free_bytes(r);
    for (uint32_t i = 0; i < r->n; i++) {
        if (may_go(&r->models[i], now_ns)) insert(r, &all, i, now_ns);
    }
    out->n = 0;
    for (uint32_t at = 0; at < all.n && room < bytes; at++) {
        out->items[out->n++] = all.items[at];
        room += r->models[all.items[at]].bytes;
    }
    if (room < bytes) {
        out->n = 0;
        return false;
    }
    prune(r, out, room - bytes);
    return true;
}

/* What next() says */

static uint32_t first_in_line(const mu_residency *r) {
    uint32_t first = MU_RESIDENCY_MAX;
    for (uint32_t i = 0; i < r->n; i++) {
        if (!is_in_line(&r->models[i])) continue;
        bool is_earlier =
            first == MU_RESIDENCY_MAX || r->models[i].since_ns < r->models[first].since_ns;
        if (is_earlier) first = i;
    }
    return first;
}

static mu_residency_action unload(mu_residency *r, uint32_t i, mu_eviction reason,
                                  uint64_t now_ns) {
    mu_residency_model *m = &r->models[i];
    m->n_evictions[reason]++;
    m->is_asked_to_go = false;
    enter(m, MU_ABSENT, now_ns); /* at the end of the line, where somebody waits for it */
    return (mu_residency_action){MU_RESIDENCY_UNLOAD, i};
}

/* Those that were asked to go, and those that have been idle for too long. */
static mu_residency_action next_departure(mu_residency *r, uint64_t now_ns) {
    for (uint32_t i = 0; i < r->n; i++) {
        mu_residency_model *m = &r->models[i];
        bool is_there = m->phase == MU_READY || m->phase == MU_CLOSING;
        if (is_there && m->is_asked_to_go) {
            if (m->load.n_running == 0) return unload(r, i, MU_EVICTED_ASKED, now_ns);
            if (m->phase == MU_READY) enter(m, MU_CLOSING, now_ns);
        }
        bool is_late = r->idle_ns > 0 && now_ns >= m->used_ns + r->idle_ns;
        if (is_late && is_idle(m) && !m->is_pinned) return unload(r, i, MU_EVICTED_IDLE, now_ns);
    }
    return (mu_residency_action){MU_RESIDENCY_NOTHING, 0};
}

/* Close the busy ones among the victims, open again what is no longer one. */
static void set_closing(mu_residency *r, const victims *v, uint64_t now_ns) {
    bool is_victim[MU_RESIDENCY_MAX] = {false};
    for (uint32_t at = 0; at < v->n; at++) {
        is_victim[v->items[at]] = true;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        mu_residency_model *m = &r->models[i];
        if (m->phase == MU_READY && is_victim[i] && !is_idle(m)) enter(m, MU_CLOSING, now_ns);
        if (m->phase == MU_CLOSING && !is_victim[i] && !m->is_asked_to_go) {
            enter(m, MU_READY, now_ns);
        }
    }
}

/* Nothing goes before all of it can. */
static mu_residency_action make_room(mu_residency *r, uint32_t first, uint64_t now_ns) {
    victims v;
    bool is_enough = choose_victims(r, r->models[first].bytes, now_ns, &v);
    set_closing(r, &v, now_ns);
    bool is_still = is_enough;
    for (uint32_t at = 0; at < v.n; at++) {
        is_still &= r->models[v.items[at]].load.n_running == 0;
    }
    if (is_still && v.n > 0) return unload(r, v.items[0], MU_EVICTED_FOR_ROOM, now_ns);
    return (mu_residency_action){MU_RESIDENCY_NOTHING, 0};
}

mu_residency_action mu_residency_next(mu_residency *r, uint64_t now_ns) {
    mu_residency_action action = next_departure(r, now_ns);
    if (action.verb != MU_RESIDENCY_NOTHING) return action;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->models[i].phase == MU_LOADING) return action;
    }
    uint32_t first = first_in_line(r);
    if (first == MU_RESIDENCY_MAX) {
        set_closing(r, &(victims){.n = 0}, now_ns);
        return action;
    }
    mu_residency_model *m = &r->models[first];
    if (mu_residency_pinned_bytes(r) + m->bytes > r->budget) {
        m->is_asked_for = false;
        m->n_failures++;
        return (mu_residency_action){MU_RESIDENCY_REFUSE, first};
    }
    if (m->bytes > free_bytes(r)) return make_room(r, first, now_ns);
    set_closing(r, &(victims){.n = 0}, now_ns);
    m->is_asked_for = false;
    enter(m, MU_LOADING, now_ns);
    return (mu_residency_action){MU_RESIDENCY_LOAD, first};
}

uint64_t mu_residency_deadline_ns(const mu_residency *r, uint64_t now_ns) {
    uint64_t first_ns = UINT64_MAX;
    bool has_line = first_in_line(r) != MU_RESIDENCY_MAX;
    for (uint32_t i = 0; i < r->n; i++) {
        const mu_residency_model *m = &r->models[i];
        uint64_t at_ns = UINT64_MAX;
        if (m->is_pinned || m->phase != MU_READY) continue;
        if (is_idle(m) && r->idle_ns > 0) at_ns = m->used_ns + r->idle_ns;
        if (!is_idle(m) && has_line && turn_end_ns(m) > now_ns) at_ns = turn_end_ns(m);
        if (at_ns < first_ns) first_ns = at_ns;
    }
    return first_ns;
}
