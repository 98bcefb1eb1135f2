#include "cmd/dialogue.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "chat/answer_parts.h"
#include "chat/call_grammar.h"
#include "chat/prompt_tokens.h"
#include "cmd/common.h"
#include "cmd/model_conversation.h"

struct mu_dialogue {
    const mu_model *model;
    mu_conversation_format *format;
    mu_encoder_pool *encoders;
    bool is_bound_at_once;
    json_t *messages;
    mu_rendering rendering;        /* the last prompt */
    mu_answer_parts *parts;        /* of the last answer; NULL: none yet */
    size_t n_content, n_reasoning; /* bytes that were written out */
};

static const char *source_of(const mu_dialogue *d) {
    return mu_conversation_format_source(d->format);
}

static mu_status no_memory(mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "out of memory");
}

/* 1 when the first message is the system's, else 0. */
static size_t n_system(const mu_dialogue *d) {
    const char *role = json_string_value(json_object_get(json_array_get(d->messages, 0), "role"));
    return role && strcmp(role, "system") == 0;
}

/* An empty text takes the system's message away. */
static void set_system(mu_dialogue *d, const char *text) {
    if (n_system(d) > 0) json_array_remove(d->messages, 0);
    if (!text[0]) return;
    json_array_insert_new(d->messages, 0,
                          json_pack("{s:s, s:s}", "role", "system", "content", text));
}

mu_status mu_dialogue_open(const mu_model *model, const mu_dialogue_options *options,
                           mu_dialogue **out, mu_err *err) {
    mu_dialogue *d = mu_alloc(sizeof(*d));
    if (!d) return no_memory(err);
    d->model = model;
    d->is_bound_at_once = options->is_bound_at_once;
    d->messages = json_array();
    mu_status status = mu_model_conversation_open(model, mu_model_name(model),
                                                  options->chat_template, &d->format, err);
    if (status == MU_OK)
        status = mu_encoder_pool_open(mu_model_tokenizer(model), &d->encoders, err);
    if (status != MU_OK) {
        mu_dialogue_close(d);
        return status;
    }
    if (options->system) set_system(d, options->system);
    *out = d;
    return MU_OK;
}

void mu_dialogue_close(mu_dialogue *d) {
    if (!d) return;
    mu_conversation_format_close(d->format);
    mu_encoder_pool_close(d->encoders);
    mu_rendering_deinit(&d->rendering);
    mu_answer_parts_close(d->parts);
    json_decref(d->messages);
    mu_free(d);
}

const char *mu_dialogue_stop(const mu_dialogue *d) {
    return mu_conversation_format_stop(d->format);
}

bool mu_dialogue_shows_special(const mu_dialogue *d) {
    return mu_answer_parts_shows_special(source_of(d), strlen(source_of(d)), false);
}

void mu_dialogue_set_reasoning(const mu_dialogue *d, mu_grammar_tags *out) {
    mu_call_grammar_set_reasoning(source_of(d), strlen(source_of(d)), d->rendering.text,
                                  d->rendering.n, out);
}

/* Asking */

static mu_status make_prompt(mu_dialogue *d, mu_token **out_tokens, uint32_t *out_n, mu_err *err) {
    mu_conversation c = {.messages = d->messages};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &c.now);
    mu_rendering_deinit(&d->rendering);
    d->rendering = (mu_rendering){0};
    mu_status status = mu_conversation_render(d->format, &c, &d->rendering, err);
    if (status != MU_OK) return status;
    return mu_prompt_encode(d->encoders, mu_model_tokenizer(d->model), &d->rendering, out_tokens,
                            out_n, err);
}

/* False: there is only the last message. */
static bool drop_oldest_turn(mu_dialogue *d) {
    size_t first = n_system(d);
    if (json_array_size(d->messages) < first + 3) return false;
    json_array_remove(d->messages, first);
    json_array_remove(d->messages, first);
    return true;
}

static mu_status fit_prompt(mu_dialogue *d, uint32_t n_max, mu_token **out_tokens, uint32_t *out_n,
                            mu_err *err) {
    mu_status status = make_prompt(d, out_tokens, out_n, err);
    while (status == MU_OK && *out_n > n_max) {
        mu_free(*out_tokens);
        *out_tokens = NULL;
        if (!drop_oldest_turn(d))
            return mu_fail(err, MU_ERR_LIMIT,
                           "the prompt has %u tokens; %u leave room for an answer (--ctx, "
                           "--max-tokens)",
                           *out_n, n_max);
        status = make_prompt(d, out_tokens, out_n, err);
    }
    return status;
}

static mu_status open_parts(mu_dialogue *d, mu_err *err) {
    const mu_answer_parts_options options = {
        .template_text = source_of(d),
        .template_n = strlen(source_of(d)),
        .prompt = d->rendering.text,
        .prompt_n = d->is_bound_at_once ? 0 : d->rendering.n,
        .id_seed = mu_now_ns(),
    };
    mu_answer_parts_close(d->parts);
    d->parts = NULL;
    d->n_content = d->n_reasoning = 0;
    return mu_answer_parts_open(&options, &d->parts, err);
}

