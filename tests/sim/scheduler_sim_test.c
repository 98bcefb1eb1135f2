/* The scheduler under random orders of events, with pools so small that preemption is frequent.
 *
 * After every event the modules' own checks run and so does a check from outside that counts, for
 * every block, the tables that hold it. The texts are continuations of a few prompts, so prefixes
 * are shared often. What a block holds is simulated too: computing a token writes (position, the
 * token, and a hash of all before it) into its block, and every token that is read later must still
 * be there. So a block that is shared, revived or overwritten wrongly is noticed as lost contents.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/scheduler.h"

enum {
    N_WORLDS = 40,
    EVENTS_PER_WORLD = 4000,
    N_SEQS = 24, /* alive at once, waiting and running */
    TOKENS_MAX = 48,
    BLOCKS_MAX = 24,
    BLOCK_MAX = 8,
    SEED = 20261124,
};

typedef struct sim_seq {
    mu_sched_seq sched; /* first: the scheduler's pointers are ours */
    mu_token tokens[TOKENS_MAX];
    mu_kv_block_id table[TOKENS_MAX];
    uint32_t n_tokens_max;
    uint32_t n_finished; /* times */
    bool is_in;
} sim_seq;

typedef struct world {
    mu_arena arena;
    mu_kv_blocks *kv;
    mu_scheduler scheduler;
    mu_rng rng;
    uint32_t block_tokens;
    mu_sched_item items[N_SEQS];
    sim_seq seqs[N_SEQS];
    uint64_t contents[BLOCKS_MAX][BLOCK_MAX]; /* the simulated KV cache */
} world;

typedef struct totals {
    uint64_t n_events, n_submitted, n_finished, n_canceled, n_steps, n_tokens, n_reads;
    uint64_t n_preemptions, n_cached;
    uint32_t n_steps_longest; /* of the oldest sequence, without progress */
} totals;

static uint32_t below(world *w, uint32_t n) {
    return (uint32_t)mu_rng_below(&w->rng, n);
}

static void open_world(world *w, uint64_t seed) {
    memset(w, 0, sizeof(*w));
    w->rng.state = seed;
    w->block_tokens = 1 + below(w, BLOCK_MAX);
    uint32_t n_blocks_min = (TOKENS_MAX + w->block_tokens - 1) / w->block_tokens;
    uint32_t n_blocks = n_blocks_min < BLOCKS_MAX ? n_blocks_min : BLOCKS_MAX;
    n_blocks += below(w, BLOCKS_MAX - n_blocks + 1);
    mu_scheduler_options options = {.n_seqs_max = 1 + below(w, 8)};
    options.step_tokens_max = options.n_seqs_max + below(w, 20);
    options.prefill_chunk_max = 1 + below(w, options.step_tokens_max);
    options.prefill_beside_max = 1 + below(w, options.step_tokens_max);
    size_t bytes = mu_kv_blocks_bytes(n_blocks, w->block_tokens);
    assert_int_equal(mu_arena_init(&w->arena, bytes, NULL), MU_OK);
    w->kv = mu_kv_blocks_create(&w->arena, n_blocks, w->block_tokens);
    assert_non_null(w->kv);
    mu_scheduler_init(&w->scheduler, &options, w->kv);
}

/* Every reference of every block is in exactly one running table, from outside the module. */
static void check_refs(const world *w) {
    uint32_t n_held[BLOCKS_MAX] = {0};
    for (uint32_t i = 0; i < N_SEQS; i++) {
        const sim_seq *seq = &w->seqs[i];
        if (!seq->is_in) continue;
        if (!seq->sched.is_running) assert_int_equal(seq->sched.n_blocks, 0);
        for (uint32_t b = 0; b < seq->sched.n_blocks; b++) {
            assert_true(seq->table[b] < mu_kv_blocks_n(w->kv));
            n_held[seq->table[b]]++;
        }
    }
    uint32_t n_free = 0;
    for (uint32_t id = 0; id < mu_kv_blocks_n(w->kv); id++) {
        assert_int_equal(mu_kv_blocks_n_refs(w->kv, id), n_held[id]);
        if (n_held[id] == 0) n_free++;
    }
    assert_int_equal(mu_kv_blocks_n_free(w->kv), n_free);
}

