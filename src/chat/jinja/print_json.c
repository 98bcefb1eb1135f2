/* Python's json.dumps(): a separator after each comma and colon, nothing escaped for HTML, keys in
 * their order unless asked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/jinja/characters.h"
#include "chat/jinja/print.h"

typedef struct writer {
    mu_run *run;
    const mu_json_style *style;
    mu_marked_builder *out;
} writer;

static const struct {
    char byte;
    const char *escape;
} escapes[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"},
               {'\t', "\\t"}, {'\f', "\\f"},  {'\b', "\\b"}};

static void escape(uint32_t c, char text[16]) {
    for (size_t i = 0; i < MU_COUNTOF(escapes); i++) {
        if ((uint32_t)escapes[i].byte != c) continue;
        snprintf(text, 16, "%s", escapes[i].escape);
        return;
    }
    if (c <= 0xFFFF) {
        snprintf(text, 16, "\\u%04x", c);
    } else { /* a surrogate pair */
        snprintf(text, 16, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
                 0xDC00 + ((c - 0x10000) & 0x3FF));
    }
}

static bool write_text(writer *w, mu_marked text) {
    if (!mu_run_charge(w->run, 1 + text.n / 64)) return false;
    mu_marked_append_literal(w->out, "\"");
    size_t plain = 0, n;
    for (size_t at = 0; at < text.n; at += n) {
        uint32_t c = mu_character_decode(text.data + at, text.n - at, &n);
        bool is_plain = c >= 0x20 && c != '"' && c != '\\' && (c < 0x7F || !w->style->ensure_ascii);
        if (is_plain) continue;
        char escaped[16];
        escape(c, escaped);
        mu_marked_append(w->out, mu_marked_slice(text, plain, at - plain));
        mu_marked_append_bytes(w->out, escaped, strlen(escaped), mu_marked_at(text, at));
        plain = at + n;
    }
    mu_marked_append(w->out, mu_marked_slice(text, plain, text.n - plain));
    mu_marked_append_literal(w->out, "\"");
    return true;
}

static void write_number(writer *w, mu_value v) {
    char digits[40];
    if (v.kind == MU_VALUE_INT) {
        snprintf(digits, sizeof(digits), "%lld", (long long)v.integer);
    } else if (isfinite(v.real)) {
        mu_float_print(v.real, digits);
    } else {
        snprintf(digits, sizeof(digits), "%s",
                 isnan(v.real) ? "NaN"
                 : v.real > 0  ? "Infinity"
                               : "-Infinity");
    }
    mu_marked_append_literal(w->out, digits);
}

static void write_line(writer *w, uint32_t level) {
    if (!w->style->has_indent) return;
    mu_marked_append_literal(w->out, "\n");
    for (uint32_t i = 0; i < level; i++) {
        mu_marked_append(w->out, w->style->indent);
    }
}

static bool write_value(writer *w, mu_value v, uint32_t level);

static bool write_list(writer *w, const mu_value_list *list, uint32_t level) {
    mu_marked_append_literal(w->out, "[");
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) mu_marked_append(w->out, w->style->comma);
        write_line(w, level + 1);
        if (!write_value(w, list->items[i], level + 1)) return false;
    }
    if (list->n > 0) write_line(w, level);
    mu_marked_append_literal(w->out, "]");
    return true;
}

/* A key is text in JSON; Python turns numbers, bools and None into it. */
static bool write_key(writer *w, mu_value key) {
    switch (key.kind) {
    case MU_VALUE_TEXT:
        return write_text(w, key.text);
    case MU_VALUE_NONE:
    case MU_VALUE_BOOL:
    case MU_VALUE_INT:
    case MU_VALUE_FLOAT:
        mu_marked_append_literal(w->out, "\"");
        if (!write_value(w, key, 0)) return false;
        mu_marked_append_literal(w->out, "\"");
        return true;
    default:
        return mu_run_fail(w->run, MU_ERR_INVALID,
                           "keys must be str, int, float, bool or None, not %s",
                           mu_value_type_name(key.kind));
    }
}

static int by_key(const void *a, const void *b) {
    const mu_value_pair *x = a, *y = b;
    return mu_marked_compare(x->key.text, y->key.text);
}

/* Pairs by key; only text keys can be compared with each other. */
static bool sorted(writer *w, const mu_value_dict *dict, mu_value_pair **out) {
    for (size_t i = 0; i < dict->n; i++) {
        if (dict->pairs[i].key.kind != MU_VALUE_TEXT)
            return mu_run_fail(w->run, MU_ERR_INVALID, "tojson: sort_keys takes keys of type str");
    }
    mu_value_pair *pairs = MU_NEW(w->run->arena, mu_value_pair, dict->n);
    if (!pairs) return mu_run_fail_memory(w->run);
    if (dict->n > 0) memcpy(pairs, dict->pairs, dict->n * sizeof(*pairs));
    qsort(pairs, dict->n, sizeof(*pairs), by_key); /* keys differ, so it needs not be stable */
    *out = pairs;
    return mu_run_charge(w->run, 8 * dict->n);
}

static bool write_dict(writer *w, const mu_value_dict *dict, uint32_t level) {
    mu_value_pair *pairs = dict->pairs;
    if (w->style->sort_keys && !sorted(w, dict, &pairs)) return false;
    mu_marked_append_literal(w->out, "{");
    for (size_t i = 0; i < dict->n; i++) {
        if (i > 0) mu_marked_append(w->out, w->style->comma);
        write_line(w, level + 1);
        if (!write_key(w, pairs[i].key)) return false;
        mu_marked_append(w->out, w->style->colon);
        if (!write_value(w, pairs[i].value, level + 1)) return false;
    }
    if (dict->n > 0) write_line(w, level);
    mu_marked_append_literal(w->out, "}");
    return true;
}

static bool write_value(writer *w, mu_value v, uint32_t level) {
    if (level > MU_RUN_NESTING_MAX)
        return mu_run_fail(w->run, MU_ERR_LIMIT, "values nested deeper than %d",
                           MU_RUN_NESTING_MAX);
    if (!mu_run_charge(w->run, 1)) return false;
    switch (v.kind) {
    case MU_VALUE_NONE:
        mu_marked_append_literal(w->out, "null");
        return true;
    case MU_VALUE_BOOL:
        mu_marked_append_literal(w->out, v.boolean ? "true" : "false");
        return true;
    case MU_VALUE_INT:
    case MU_VALUE_FLOAT:
        write_number(w, v);
        return true;
    case MU_VALUE_TEXT:
        return write_text(w, v.text);
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        return write_list(w, v.list, level);
    case MU_VALUE_DICT:
        return write_dict(w, v.dict, level);
    default:
        return mu_run_fail(w->run, MU_ERR_INVALID, "Object of type %s is not JSON serializable",
                           mu_value_type_name(v.kind));
    }
}

bool mu_value_print_json(mu_run *run, mu_value v, const mu_json_style *style,
                         mu_marked_builder *out) {
    writer w = {run, style, out};
    return write_value(&w, v, 0);
}
