/* generation_params.h - what a completion or a chat completion may ask for. */
#ifndef MU_SERVER_GENERATION_PARAMS_H
#define MU_SERVER_GENERATION_PARAMS_H

#include "engine/engine.h"
#include "server/constraint.h"
#include "server/params.h"

enum { MU_CHOICES_MAX = 16, MU_PROMPTS_MAX = 256, MU_BIASES_MAX = 1024, MU_STOP_TOKENS_MAX = 1024 };

typedef struct mu_generation_params {
    const char *model;
    json_t *prompt, *messages, *stop, *stop_token_ids, *logit_bias, *stream_options, *logprobs;
    json_t *suffix, *tools, *tool_choice, *chat_template_kwargs;
    const char *reasoning_effort;
    uint32_t thinking_token_budget, thinking_budget_tokens; /* UINT32_MAX: no limit */
    mu_constraint_params constraint;
    bool add_generation_prompt, continue_final_message, parallel_tool_calls;
    uint32_t max_tokens, max_completion_tokens,
        min_tokens;      /* the first: 0 not given, UINT32_MAX all */
    uint32_t n, best_of; /* best_of 0: as n */
    uint32_t top_k, top_logprobs;
    float temperature, top_p, min_p, repetition_penalty, frequency_penalty, presence_penalty;
    uint64_t seed; /* UINT64_MAX: one is drawn */
    bool echo, stream, ignore_eos, cache_prompt, special;
    bool include_usage, continuous_usage_stats;
    int32_t n_logprobs; /* settled from logprobs and top_logprobs; -1: none */

    const char *stops[MU_STOP_STRINGS_MAX]; /* borrowed from the JSON */
    uint32_t n_stops;
    mu_token *stop_tokens; /* [n_stop_tokens], owned */
    uint32_t n_stop_tokens;
    mu_logit_bias *biases; /* [n_biases], owned */
    uint32_t n_biases;
} mu_generation_params;

/* body is borrowed as long as the params live. On false they must be deinited too. */
bool mu_generation_params_read(json_t *body, bool is_chat, mu_generation_params *out,
                               mu_buf *unknown, mu_api_error *error);
void mu_generation_params_deinit(mu_generation_params *p);
void mu_generation_params_document(bool is_chat, mu_buf *out);

/* An array of token ids; *out is the caller's, mu_free(). name names the field. */
bool mu_tokens_read(const char *name, json_t *array, mu_token **out, uint32_t *out_n,
                    mu_api_error *error);

#endif
