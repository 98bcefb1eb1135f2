/* conversation.h - what a model makes of a conversation: the messages and tools of a request to a
 * prompt, as its chat template can take them.
 *
 * Templates differ in what they know. What one can do is found out once, at open, by rendering
 * small conversations: system messages, tools, calls in the history, in which form. A request is
 * brought into that form; what the template cannot do is folded in the documented way (a system
 * message into the first user message, a call into its message as JSON) or refused by name, never
 * dropped.
 *
 * Threads: immutable once open. Memory: the caller owns what it opens and renders.
 */
#ifndef MU_CHAT_CONVERSATION_H
#define MU_CHAT_CONVERSATION_H

#include "chat/chat_template.h"

typedef struct mu_conversation_format mu_conversation_format;

typedef struct mu_conversation_abilities {
    bool system;         /* has a place for system messages */
    bool developer;      /* and for developer messages beside them */
    bool tools;          /* shows tools to the model */
    bool calls;          /* shows calls in the history, and their results */
    bool results;        /* shows messages of the role tool */
    bool text_arguments; /* wants the arguments of a call as text, not as an object */
    bool null_content;   /* wants null for the content of a message that only calls */
} mu_conversation_abilities;

typedef struct mu_conversation_source {
    const char *name; /* for messages */
    const char *text; /* [n]: the template */
    size_t n;
    const char *tool_text; /* [tool_n]: the one for requests with tools; NULL: the same */
    size_t tool_n;
    const char *bos, *eos; /* text of these tokens; NULL: none */
    const char *stop;      /* text that ends an answer beside eos; NULL: as the template shows it */
} mu_conversation_source;

/* All of source is copied. Errors: as mu_chat_template_open(). */
mu_status mu_conversation_format_open(const mu_conversation_source *source,
                                      mu_conversation_format **out, mu_err *err) MU_MUST_USE;
void mu_conversation_format_close(mu_conversation_format *f); /* NULL is allowed */

mu_conversation_abilities mu_conversation_format_abilities(const mu_conversation_format *f);
/* What ends an answer beside eos: where plain words mark turns, those of the next. NULL: none. */
const char *mu_conversation_format_stop(const mu_conversation_format *f);
const char *mu_conversation_format_source(const mu_conversation_format *f); /* the template */

typedef struct mu_conversation {
    const json_t *messages; /* as the OpenAI API has them */
    const json_t *tools;    /* NULL or null: none */
    const json_t *kwargs;   /* further variables of the template; NULL or null: none */
    bool continues;         /* the last message is an answer to go on with */
    bool no_invitation;     /* do not begin the answer */
    struct tm now;
} mu_conversation;

/* Errors: MU_ERR_INVALID (a message or the template's refusal), MU_ERR_UNSUPPORTED, MU_ERR_LIMIT,
 * MU_ERR_NOMEM; where a field is at fault the text begins with its name and a colon. */
mu_status mu_conversation_render(const mu_conversation_format *f, const mu_conversation *c,
                                 mu_rendering *out, mu_err *err) MU_MUST_USE;

/* The templates that are part of the program, by name: "plain", "chatml". False: no such one. */
bool mu_conversation_builtin(const char *name, mu_conversation_source *out);
const char *mu_conversation_builtin_names(void); /* for messages */

#endif
