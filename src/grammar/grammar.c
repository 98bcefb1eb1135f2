/* A matcher is a front without the lock; every call takes the lock, copies nothing else. */
#include "grammar/grammar.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/front.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/mask.h"
#include "grammar/regex.h"
#include "grammar/tags.h"
#include "text/utf8.h"

struct mu_grammar {
    _Atomic uint32_t n_refs;
    pthread_mutex_t lock;
    mu_chunks memory;
    mu_lexicon lexicon;
    mu_algebra algebra;
    mu_rules rules;
    mu_machine machine;
    mu_masks masks;
    mu_token_trie *trie; /* counted; NULL: no masks */
    mu_front start;
};

static mu_status fail_copy(const mu_err *from, mu_err *err) {
    return mu_fail(err, from->status, "%s", from->text);
}

/* Compiling: each kind makes what it needs and says which state a text starts in. */

static mu_status check_text(const char *what, const char *text, size_t n, mu_err *err) {
    if (n > MU_GRAMMAR_TEXT_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "%s: %zu bytes, at most %d", what, n,
                       MU_GRAMMAR_TEXT_MAX);
    }
    size_t n_valid = n > 0 ? mu_utf8_valid(text, n) : 0;
    if (n_valid == n) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "%s: not UTF-8 at byte %zu", what, n_valid);
}

static mu_status start_machine(mu_grammar *g, const mu_grammar_spec *spec, mu_err *err) {
    mu_status status =
        mu_automaton_init(&g->machine.automaton, &g->memory, &g->lexicon, &g->algebra, &g->rules);
    if (status != MU_OK) return mu_fail(err, status, "grammar");
    g->machine.automaton.is_ordered = spec->in_order;
    return MU_OK;
}

/* The values of a document. */
static mu_status read_values(mu_grammar *g, mu_schema *schema, const json_t *root, bool closed,
                             mu_expr *out, mu_err *err) {
    *out = root ? mu_schema_read(schema, root, closed) : MU_EXPR_TRUE;
    mu_algebra_settle(&g->algebra, *out);
    if (g->lexicon.status != MU_OK) return fail_copy(&g->lexicon.err, err);
    if (mu_expr_lives(&g->algebra, *out)) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "#: no value is valid under this schema");
}

static mu_status compile_schema(mu_grammar *g, const mu_grammar_spec *spec, mu_state *out,
                                mu_err *err) {
    mu_schema schema;
    mu_expr root;
    json_t *any_object = NULL;
    mu_algebra_init(&g->algebra, &g->lexicon);
    mu_schema_init(&schema, &g->algebra);
    if (spec->kind == MU_GRAMMAR_JSON_OBJECT) any_object = json_pack("{s:s}", "type", "object");
    const json_t *source = any_object ? any_object : spec->schema;
    mu_status status = read_values(g, &schema, source, spec->closed, &root, err);
    mu_schema_deinit(&schema);
    json_decref(any_object);
    if (status != MU_OK) return status;
    status = start_machine(g, spec, err);
    if (status == MU_OK) *out = mu_value_state(&g->machine.automaton, root);
    return status;
}

static mu_status start_text(mu_grammar *g, const mu_grammar_spec *spec, mu_lexeme lexeme,
                            mu_state *out, mu_err *err) {
    if (g->lexicon.status != MU_OK) return fail_copy(&g->lexicon.err, err);
    if (lexeme == MU_LEXEME_NONE)
        return mu_fail(err, MU_ERR_INVALID, "no text matches the pattern");
    mu_status status = start_machine(g, spec, err);
    if (status == MU_OK) *out = mu_text_state(&g->machine.automaton, lexeme);
    return status;
}

static mu_status compile_regex(mu_grammar *g, const mu_grammar_spec *spec, mu_state *out,
                               mu_err *err) {
    mu_status status = check_text("pattern", spec->text, spec->n_text, err);
    if (status != MU_OK) return status;
    mu_lexeme lexeme = mu_regex_lexeme(&g->lexicon, spec->text, spec->n_text, MU_REGEX_WHOLE);
    return start_text(g, spec, lexeme, out, err);
}

static mu_status compile_choice(mu_grammar *g, const mu_grammar_spec *spec, mu_state *out,
                                mu_err *err) {
    if (spec->n_choices == 0) return mu_fail(err, MU_ERR_INVALID, "choice: nothing to choose from");
    mu_regex_text *texts = MU_ALLOC(mu_regex_text, spec->n_choices);
    if (!texts) return mu_fail(err, MU_ERR_NOMEM, "choice");
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < spec->n_choices && status == MU_OK; i++) {
        texts[i] = (mu_regex_text){spec->choices[i], strlen(spec->choices[i])};
        status = check_text("choice", texts[i].data, texts[i].n, err);
    }
    mu_lexeme lexeme = MU_LEXEME_NONE;
    if (status == MU_OK) lexeme = mu_regex_texts(&g->lexicon, texts, spec->n_choices);
    mu_free(texts);
    return status == MU_OK ? start_text(g, spec, lexeme, out, err) : status;
}