mu_status mu_dialogue_ask(mu_dialogue *d, const char *text, size_t n, uint32_t n_max,
                          mu_token **out_tokens, uint32_t *out_n, mu_err *err) {
    json_t *message = json_pack("{s:s, s:s%}", "role", "user", "content", text, n);
    if (!message) return mu_fail(err, MU_ERR_INVALID, "the prompt is not UTF-8");
    if (json_array_append_new(d->messages, message)) return no_memory(err);
    mu_status status = fit_prompt(d, n_max, out_tokens, out_n, err);
    if (status == MU_OK) status = open_parts(d, err);
    if (status != MU_OK) mu_dialogue_forget(d);
    return status;
}

void mu_dialogue_forget(mu_dialogue *d) {
    size_t n = json_array_size(d->messages);
    if (n > 0) json_array_remove(d->messages, n - 1);
}

/* Hearing */

static void write_new(const mu_buf *text, size_t *n_written, bool is_dim, FILE *out) {
    if (text->n <= *n_written) return;
    if (is_dim) fputs("\033[2m", out);
    fwrite(text->data + *n_written, 1, text->n - *n_written, out);
    if (is_dim) fputs("\033[0m", out);
    *n_written = text->n;
}

static void write_parts(mu_dialogue *d, FILE *out) {
    const mu_buf *content = mu_dialogue_content(d), *reasoning = mu_dialogue_reasoning(d);
    if (!out) return;
    bool had_content = d->n_content > 0;
    if (isatty(fileno(out))) write_new(reasoning, &d->n_reasoning, true, out);
    if (!had_content && d->n_reasoning > 0 && content->n > 0) fputs("\n\n", out);
    write_new(content, &d->n_content, false, out);
    fflush(out);
}

void mu_dialogue_hear(mu_dialogue *d, const char *text, size_t n, FILE *out) {
    mu_answer_parts_push(d->parts, text, n);
    write_parts(d, out);
}

mu_status mu_dialogue_end(mu_dialogue *d, FILE *out, mu_err *err) {
    mu_answer_parts_finish(d->parts);
    write_parts(d, out);
    const mu_buf *content = mu_dialogue_content(d), *reasoning = mu_dialogue_reasoning(d);
    json_t *message = json_pack("{s:s, s:s%}", "role", "assistant", "content",
                                content->data ? content->data : "", content->n);
    bool failed = !message || mu_answer_parts_failed(d->parts);
    if (!failed && reasoning->n > 0) {
        failed = json_object_set_new(message, "reasoning_content",
                                     json_stringn(reasoning->data, reasoning->n)) != 0;
    }
    if (!failed) failed = json_array_append(d->messages, message) != 0;
    json_decref(message);
    if (!failed) return MU_OK;
    mu_dialogue_forget(d);
    return no_memory(err);
}

const mu_buf *mu_dialogue_content(const mu_dialogue *d) {
    return mu_answer_parts_content(d->parts);
}

const mu_buf *mu_dialogue_reasoning(const mu_dialogue *d) {
    return mu_answer_parts_reasoning(d->parts);
}

/* Commands */

static mu_status do_system(mu_dialogue *d, const char *text, mu_err *err) {
    (void)err;
    set_system(d, text);
    return MU_OK;
}

static mu_status do_clear(mu_dialogue *d, const char *text, mu_err *err) {
    (void)text;
    (void)err;
    size_t n_kept = n_system(d);
    while (json_array_size(d->messages) > n_kept) {
        json_array_remove(d->messages, n_kept);
    }
    return MU_OK;
}

/* The messages as a request has them. */
static mu_status do_save(mu_dialogue *d, const char *path, mu_err *err) {
    if (!path[0]) return mu_fail(err, MU_ERR_INVALID, "/save FILE: where to?");
    char *text = json_dumps(d->messages, JSON_INDENT(2));
    if (!text) return no_memory(err);
    mu_buf whole = {0};
    mu_buf_printf(&whole, "%s\n", text);
    mu_free(text);
    mu_status status = whole.failed ? no_memory(err) : mu_write_whole(path, &whole, err);
    mu_buf_deinit(&whole);
    return status;
}

static mu_status do_help(mu_dialogue *d, const char *text, mu_err *err);

static const struct {
    const char *name, *help;
    mu_status (*run)(mu_dialogue *d, const char *text, mu_err *err); /* NULL: leave */
} commands[] = {
    {"/system", "TEXT  say how to answer; without TEXT as before that", do_system},
    {"/clear", "       forget what was said", do_clear},
    {"/save", "FILE    write the messages as JSON", do_save},
    {"/help", "        show this", do_help},
    {"/bye", "         leave, as Ctrl-D does", NULL},
};

static mu_status do_help(mu_dialogue *d, const char *text, mu_err *err) {
    (void)d;
    (void)text;
    (void)err;
    for (size_t i = 0; i < MU_COUNTOF(commands); i++) {
        fprintf(stderr, "  %s %s\n", commands[i].name, commands[i].help);
    }
    return MU_OK;
}

mu_status mu_dialogue_command(mu_dialogue *d, const char *line, bool *out_is_over, mu_err *err) {
    size_t n = strcspn(line, " ");
    const char *text = line + n + strspn(line + n, " ");
    for (size_t i = 0; i < MU_COUNTOF(commands); i++) {
        if (strncmp(line, commands[i].name, n) != 0 || commands[i].name[n]) continue;
        *out_is_over = !commands[i].run;
        return *out_is_over ? MU_OK : commands[i].run(d, text, err);
    }
    return mu_fail(err, MU_ERR_INVALID, "%.40s: no such command; /help lists them", line);
}
