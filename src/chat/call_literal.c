/* Calls whose values are written in another notation than JSON: Gemma 4's, where a text stands
 * between <|"|> and keys are bare, and Python's, which LFM2 writes. Both become JSON in one pass;
 * depth is bounded because a model wrote it. */
#include <stdlib.h>
#include <string.h>

#include "chat/call_body.h"

enum { DEPTH_MAX = 32 };

typedef struct reader {
    const char *text;
    size_t n, at;
    bool is_python; /* else Gemma's */
    mu_buf *out;
} reader;

static const char gemma_quote[] = "<|\"|>";

static void skip_space(reader *r) {
    while (r->at < r->n && r->text[r->at] && strchr(" \t\r\n", r->text[r->at])) {
        r->at++;
    }
}

static bool take(reader *r, const char *mark) {
    size_t n = strlen(mark);
    skip_space(r);
    if (n > r->n - r->at || memcmp(r->text + r->at, mark, n) != 0) return false;
    r->at += n;
    return true;
}

static bool read_gemma_text(reader *r) {
    const char *start = r->text + r->at;
    const char *end = memmem(start, r->n - r->at, gemma_quote, sizeof(gemma_quote) - 1);
    if (!end) return false;
    mu_json_quote(r->out, start, (size_t)(end - start));
    r->at += (size_t)(end - start) + sizeof(gemma_quote) - 1;
    return true;
}

/* After the opening quote; the escapes that Python's repr() writes. */
static bool read_python_text(reader *r, char quote) {
    static const char plain[] = "\\'\"nrt", meant[] = "\\'\"\n\r\t";
    mu_buf text = {0};
    for (; r->at < r->n && r->text[r->at] != quote; r->at++) {
        char c = r->text[r->at];
        if (c == '\\' && r->at + 1 < r->n) {
            const char *found = r->text[r->at + 1] ? strchr(plain, r->text[r->at + 1]) : NULL;
            if (found) {
                c = meant[found - plain];
                r->at++;
            }
        }
        mu_buf_append(&text, &c, 1);
    }
    bool ok = r->at < r->n;
    r->at += ok;
    if (ok) mu_json_quote(r->out, text.data ? text.data : "", text.n);
    r->out->failed |= text.failed;
    mu_buf_deinit(&text);
    return ok;
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (uint8_t)c >= 0x80 || (c && strchr("_-.", c));
}

static size_t name_length(reader *r) {
    size_t n = 0;
    skip_space(r);
    while (r->at + n < r->n && is_name_byte(r->text[r->at + n])) {
        n++;
    }
    return n;
}

/* A number, or one of the words for true, false and none. */
static bool read_word(reader *r) {
    static const struct {
        const char *word, *json;
    } words[] = {{"True", "true"}, {"False", "false"}, {"None", "null"},
                 {"true", "true"}, {"false", "false"}, {"null", "null"}};
    size_t n = 0;
    skip_space(r);
    while (r->at + n < r->n && (is_name_byte(r->text[r->at + n]) || r->text[r->at + n] == '+')) {
        n++;
    }
    const char *word = r->text + r->at;
    r->at += n;
    for (size_t i = 0; i < MU_COUNTOF(words); i++) {
        if (strlen(words[i].word) != n || memcmp(words[i].word, word, n) != 0) continue;
        mu_buf_append_str(r->out, words[i].json);
        return true;
    }
    if (n == 0 || !mu_json_is_valid(word, n)) return false;
    mu_buf_append(r->out, word, n);
    return true;
}

static bool read_value(reader *r, uint32_t depth);

static bool read_string(reader *r, bool *out_is) {
    *out_is = true;
    if (!r->is_python) {
        if (take(r, gemma_quote)) return read_gemma_text(r);
    } else if (take(r, "\"")) {
        return read_python_text(r, '"');
    } else if (take(r, "'")) {
        return read_python_text(r, '\'');
    }
    *out_is = false;
    return true;
}

static bool read_key(reader *r, const char *colon) {
    bool is_string;
    if (!read_string(r, &is_string)) return false;
    if (!is_string) {
        size_t n = name_length(r);
        if (n == 0) return false;
        mu_json_quote(r->out, r->text + r->at, n);
        r->at += n;
    }
    mu_buf_append_str(r->out, ": ");
    return take(r, colon);
}

/* After the opening bracket, to behind close. */
static bool read_members(reader *r, const char *colon, const char *close, uint32_t depth) {
    for (bool is_first = true; !take(r, close); is_first = false) {
        if (!is_first) {
            if (!take(r, ",")) return false;
            if (take(r, close)) break;
            mu_buf_append_str(r->out, ", ");
        }
        if ((colon && !read_key(r, colon)) || !read_value(r, depth + 1)) return false;
    }
    return true;
}

static bool read_bracketed(reader *r, const char *colon, const char *close, uint32_t depth) {
    mu_buf_append_str(r->out, colon ? "{" : "[");
    if (!read_members(r, colon, close, depth)) return false;
    mu_buf_append_str(r->out, colon ? "}" : "]");
    return true;
}

static bool read_value(reader *r, uint32_t depth) {
    bool is_string;
    if (depth > DEPTH_MAX) return false;
    if (take(r, "{")) return read_bracketed(r, ":", "}", depth);
    if (take(r, "[")) return read_bracketed(r, NULL, "]", depth);
    if (!read_string(r, &is_string)) return false;
    return is_string || read_word(r);
}

/* name, then its arguments from open to close */
static bool read_call(reader *r, const char *open, const char *colon, const char *close,
                      mu_tool_calls *out) {
    size_t n = name_length(r);
    if (n == 0) return false;
    mu_tool_call *call = mu_tool_calls_add(out, r->text + r->at, n);
    if (!call) return false;
    r->at += n;
    r->out = &call->arguments;
    return take(r, open) && read_bracketed(r, colon, close, 0);
}

static bool settle(reader *r, bool ok, size_t n_before, mu_tool_calls *out) {
    skip_space(r);
    ok = ok && r->at == r->n && out->n > n_before;
    if (!ok) mu_tool_calls_cut(out, n_before);
    return ok;
}

bool mu_call_body_gemma(const char *text, size_t n, mu_tool_calls *out) {
    reader r = {.text = text, .n = n};
    size_t n_before = out->n;
    bool ok = take(&r, "call:") && read_call(&r, "{", ":", "}", out);
    return settle(&r, ok, n_before, out);
}

bool mu_call_body_python(const char *text, size_t n, mu_tool_calls *out) {
    reader r = {.text = text, .n = n, .is_python = true};
    size_t n_before = out->n;
    bool ok = take(&r, "[");
    for (bool is_first = true; ok && !take(&r, "]"); is_first = false) {
        ok = (is_first || take(&r, ",")) && read_call(&r, "(", "=", ")", out);
    }
    return settle(&r, ok, n_before, out);
}