static mu_status compile_gbnf(mu_grammar *g, const mu_grammar_spec *spec, mu_state *out,
                              mu_err *err) {
    uint32_t root;
    mu_status status = check_text("grammar", spec->text, spec->n_text, err);
    if (status != MU_OK) return status;
    status = mu_gbnf_parse(&g->memory, spec->text, spec->n_text, &g->rules, &root, err);
    if (status == MU_OK) status = start_machine(g, spec, err);
    if (status == MU_OK) *out = mu_rule_state(&g->machine.automaton, root);
    return status;
}

/* exprs: [tags->n]. */
static mu_status read_tags(mu_grammar *g, const mu_grammar_tags *tags, mu_expr *exprs,
                           mu_err *err) {
    mu_schema schema;
    mu_err why;
    mu_status status = MU_OK;
    json_t *any_object = json_pack("{s:s}", "type", "object");
    mu_schema_init(&schema, &g->algebra);
    for (uint32_t i = 0; i < tags->n && status == MU_OK; i++) {
        const json_t *root = tags->items[i].schema ? tags->items[i].schema : any_object;
        status = read_values(g, &schema, root, true, &exprs[i], &why);
        const char *name = tags->items[i].name;
        if (status != MU_OK)
            mu_fail(err, status, "%.60s%s%s", name ? name : "", name ? ": " : "", why.text);
    }
    mu_schema_deinit(&schema);
    json_decref(any_object);
    return status;
}

static mu_status compile_tags(mu_grammar *g, const mu_grammar_spec *spec, mu_state *out,
                              mu_err *err) {
    uint32_t root;
    if (spec->tags->n == 0) return mu_fail(err, MU_ERR_INVALID, "nothing to choose from");
    mu_expr *exprs = MU_ALLOC(mu_expr, spec->tags->n);
    if (!exprs) return mu_fail(err, MU_ERR_NOMEM, "grammar");
    mu_algebra_init(&g->algebra, &g->lexicon);
    mu_status status = read_tags(g, spec->tags, exprs, err);
    if (status == MU_OK) status = mu_tags_build(spec->tags, exprs, g->trie, &g->rules, &root, err);
    mu_free(exprs);
    if (status == MU_OK) status = start_machine(g, spec, err);
    if (status == MU_OK) *out = mu_rule_state(&g->machine.automaton, root);
    return status;
}

static mu_status compile(mu_grammar *g, const mu_grammar_spec *spec, mu_err *err) {
    static mu_status (*const kinds[])(mu_grammar *, const mu_grammar_spec *, mu_state *,
                                      mu_err *) = {
        [MU_GRAMMAR_JSON_SCHEMA] = compile_schema, [MU_GRAMMAR_JSON_OBJECT] = compile_schema,
        [MU_GRAMMAR_REGEX] = compile_regex,        [MU_GRAMMAR_GBNF] = compile_gbnf,
        [MU_GRAMMAR_CHOICE] = compile_choice,      [MU_GRAMMAR_TAGS] = compile_tags,
    };
    mu_state state = MU_STATE_NONE;
    mu_chunks_init(&g->memory, MU_GRAMMAR_BYTES_MAX);
    mu_lexicon_init(&g->lexicon, &g->memory);
    mu_status status = kinds[spec->kind](g, spec, &state, err);
    if (status != MU_OK) return status;
    mu_machine *m = &g->machine;
    mu_stack bottom = mu_stacks_push(&m->stacks, MU_STATE_ACCEPT, 0);
    if (m->automaton.status == MU_OK) mu_front_add(m, &g->start, state, bottom);
    if (m->automaton.status != MU_OK) return mu_fail(err, m->automaton.status, "grammar");
    if (m->stacks.status != MU_OK) return mu_fail(err, m->stacks.status, "grammar");
    if (g->trie && mu_masks_init(&g->masks, m, g->trie) != MU_OK) {
        return mu_fail(err, MU_ERR_NOMEM, "grammar");
    }
    return MU_OK;
}

mu_status mu_grammar_compile(const mu_grammar_spec *spec, mu_token_trie *trie, mu_grammar **out,
                             mu_err *err) {
    mu_grammar *g = mu_alloc(sizeof(*g));
    if (!g) return mu_fail(err, MU_ERR_NOMEM, "grammar");
    atomic_init(&g->n_refs, 1);
    pthread_mutex_init(&g->lock, NULL);
    g->trie = trie ? mu_token_trie_ref(trie) : NULL;
    mu_status status = compile(g, spec, err);
    if (status != MU_OK) {
        mu_grammar_unref(g);
        return status;
    }
    *out = g;
    return MU_OK;
}

mu_grammar *mu_grammar_ref(mu_grammar *g) {
    atomic_fetch_add_explicit(&g->n_refs, 1, memory_order_relaxed);
    return g;
}

