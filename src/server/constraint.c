/* Each spelling becomes one spec of a grammar; the rest is the same for all. */
#include "server/constraint.h"

#include <string.h>

#include "base/alloc.h"

enum { CHOICES_MAX = 1000 };

/* A spec and what it borrows. */
typedef struct wanted {
    mu_grammar_spec spec;
    const char *field;    /* that asked for it */
    json_t *parsed;       /* a schema that came as a text, owned */
    const char **choices; /* owned */
    uint32_t n;           /* fields that asked */
} wanted;

static void want(wanted *w, const char *field, mu_grammar_kind kind) {
    w->field = field;
    w->spec.kind = kind;
    w->n++;
}

/* A schema, or the text of one. */
static bool want_schema(wanted *w, const char *field, json_t *schema, mu_api_error *error) {
    if (!schema || json_is_null(schema)) return true;
    want(w, field, MU_GRAMMAR_JSON_SCHEMA);
    w->spec.schema = schema;
    w->spec.closed = true;
    if (!json_is_string(schema)) return true;
    json_decref(w->parsed);
    w->parsed = json_loadb(json_string_value(schema), json_string_length(schema),
                           JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    w->spec.schema = w->parsed;
    return w->parsed || mu_api_wrong(error, field, "not a schema, nor the text of one");
}

static void want_text(wanted *w, const char *field, mu_grammar_kind kind, const char *text) {
    if (!text || !text[0]) return;
    want(w, field, kind);
    w->spec.text = text;
    w->spec.n_text = strlen(text);
}

static bool want_choice(wanted *w, const char *field, const json_t *list, mu_api_error *error) {
    size_t n = json_array_size(list);
    if (!list || json_is_null(list)) return true;
    want(w, field, MU_GRAMMAR_CHOICE);
    if (!json_is_array(list) || n == 0 || n > CHOICES_MAX) {
        return mu_api_wrong(error, field, "must be an array of 1 to 1000 texts");
    }
    mu_free(w->choices);
    w->choices = MU_ALLOC(const char *, n);
    if (!w->choices) return mu_api_no_memory(error);
    for (size_t i = 0; i < n; i++) {
        w->choices[i] = json_string_value(json_array_get(list, i));
        if (!w->choices[i] || !w->choices[i][0])
            return mu_api_wrong(error, field, "choices are texts, not empty");
    }
    w->spec.choices = w->choices;
    w->spec.n_choices = (uint32_t)n;
    return true;
}

/* {"type": "text" | "json_object" | "json_schema", "json_schema": {"name", "schema", "strict"}};
 * also llama-server's "schema" beside the type. */
static bool want_response_format(wanted *w, json_t *format, mu_api_error *error) {
    static const char field[] = "response_format";
    if (!format) return true;
    const char *type = json_string_value(json_object_get(format, "type"));
    json_t *schema = json_object_get(format, "schema");
    if (!type) return mu_api_wrong(error, field, "must be an object with a type");
    if (strcmp(type, "text") == 0) return true;
    if (strcmp(type, "json_object") == 0) {
        if (schema) return want_schema(w, field, schema, error);
        want(w, field, MU_GRAMMAR_JSON_OBJECT);
        return true;
    }
    if (strcmp(type, "json_schema") != 0) {
        return mu_api_wrong(error, field, "type must be text, json_object or json_schema");
    }
    const json_t *named = json_object_get(format, "json_schema");
    if (named) schema = json_object_get(named, "schema");
    if (!schema) return mu_api_wrong(error, field, "json_schema.schema is missing");
    w->spec.in_order = json_is_true(json_object_get(named, "strict"));
    return want_schema(w, field, schema, error);
}

static const char *text_of(const char *field, const json_t *object, const char *key,
                           mu_api_error *error, bool *ok) {
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value)) return NULL;
    if (!json_is_string(value)) *ok = mu_api_wrong(error, field, "regex and grammar must be texts");
    return json_string_value(value);
}

