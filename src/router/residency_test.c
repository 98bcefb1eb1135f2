/* Small worlds are explored whole: every order of arrivals, starts, ends, cancellations, loads that
 * work and fail, time passing, an operator's wishes; every invariant after every event. Large ones
 * are walked at random. Each invariant is seen to fail in a world that is broken on purpose. */
#include "router/residency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

enum { SEED = 20261127, N_LARGE = 40, N_WALK = 300000, N_SMALL = 3, N_TICKS = 2 };

/* Four take 17 s, and some minutes with a sanitizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { N_REQUESTS = 3 };
#else
enum { N_REQUESTS = 4 };
#endif

#define TICK_NS MU_TURN_LEAST_NS

/* What is broken on purpose: one of these each. */
typedef enum canary {
    NO_CANARY,
    BUDGET_IS_SMALLER, /* than the one that is told */
    RUNNING_IS_NOT_TOLD,
    PIN_IS_NOT_TOLD,
    PIN_IS_INVENTED,
    LOADS_ARE_SAID_TO_BE_OVER,
    LOADS_NEVER_END,
    WAITING_IS_INVENTED,
    REFUSED_ONES_STAY,
} canary;

typedef enum invariant {
    BUDGET_IS_KEPT,
    BUSY_STAYS,
    PINNED_STAYS,
    ONE_LOADS,
    EVERY_REQUEST_IS_ANSWERED,
    ONLY_WHAT_CANNOT_FIT_IS_REFUSED,
    EVICTED_ONLY_FOR_A_REASON,
    COMES_TO_REST,
    N_INVARIANTS,
} invariant;

typedef struct world {
    mu_residency r;
    uint64_t now_ns, budget;
    mu_residency_load truth[MU_RESIDENCY_MAX];
    bool is_pinned[MU_RESIDENCY_MAX], is_loading[MU_RESIDENCY_MAX];
    uint32_t n_to_come, n_ticks, n_failures, n_wishes; /* left */
    uint64_t n_broken[N_INVARIANTS];
    canary canary;
} world;

static void require(world *w, invariant what, bool holds) {
    w->n_broken[what] += !holds;
    if (w->canary == NO_CANARY) assert_true(holds);
}

static uint64_t bytes_there(const world *w) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < w->r.n; i++) {
        if (w->r.models[i].phase != MU_ABSENT) bytes += w->r.models[i].bytes;
    }
    return bytes;
}

static bool anybody_waits(const world *w) {
    bool waits = false;
    for (uint32_t i = 0; i < w->r.n; i++) {
        waits |= w->truth[i].n_waiting > 0 || w->r.models[i].is_asked_for;
    }
    return waits;
}

static void see(world *w, uint32_t i) {
    mu_residency_load load = w->truth[i];
    if (w->canary == RUNNING_IS_NOT_TOLD) load.n_running = 0;
    if (w->canary == WAITING_IS_INVENTED) load.n_waiting++;
    mu_residency_observe(&w->r, i, &load, w->now_ns);
}

static void check_unload(world *w, const mu_residency *before, uint32_t i) {
    const mu_residency_model *was = &before->models[i];
    require(w, BUSY_STAYS, w->truth[i].n_running == 0);
    require(w, PINNED_STAYS, !w->is_pinned[i] || was->is_asked_to_go);
    bool is_late = before->idle_ns > 0 && w->now_ns >= was->used_ns + before->idle_ns;
    bool has_reason = was->is_asked_to_go || is_late || anybody_waits(w);
    require(w, EVICTED_ONLY_FOR_A_REASON, has_reason);
}

static void check_refusal(world *w, uint32_t i) {
    uint64_t pinned = 0;
    for (uint32_t j = 0; j < w->r.n; j++) {
        if (w->is_pinned[j] && w->r.models[j].phase != MU_ABSENT) pinned += w->r.models[j].bytes;
    }
    require(w, ONLY_WHAT_CANNOT_FIT_IS_REFUSED, pinned + w->r.models[i].bytes > w->budget);
}

