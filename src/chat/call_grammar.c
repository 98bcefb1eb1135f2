#include "chat/call_grammar.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "chat/answer_format.h"

enum { TOOLS_MAX = 1000, NAME_MAX_BYTES = 200 };

/* One tag for each tool, and what it owns. */
typedef struct tags {
    mu_grammar_tag *items; /* [n], begin and schema are owned */
    uint32_t n;
    bool is_strict; /* one of the tools */
} tags;

static void deinit(tags *t) {
    for (uint32_t i = 0; i < t->n; i++) {
        mu_free((char *)t->items[i].begin);
        json_decref((json_t *)t->items[i].schema);
    }
    mu_free(t->items);
}

static const json_t *function_of(const json_t *tools, size_t i) {
    return json_object_get(json_array_get(tools, i), "function");
}

/* Such a name is written the same in every format. */
static bool is_plain_name(const char *name) {
    static const char others[] = "_-.:/ ";
    size_t n = name ? strlen(name) : 0;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && !strchr(others, c)) return false;
    }
    return n > 0 && n <= NAME_MAX_BYTES;
}

static char *begin_of(const mu_call_layout *layout, const char *name) {
    mu_buf text = {0};
    mu_buf_printf(&text, "%s%s%s", layout->begin, name, layout->middle);
    if (!text.failed) return text.data;
    mu_buf_deinit(&text);
    return NULL;
}

/* A new reference: arguments are an object, whether the schema says so or not. NULL: any object. */
static json_t *schema_of(const json_t *function) {
    json_t *schema = json_object_get(function, "parameters");
    if (!json_is_object(schema) || json_object_size(schema) == 0) return NULL;
    if (json_object_get(schema, "type")) return json_incref(schema);
    json_t *typed = json_copy(schema);
    json_object_set_new(typed, "type", json_string("object"));
    return typed;
}

static mu_status add_tag(tags *t, const json_t *function, const mu_call_layout *layout,
                         mu_err *err) {
    const char *name = json_string_value(json_object_get(function, "name"));
    bool is_strict = json_is_true(json_object_get(function, "strict"));
    if (!is_plain_name(name))
        return mu_fail(err, MU_ERR_INVALID,
                       "tools: a name is up to %d letters, digits, spaces and _ - . : /, where a "
                       "call is constrained",
                       NAME_MAX_BYTES);
    mu_grammar_tag tag = {.begin = begin_of(layout, name), .end = layout->end, .name = name};
    if (!tag.begin) return mu_fail(err, MU_ERR_NOMEM, "tools: out of memory");
    tag.schema = schema_of(function);
    t->items[t->n++] = tag;
    t->is_strict |= is_strict;
    return MU_OK;
}

static mu_status add_tags(tags *t, const json_t *tools, const mu_call_layout *layout, mu_err *err) {
    size_t n = json_array_size(tools);
    if (n > TOOLS_MAX) return mu_fail(err, MU_ERR_INVALID, "tools: more than %d", TOOLS_MAX);
    t->items = MU_ALLOC(mu_grammar_tag, n + 1);
    if (!t->items) return mu_fail(err, MU_ERR_NOMEM, "tools: out of memory");
    mu_status status = MU_OK;
    for (size_t i = 0; i < n && status == MU_OK; i++) {
        status = add_tag(t, function_of(tools, i), layout, err);
    }
    return status;
}

/* The longest mark of the format that a group begins with; NULL: none. */
static const char *trigger_of(const mu_call_format *f) {
    const char *text = f->layout.open[0] ? f->layout.open : f->layout.begin, *found = NULL;
    for (size_t i = 0; i < MU_COUNTOF(f->open) + MU_DROPPED_MAX; i++) {
        const char *mark =
            i < MU_COUNTOF(f->open) ? f->open[i] : f->dropped[i - MU_COUNTOF(f->open)];
        bool is_prefix = mark && strncmp(text, mark, strlen(mark)) == 0;
        if (is_prefix && (!found || strlen(mark) > strlen(found))) found = mark;
    }
    return found;
}