/* vLLM: {"json" | "regex" | "choice" | "grammar" | "json_object": ...}. */
static bool want_structured(wanted *w, json_t *object, mu_api_error *error) {
    static const char field[] = "structured_outputs";
    if (!object) return true;
    if (!json_is_object(object)) return mu_api_wrong(error, field, "must be an object");
    bool ok = true;
    const char *regex = text_of(field, object, "regex", error, &ok);
    const char *grammar = text_of(field, object, "grammar", error, &ok);
    if (!ok || !want_schema(w, field, json_object_get(object, "json"), error)) return false;
    want_text(w, field, MU_GRAMMAR_REGEX, regex);
    want_text(w, field, MU_GRAMMAR_GBNF, grammar);
    if (json_is_true(json_object_get(object, "json_object")))
        want(w, field, MU_GRAMMAR_JSON_OBJECT);
    return want_choice(w, field, json_object_get(object, "choice"), error);
}

static bool read_all(const mu_constraint_params *p, wanted *w, mu_api_error *error) {
    want_text(w, "grammar", MU_GRAMMAR_GBNF, p->grammar);
    want_text(w, "guided_grammar", MU_GRAMMAR_GBNF, p->guided_grammar);
    want_text(w, "guided_regex", MU_GRAMMAR_REGEX, p->guided_regex);
    bool ok = want_response_format(w, p->response_format, error) &&
              want_schema(w, "json_schema", p->json_schema, error) &&
              want_schema(w, "guided_json", p->guided_json, error) &&
              want_choice(w, "guided_choice", p->guided_choice, error) &&
              want_structured(w, p->structured_outputs, error);
    if (ok && w->n > 1)
        return mu_api_wrong(error, w->field, "another field constrains the output already");
    return ok;
}

void mu_constraint_vocab_init(mu_constraint_vocab *vocab, const mu_engine *engine) {
    *vocab = (mu_constraint_vocab){.engine = engine};
    pthread_mutex_init(&vocab->lock, NULL);
}

void mu_constraint_vocab_deinit(mu_constraint_vocab *vocab) {
    mu_token_trie_unref(vocab->trie);
    pthread_mutex_destroy(&vocab->lock);
}

static mu_status open_trie(mu_constraint_vocab *vocab, mu_err *err) {
    mu_status status = MU_OK;
    pthread_mutex_lock(&vocab->lock);
    if (!vocab->trie) status = mu_engine_open_trie(vocab->engine, &vocab->trie, err);
    pthread_mutex_unlock(&vocab->lock);
    return status;
}

static mu_status compile(const wanted *w, mu_grammar_tags *reasoning, mu_constraint_vocab *vocab,
                         mu_grammar **out, mu_err *err) {
    bool is_json = w->spec.kind == MU_GRAMMAR_JSON_SCHEMA || w->spec.kind == MU_GRAMMAR_JSON_OBJECT;
    mu_status status = open_trie(vocab, err);
    if (status != MU_OK) return status;
    if (!is_json) *reasoning = (mu_grammar_tags){0};
    if (!reasoning->reasoning_close) return mu_grammar_compile(&w->spec, vocab->trie, out, err);
    return mu_value_grammar_compile(w->spec.schema, w->spec.in_order, reasoning, vocab->trie, out,
                                    err);
}

bool mu_constraint_read(const mu_constraint_params *params, mu_grammar_tags *reasoning,
                        mu_constraint_vocab *vocab, mu_grammar **out, mu_api_error *error) {
    wanted w = {.n = 0};
    mu_err err;
    mu_status status = MU_OK;
    *out = NULL;
    bool ok = read_all(params, &w, error);
    if (ok && w.n > 0) status = compile(&w, reasoning, vocab, out, &err);
    if (status == MU_ERR_NOMEM) ok = mu_api_fail_status(error, &err);
    if (status != MU_OK && status != MU_ERR_NOMEM) ok = mu_api_wrong(error, w.field, err.text);
    json_decref(w.parsed);
    mu_free(w.choices);
    return ok;
}

bool mu_constraint_read_calls(const mu_call_grammar_options *options, mu_constraint_vocab *vocab,
                              mu_grammar **out, mu_api_error *error) {
    mu_err err;
    *out = NULL;
    mu_status status = open_trie(vocab, &err);
    if (status == MU_OK) status = mu_call_grammar_compile(options, vocab->trie, out, &err);
    if (status == MU_OK) return true;
    if (status == MU_ERR_NOMEM) return mu_api_fail_status(error, &err);
    bool is_known = status != MU_ERR_UNSUPPORTED;
    return mu_api_fail(error, is_known ? MU_API_INVALID_VALUE : MU_API_NOT_SUPPORTED, "tools", "%s",
                       err.text);
}