static void begin_load(world *w, uint32_t i) {
    uint32_t n_loading = 0;
    w->is_loading[i] = true;
    for (uint32_t j = 0; j < w->r.n; j++) {
        n_loading += w->is_loading[j];
    }
    require(w, ONE_LOADS, n_loading == 1);
    if (w->canary == LOADS_ARE_SAID_TO_BE_OVER)
        mu_residency_loaded(&w->r, i, w->now_ns - w->r.models[i].since_ns, w->now_ns);
}

/* Carry out what is decided until nothing is. */
static void settle(world *w) {
    for (uint32_t n = 0;; n++) {
        require(w, COMES_TO_REST, n <= 3 * w->r.n);
        if (n > 3 * w->r.n) return;
        mu_residency before = w->r;
        mu_residency_action action = mu_residency_next(&w->r, w->now_ns);
        uint32_t i = action.model;
        if (action.verb == MU_RESIDENCY_NOTHING) break;
        if (action.verb == MU_RESIDENCY_UNLOAD) check_unload(w, &before, i);
        if (action.verb == MU_RESIDENCY_REFUSE) {
            check_refusal(w, i);
            if (w->canary != REFUSED_ONES_STAY) w->truth[i].n_waiting = 0;
            see(w, i);
        }
        if (action.verb == MU_RESIDENCY_LOAD) begin_load(w, i);
        require(w, BUDGET_IS_KEPT, bytes_there(w) <= w->budget);
    }
}

/* Events. Each says whether it could happen. */

static bool arrive(world *w, uint32_t i) {
    if (w->n_to_come == 0) return false;
    w->n_to_come--;
    w->truth[i].n_waiting++;
    w->truth[i].n_requests++;
    see(w, i);
    return true;
}

static bool start(world *w, uint32_t i) {
    if (w->truth[i].n_waiting == 0 || !mu_residency_is_ready(&w->r, i)) return false;
    w->truth[i].n_waiting--;
    w->truth[i].n_running++;
    see(w, i);
    return true;
}

static bool end(world *w, uint32_t i) {
    if (w->truth[i].n_running == 0) return false;
    w->truth[i].n_running--;
    see(w, i);
    return true;
}

static bool cancel(world *w, uint32_t i) {
    if (w->truth[i].n_waiting == 0) return false;
    w->truth[i].n_waiting--;
    see(w, i);
    return true;
}

static bool finish_load(world *w, uint32_t i) {
    if (!w->is_loading[i] || w->canary == LOADS_NEVER_END) return false;
    w->is_loading[i] = false;
    if (w->canary == LOADS_ARE_SAID_TO_BE_OVER) return true;
    mu_residency_loaded(&w->r, i, w->now_ns - w->r.models[i].since_ns, w->now_ns);
    return true;
}

static bool fail_load(world *w, uint32_t i) {
    if (!w->is_loading[i] || w->n_failures == 0) return false;
    w->n_failures--;
    if (w->canary == LOADS_ARE_SAID_TO_BE_OVER) return false;
    w->is_loading[i] = false;
    mu_residency_failed(&w->r, i);
    w->truth[i].n_waiting = 0;
    see(w, i);
    return true;
}

static bool tick(world *w, uint32_t i) {
    if (i != 0 || w->n_ticks == 0) return false;
    w->n_ticks--;
    w->now_ns += TICK_NS;
    return true;
}

static bool wish(world *w, uint32_t i, mu_residency_wish what) {
    if (w->n_wishes == 0) return false;
    w->n_wishes--;
    if (what == MU_WISH_PIN) w->is_pinned[i] = true;
    if (what != MU_WISH_PIN || w->canary != PIN_IS_NOT_TOLD) {
        mu_residency_ask(&w->r, i, what, w->now_ns);
    }
    return true;
}

