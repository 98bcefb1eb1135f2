/* plan() walks the running sequences oldest first. Whoever cannot get a block takes it from the
 * newest, which has not been planned yet, because it comes last in that walk. So nothing planned is
 * ever taken back.
 */
#include "engine/scheduler.h"

static void list_remove(mu_sched_list *list, mu_sched_seq *seq) {
    *(seq->prev ? &seq->prev->next : &list->first) = seq->next;
    *(seq->next ? &seq->next->prev : &list->last) = seq->prev;
    seq->next = seq->prev = NULL;
    list->n--;
}

/* Keep the list by arrival. New sequences go last and preempted ones near the front, so the walk
 * from the back is short or the list is. */
static void list_insert(mu_sched_list *list, mu_sched_seq *seq) {
    mu_sched_seq *before = list->last;
    while (before && before->arrival > seq->arrival) {
        before = before->prev;
    }
    seq->prev = before;
    seq->next = before ? before->next : list->first;
    *(before ? &before->next : &list->first) = seq;
    *(seq->next ? &seq->next->prev : &list->last) = seq;
    list->n++;
}

void mu_scheduler_init(mu_scheduler *s, const mu_scheduler_options *options, mu_kv_blocks *kv) {
    MU_ASSERT(options->n_seqs_max > 0);
    MU_ASSERT(options->step_tokens_max >= options->n_seqs_max);
    MU_ASSERT(options->prefill_chunk_max > 0);
    *s = (mu_scheduler){.options = *options, .kv = kv};
}

void mu_scheduler_add(mu_scheduler *s, mu_sched_seq *seq) {
    MU_ASSERT(seq->n_tokens > 0 && seq->n_computed == 0 && seq->n_blocks == 0);
    seq->arrival = ++s->n_arrivals;
    seq->is_running = false;
    list_insert(&s->waiting, seq);
}

/* The last blocks go first: they are reused before the prefix that others may share. */
static void release_blocks(mu_scheduler *s, mu_sched_seq *seq) {
    while (seq->n_blocks > 0) {
        mu_kv_blocks_unref(s->kv, seq->table[--seq->n_blocks]);
    }
    seq->n_computed = 0;
    seq->n_registered = 0;
    seq->last_serial = MU_KV_ROOT;
}

void mu_scheduler_remove(mu_scheduler *s, mu_sched_seq *seq) {
    list_remove(seq->is_running ? &s->running : &s->waiting, seq);
    release_blocks(s, seq);
    seq->is_running = false;
}

static void preempt(mu_scheduler *s, mu_sched_seq *seq) {
    MU_ASSERT(seq->is_running);
    list_remove(&s->running, seq);
    release_blocks(s, seq);
    seq->is_running = false;
    seq->n_draft = 0;
    list_insert(&s->waiting, seq);
    s->n_preemptions++;
}

static uint32_t blocks_for(const mu_scheduler *s, uint32_t n_tokens) {
    uint32_t block_tokens = mu_kv_blocks_block_tokens(s->kv);
    return (n_tokens + block_tokens - 1) / block_tokens;
}

/* Blocks for n more tokens, or fewer tokens if blocks are short. Returns the tokens that fit. */
static uint32_t grow_table(mu_scheduler *s, mu_sched_seq *seq, uint32_t n) {
    uint32_t total = blocks_for(s, seq->n_computed + n), n_free = mu_kv_blocks_n_free(s->kv);
    uint32_t need =
        total > seq->n_blocks ? total - seq->n_blocks : 0; /* drafts may have left some */
    if (need > n_free) {
        need = n_free;
        n = (seq->n_blocks + n_free) * mu_kv_blocks_block_tokens(s->kv) - seq->n_computed;
    }
    bool acquired = mu_kv_blocks_acquire(s->kv, need, seq->table + seq->n_blocks);
    MU_ASSERT(acquired);
    seq->n_blocks += need;
    return n;
}

/* As grow_table(), but at least one token, taking blocks from newer sequences. 0 when seq is the
 * newest and has to wait. */
