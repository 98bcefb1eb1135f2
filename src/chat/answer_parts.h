/* answer_parts.h - what a model wrote, apart: content, reasoning, calls of tools.
 *
 * Text is pushed as it comes and may be cut anywhere: what could be the beginning of a mark is held
 * back until it is known, so that whole and cut text give the same. The parts only grow; a stream
 * sends what is new in them. A call appears when it is whole; where a grammar has bound the answer
 * it is shown before that, as far as it is written. What looks like a call and is none becomes
 * content, never an error.
 *
 *     content ──mark──▶ call ──its end──▶ content          reasoning first, where the prompt or
 *        ▲                 │ none after all: its text      the answer opens it
 *        └─────────────────┘
 *
 * Threads: an answer belongs to one. Memory: it owns its parts, until close.
 */
#ifndef MU_CHAT_ANSWER_PARTS_H
#define MU_CHAT_ANSWER_PARTS_H

#include "base/status.h"
#include "chat/call_body.h"

typedef struct mu_answer_parts mu_answer_parts;

typedef struct mu_answer_parts_options {
    const char *template_text; /* [template_n], tells the formats; borrowed during open */
    size_t template_n;
    const char *prompt; /* [prompt_n]: may end inside of reasoning; borrowed during open */
    size_t prompt_n;
    const json_t *tools;  /* of the request; NULL: calls stay text. Borrowed */
    bool is_constrained;  /* by a grammar that requires calls: call_grammar.h */
    bool is_in_form;      /* a grammar of calls binds it, required or not */
    bool keeps_reasoning; /* reasoning stays in the content */
    uint64_t id_seed;     /* of the calls' ids */
} mu_answer_parts_options;

mu_status mu_answer_parts_open(const mu_answer_parts_options *options, mu_answer_parts **out,
                               mu_err *err) MU_MUST_USE;
void mu_answer_parts_close(mu_answer_parts *a); /* NULL is allowed */

/* Do the marks of this template come as control tokens, so that those must be shown? */
bool mu_answer_parts_shows_special(const char *template_text, size_t n, bool has_tools);

/* Is there anything to part in answers of this template? */
bool mu_answer_parts_are_told(const char *template_text, size_t n, bool has_tools);

/* text: [n], cut anywhere; all of them together are valid UTF-8. */
void mu_answer_parts_push(mu_answer_parts *a, const char *text, size_t n);
void mu_answer_parts_finish(mu_answer_parts *a); /* no more text: what is held back is decided */

const mu_buf *mu_answer_parts_content(const mu_answer_parts *a);
const mu_buf *mu_answer_parts_reasoning(const mu_answer_parts *a);
const mu_tool_calls *mu_answer_parts_calls(const mu_answer_parts *a);
/* The call that is being written, which will be the next of calls; its arguments grow. Of several
 * in one list the first. NULL: none. When the answer ends within it, it becomes one as it is. */
const mu_tool_call *mu_answer_parts_live_call(const mu_answer_parts *a);
bool mu_answer_parts_failed(const mu_answer_parts *a); /* no memory: the parts are not whole */

#endif