static bool wish_load(world *w, uint32_t i) {
    return wish(w, i, MU_WISH_LOAD);
}

static bool wish_unload(world *w, uint32_t i) {
    return wish(w, i, MU_WISH_UNLOAD);
}

static bool wish_pin(world *w, uint32_t i) {
    return !w->is_pinned[i] && wish(w, i, MU_WISH_PIN);
}

static bool (*const events[])(world *w, uint32_t i) = {
    arrive, start, end, cancel, finish_load, fail_load, tick, wish_load, wish_unload, wish_pin};

/* Once nothing comes any more and all goes well, every request is answered. */
static void check_end(const world *from) {
    static world w; /* large */
    w = *from;
    uint32_t n_left = 1;
    for (uint32_t round = 0; n_left > 0 && round < 8 * w.r.n; round++) {
        n_left = 0;
        for (uint32_t i = 0; i < w.r.n; i++) {
            finish_load(&w, i);
            while (start(&w, i)) {}
        }
        w.now_ns += MU_TURN_MOST_NS;
        settle(&w);
        for (uint32_t i = 0; i < w.r.n; i++) {
            while (end(&w, i)) {}
            n_left += w.truth[i].n_waiting;
        }
        settle(&w);
    }
    world *broken = (world *)(uintptr_t)from;
    require(broken, EVERY_REQUEST_IS_ANSWERED, n_left == 0);
}

/* Exhaustively */

typedef struct explorer {
    uint64_t *seen; /* [cap] hashes of states, 0: none */
    uint64_t cap, n_states, n_events;
} explorer;

static uint64_t mix(uint64_t hash, uint64_t value) {
    return mu_mix64(hash ^ value) + hash * 31;
}

/* Of what decides: ages, and those only where they are looked at. */
static uint64_t hash_of(const world *w) {
    uint64_t hash =
        mix(SEED, w->n_to_come | w->n_ticks << 8 | w->n_failures << 16 | w->n_wishes << 24);
    for (uint32_t i = 0; i < w->r.n; i++) {
        const mu_residency_model *m = &w->r.models[i];
        hash = mix(hash, (uint64_t)m->phase | m->is_pinned << 4 | m->is_asked_for << 5 |
                             m->is_asked_to_go << 6 | w->truth[i].n_waiting << 8 |
                             w->truth[i].n_running << 16 | (uint64_t)w->truth[i].n_requests << 32);
        bool is_in_line = m->phase == MU_ABSENT && (m->load.n_waiting > 0 || m->is_asked_for);
        bool has_age = is_in_line || m->phase == MU_LOADING || m->phase == MU_READY;
        bool may_be_late = m->phase == MU_READY && w->r.idle_ns > 0;
        hash = mix(hash, has_age ? w->now_ns - m->since_ns : UINT64_MAX);
        hash = mix(hash, may_be_late ? w->now_ns - m->used_ns : UINT64_MAX);
        hash = mix(hash, m->load_ns);
    }
    return hash ? hash : 1;
}

static bool is_new(explorer *x, uint64_t hash) {
    uint64_t at = hash & (x->cap - 1);
    while (x->seen[at] != 0) {
        if (x->seen[at] == hash) return false;
        at = (at + 1) & (x->cap - 1);
    }
    assert_true(x->n_states < x->cap / 4 * 3);
    x->seen[at] = hash;
    x->n_states++;
    return true;
}

static void explore(explorer *x, const world *from) {
    for (uint32_t e = 0; e < MU_COUNTOF(events); e++) {
        for (uint32_t i = 0; i < from->r.n; i++) {
            world w = *from;
            if (!events[e](&w, i)) continue;
            settle(&w);
            x->n_events++;
            if (!is_new(x, hash_of(&w))) continue;
            check_end(&w);
            explore(x, &w);
        }
    }
}