static void check_ages(const world *w) {
    const mu_sched_seq *newest = w->scheduler.running.last, *next = w->scheduler.waiting.first;
    if (newest && next) assert_true(newest->arrival < next->arrival);
}

static void check_world(const world *w) {
    mu_scheduler_check(&w->scheduler);
    check_refs(w);
    check_ages(w);
}

static uint64_t hash_of(uint64_t before, mu_token token, uint32_t position) {
    return mu_mix64(before ^ mu_mix64(((uint64_t)position << 32) + (uint32_t)token + 1));
}

/* What the backend does: all earlier tokens are read, the item's tokens are written. */
static void compute(world *w, const mu_sched_item *item, totals *t) {
    const mu_sched_seq *seq = item->seq;
    uint32_t end = seq->n_computed + item->n_tokens;
    uint64_t hash = 0;
    assert_true(end <= seq->n_blocks * w->block_tokens);
    for (uint32_t i = 0; i < end; i++) {
        hash = hash_of(hash, seq->tokens[i], i);
        mu_kv_block_id id = seq->table[i / w->block_tokens];
        uint64_t *at = &w->contents[id][i % w->block_tokens];
        if (i >= seq->n_computed) {
            assert_int_equal(mu_kv_blocks_n_refs(w->kv, id), 1); /* nobody else's is written */
            *at = hash;
        }
        assert_true(*at == hash);
        t->n_reads++;
    }
}

static sim_seq *pick(world *w, bool is_in) {
    uint32_t first = below(w, N_SEQS);
    for (uint32_t i = 0; i < N_SEQS; i++) {
        sim_seq *seq = &w->seqs[(first + i) % N_SEQS];
        if (seq->is_in == is_in) return seq;
    }
    return NULL;
}

static void submit(world *w, totals *t) {
    sim_seq *seq = pick(w, false);
    if (!seq) return;
    uint32_t fits = mu_kv_blocks_n(w->kv) * w->block_tokens;
    uint32_t n_max = fits < TOKENS_MAX ? fits : TOKENS_MAX;
    memset(seq, 0, sizeof(*seq));
    seq->n_tokens_max = 1 + below(w, n_max);
    uint32_t n_prompt = 1 + below(w, seq->n_tokens_max);
    mu_token text = (mu_token)below(w, 3); /* three texts, each with a chance to branch off */
    for (uint32_t i = 0; i < n_prompt; i++) {
        if (below(w, 40) == 0) text += 3;
        seq->tokens[i] = text;
    }
    seq->sched = (mu_sched_seq){
        .tokens = seq->tokens,
        .n_tokens = n_prompt,
        .table = seq->table,
        .use_prefix_cache = below(w, 8) > 0,
    };
    seq->is_in = true;
    mu_scheduler_add(&w->scheduler, &seq->sched);
    t->n_submitted++;
}

static void end(world *w, sim_seq *seq) {
    mu_scheduler_remove(&w->scheduler, &seq->sched);
    seq->is_in = false;
    assert_int_equal(++seq->n_finished, 1);
    assert_int_equal(seq->sched.n_blocks, 0);
}

static void cancel(world *w, totals *t) {
    sim_seq *seq = pick(w, true);
    if (!seq) return;
    end(w, seq);
    t->n_canceled++;
}

static void sample(world *w, sim_seq *seq, totals *t) {
    assert_int_equal(seq->sched.n_computed, seq->sched.n_tokens);
    if (seq->sched.n_tokens == seq->n_tokens_max || below(w, 30) == 0) {
        end(w, seq);
        t->n_finished++;
        return;
    }
    seq->tokens[seq->sched.n_tokens] = seq->tokens[seq->sched.n_tokens - 1];
    seq->sched.n_tokens++;
}

static const mu_sched_seq *oldest(const world *w) {
    const mu_scheduler *s = &w->scheduler;
    return s->running.first ? s->running.first : s->waiting.first;
}

