/* What an executor decides, without threads and clocks: several residents with random requests,
 * steps that take as long as the world says, and the executor's own modules: queue, fair, pacer,
 * shares.
 *
 * Held in every world: an engine with work waits no longer than the bound of shares.h; over any
 * stretch in which two have work, what they got by weight differs by no more than a step of each;
 * an engine that was idle is not ahead for it; every request ends, or is refused once.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "router/pacer.h"
#include "router/queue.h"
#include "router/shares.h"

enum {
    N_WORLDS = 200,
    STEPS_PER_WORLD = 3000,
    N_RESIDENTS_MAX = 6,
    N_REQUESTS = 40, /* of a resident, alive at once */
    N_CLIENTS = 4,
    SEED = 20261126,
};

typedef struct sim_request {
    mu_queue_entry entry; /* first: a queue's pointers are ours */
    uint32_t n_prompt_left, n_output_left;
    bool is_alive;
} sim_request;

typedef struct sim_resident {
    mu_queue queue;
    mu_pacer pacer;
    uint32_t weight;
    double step_ns, row_ns; /* what its steps take */
    double arrivals;        /* requests per step of the world, on average */
    sim_request requests[N_REQUESTS];
    uint64_t n_submitted, n_refused, n_ended;

    uint64_t waited_ns, longest_step_ns;
} sim_resident;

typedef struct world {
    mu_rng rng;
    uint64_t now_ns;
    mu_shares shares;
    uint32_t n;
    sim_resident residents[N_RESIDENTS_MAX];
    /* Of each pair: what both got by weight since both have work. */
    double ahead_least[N_RESIDENTS_MAX][N_RESIDENTS_MAX], ahead[N_RESIDENTS_MAX][N_RESIDENTS_MAX],
        ahead_most[N_RESIDENTS_MAX][N_RESIDENTS_MAX];
} world;

static double uniform(world *w) {
    return (double)mu_rng_below(&w->rng, 1u << 24) / (1u << 24);
}

static void open_world(world *w, uint64_t seed) {
    *w = (world){.rng.state = seed};
    w->n = 2 + (uint32_t)mu_rng_below(&w->rng, N_RESIDENTS_MAX - 1);
    for (uint32_t i = 0; i < w->n; i++) {
        sim_resident *r = &w->residents[i];
        r->weight = 1 + (uint32_t)mu_rng_below(&w->rng, 5);
        r->step_ns = 1e5 * pow(1000.0, uniform(w)); /* 0.1 to 100 ms */
        r->row_ns = r->step_ns * 0.2 * uniform(w);
        r->arrivals = uniform(w) < 0.5 ? 1.0 : 0.05 * uniform(w); /* drowned, or now and then */
        const mu_queue_limits limits = {.n_seqs_max = 1 + (uint32_t)mu_rng_below(&w->rng, 8),
                                        .n_waiting_max = 1 + (uint32_t)mu_rng_below(&w->rng, 20),
                                        .n_waiting_tokens_max = 2000};
        assert_int_equal(mu_queue_init(&r->queue, &limits, NULL), MU_OK);
        assert_int_equal(mu_shares_add(&w->shares, r->weight), i);
    }
}

static void close_world(world *w) {
    for (uint32_t i = 0; i < w->n; i++) {
        mu_queue_deinit(&w->residents[i].queue);
    }
}

static void arrive(world *w, sim_resident *r) {
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        sim_request *request = &r->requests[i];
        if (request->is_alive) continue;
        *request = (sim_request){
            .entry = {.fair.client = mu_rng_below(&w->rng, N_CLIENTS),
                      .n_tokens = 1 + (uint32_t)mu_rng_below(&w->rng, 300),
                      .n_seqs = 1},
            .n_output_left = 1 + (uint32_t)mu_rng_below(&w->rng, 30),
        };
        request->n_prompt_left = request->entry.n_tokens;
        r->n_submitted++;
        request->is_alive = mu_queue_add(&r->queue, &request->entry, NULL) == MU_OK;
        r->n_refused += !request->is_alive;
        return;
    }
}

/* A step as the engine makes it: a token for whoever decodes, prefill as allowed, oldest first.
 * Returns what it takes. */
static uint64_t step(world *w, sim_resident *r) {
    uint32_t n_decode = 0, n_prefill = 0, n_reading = 0;
    for (uint32_t i = 0; i < r->queue.n_running; i++) {
        sim_request *request = (sim_request *)r->queue.running[i];
        n_decode += request->n_prompt_left == 0;
        n_reading += request->n_prompt_left > 0;
    }
    uint32_t allowed = mu_pacer_allowance(&r->pacer, n_decode, n_reading);
    if (allowed > 64) allowed = 64; /* the engine's own limit */
    for (uint32_t i = 0; i < r->queue.n_running; i++) {
        sim_request *request = (sim_request *)r->queue.running[i];
        if (request->n_prompt_left == 0) {
            request->n_output_left--;
            continue;
        }
        uint32_t n = request->n_prompt_left < allowed ? request->n_prompt_left : allowed;
        request->n_prompt_left -= n;
        allowed -= n;
        n_prefill += n;
    }
    double noise = 0.8 + 0.4 * uniform(w);
    uint64_t took_ns = (uint64_t)(noise * (r->step_ns + r->row_ns * (n_decode + n_prefill)));
    mu_pacer_observe(&r->pacer, n_decode, n_prefill, (double)took_ns);
    if (took_ns > r->longest_step_ns) r->longest_step_ns = took_ns;
    return took_ns;
}