static uint32_t grow_or_preempt(mu_scheduler *s, mu_sched_seq *seq, uint32_t n) {
    for (;;) {
        uint32_t fits = grow_table(s, seq, n);
        if (fits > 0) return fits;
        if (s->running.last == seq) return 0;
        preempt(s, s->running.last);
    }
}

/* Take over blocks that already hold the sequence's first tokens; at least one token is left to
 * compute, because its logits are wanted. */
static void take_prefix(mu_scheduler *s, mu_sched_seq *seq) {
    uint32_t block_tokens = mu_kv_blocks_block_tokens(s->kv);
    mu_kv_block_id id;
    uint64_t serial;
    while (
        seq->use_prefix_cache && seq->n_computed + block_tokens < seq->n_tokens &&
        mu_kv_blocks_find(s->kv, seq->last_serial, seq->tokens + seq->n_computed, &id, &serial)) {
        mu_kv_blocks_ref(s->kv, id);
        seq->table[seq->n_blocks++] = id;
        seq->n_registered++;
        seq->last_serial = serial;
        seq->n_computed += block_tokens;
    }
}

/* Blocks that the running sequences still need for what they know and one token more. */
static uint32_t n_promised(const mu_scheduler *s) {
    uint32_t n = 0;
    for (const mu_sched_seq *seq = s->running.first; seq; seq = seq->next) {
        uint32_t n_needed = blocks_for(s, seq->n_tokens + 1);
        if (n_needed > seq->n_blocks) n += n_needed - seq->n_blocks;
    }
    return n;
}

/* Let the first of the queue in when all it knows and one token more fit beside what the running
 * ones need next: a sequence admitted with less would soon be preempted, its prefill wasted. */
static bool admit(mu_scheduler *s) {
    mu_sched_seq *seq = s->waiting.first;
    take_prefix(s, seq);
    uint32_t need = blocks_for(s, seq->n_tokens + 1) - seq->n_blocks;
    uint32_t total = blocks_for(s, seq->n_tokens + 1);
    if (total > mu_kv_blocks_n(s->kv)) need--; /* it ends with this token */
    if (need + n_promised(s) > mu_kv_blocks_n_free(s->kv)) {
        release_blocks(s, seq);
        return false;
    }
    if (seq->n_admissions++ == 0) seq->n_cached = seq->n_computed;
    list_remove(&s->waiting, seq);
    seq->is_running = true;
    list_insert(&s->running, seq);
    return true;
}

typedef struct planner {
    mu_scheduler *s;
    mu_sched_item *items;
    uint32_t n_items;
    uint32_t prefill_left; /* tokens of this step */
} planner;

/* Draft tokens that fit the step and the free blocks: nobody loses a block to a draft. */
static uint32_t plan_draft(planner *p, mu_sched_seq *seq) {
    uint32_t n = seq->n_draft < p->prefill_left ? seq->n_draft : p->prefill_left;
    seq->n_draft = 0;
    if (n == 0) return 0;
    n = grow_table(p->s, seq, 1 + n) - 1;
    p->prefill_left -= n;
    return n;
}

static void plan_one(planner *p, mu_sched_seq *seq) {
    uint32_t n = seq->n_tokens - seq->n_computed;
    MU_ASSERT(n > 0);
    bool is_prefill = n > 1 || p->s->options.is_whole;
    if (p->s->options.is_whole) {
        if (n > p->prefill_left && p->n_items > 0) return;
    } else if (is_prefill) {
        if (n > p->s->options.prefill_chunk_max) n = p->s->options.prefill_chunk_max;
        if (n > p->prefill_left) n = p->prefill_left;
        if (n == 0) return;
    }
    n = grow_or_preempt(p->s, seq, n);
    if (n == 0) return;
    /* what was admitted has its blocks: only the running ones take any, each as promised */
    MU_ASSERT(!p->s->options.is_whole || n == seq->n_tokens);
    if (is_prefill) p->prefill_left -= n < p->prefill_left ? n : p->prefill_left;
    p->items[p->n_items++] = (mu_sched_item){
        .seq = seq,
        .n_tokens = n,
        .n_draft = is_prefill ? 0 : plan_draft(p, seq),
        .wants_logits = seq->n_computed + n == seq->n_tokens,
    };
}