void mu_grammar_unref(mu_grammar *g) {
    if (!g) return;
    if (atomic_fetch_sub_explicit(&g->n_refs, 1, memory_order_acq_rel) > 1) return;
    mu_masks_deinit(&g->masks);
    mu_stacks_deinit(&g->machine.stacks);
    mu_automaton_deinit(&g->machine.automaton);
    mu_rules_deinit(&g->rules);
    mu_algebra_deinit(&g->algebra);
    mu_lexicon_deinit(&g->lexicon);
    mu_chunks_deinit(&g->memory);
    mu_token_trie_unref(g->trie);
    pthread_mutex_destroy(&g->lock);
    mu_free(g);
}

uint32_t mu_grammar_vocab_size(const mu_grammar *g) {
    return g->trie ? g->trie->vocab_size : 0;
}

/* Matching. */

void mu_matcher_init(mu_matcher *matcher, mu_grammar *g) {
    matcher->grammar = g;
    matcher->n = g->start.n;
    memcpy(matcher->items, g->start.items, g->start.n * sizeof(g->start.items[0]));
}

static void load(const mu_matcher *matcher, mu_front *front) {
    front->n = matcher->n;
    memcpy(front->items, matcher->items, matcher->n * sizeof(matcher->items[0]));
}

bool mu_matcher_take(mu_matcher *matcher, const char *bytes, size_t n) {
    mu_machine *m = &matcher->grammar->machine;
    mu_front fronts[2];
    load(matcher, &fronts[0]);
    pthread_mutex_lock(&matcher->grammar->lock);
    size_t i = 0;
    while (i < n && fronts[i % 2].n > 0) {
        mu_front_step(m, &fronts[i % 2], (uint8_t)bytes[i], &fronts[(i + 1) % 2]);
        i++;
    }
    pthread_mutex_unlock(&matcher->grammar->lock);
    const mu_front *last = &fronts[i % 2];
    if (last->n == 0) return false;
    matcher->n = last->n;
    memcpy(matcher->items, last->items, last->n * sizeof(last->items[0]));
    return true;
}

bool mu_matcher_take_token(mu_matcher *matcher, mu_token token) {
    mu_token_bytes bytes = mu_token_trie_bytes(matcher->grammar->trie, token);
    return bytes.n > 0 && mu_matcher_take(matcher, bytes.data, bytes.n);
}

uint32_t mu_matcher_n_accepted(const mu_matcher *matcher, const mu_token *tokens, uint32_t n) {
    mu_matcher copy = *matcher;
    uint32_t i = 0;
    while (i < n && mu_matcher_take_token(&copy, tokens[i])) {
        i++;
    }
    return i;
}

bool mu_matcher_may_end(const mu_matcher *matcher) {
    for (uint32_t i = 0; i < matcher->n; i++) {
        if (matcher->items[i].state == MU_STATE_ACCEPT) return true;
    }
    return false;
}

bool mu_matcher_must_end(const mu_matcher *matcher) {
    return matcher->n == 1 && matcher->items[0].state == MU_STATE_ACCEPT;
}

mu_status mu_matcher_status(const mu_matcher *matcher) {
    mu_machine *m = &matcher->grammar->machine;
    pthread_mutex_lock(&matcher->grammar->lock);
    mu_status status = m->automaton.status != MU_OK ? m->automaton.status : m->stacks.status;
    if (status == MU_OK && m->is_overrun) status = MU_ERR_LIMIT;
    pthread_mutex_unlock(&matcher->grammar->lock);
    return status;
}

void mu_matcher_mask(const mu_matcher *matcher, uint64_t *out) {
    mu_grammar *g = matcher->grammar;
    MU_ASSERT(g->trie);
    mu_front front;
    load(matcher, &front);
    pthread_mutex_lock(&g->lock);
    mu_masks_make(&g->masks, &front, out);
    pthread_mutex_unlock(&g->lock);
}

size_t mu_matcher_forced(const mu_matcher *matcher, char *out, size_t cap) {
    mu_machine *m = &matcher->grammar->machine;
    mu_front fronts[2], next;
    size_t n = 0;
    load(matcher, &fronts[0]);
    pthread_mutex_lock(&matcher->grammar->lock);
    while (n < cap && !mu_front_has(&fronts[n % 2], MU_STATE_ACCEPT)) {
        int n_ways = 0;
        for (int byte = 0; byte < 256 && n_ways < 2; byte++) {
            mu_front_step(m, &fronts[n % 2], (uint8_t)byte, &next);
            if (next.n == 0) continue;
            n_ways++;
            out[n] = (char)byte;
            fronts[(n + 1) % 2] = next;
        }
        if (n_ways != 1) break;
        n++;
    }
    pthread_mutex_unlock(&matcher->grammar->lock);
    return n;
}

uint32_t mu_matcher_forced_tokens(const mu_matcher *matcher, mu_token *out, uint32_t n_max) {
    char text[128];
    size_t n_text = n_max > 0 ? mu_matcher_forced(matcher, text, sizeof(text)) : 0;
    uint32_t n = 0;
    for (size_t at = 0; at < n_text && n < n_max; n++) {
        out[n] = mu_token_trie_longest(matcher->grammar->trie, text + at, n_text - at);
        if (out[n] == MU_TOKEN_NONE) break;
        at += mu_token_trie_bytes(matcher->grammar->trie, out[n]).n;
    }
    return n;
}
