/* scheduler.h - which tokens are computed next. Pure: no clock, no lock, no I/O, no allocation
 * after create(). Events go in (add, computed, remove), a plan comes out.
 *
 * One step mixes one decode token of every running sequence with chunks of prefill, within
 * step_tokens_max. Admission is first come, first served. When KV blocks run out the newest running
 * sequence is preempted: its blocks go, its tokens stay, it waits in its old place in the queue and
 * its prefill is redone. The oldest running sequence is never preempted, and any sequence fits an
 * empty cache (the engine refuses others), so the oldest always ends: nobody starves.
 *
 *     add ──▶ waiting ──admit──▶ running ──remove──▶ gone
 *                ▲                  │
 *                └──── preempt ─────┘
 *
 * Threads: belongs to the engine's thread. Memory: sequences link themselves (mu_sched_seq is part
 * of the caller's own); block tables belong to the caller.
 */
#ifndef MU_ENGINE_SCHEDULER_H
#define MU_ENGINE_SCHEDULER_H

#include "engine/kv_blocks.h"

typedef struct mu_sched_seq mu_sched_seq;
struct mu_sched_seq {
    /* set by the caller before add() */
    const mu_token *tokens; /* [n_tokens], prompt and output; the caller appends and counts */
    uint32_t n_tokens;      /* known tokens; one more after each sampled one */
    mu_kv_block_id *table;  /* [blocks of the longest it may become], written by the scheduler */
    bool use_prefix_cache;
    uint32_t n_draft; /* tokens drafted behind the last, tokens[n_tokens ...); set before plan() */
    /* the scheduler's */
    bool is_running;
    uint32_t n_computed;   /* tokens whose K and V are in the cache */
    uint32_t n_cached;     /* of these, found in the prefix cache at the first admission */
    uint32_t n_blocks;     /* in table */
    uint32_t n_registered; /* leading blocks of table whose content is registered */
    uint32_t n_admissions;
    uint64_t last_serial; /* of the content of the registered blocks */
    uint64_t arrival;     /* order of add() */
    mu_sched_seq *next, *prev;
};

typedef struct mu_sched_list {
    mu_sched_seq *first, *last;
    uint32_t n;
} mu_sched_list;

typedef struct mu_scheduler_options {
    uint32_t n_seqs_max;
    uint32_t step_tokens_max; /* at least n_seqs_max, so that every running sequence can decode */
    uint32_t prefill_chunk_max;
    uint32_t prefill_beside_max; /* prefill tokens of a step in which sequences decode */
    bool is_whole; /* a sequence is computed in one step and ends there; one that is longer than a
                      step has one for itself */
} mu_scheduler_options;

typedef struct mu_scheduler {
    mu_scheduler_options options;
    mu_kv_blocks *kv;      /* borrowed */
    mu_sched_list waiting; /* by arrival */
    mu_sched_list running; /* by arrival: preempted sequences come back to their old place */
    uint64_t n_arrivals;
    uint64_t n_preemptions;
} mu_scheduler;

typedef struct mu_sched_item {
    mu_sched_seq *seq;
    uint32_t n_tokens; /* to compute, from seq->n_computed on */
    uint32_t n_draft;  /* draft tokens to compute after them, all with logits; only after a single
                          token */
    bool wants_logits; /* these are the last known tokens */
} mu_sched_item;

void mu_scheduler_init(mu_scheduler *s, const mu_scheduler_options *options, mu_kv_blocks *kv);
void mu_scheduler_add(mu_scheduler *s, mu_sched_seq *seq);
void mu_scheduler_remove(mu_scheduler *s, mu_sched_seq *seq); /* finished or canceled */

/* Decide the next step. items: [n_seqs_max]. Returns their number, 0 when there is nothing to do.
 * Every item must be reported by computed() before the next plan(). */
uint32_t mu_scheduler_plan(mu_scheduler *s, mu_sched_item *items);
/* n_tokens of the item are in the cache; of accepted draft tokens, one call each more. */
void mu_scheduler_computed(mu_scheduler *s, const mu_sched_item *item);

/* Walk every invariant; asserts. O(n_blocks * blocks held): for tests. */
void mu_scheduler_check(const mu_scheduler *s);

#endif
