/* What the sequences have generated, taken, parted and handed to the form: all at once when the
 * request is done, or whatever is new.
 */
#include "server/generation_state.h"

uint32_t mu_generation_n_output(const mu_generation *g) {
    uint32_t n_output = 0;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        n_output += g->choices[i].n_tokens;
    }
    return n_output;
}

bool mu_generation_calls(const mu_generation *g, uint32_t i) {
    const mu_answer_parts *parts = g->choices[i].parts;
    return parts && mu_answer_parts_calls(parts)->n > 0;
}

size_t mu_generation_n_calls_max(const mu_generation *g) {
    return g->tool_choice.is_single ? 1 : SIZE_MAX;
}

mu_delta mu_generation_delta(mu_generation *g, uint32_t i) {
    mu_choice *choice = &g->choices[i];
    if (choice->parts) {
        return mu_delta_take(choice->parts, mu_generation_n_calls_max(g), &choice->told);
    }
    return (mu_delta){.content = mu_buf_bytes(&g->news[i].text), .reasoning = {"", 0}};
}

/* What a sequence wrote goes on to its parts, where it has them. False: there was no memory. */
static bool push_news(const mu_generation *g, uint32_t i) {
    const mu_request_news *news = &g->news[i];
    mu_answer_parts *parts = g->choices[i].parts;
    if (!parts) return true;
    if (news->text.n > 0) mu_answer_parts_push(parts, news->text.data, news->text.n);
    if (news->finish != MU_FINISH_NONE) mu_answer_parts_finish(parts);
    return !mu_answer_parts_failed(parts);
}

/* What the answer takes as JSON and as text, at most. */
static uint64_t answer_bytes(const mu_generation *g) {
    enum { CHOICE_BYTES = 2048, CHAT_TOKEN_BYTES = 1200, COMPLETION_TOKEN_BYTES = 320 };
    const mu_generation_params *p = &g->params;
    uint64_t per_token = g->form->is_chat ? CHAT_TOKEN_BYTES : COMPLETION_TOKEN_BYTES, bytes = 0;
    uint64_t n_told = p->n_logprobs < 0 ? 0 : (uint64_t)p->n_logprobs + 2;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        bytes += CHOICE_BYTES + 8 * (uint64_t)g->news[i].text.n;
        bytes += per_token * n_told * g->news[i].n_tokens;
    }
    return bytes;
}

void mu_generation_resume(mu_answer *answer) {
    mu_generation *g = (mu_generation *)answer;
    mu_call *call = answer->call;
    mu_request_facts facts = mu_request_get_facts(g->request);
    if (!facts.is_done) return;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        mu_request_take(g->request, i, &g->news[i]);
        g->choices[i].n_tokens = g->news[i].n_tokens;
    }
    mu_api_error error;
    if (mu_news_find_error(g->news, g->n_seqs, &error) ||
        !mu_call_charge(call, answer_bytes(g), &error)) {
        mu_call_fail(call, &error);
        return;
    }
    bool is_whole = true;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        is_whole &= push_news(g, i);
    }
    mu_call_json(call, 200, is_whole ? g->form->whole(g) : NULL);
}

/* The stream */

static void append_news(mu_generation *g, uint32_t i, mu_buf *out) {
    mu_choice *c = &g->choices[i];
    if (c->is_over) return;
    mu_request_take(g->request, i, &g->news[i]);
    c->n_tokens += g->news[i].n_tokens;
    out->failed |= !push_news(g, i);
    c->is_over = g->news[i].finish != MU_FINISH_NONE;
    bool is_told = g->news[i].finish != MU_FINISH_ERROR && g->news[i].finish != MU_FINISH_CANCELED;
    if (is_told) g->form->news(g, i, g->news[i].finish, out);
}

mu_stream mu_generation_source(mu_answer *answer, mu_buf *out) {
    mu_generation *g = (mu_generation *)answer;
    bool is_over = true;
    mu_api_error error;
    if (!g->has_begun) g->form->begin(g, out);
    g->has_begun = true;
    for (uint32_t i = 0; i < g->n_seqs; i++) {
        append_news(g, i, out);
        is_over &= g->choices[i].is_over;
    }
    if (mu_news_find_error(g->news, g->n_seqs, &error)) {
        g->form->fail(&error, out);
        return MU_STREAM_END;
    }
    if (is_over) g->form->end(g, out);
    return mu_call_streamed(answer->call, out, is_over);
}