static void collect(world *w, sim_resident *r) {
    for (uint32_t i = 0; i < r->queue.n_running;) {
        sim_request *request = (sim_request *)r->queue.running[i];
        if (request->n_output_left > 0) {
            i++;
            continue;
        }
        mu_queue_seqs_ended(&r->queue, 1);
        assert_ptr_equal(mu_queue_end(&r->queue, i, w->now_ns), &request->entry);
        request->is_alive = false;
        r->n_ended++;
    }
}

/* Over any stretch in which both have work: the range that the difference of what they got moved
 * in. */
static void follow_pairs(world *w, uint32_t stepped, double by_weight_ns) {
    for (uint32_t i = 0; i < w->n; i++) {
        for (uint32_t j = 0; j < i; j++) {
            bool both = w->shares.items[i].has_work && w->shares.items[j].has_work;
            if (!both) {
                w->ahead[i][j] = w->ahead_least[i][j] = w->ahead_most[i][j] = 0.0;
                continue;
            }
            double *ahead = &w->ahead[i][j];
            if (stepped == i) *ahead += by_weight_ns;
            if (stepped == j) *ahead -= by_weight_ns;
            if (*ahead < w->ahead_least[i][j]) w->ahead_least[i][j] = *ahead;
            if (*ahead > w->ahead_most[i][j]) w->ahead_most[i][j] = *ahead;
            const sim_resident *a = &w->residents[i], *b = &w->residents[j];
            double bound =
                (double)a->longest_step_ns / a->weight + (double)b->longest_step_ns / b->weight;
            assert_true(w->ahead_most[i][j] - w->ahead_least[i][j] <= bound * 1.000001);
        }
    }
}

/* Nobody starves: while i waits for a step, each other one may catch up with i's last step and go
 * one step beyond. */
static void follow_waits(world *w, uint32_t stepped, uint64_t took_ns) {
    for (uint32_t i = 0; i < w->n; i++) {
        sim_resident *r = &w->residents[i];
        bool waits = w->shares.items[i].has_work && i != stepped;
        r->waited_ns = waits ? r->waited_ns + took_ns : 0;
        double bound = 0.0;
        for (uint32_t j = 0; j < w->n; j++) {
            const sim_resident *o = &w->residents[j];
            if (j == i) continue;
            bound += (double)r->longest_step_ns / r->weight * o->weight +
                     2.0 * (double)o->longest_step_ns;
        }
        assert_true((double)r->waited_ns <= bound);
    }
}

static bool run_round(world *w, bool takes_new) {
    for (uint32_t i = 0; i < w->n; i++) {
        sim_resident *r = &w->residents[i];
        if (takes_new && uniform(w) < r->arrivals) arrive(w, r);
        while (mu_queue_start(&r->queue, w->now_ns)) {}
        assert_true(r->queue.n_running <= 2 * r->queue.limits.n_seqs_max); /* newcomers */
        mu_shares_set_work(&w->shares, i, r->queue.n_running > 0);
    }
    uint32_t next = mu_shares_next(&w->shares);
    if (next == MU_SHARES_NONE) {
        w->now_ns += 1000000;
        return false;
    }
    uint64_t took_ns = step(w, &w->residents[next]);
    w->now_ns += took_ns;
    mu_shares_charge(&w->shares, next, took_ns);
    follow_pairs(w, next, (double)took_ns / w->residents[next].weight);
    follow_waits(w, next, took_ns);
    collect(w, &w->residents[next]);
    return true;
}

static void engines_share_and_nobody_starves(void **state) {
    (void)state;
    uint64_t n_steps = 0, n_ended = 0, n_refused = 0;
    for (uint64_t seed = SEED; seed < SEED + N_WORLDS; seed++) {
        static world w;
        open_world(&w, seed);
        for (uint32_t i = 0; i < STEPS_PER_WORLD; i++) {
            n_steps += run_round(&w, true);
        }
        uint32_t n_more = 0;
        while (run_round(&w, false)) {
            if (++n_more > 1000000) fail_msg("seed %llu: no end", (unsigned long long)seed);
        }
        for (uint32_t i = 0; i < w.n; i++) {
            const sim_resident *r = &w.residents[i];
            assert_int_equal(r->n_submitted, r->n_ended + r->n_refused);
            assert_int_equal(r->queue.n_refused, r->n_refused);
            assert_int_equal(r->queue.n_waiting + r->queue.n_running + r->queue.n_seqs, 0);
            n_ended += r->n_ended;
            n_refused += r->n_refused;
        }
        close_world(&w);
    }
    print_message("%d worlds from seed %d: %llu steps, %llu requests ended, %llu refused\n",
                  N_WORLDS, SEED, (unsigned long long)n_steps, (unsigned long long)n_ended,
                  (unsigned long long)n_refused);
    assert_true(n_ended > 50000 && n_refused > 50000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(engines_share_and_nobody_starves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
