#include "chat/chat_template.h"

#include <string.h>

#include "base/alloc.h"
#include "chat/jinja/eval.h"
#include "chat/jinja/input.h"
#include "chat/jinja/parser.h"

/* A rendering copies what it joins and never frees within: several copies of the conversation, and
 * room for what templates build of their own. Pages that are not touched cost nothing. */
enum { MEMORY_BASE = 16 << 20, MEMORY_PER_BYTE = 64, NAME_MAX_BYTES = 128 };

struct mu_chat_template {
    char name[NAME_MAX_BYTES];
    char *source; /* [n] */
    size_t n;
    mu_arena arena;
    mu_node *root;
};

mu_status mu_chat_template_open(const char *name, const char *source, size_t n,
                                mu_chat_template **out, mu_err *err) {
    if (n > MU_PARSER_SOURCE_MAX)
        return mu_fail(err, MU_ERR_LIMIT, "%s: a chat template of %zu bytes, at most %d", name, n,
                       MU_PARSER_SOURCE_MAX);
    mu_chat_template *t = mu_alloc(sizeof(*t));
    char *copy = mu_alloc(n + 1);
    mu_status status = MU_OK;
    if (!t || !copy) {
        mu_free(t);
        mu_free(copy);
        return mu_fail(err, MU_ERR_NOMEM, "%s: chat template", name);
    }
    size_t n_name = strlen(name) < NAME_MAX_BYTES ? strlen(name) : NAME_MAX_BYTES - 1;
    memcpy(t->name, name, n_name);
    memcpy(copy, source, n);
    t->source = copy;
    t->n = n;
    status = mu_arena_init(&t->arena, mu_parser_arena_bytes(n), err);
    if (status == MU_OK) status = mu_parse_template(t->name, copy, n, &t->arena, &t->root, err);
    if (status != MU_OK) {
        mu_chat_template_close(t);
        return status;
    }
    *out = t;
    return MU_OK;
}

void mu_chat_template_close(mu_chat_template *t) {
    if (!t) return;
    mu_arena_deinit(&t->arena);
    mu_free(t->source);
    mu_free(t);
}

const char *mu_chat_template_source(const mu_chat_template *t, size_t *out_n) {
    *out_n = t->n;
    return t->source;
}

static bool bind_token(mu_eval *e, const char *name, const char *text) {
    return !text || mu_scope_set(e, mu_marked_literal(name), mu_value_literal(text));
}

static bool bind_variables(mu_eval *e, const json_t *variables, const mu_render_options *o) {
    mu_value all;
    if (!mu_scope_push(e, NULL)) return false;
    if (!bind_token(e, "bos_token", o->bos) || !bind_token(e, "eos_token", o->eos)) return false;
    if (!mu_input_value(e->run, variables, &all)) return false;
    for (size_t i = 0; i < all.dict->n; i++) {
        if (!mu_scope_set(e, all.dict->pairs[i].key.text, all.dict->pairs[i].value)) return false;
    }
    return mu_scope_push(e, e->scope);
}

static bool evaluate(mu_run *run, const mu_chat_template *t, const json_t *variables,
                     const mu_render_options *options, mu_marked *out) {
    mu_marked_builder builder;
    mu_flow flow;
    mu_eval e = {.run = run, .out = &builder};
    mu_run_builder(run, &builder);
    return bind_variables(&e, variables, options) && mu_execute(&e, t->root, &flow) &&
           mu_run_built(run, &builder, out);
}

/* Where the run of bytes with one mark that begins at from ends. */
static size_t run_end(mu_marked text, size_t from) {
    if (!text.marks) return text.n;
    const uint8_t *end = memchr(text.marks + from, text.marks[from] ? 0 : 1, text.n - from);
    return end ? (size_t)(end - text.marks) : text.n;
}

static mu_status take(mu_marked text, mu_rendering *out, mu_err *err) {
    size_t n_pieces = 0;
    for (size_t at = 0; at < text.n; at = run_end(text, at)) {
        n_pieces++;
    }
    mu_rendering r = {.text = mu_alloc(text.n + 1),
                      .n = text.n,
                      .pieces = MU_ALLOC(mu_piece, n_pieces + 1),
                      .n_pieces = n_pieces};
    if (!r.text || !r.pieces) {
        mu_rendering_deinit(&r);
        return mu_fail(err, MU_ERR_NOMEM, "a prompt of %zu bytes", text.n);
    }
    if (text.n > 0) memcpy(r.text, text.data, text.n);
    n_pieces = 0;
    for (size_t at = 0, end; at < text.n; at = end) {
        end = run_end(text, at);
        r.pieces[n_pieces++] = (mu_piece){r.text + at, end - at, mu_marked_at(text, at)};
    }
    *out = r;
    return MU_OK;
}

mu_status mu_chat_template_render(const mu_chat_template *t, const json_t *variables,
                                  const mu_render_options *options, mu_rendering *out,
                                  mu_err *err) {
    MU_ASSERT(json_is_object(variables));
    mu_arena arena;
    mu_marked text;
    size_t bytes = options->memory_max;
    if (bytes == 0) bytes = MEMORY_BASE + MEMORY_PER_BYTE * mu_input_bytes(variables);
    mu_status status = mu_arena_init(&arena, bytes, err);
    if (status != MU_OK) return status;
    mu_run run = {.arena = &arena,
                  .template_name = t->name,
                  .now = options->now,
                  .steps_left = MU_RUN_STEPS_MAX,
                  .line = 1,
                  .column = 1};
    if (evaluate(&run, t, variables, options, &text)) {
        status = take(text, out, err);
    } else {
        MU_ASSERT(run.err.status != MU_OK);
        status = run.err.status;
        if (err) *err = run.err;
    }
    mu_arena_deinit(&arena);
    return status;
}

void mu_rendering_deinit(mu_rendering *r) {
    mu_free(r->text);
    mu_free(r->pieces);
    *r = (mu_rendering){0};
}
