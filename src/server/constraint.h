/* constraint.h - what a request says of the form of its output, as a grammar. Private to server/.
 *
 * One of response_format (OpenAI), grammar and json_schema (llama-server), guided_json,
 * guided_regex, guided_choice, guided_grammar and structured_outputs (vLLM). More than one is an
 * error.
 */
#ifndef MU_SERVER_CONSTRAINT_H
#define MU_SERVER_CONSTRAINT_H

#include <pthread.h>

#include "chat/call_grammar.h"
#include "engine/engine.h"
#include "server/api_error.h"

/* As the request has them; all borrowed, NULL: not given. */
typedef struct mu_constraint_params {
    json_t *response_format, *json_schema, *guided_json, *guided_choice, *structured_outputs;
    const char *grammar, *guided_regex, *guided_grammar;
} mu_constraint_params;

/* Of a model: its vocabulary as grammars need it, made when it is first needed. Any thread. */
typedef struct mu_constraint_vocab {
    const mu_engine *engine; /* borrowed */
    mu_token_trie *trie;     /* owned; NULL before */
    pthread_mutex_t lock;
} mu_constraint_vocab;

void mu_constraint_vocab_init(mu_constraint_vocab *vocab, const mu_engine *engine);
void mu_constraint_vocab_deinit(mu_constraint_vocab *vocab);

/* *out is NULL when the output may be anything, else the caller's to unref. A value in JSON comes
 * after the reasoning that *reasoning has the marks of; all else binds the output from its first
 * token on, and the marks are then taken away.
 * False: *error names the field, and the place in the schema. Any thread. */
bool mu_constraint_read(const mu_constraint_params *params, mu_grammar_tags *reasoning,
                        mu_constraint_vocab *vocab, mu_grammar **out, mu_api_error *error);
/* The same for calls of tools. */
bool mu_constraint_read_calls(const mu_call_grammar_options *options, mu_constraint_vocab *vocab,
                              mu_grammar **out, mu_api_error *error);

#endif
