#include "chat/json_scan.h"

#include <string.h>

bool mu_json_scan_byte(mu_json_scan *s, char byte) {
    if (s->in_string) {
        if (s->is_escaped) {
            s->is_escaped = false;
        } else if (byte == '\\') {
            s->is_escaped = true;
        } else if (byte == '"') {
            s->in_string = false;
        }
        return false;
    }
    if (byte == '"') s->in_string = true;
    if (byte == '{' || byte == '[') {
        s->has_begun = true;
        s->depth++;
    }
    if ((byte != '}' && byte != ']') || s->depth == 0) return false;
    return --s->depth == 0;
}

size_t mu_json_scan_length(const char *text, size_t n) {
    mu_json_scan s = {0};
    if (n == 0 || (text[0] != '{' && text[0] != '[')) return 0;
    for (size_t i = 0; i < n; i++) {
        if (mu_json_scan_byte(&s, text[i])) return i + 1;
    }
    return 0;
}

static size_t skip_space(const char *text, size_t n, size_t at) {
    while (at < n &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) {
        at++;
    }
    return at;
}

/* Where the value at text[at] ends. */
static size_t value_end(const char *text, size_t n, size_t at) {
    mu_json_scan s = {0};
    for (size_t i = at; i < n; i++) {
        bool was_string = s.in_string;
        bool ends = !was_string && s.depth == 0 && strchr(",}] \t\r\n", text[i]) && i > at;
        if (ends && text[i]) return i;
        if (mu_json_scan_byte(&s, text[i])) return i + 1;
        if (was_string && !s.in_string && s.depth == 0) return i + 1;
    }
    return n;
}

bool mu_json_scan_member(const char *text, size_t n, const char *key, const char **out,
                         size_t *out_n) {
    size_t at = skip_space(text, n, 0), n_key = strlen(key);
    if (at >= n || text[at] != '{') return false;
    for (at++; at < n;) {
        at = skip_space(text, n, at);
        if (at >= n || text[at] != '"') return false;
        size_t name = at + 1, name_end = value_end(text, n, at) - 1;
        at = skip_space(text, n, name_end + 1);
        if (at >= n || text[at] != ':') return false;
        at = skip_space(text, n, at + 1);
        size_t end = value_end(text, n, at);
        if (name_end - name == n_key && memcmp(text + name, key, n_key) == 0 && end > at) {
            *out = text + at;
            *out_n = end - at;
            return true;
        }
        at = skip_space(text, n, end);
        if (at >= n || text[at] != ',') return false;
        at++;
    }
    return false;
}
