/* dialogue.h - a conversation with a model at a terminal: its messages, the prompt that the chat
 * template makes of them, and the answer as it comes, reasoning apart from content.
 *
 *     ask() ──▶ tokens, generate ──▶ hear(), hear() ... ──▶ end()      or forget()
 *
 * Threads: one. Memory: the caller owns what it opens.
 */
#ifndef MU_CMD_DIALOGUE_H
#define MU_CMD_DIALOGUE_H

#include <stdio.h>

#include "base/buf.h"
#include "grammar/grammar.h"
#include "model/model.h"

typedef struct mu_dialogue mu_dialogue;

typedef struct mu_dialogue_options {
    const char *chat_template; /* as in model_conversation.h */
    const char *system;        /* message; NULL: none */
    bool is_bound_at_once;     /* a grammar binds answers from their first token on */
} mu_dialogue_options;

/* model is borrowed until close(). */
mu_status mu_dialogue_open(const mu_model *model, const mu_dialogue_options *options,
                           mu_dialogue **out, mu_err *err) MU_MUST_USE;
void mu_dialogue_close(mu_dialogue *d); /* NULL is allowed */

const char *mu_dialogue_stop(const mu_dialogue *d); /* text that ends an answer; NULL: none */
bool mu_dialogue_shows_special(const mu_dialogue *d);
/* Of the last prompt, for a grammar that comes after reasoning. */
void mu_dialogue_set_reasoning(const mu_dialogue *d, mu_grammar_tags *out);

/* A user's message to a prompt of at most n_max tokens; the oldest turns are forgotten where it
 * would be longer. text: [n], without the line break at its end. *out_tokens: [*out_n], the
 * caller's, mu_free(). On an error the message is not kept. */
mu_status mu_dialogue_ask(mu_dialogue *d, const char *text, size_t n, uint32_t n_max,
                          mu_token **out_tokens, uint32_t *out_n, mu_err *err) MU_MUST_USE;
/* More of the answer: content goes to out, and reasoning, dimmed, where out is a terminal. NULL:
 * nothing is written. */
void mu_dialogue_hear(mu_dialogue *d, const char *text, size_t n, FILE *out);
/* The answer is over and becomes a message. */
mu_status mu_dialogue_end(mu_dialogue *d, FILE *out, mu_err *err) MU_MUST_USE;
void mu_dialogue_forget(mu_dialogue *d); /* the last message and its answer */
/* Of the last answer; valid until the next ask(). */
const mu_buf *mu_dialogue_content(const mu_dialogue *d);
const mu_buf *mu_dialogue_reasoning(const mu_dialogue *d);

/* A line that begins with '/': /system TEXT, /clear, /save FILE, /help, /bye. *out_is_over: the
 * user wants to leave. */
mu_status mu_dialogue_command(mu_dialogue *d, const char *line, bool *out_is_over,
                              mu_err *err) MU_MUST_USE;

#endif