static uint32_t n_decoding(const world *w) {
    uint32_t n = 0;
    for (const mu_sched_seq *seq = w->scheduler.running.first; seq; seq = seq->next) {
        n += seq->n_tokens - seq->n_computed == 1;
    }
    return n;
}

static void check_plan(const world *w, uint32_t n_items, const mu_sched_seq *first,
                       uint32_t n_decode) {
    uint32_t n_tokens = 0, n_first = 0, n_prefill = 0;
    assert_true(n_items <= w->scheduler.options.n_seqs_max);
    for (uint32_t i = 0; i < n_items; i++) {
        const mu_sched_item *item = &w->items[i];
        uint32_t left = item->seq->n_tokens - item->seq->n_computed;
        assert_true(item->seq->is_running);
        assert_true(item->n_tokens > 0 && item->n_tokens <= left);
        assert_true(item->n_tokens <= w->scheduler.options.prefill_chunk_max);
        assert_int_equal(item->wants_logits, item->n_tokens == left);
        for (uint32_t j = 0; j < i; j++) {
            assert_ptr_not_equal(w->items[j].seq, item->seq);
        }
        n_tokens += item->n_tokens;
        if (left > 1) n_prefill += item->n_tokens;
        if (item->seq == first) n_first++;
    }
    assert_true(n_tokens <= w->scheduler.options.step_tokens_max);
    if (n_decode > 0) {
        assert_true(n_prefill <= w->scheduler.options.prefill_beside_max);
    }
    assert_int_equal(n_first, first ? 1 : 0); /* the oldest is in every plan: nobody starves */
}

static void step(world *w, totals *t) {
    const mu_sched_seq *first = oldest(w);
    uint32_t n_decode = n_decoding(w);
    uint32_t n_items = mu_scheduler_plan(&w->scheduler, w->items);
    check_plan(w, n_items, first, n_decode);
    check_world(w);
    for (uint32_t i = 0; i < n_items; i++) {
        compute(w, &w->items[i], t);
    }
    for (uint32_t i = 0; i < n_items; i++) {
        sim_seq *seq = (sim_seq *)(void *)w->items[i].seq;
        uint32_t before = seq->sched.n_computed;
        mu_scheduler_computed(&w->scheduler, &w->items[i]);
        assert_int_equal(seq->sched.n_computed, before + w->items[i].n_tokens);
        check_world(w);
        t->n_tokens += w->items[i].n_tokens;
    }
    for (uint32_t i = 0; i < n_items; i++) {
        sim_seq *seq = (sim_seq *)(void *)w->items[i].seq;
        if (w->items[i].wants_logits) sample(w, seq, t);
        if (!seq->is_in) t->n_cached += seq->sched.n_cached;
        check_world(w);
    }
    t->n_steps++;
}

/* The sequence that is oldest now ends after at most one step per token it may have, and then the
 * next one is oldest: a bound for everybody. */
static void drain(world *w, totals *t) {
    const mu_sched_seq *first = NULL;
    uint32_t n_steps = 0;
    while (oldest(w)) {
        if (oldest(w) != first) n_steps = 0;
        first = oldest(w);
        step(w, t);
        n_steps++;
        assert_true(n_steps <= TOKENS_MAX);
        if (n_steps > t->n_steps_longest) t->n_steps_longest = n_steps;
    }
    assert_int_equal(mu_kv_blocks_n_free(w->kv), mu_kv_blocks_n(w->kv));
    assert_int_equal(mu_scheduler_plan(&w->scheduler, w->items), 0);
}