static world small_world(uint64_t budget, uint64_t idle_ns) {
    static const uint64_t bytes[N_SMALL] = {2, 2, 3};
    world w = {.now_ns = TICK_NS,
               .budget = budget,
               .n_to_come = N_REQUESTS,
               .n_ticks = N_TICKS,
               .n_failures = 1,
               .n_wishes = 1};
    w.r = (mu_residency){.budget = budget, .idle_ns = idle_ns};
    for (uint32_t i = 0; i < N_SMALL; i++) {
        mu_residency_add(&w.r, bytes[i], false, w.now_ns);
    }
    return w;
}

static void every_order_of_events_keeps_every_invariant(void **state) {
    (void)state;
    static const struct { uint64_t budget, idle_ns; } worlds[] = {{3, 0}, {4, 0}, {5, TICK_NS}};
    for (size_t i = 0; i < MU_COUNTOF(worlds); i++) {
        explorer x = {.cap = UINT64_C(1) << 23};
        x.seen = MU_ALLOC(uint64_t, x.cap);
        assert_non_null(x.seen);
        world w = small_world(worlds[i].budget, worlds[i].idle_ns);
        explore(&x, &w);
        printf("%d models of 2, 2 and 3 bytes, budget %llu, %d requests: %llu states, %llu "
               "events, %d invariants\n",
               N_SMALL, (unsigned long long)worlds[i].budget, N_REQUESTS,
               (unsigned long long)x.n_states, (unsigned long long)x.n_events, N_INVARIANTS);
        assert_true(x.n_states > 10000);
        mu_free(x.seen);
    }
}

/* A large world, at random */

static world large_world(mu_rng *rng) {
    world w = {.now_ns = TICK_NS,
               .n_to_come = UINT32_MAX,
               .n_ticks = UINT32_MAX,
               .n_failures = UINT32_MAX,
               .n_wishes = UINT32_MAX};
    uint64_t all = 0, most = 0;
    for (uint32_t i = 0; i < N_LARGE; i++) {
        uint64_t bytes = 1 + mu_rng_below(rng, 1000);
        mu_residency_add(&w.r, bytes, false, w.now_ns);
        all += bytes;
        if (bytes > most) most = bytes;
    }
    w.budget = most + mu_rng_below(rng, all / 2);
    w.r.budget = w.budget;
    w.r.idle_ns = 20 * TICK_NS;
    w.r.half_life_ns = 50 * TICK_NS;
    return w;
}

/* Like a server's day: requests mostly, seldom a failure or a wish. */
static void random_event(world *w, mu_rng *rng) {
    static bool (*const often[])(world *, uint32_t) = {arrive, start, start, end,
                                                       cancel, end,   start, end};
    static bool (*const seldom[])(world *, uint32_t) = {fail_load, wish_load, wish_unload};
    uint32_t i = (uint32_t)mu_rng_below(rng, w->r.n);
    if (mu_rng_below(rng, 10) == 0) tick(w, 0);
    bool is_over = mu_rng_below(rng, 4) == 0;
    for (uint32_t j = 0; j < w->r.n && is_over; j++) {
        finish_load(w, j);
    }
    if (mu_rng_below(rng, 200) == 0) {
        seldom[mu_rng_below(rng, MU_COUNTOF(seldom))](w, i);
    } else if (mu_rng_below(rng, w->canary == NO_CANARY ? 5000 : 50) == 0) {
        bool is_pinned = !w->is_pinned[i];
        mu_residency_wish what = is_pinned ? MU_WISH_PIN : MU_WISH_UNPIN;
        if (w->canary != PIN_IS_INVENTED) w->is_pinned[i] = is_pinned;
        if (w->canary != PIN_IS_NOT_TOLD) mu_residency_ask(&w->r, i, what, w->now_ns);
    } else {
        often[mu_rng_below(rng, MU_COUNTOF(often))](w, i);
    }
}

