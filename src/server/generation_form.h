/* generation_form.h - how an API shows a generation: its answer, its stream, its errors. Private to
 * server/.
 *
 * A generation knows no API: it has a form, which is a table of functions. The server takes what
 * the sequences have generated, parts it, and lets the form write it.
 *
 *     whole:   all news ──▶ whole()
 *     stream:  begin() ──▶ news() of a sequence, again and again ──▶ end()
 *                                    └─ an error ──▶ fail()
 */
#ifndef MU_SERVER_GENERATION_FORM_H
#define MU_SERVER_GENERATION_FORM_H

#include "engine/engine.h"
#include "server/answer.h"
#include "server/message_json.h"

typedef struct mu_generation mu_generation;

typedef struct mu_generation_form {
    const char *id_prefix; /* "chatcmpl-" */
    bool is_chat;
    mu_stream_kind stream;
    /* The body as one of OpenAI's, a new reference; NULL: it is one. False: *error names the field.
     */
    bool (*translate)(const json_t *body, json_t **out, mu_api_error *error);
    json_t *(*whole)(mu_generation *g); /* NULL: no memory */
    void (*begin)(mu_generation *g, mu_buf *out);
    /* g->news[i] is what is new; finish: its end, told once. */
    void (*news)(mu_generation *g, uint32_t i, mu_finish finish, mu_buf *out);
    void (*end)(mu_generation *g, mu_buf *out);
    void (*fail)(const mu_api_error *error, mu_buf *out);
} mu_generation_form;

extern const mu_generation_form mu_completion_form, mu_chat_form; /* OpenAI's */
extern const mu_generation_form mu_anthropic_form;
extern const mu_generation_form mu_ollama_chat_form, mu_ollama_generate_form, mu_ollama_raw_form;

/* What of a sequence was not told yet. It counts as told then. */
mu_delta mu_generation_delta(mu_generation *g, uint32_t i);
size_t mu_generation_n_calls_max(const mu_generation *g);     /* of several the first so many */
bool mu_generation_calls(const mu_generation *g, uint32_t i); /* tools, so far */
uint32_t mu_generation_n_output(const mu_generation *g);      /* tokens, so far */

#endif
