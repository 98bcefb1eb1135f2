/* generation_state.h - one completion or chat completion: generation.c starts it, its answer is
 * written by generation_answer.c. Private to both. */
#ifndef MU_SERVER_GENERATION_STATE_H
#define MU_SERVER_GENERATION_STATE_H

#include "chat/chat_template.h"
#include "server/generation_form.h"
#include "server/generation_params.h"
#include "server/message_json.h"
#include "server/messages.h"
#include "server/prompts.h"

typedef struct mu_choice {
    uint32_t n_tokens;
    size_t offset;          /* characters of text given out */
    bool is_over;           /* its finish was told */
    mu_answer_parts *parts; /* NULL: all of it is content */
    mu_parts_told told;
    uint32_t n_blocks, block; /* of a form that cuts an answer into blocks */
} mu_choice;

struct mu_generation {
    mu_answer answer; /* first: the server's pointer is ours */
    json_t *body;     /* until the request is submitted; params borrow from it */
    mu_generation_params params;
    mu_grammar *grammar; /* of the output; NULL: anything */
    const mu_generation_form *form;
    json_t *stops; /* as they were asked for; NULL: none */
    bool has_begun, shows_special;
    char id[48], model[256]; /* the name it was asked under */
    int64_t created;
    mu_rendering rendering; /* of a chat */
    json_t *tools;          /* that the model may call, counted; NULL: none */
    mu_tool_choice tool_choice;
    mu_thinking_options thinking; /* n_ends 0: not bounded; ends is owned */
    bool calls_are_bound;         /* by the grammar */
    bool is_bound_at_once;        /* by a grammar that leaves no room for reasoning */
    mu_prompt *prompts;           /* [n_prompts] */
    uint32_t n_prompts, n_prompt_tokens, n_seqs;
    mu_request *request;
    mu_request_news *news; /* [n_seqs]; when not streamed all of it, else the latest */
    mu_choice *choices;    /* [n_seqs] */
};

/* As in mu_answer_kind. */
void mu_generation_resume(mu_answer *answer);
mu_stream mu_generation_source(mu_answer *answer, mu_buf *out);

#endif