uint32_t mu_scheduler_plan(mu_scheduler *s, mu_sched_item *items) {
    planner p = {.s = s, .items = items, .prefill_left = s->options.step_tokens_max};
    for (mu_sched_seq *seq = s->running.first; seq && !s->options.is_whole; seq = seq->next) {
        if (seq->n_tokens - seq->n_computed == 1) p.prefill_left--;
    }
    bool some_decode = p.prefill_left < s->options.step_tokens_max;
    if (some_decode && p.prefill_left > s->options.prefill_beside_max) {
        p.prefill_left = s->options.prefill_beside_max;
    }
    uint64_t n_preemptions = s->n_preemptions;
    for (mu_sched_seq *seq = s->running.first, *next; seq; seq = next) {
        plan_one(&p, seq);
        next = seq->next; /* read after: plan_one() may have preempted what followed */
    }
    while (s->waiting.first && s->running.n < s->options.n_seqs_max && p.prefill_left > 0 &&
           s->n_preemptions == n_preemptions) {
        mu_sched_seq *seq = s->waiting.first;
        if (!admit(s)) break;
        if (seq->n_tokens - seq->n_computed == 1 && !s->options.is_whole) p.prefill_left--;
        plan_one(&p, seq);
    }
    return p.n_items;
}

void mu_scheduler_computed(mu_scheduler *s, const mu_sched_item *item) {
    mu_sched_seq *seq = item->seq;
    uint32_t block_tokens = mu_kv_blocks_block_tokens(s->kv);
    MU_ASSERT(seq->is_running && item->n_tokens > 0);
    seq->n_computed += item->n_tokens;
    MU_ASSERT(seq->n_computed <= seq->n_tokens);
    while (seq->use_prefix_cache && (seq->n_registered + 1) * block_tokens <= seq->n_computed) {
        seq->last_serial =
            mu_kv_blocks_register(s->kv, seq->table[seq->n_registered], seq->last_serial,
                                  seq->tokens + seq->n_registered * block_tokens);
        seq->n_registered++;
    }
}

static void check_list(const mu_scheduler *s, const mu_sched_list *list, bool is_running) {
    uint32_t n = 0;
    uint64_t arrival = 0;
    for (const mu_sched_seq *seq = list->first; seq; seq = seq->next, n++) {
        MU_ASSERT(seq->is_running == is_running);
        MU_ASSERT(seq->arrival > arrival);
        arrival = seq->arrival;
        MU_ASSERT(seq->next ? seq->next->prev == seq : list->last == seq);
        MU_ASSERT(seq->n_computed < seq->n_tokens || !is_running || seq->n_computed > 0);
        MU_ASSERT(seq->n_blocks >= blocks_for(s, seq->n_computed));
        MU_ASSERT(is_running || seq->n_blocks == 0);
        for (uint32_t i = 0; i < seq->n_blocks; i++) {
            MU_ASSERT(mu_kv_blocks_n_refs(s->kv, seq->table[i]) > 0);
        }
    }
    MU_ASSERT(n == list->n);
}

static uint32_t n_entries(const mu_sched_seq *seq, mu_kv_block_id id) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < seq->n_blocks; i++) {
        if (seq->table[i] == id) n++;
    }
    return n;
}

void mu_scheduler_check(const mu_scheduler *s) {
    MU_ASSERT(s->running.n <= s->options.n_seqs_max);
    check_list(s, &s->running, true);
    check_list(s, &s->waiting, false);
    for (mu_kv_block_id id = 0; id < mu_kv_blocks_n(s->kv); id++) {
        uint32_t n_held = 0;
        for (const mu_sched_seq *seq = s->running.first; seq; seq = seq->next) {
            uint32_t n = n_entries(seq, id);
            MU_ASSERT(n <= 1);
            n_held += n;
        }
        MU_ASSERT(n_held == mu_kv_blocks_n_refs(s->kv, id));
    }
    mu_kv_blocks_check(s->kv);
}