static void random_walks_keep_every_invariant(void **state) {
    (void)state;
    mu_rng rng = {SEED};
    uint64_t n_loads = 0, n_evictions = 0;
    for (int n_worlds = 0; n_worlds < 10; n_worlds++) {
        static world w; /* large */
        w = large_world(&rng);
        for (int i = 0; i < N_WALK / 10; i++) {
            random_event(&w, &rng);
            settle(&w);
            if (i % 1000 == 0) check_end(&w);
        }
        for (uint32_t i = 0; i < w.r.n; i++) {
            n_loads += w.r.models[i].n_loads;
            n_evictions += w.r.models[i].n_evictions[MU_EVICTED_FOR_ROOM];
        }
    }
    printf("%d events on %d models: %llu loads, %llu evictions for room\n", N_WALK, N_LARGE,
           (unsigned long long)n_loads, (unsigned long long)n_evictions);
    assert_true(n_loads > 1000 && n_evictions > 500);
}

/* Every invariant can fail */

static void every_invariant_fails_in_a_world_that_is_broken(void **state) {
    (void)state;
    static const struct {
        canary canary;
        invariant invariant;
    } broken[] = {
        {BUDGET_IS_SMALLER, BUDGET_IS_KEPT},
        {RUNNING_IS_NOT_TOLD, BUSY_STAYS},
        {PIN_IS_NOT_TOLD, PINNED_STAYS},
        {PIN_IS_INVENTED, ONLY_WHAT_CANNOT_FIT_IS_REFUSED},
        {LOADS_ARE_SAID_TO_BE_OVER, ONE_LOADS},
        {LOADS_NEVER_END, EVERY_REQUEST_IS_ANSWERED},
        {WAITING_IS_INVENTED, EVICTED_ONLY_FOR_A_REASON},
        {REFUSED_ONES_STAY, COMES_TO_REST},
    };
    for (size_t i = 0; i < MU_COUNTOF(broken); i++) {
        mu_rng rng = {SEED};
        static world w; /* large */
        w = large_world(&rng);
        w.canary = broken[i].canary;
        if (w.canary == BUDGET_IS_SMALLER) w.budget /= 2;
        if (w.canary == WAITING_IS_INVENTED) w.n_to_come = 20; /* nobody else waits then */
        for (int n = 0; n < N_WALK / 10; n++) {
            random_event(&w, &rng);
            settle(&w);
            if (n % 1000 == 0) check_end(&w);
        }
        printf("canary %d: %llu times\n", broken[i].canary,
               (unsigned long long)w.n_broken[broken[i].invariant]);
        assert_true(w.n_broken[broken[i].invariant] > 0);
    }
}

/* Three models with room for one, and always a request on each: nobody waits longer than all the
 * others' turns, their longest requests and their loads. */
static void steady_traffic_starves_nobody(void **state) {
    (void)state;
    enum { MS = 1000000, LOAD_MS = 300, REQUEST_MS = 700, RUN_MS = 120000 };
    world w = small_world(3, 0);
    uint64_t ready_ms[N_SMALL] = {0}, from_ms[N_SMALL] = {0}, longest_ms = 0;
    uint64_t started_ms[N_SMALL] = {0};
    uint32_t n_turns[N_SMALL] = {0};
    w.n_to_come = UINT32_MAX;
    for (uint64_t ms = 0; ms < RUN_MS; ms++, w.now_ns += MS) {
        for (uint32_t i = 0; i < N_SMALL; i++) {
            bool was_ready = mu_residency_is_ready(&w.r, i);
            const mu_residency_model *m = &w.r.models[i];
            if (w.truth[i].n_waiting == 0) arrive(&w, i);
            bool is_over = m->phase == MU_LOADING && w.now_ns >= m->since_ns + LOAD_MS * MS;
            if (is_over) finish_load(&w, i);
            if (!was_ready && mu_residency_is_ready(&w.r, i)) {
                n_turns[i]++;
                if (ms - from_ms[i] > longest_ms) longest_ms = ms - from_ms[i];
            }
            if (w.truth[i].n_running == 0 && start(&w, i)) started_ms[i] = ms;
            if (w.truth[i].n_running > 0 && ms >= started_ms[i] + REQUEST_MS) end(&w, i);
            ready_ms[i] += mu_residency_is_ready(&w.r, i);
        }
        settle(&w);
        for (uint32_t i = 0; i < N_SMALL; i++) {
            if (w.r.models[i].phase == MU_READY) from_ms[i] = ms;
        }
    }
    const uint64_t turn_ms = LOAD_MS * MU_TURN_LOADS;
    const uint64_t bound_ms =
        (N_SMALL - 1) * (turn_ms + REQUEST_MS + LOAD_MS) + REQUEST_MS + LOAD_MS;
    printf("three models in turn: longest wait %llu ms of %llu; turns %u, %u, %u\n",
           (unsigned long long)longest_ms, (unsigned long long)bound_ms, n_turns[0], n_turns[1],
           n_turns[2]);
    assert_true(longest_ms <= bound_ms);
    for (uint32_t i = 0; i < N_SMALL; i++) {
        assert_true(n_turns[i] >= RUN_MS / (bound_ms + turn_ms));
        assert_true(ready_ms[i] > RUN_MS / 5);
    }
}