static void random_events_break_no_invariant(void **state) {
    (void)state;
    static world w;
    totals t = {0};
    printf("seeds %d to %d\n", SEED, SEED + N_WORLDS - 1);
    for (uint32_t i = 0; i < N_WORLDS; i++) {
        open_world(&w, SEED + i);
        for (uint32_t event = 0; event < EVENTS_PER_WORLD; event++) {
            uint32_t dice = below(&w, 16);
            if (dice < 5) {
                submit(&w, &t);
            } else if (dice == 5) {
                cancel(&w, &t);
            } else {
                step(&w, &t);
            }
            check_world(&w);
            t.n_events++;
        }
        drain(&w, &t);
        t.n_preemptions += w.scheduler.n_preemptions;
        mu_arena_deinit(&w.arena);
    }
    printf("%llu events, %llu steps, %llu tokens, %llu contents read back, %llu preemptions, "
           "%llu tokens from the prefix cache\n",
           (unsigned long long)t.n_events, (unsigned long long)t.n_steps,
           (unsigned long long)t.n_tokens, (unsigned long long)t.n_reads,
           (unsigned long long)t.n_preemptions, (unsigned long long)t.n_cached);
    printf("%llu submitted = %llu finished + %llu canceled, oldest ended within %u steps\n",
           (unsigned long long)t.n_submitted, (unsigned long long)t.n_finished,
           (unsigned long long)t.n_canceled, t.n_steps_longest);
    assert_true(t.n_events >= 100000);
    assert_int_equal(t.n_submitted, t.n_finished + t.n_canceled);
    assert_true(t.n_preemptions > 1000 && t.n_cached > 1000); /* or the walk tested neither */
}

/* Canaries: each breaks one invariant of a world in the middle of its work, in a child process, and
 * the checks must stop that process. */
static void break_ref(world *w) {
    mu_kv_blocks_ref(w->kv, w->scheduler.running.first->table[0]);
}

static void break_unref(world *w) {
    mu_kv_blocks_unref(w->kv, w->scheduler.running.first->table[0]);
}

static void break_leak(world *w) {
    w->scheduler.running.first->n_blocks--;
}

static void break_order(world *w) {
    w->scheduler.waiting.first->arrival = w->scheduler.n_arrivals + 1;
}

static void break_state(world *w) {
    w->scheduler.waiting.first->is_running = true;
}

static void break_count(world *w) {
    w->scheduler.running.n++;
}

static void break_computed(world *w) {
    w->scheduler.running.first->n_computed = TOKENS_MAX * 2;
}

/* One table holds a block twice and lost another: the totals still agree. */
static void break_swap(world *w) {
    mu_sched_seq *first = w->scheduler.running.first, *last = w->scheduler.running.last;
    assert_true(first != last && first->table[0] != last->table[last->n_blocks - 1]);
    first->table[0] = last->table[last->n_blocks - 1];
}

/* Two run and two wait: there is something to break. */
static void open_loaded_world(world *w) {
    totals t = {0};
    for (uint64_t seed = SEED;; seed++) {
        open_world(w, seed);
        for (uint32_t i = 0; i < N_SEQS; i++) {
            submit(w, &t);
        }
        for (uint32_t i = 0; i < 4; i++) {
            step(w, &t);
        }
        if (w->scheduler.running.n >= 2 && w->scheduler.waiting.n >= 2 && w->block_tokens > 1) {
            return;
        }
        mu_arena_deinit(&w->arena);
        assert_true(seed < SEED + 100);
    }
}

static bool is_noticed(void (*break_it)(world *)) {
    static world w;
    open_loaded_world(&w);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        signal(SIGABRT, SIG_DFL);
        if (break_it) break_it(&w);
        mu_scheduler_check(&w.scheduler);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    mu_arena_deinit(&w.arena);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void broken_invariants_are_noticed(void **state) {
    (void)state;
    static const struct {
        const char *name;
        void (*break_it)(world *);
    } canaries[] = {
        {"reference without a table", break_ref},
        {"table without a reference", break_unref},
        {"leaked block", break_leak},
        {"queue out of order", break_order},
        {"sequence in the wrong list", break_state},
        {"wrong count", break_count},
        {"computed without blocks", break_computed},
        {"swapped blocks", break_swap},
    };
    assert_false(is_noticed(NULL)); /* unbroken, the same check passes */
    uint32_t n_missed = 0;
    for (size_t i = 0; i < MU_COUNTOF(canaries); i++) {
        if (is_noticed(canaries[i].break_it)) continue;
        printf("not noticed: %s\n", canaries[i].name);
        n_missed++;
    }
    assert_int_equal(n_missed, 0);
    printf("%zu broken invariants noticed\n", MU_COUNTOF(canaries));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_events_break_no_invariant),
        cmocka_unit_test(broken_invariants_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
