/* engine.h - run one loaded model. The only header of engine/ that router/, server/, bench/ and
 * cmd/ may include.
 *
 * mu_engine is a model on a device: a backend, KV accounting, a scheduler, a sampler. mu_seq is one
 * sequence being generated: prompt tokens in, generated tokens and text out. Callers see tokens and
 * text, never tensors.
 *
 *     submit ──▶ waiting ──prefill──▶ running ──decode──▶ finished
 *                   ▲                    │
 *                   └────── preempt ─────┘
 *
 * A sequence is preempted when the KV cache is full: its tokens are kept, its prefill is redone.
 *
 * mu_engine_step() runs one round: the scheduler picks a ragged batch of decode tokens and prefill
 * chunks, the backend computes it, the sampler extends each sequence. Same seed, same text: what a
 * sequence gets does not depend on what else is running.
 *
 * A model that gives embeddings (mu_model_pooling()) has no decode: a sequence ends with its
 * prompt. A bidirectional one computes a text whole in one step, many short ones together.
 *
 * Threads: engines of one device and their sequences belong to one thread at a time (the executor);
 * only mu_seq_open() and the sizes may be asked from any. Handing tokens to other threads is the
 * caller's work.
 * Memory: open() sizes and allocates everything steps need; submit() copies its options.
 */
#ifndef MU_ENGINE_ENGINE_H
#define MU_ENGINE_ENGINE_H

#include "backend/backend.h"
#include "base/buf.h"
#include "grammar/grammar.h"

typedef struct mu_engine mu_engine;
typedef struct mu_seq mu_seq;

typedef struct mu_engine_options {
    mu_device *shared; /* with other engines of the same thread, borrowed until close(); NULL: a
                          device of its own, by the next and n_threads and isa_max */
    mu_device_id device;
    mu_dtype weight_type;
    mu_dtype kv_type;
    uint32_t n_threads;          /* 0: as many as the process may use */
    const mu_cpu_level *isa_max; /* NULL: the best the CPU has */
    uint32_t n_ctx;           /* tokens per sequence, prompt and output together; 0: the model's */
    uint32_t n_seqs_max;      /* sequences running at once */
    uint32_t n_waiting_max;   /* sequences waiting at most; submit() says MU_ERR_BUSY beyond */
    uint32_t step_tokens_max; /* prefill chunks + decode tokens per step */
    uint32_t prefill_chunk_max; /* tokens of one sequence's prefill per step; 0: step_tokens_max */
    uint32_t block_tokens;      /* positions of a KV block */
    uint64_t kv_cache_bytes;    /* 0: room for n_seqs_max sequences of n_ctx */
    bool no_prefix_cache;
    bool no_prompt_lookup; /* do not draft tokens; the output is the same */
} mu_engine_options;

/* f32 weights and KV, block_tokens 16, 32 sequences, prefix cache on ... open() checks ranges and
 * names what is outside: MU_ERR_INVALID. */
mu_engine_options mu_engine_options_default(void);

typedef struct mu_logit_bias {
    mu_token token;
    float bias; /* added to the logit; -100 or less bans, as clients expect */
} mu_logit_bias;

enum { MU_TOP_LOGPROBS_MAX = 20, MU_STOP_STRINGS_MAX = 16, MU_STOP_STRING_BYTES_MAX = 1024 };

typedef struct mu_sampling {
    float temperature;        /* 0: greedy */
    uint32_t top_k;           /* 0: no limit */
    float top_p;              /* 1: no limit */
    float min_p;              /* 0: no limit; relative to the most likely token */
    float repetition_penalty; /* 1: none; divides positive and multiplies negative logits (CTRL) */
    float frequency_penalty;  /* 0: none; times the count in the output */
    float presence_penalty;   /* 0: none; once for each token in the output */
    uint64_t seed;
    const mu_logit_bias *biases; /* [n_biases], copied by submit() */
    uint32_t n_biases;
    int32_t n_logprobs; /* -1: no logprobs; 0: of the chosen token; n: also the n most likely */
} mu_sampling;

mu_sampling mu_sampling_default(void); /* greedy, nothing limited */

