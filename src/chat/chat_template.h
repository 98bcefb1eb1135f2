/* chat_template.h - a model's chat template: a Jinja program that turns a conversation into a
 * prompt.
 *
 * It is parsed once, at load, and rendered for each request. What it writes comes back as pieces,
 * each from the template or from the request: only in the template's own words may the tokenizer
 * see control tokens, so that a user who writes "<|im_end|>" has written text.
 *
 * The dialect is that of Hugging Face's apply_chat_template: Jinja with trim_blocks, lstrip_blocks,
 * loop controls, {% generation %}, raise_exception(), strftime_now() and its own tojson.
 *
 * Threads: a template is immutable and may be rendered by many threads. Memory: a template owns its
 * tree; a rendering is one block, the caller's.
 */
#ifndef MU_CHAT_CHAT_TEMPLATE_H
#define MU_CHAT_CHAT_TEMPLATE_H

#include <jansson.h>
#include <time.h>

#include "base/status.h"

typedef struct mu_chat_template mu_chat_template;

typedef struct mu_piece {
    const char *text; /* [n], UTF-8, not terminated */
    size_t n;
    bool from_input; /* from the request: no control tokens in it */
} mu_piece;

typedef struct mu_rendering {
    char *text; /* [n], owned: the pieces one after the other */
    size_t n;
    mu_piece *pieces; /* [n_pieces], owned; neighbours differ in from_input */
    size_t n_pieces;
} mu_rendering;

typedef struct mu_render_options {
    struct tm now;         /* what strftime_now() tells */
    size_t memory_max;     /* bytes; 0: enough for the conversation */
    const char *bos, *eos; /* text of these tokens; NULL: not defined */
} mu_render_options;

/* name is for messages, copied: "model/chat_template.jinja". source: [n]. Errors: MU_ERR_FORMAT
 * ("NAME: line 3, column 7: ..."), MU_ERR_UNSUPPORTED, MU_ERR_LIMIT (1 MiB), MU_ERR_NOMEM. */
mu_status mu_chat_template_open(const char *name, const char *source, size_t n,
                                mu_chat_template **out, mu_err *err) MU_MUST_USE;
void mu_chat_template_close(mu_chat_template *t); /* NULL is allowed */
const char *mu_chat_template_source(const mu_chat_template *t, size_t *out_n);

/* variables: an object, all of it from the request: messages, tools, add_generation_prompt and what
 * else the template knows. Errors: MU_ERR_INVALID (the template refuses the conversation: its own
 * words, or where it failed), MU_ERR_LIMIT, MU_ERR_UNSUPPORTED, MU_ERR_NOMEM. */
mu_status mu_chat_template_render(const mu_chat_template *t, const json_t *variables,
                                  const mu_render_options *options, mu_rendering *out,
                                  mu_err *err) MU_MUST_USE;
void mu_rendering_deinit(mu_rendering *r); /* a zeroed one is allowed */

#endif