/* The order of decisions, in words that a reader can follow. */
static void cheapest_idle_models_make_room(void **state) {
    (void)state;
    world w = {.now_ns = TICK_NS, .budget = 10, .n_to_come = 100, .n_wishes = 9};
    w.r = (mu_residency){.budget = 10};
    static const uint64_t bytes[] = {3, 3, 4, 6};
    for (uint32_t i = 0; i < 4; i++) {
        mu_residency_add(&w.r, bytes[i], false, w.now_ns);
    }
    for (uint32_t i = 0; i < 3; i++) { /* model 1 is used most, 2 took longest to load */
        for (uint32_t n = 0; n < (i == 1 ? 5 : 1); n++) {
            arrive(&w, i);
            settle(&w);
            w.now_ns += i == 2 ? 100 : 10;
            finish_load(&w, i);
            start(&w, i);
            end(&w, i);
        }
    }
    settle(&w);
    assert_int_equal(mu_residency_bytes(&w.r), 10);
    arrive(&w, 3); /* 6: of 0, 1, 2 the two cheapest are 0 and 1, which give it */
    settle(&w);
    assert_int_equal(w.r.models[0].phase, MU_ABSENT);
    assert_int_equal(w.r.models[1].phase, MU_ABSENT);
    assert_int_equal(w.r.models[2].phase, MU_READY);
    assert_int_equal(w.r.models[3].phase, MU_LOADING);
    wish(&w, 2, MU_WISH_PIN);
    arrive(&w, 0);
    finish_load(&w, 3);
    start(&w, 3);
    settle(&w);
    assert_int_equal(w.r.models[0].phase, MU_ABSENT); /* 3 is busy and has its turn */
    assert_int_equal(mu_residency_deadline_ns(&w.r, w.now_ns), w.now_ns + MU_TURN_LEAST_NS);
    w.now_ns += MU_TURN_LEAST_NS;
    settle(&w);
    assert_int_equal(w.r.models[3].phase, MU_CLOSING);
    cancel(&w, 0); /* nobody needs the room: open again */
    settle(&w);
    assert_int_equal(w.r.models[3].phase, MU_READY);
    arrive(&w, 1);
    w.now_ns += MU_TURN_LEAST_NS;
    settle(&w);
    end(&w, 3);
    settle(&w);
    assert_int_equal(w.r.models[3].phase, MU_ABSENT);
    assert_int_equal(w.r.models[1].phase, MU_LOADING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cheapest_idle_models_make_room),
        cmocka_unit_test(steady_traffic_starves_nobody),
        cmocka_unit_test(every_order_of_events_keeps_every_invariant),
        cmocka_unit_test(random_walks_keep_every_invariant),
        cmocka_unit_test(every_invariant_fails_in_a_world_that_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