/* Reasoning that is bounded: after n_max tokens of it come `ends`, whatever the model wants. */
typedef struct mu_thinking_options {
    const char *open;     /* that the output begins with when it reasons; NULL: it is reasoning */
    const char *close;    /* what ends it */
    const mu_token *ends; /* [n_ends], n_ends > 0: close in tokens */
    uint32_t n_ends, n_max;
} mu_thinking_options;

typedef struct mu_seq_options {
    const mu_token *prompt; /* [n_prompt], n_prompt > 0, copied */
    uint32_t n_prompt;
    uint32_t n_first;      /* tokens of the first of two texts that are scored; 0: it is one text */
    uint32_t n_output_max; /* tokens; prompt + output must fit n_ctx; of a model that gives
                              embeddings 0, and what is asked of the output is ignored */
    uint32_t n_output_min; /* before, stop tokens are banned and stop strings do not count */
    mu_sampling sampling;
    bool ignore_eos;
    const mu_token *stop_tokens; /* [n_stop_tokens], besides the model's own; copied */
    uint32_t n_stop_tokens;
    const char *const *stop_strings; /* [n_stop_strings], copied; not part of the text given out */
    uint32_t n_stop_strings;
    mu_grammar *grammar; /* what the output may be, compiled with mu_engine_open_trie(); NULL:
                             anything. The sequence keeps a reference; it ends when nothing can
                             follow, and an end token may come only where the text is whole */
    const mu_thinking_options *thinking; /* copied; NULL: not bounded. Nothing that
                                            the grammar does not let come is forced */
    bool no_prefix_cache;                /* neither look up nor leave blocks */
    bool show_special;                   /* special tokens appear in the text */
    bool show_end;                       /* and the token that ended it, too, whatever it is */
} mu_seq_options;

typedef enum mu_seq_state { MU_SEQ_WAITING, MU_SEQ_RUNNING, MU_SEQ_FINISHED } mu_seq_state;

typedef enum mu_finish {
    MU_FINISH_NONE,   /* not finished */
    MU_FINISH_STOP,   /* end of text, a stop token or a stop string; its embedding is there */
    MU_FINISH_LENGTH, /* n_output_max or n_ctx */
    MU_FINISH_CANCELED,
    MU_FINISH_ERROR,
} mu_finish;

typedef struct mu_logprob {
    mu_token token;
    float logprob; /* natural log of the probability before temperature and truncation */
} mu_logprob;

typedef struct mu_output {
    mu_token token;
    float logprob; /* when asked for */
    uint32_t n_top;
    mu_logprob top[MU_TOP_LOGPROBS_MAX]; /* [n_top], most likely first */
} mu_output;

typedef struct mu_engine_stats {
    uint32_t n_waiting, n_running;
    uint32_t n_kv_blocks, n_kv_blocks_free;
    uint64_t n_steps;
    uint64_t n_prefill_tokens, n_decode_tokens; /* computed */
    uint64_t n_prefix_tokens;                   /* prompt tokens found in the prefix cache */
    uint64_t n_preemptions, n_finished, n_canceled;
    uint64_t n_draft_tokens, n_accepted_tokens; /* of prompt lookup; those that were right */
} mu_engine_stats;

typedef struct mu_step_report {
    uint32_t n_prefill_tokens; /* of this step */
    uint32_t n_decode_tokens;
    uint32_t n_finished;
    bool is_idle; /* nothing is waiting or running any more */
} mu_step_report;

/* Memory of an engine, by purpose. */
typedef struct mu_engine_bytes {
    uint64_t weights;
    uint64_t kv;       /* as the options ask */
    uint64_t kv_least; /* of one sequence of n_ctx */
    uint64_t scratch;
    uint64_t accounting; /* of KV blocks, sampling, scheduling */
} mu_engine_bytes;

/* What open() would take, from the model's description alone: nothing is read or allocated. Refuses
 * what open() would refuse before it allocates. */
mu_status mu_engine_plan(const mu_model *model, const mu_engine_options *options,
                         mu_engine_bytes *out, mu_err *err) MU_MUST_USE;

/* model must outlive the engine (its tokenizer makes the text). */
mu_status mu_engine_open(const mu_model *model, const mu_engine_options *options, mu_engine **out,
                         mu_err *err) MU_MUST_USE;