void mu_call_grammar_set_reasoning(const char *template_text, size_t template_n, const char *prompt,
                                   size_t prompt_n, mu_grammar_tags *out) {
    const mu_reasoning_format *f = mu_reasoning_format_of(template_text, template_n);
    if (!f || mu_answer_is_harmony(template_text, template_n)) return;
    out->reasoning_open = mu_reasoning_is_open(f, prompt, prompt_n) ? NULL : f->open;
    out->reasoning_close = f->close;
}

mu_status mu_value_grammar_compile(const json_t *schema, bool in_order,
                                   const mu_grammar_tags *reasoning, mu_token_trie *trie,
                                   mu_grammar **out, mu_err *err) {
    const mu_grammar_tag value = {.begin = "", .end = "", .schema = schema};
    mu_grammar_tags all = *reasoning;
    all.items = &value;
    all.n = 1;
    all.open = all.close = "";
    const mu_grammar_spec spec = {.kind = MU_GRAMMAR_TAGS, .tags = &all, .in_order = in_order};
    return mu_grammar_compile(&spec, trie, out, err);
}

static mu_grammar_tags tags_of(const mu_call_grammar_options *o, const mu_call_format *f,
                               const tags *t) {
    const mu_call_layout *layout = &f->layout;
    mu_grammar_tags all = {
        .items = t->items,
        .n = t->n,
        .open = layout->open,
        .between = o->is_single ? NULL : layout->between,
        .close = layout->close,
        .once = o->is_single,
    };
    if (!o->is_required) {
        all.trigger = trigger_of(f);
    } else {
        mu_call_grammar_set_reasoning(o->template_text, o->template_n, o->prompt, o->prompt_n,
                                      &all);
    }
    return all;
}

/* Where a schema is too much for a grammar and nobody insists on it, any object does. */
static mu_status compile_tags(const mu_call_grammar_options *o, const mu_call_format *f, tags *t,
                              mu_token_trie *trie, mu_grammar **out, mu_err *err) {
    mu_grammar_tags all = tags_of(o, f, t);
    mu_grammar_spec spec = {.kind = MU_GRAMMAR_TAGS, .tags = &all, .in_order = t->is_strict};
    mu_err why;
    mu_status status = mu_grammar_compile(&spec, trie, out, &why);
    bool is_wanted = o->is_required || t->is_strict || status == MU_ERR_NOMEM;
    if (status != MU_OK && !is_wanted) {
        for (uint32_t i = 0; i < t->n; i++) {
            json_decref((json_t *)t->items[i].schema);
            t->items[i].schema = NULL;
        }
        status = mu_grammar_compile(&spec, trie, out, &why);
        if (status == MU_ERR_LIMIT) return MU_OK; /* so many tools that nothing is bound */
    }
    return status == MU_OK ? MU_OK : mu_fail(err, status, "tools: %s", why.text);
}

mu_status mu_call_grammar_compile(const mu_call_grammar_options *o, mu_token_trie *trie,
                                  mu_grammar **out, mu_err *err) {
    const mu_call_format *f = mu_call_format_constrained(o->template_text, o->template_n);
    bool is_other = f != mu_call_format_of(o->template_text, o->template_n) || !trigger_of(f);
    bool is_harmony = mu_answer_is_harmony(o->template_text, o->template_n);
    *out = NULL;
    if (!o->is_required && (is_other || is_harmony)) return MU_OK;
    if (is_harmony)
        return mu_fail(err, MU_ERR_UNSUPPORTED,
                       "tools: this model's calls cannot be required, tool_choice may be auto");
    tags t = {0};
    mu_status status = add_tags(&t, o->tools, &f->layout, err);
    if (status == MU_OK) {
        status = compile_tags(o, f, &t, trie, out, err);
    } else if (status == MU_ERR_INVALID && !o->is_required) {
        status = MU_OK; /* a name that cannot be written plainly */
    }
    deinit(&t);
    return status;
}