/* open() without what is on the device: sequences may be opened, and none added. */
mu_status mu_engine_prepare(const mu_model *model, const mu_engine_options *options,
                            mu_engine **out, mu_err *err) MU_MUST_USE;
/* The next piece of what is on the device, weights and KV cache, some milliseconds long; the first
 * one allocates. Between pieces other engines of the device may step. After an error nothing of it
 * is there, and the next call begins anew. */
mu_status mu_engine_load(mu_engine *engine, bool *out_is_loaded, mu_err *err) MU_MUST_USE;
bool mu_engine_is_loaded(const mu_engine *engine);
/* Lets go of it again, loaded or half-way, and of the prefix cache. No sequence is in it. */
void mu_engine_unload(mu_engine *engine);
void mu_engine_close(mu_engine *engine); /* frees its sequences; NULL is allowed */

/* MU_ERR_BUSY when too many wait, MU_ERR_LIMIT (with the numbers) when prompt + n_output_max does
 * not fit n_ctx or can never fit the KV cache, MU_ERR_INVALID for a token or parameter out of
 * range, which it names. */
mu_status mu_engine_submit(mu_engine *engine, const mu_seq_options *options, mu_seq **out,
                           mu_err *err) MU_MUST_USE;
/* submit() in two halves. open checks and allocates, on any thread; add() hands the sequence to the
 * engine, which owns it from then on (MU_ERR_BUSY: it is still the caller's). */
mu_status mu_seq_open(mu_engine *engine, const mu_seq_options *options, mu_seq **out,
                      mu_err *err) MU_MUST_USE;
mu_status mu_engine_add(mu_engine *engine, mu_seq *seq, mu_err *err) MU_MUST_USE;
/* Prefill tokens of a step in which sequences decode, so that their next token is not late; until
 * set, as many as fit the step. 0: none, and prompts wait for as long as it is 0. */
void mu_engine_set_prefill_beside(mu_engine *engine, uint32_t n_tokens_max);
/* An error comes from the device: nothing was computed, every sequence is as it was. */
mu_status mu_engine_step(mu_engine *engine, mu_step_report *out, mu_err *err) MU_MUST_USE;
mu_engine_stats mu_engine_get_stats(const mu_engine *engine);
/* The model's tokens for compiling grammars; unref it after. Takes a tenth of a second for a large
 * vocabulary, so it is worth keeping. Any thread. */
mu_status mu_engine_open_trie(const mu_engine *engine, mu_token_trie **out,
                              mu_err *err) MU_MUST_USE;
uint32_t mu_engine_n_ctx(const mu_engine *engine);
const mu_backend *mu_engine_backend(const mu_engine *engine); /* NULL: it is not loaded */

/* Take what was generated since the last read: at most cap outputs into out (NULL: skip them), text
 * appended to text (NULL: none). Text lags tokens while a character or a possible stop string is
 * unfinished. Returns the number of outputs taken. */
uint32_t mu_seq_read(mu_seq *seq, mu_output *out, uint32_t cap, mu_buf *text);
mu_seq_state mu_seq_get_state(const mu_seq *seq);
mu_finish mu_seq_finish(const mu_seq *seq);
const mu_err *mu_seq_error(const mu_seq *seq); /* why, for MU_FINISH_ERROR; else NULL */
/* The index of the stop string that ended it; -1: something else did. */
int32_t mu_seq_stop_string(const mu_seq *seq);
/* Of a finished sequence of a model that gives embeddings: [*out_n], of length 1; of one with
 * labels their scores, unbounded numbers. Else NULL. */
const float *mu_seq_embedding(const mu_seq *seq, uint32_t *out_n);
/* The first n_dims of an embedding, of length 1 again: of a model trained for shorter vectors. */
void mu_embedding_shorten(const float *embedding, uint32_t n_dims, float *out);
uint32_t mu_seq_n_prompt(const mu_seq *seq);
uint32_t mu_seq_n_cached(const mu_seq *seq); /* prompt tokens that came from the prefix cache */
uint32_t mu_seq_n_output(const mu_seq *seq);
void mu_seq_cancel(mu_seq *seq); /* ends it before the next step */
void mu_seq_free(mu_seq *seq); /* cancels if still running, never added is fine; NULL is allowed */

#endif
