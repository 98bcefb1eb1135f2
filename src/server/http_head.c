/* parse() compacts: what it writes is never longer than what it has read, so it needs no memory.
 * Fields become "name NUL value NUL" one behind the other, in the place of their lines.
 */
#include "server/http_head.h"

#include <string.h>
#include <strings.h>

enum { LENGTH_DIGITS_MAX = 18, METHOD_BYTES_MAX = 32 };

static const mu_http_refusal nothing_wrong = {0, NULL};

static mu_http_refusal refuse(unsigned code, const char *why) {
    return (mu_http_refusal){code, why};
}

bool mu_http_is_token(const char *text, size_t n) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && (c == '\0' || !strchr(others, c))) return false;
    }
    return n > 0;
}

/* Finding the end */

/* One empty line before a request is skipped: old clients send it behind a body. */
static size_t skip_empty_line(const char *data, size_t n) {
    return n >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
}

size_t mu_http_head_scan(const char *data, size_t n, const mu_http_limits *limits,
                         size_t *n_scanned, mu_http_refusal *refusal) {
    size_t start = skip_empty_line(data, n);
    size_t line_max = start + limits->request_line_bytes_max;
    size_t bytes_max = line_max + limits->header_bytes_max;
    *refusal = nothing_wrong;
    for (size_t i = *n_scanned > start ? *n_scanned : start; i < n; i++) {
        if (data[i] != '\n') continue;
        if (i == start || data[i - 1] != '\r') {
            *refusal = refuse(400, "a line that ends in LF without CR");
            return 0;
        }
        const char *first = memchr(data + start, '\n', i - start + 1);
        if ((size_t)(first - data) > line_max) break;
        if (i < start + 3 || data[i - 2] != '\n') continue;
        if (i > bytes_max) break;
        return i + 1;
    }
    *n_scanned = n;
    const char *first = n > start ? memchr(data + start, '\n', n - start) : NULL;
    size_t n_line = first ? (size_t)(first - data) : n;
    if (n_line > line_max) {
        *refusal = refuse(414, "request line too long");
    } else if (n > bytes_max) {
        *refusal = refuse(431, "headers too large");
    }
    return 0;
}

/* The request line */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; the path loses its query, empty segments and the slash at its end. */
static mu_http_refusal decode_path(char *path) {
    path[strcspn(path, "?")] = '\0';
    char *to = path;
    bool is_slash = false;
    for (const char *from = path; *from; from++) {
        bool was_slash = is_slash;
        is_slash = *from == '/';
        if (is_slash && was_slash) continue;
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0) return refuse(400, "a % in the path without two hex digits behind it");
        if (high + low == 0) return refuse(400, "a NUL in the path");
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    if (is_slash && to > path + 1) to--;
    *to = '\0';
    return nothing_wrong;
}

/* "http://host/path" is what proxies are sent: the path counts, and the host has to be Host's. */
static char *cut_authority(char *target, const char **authority) {
    *authority = NULL;
    size_t n = strncasecmp(target, "http://", 7) == 0    ? 7
               : strncasecmp(target, "https://", 8) == 0 ? 8
                                                         : 0;
    if (n == 0) return target;
    size_t n_authority = strcspn(target + n, "/?");
    memmove(target, target + n, n_authority); /* to make room for its NUL */
    target[n_authority] = '\0';
    *authority = target;
    return target + n + n_authority;
}

static mu_http_refusal parse_version(const char *text, mu_http_head *out) {
    bool is_version = strlen(text) == 8 && strncmp(text, "HTTP/", 5) == 0 && text[6] == '.' &&
                      text[5] >= '0' && text[5] <= '9' && text[7] >= '0' && text[7] <= '9';
    if (!is_version) return refuse(400, "the request line does not end in HTTP/1.1");
    if (text[5] != '1') return refuse(400, "another version than HTTP/1.1");
    out->is_11 = text[7] != '0';
    return nothing_wrong;
}

static mu_http_refusal parse_request_line(char *line, mu_http_head *out, const char **authority) {
    char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version) return refuse(400, "the request line is not METHOD PATH HTTP/1.1");
    *target++ = '\0';
    *version++ = '\0';
    if (!mu_http_is_token(line, strlen(line)) || strlen(line) > METHOD_BYTES_MAX) {
        return refuse(400, "the method is not a token");
    }
    for (const char *c = target; *c; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '#') {
            return refuse(400, "a character in the path that has to be percent-encoded");
        }
    }
    mu_http_refusal refusal = parse_version(version, out);
    if (refusal.code != 0) return refusal;
    target = cut_authority(target, authority);
    bool is_asterisk = strcmp(target, "*") == 0 && strcmp(line, "OPTIONS") == 0;
    if (target[0] != '/' && !is_asterisk) return refuse(400, "the path does not begin with /");
    out->method = line;
    out->path = target;
    return decode_path(target);
}

/* Fields */

typedef struct seen {
    const char *host, *length, *encoding, *connection, *expect;
} seen;

/* Fields that mean something here; one that comes twice has two meanings. */
static const struct {
    const char *name;
    size_t offset; /* of seen; SIZE_MAX: only counted */
    const char *twice;
} singles[] = {
    {"host", offsetof(seen, host), "more than one Host header"},
    {"content-length", offsetof(seen, length), "more than one Content-Length header"},
    {"transfer-encoding", offsetof(seen, encoding), "more than one Transfer-Encoding header"},
    {"connection", offsetof(seen, connection), "more than one Connection header"},
    {"expect", offsetof(seen, expect), "more than one Expect header"},
    {"authorization", SIZE_MAX, "more than one Authorization header"},
    {"x-api-key", SIZE_MAX, "more than one x-api-key header"},
    {"content-type", SIZE_MAX, "more than one Content-Type header"},
    {"origin", SIZE_MAX, "more than one Origin header"},
};

static mu_http_refusal note_field(const char *name, const char *value, seen *s, uint32_t *set) {
    for (size_t i = 0; i < MU_COUNTOF(singles); i++) {
        if (strcasecmp(name, singles[i].name) != 0) continue;
        if (*set & 1u << i) return refuse(400, singles[i].twice);
        *set |= 1u << i;
        if (singles[i].offset == SIZE_MAX) continue;
        memcpy((char *)s + singles[i].offset, &value, sizeof(value));
    }
    return nothing_wrong;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* line: [n], without its end. Writes "name NUL value NUL" at to and returns behind it. */
static char *parse_field(char *line, size_t n, char *to, mu_http_refusal *refusal) {
    const char *colon = memchr(line, ':', n);
    if (is_blank(line[0])) {
        *refusal = refuse(400, "a folded header");
        return to;
    }
    size_t n_name = colon ? (size_t)(colon - line) : 0;
    if (!mu_http_is_token(line, n_name)) {
        *refusal = refuse(400, colon ? "a header's name is not a token" : "a header without colon");
        return to;
    }
    size_t from = n_name + 1, end = n;
    while (from < end && is_blank(line[from])) {
        from++;
    }
    while (end > from && is_blank(line[end - 1])) {
        end--;
    }
    for (size_t i = from; i < end; i++) {
        unsigned char c = (unsigned char)line[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            *refusal = refuse(400, "a header holds a control character");
            return to;
        }
    }
    memmove(to, line, n_name);
    to[n_name] = '\0';
    memmove(to + n_name + 1, line + from, end - from);
    to[n_name + 1 + end - from] = '\0';
    return to + n_name + end - from + 2;
}

static bool is_list_with(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *at = list; at && *at;) {
        at += strspn(at, " \t,");
        size_t n_item = strcspn(at, ","), n_word = strcspn(at, " \t,");
        if (n_word == n && strncasecmp(at, word, n) == 0) return true;
        at += n_item;
    }
    return false;
}

static mu_http_refusal parse_length(const char *text, mu_http_head *out) {
    size_t n = strlen(text);
    if (n == 0 || strspn(text, "0123456789") != n) {
        return refuse(400, "Content-Length is not a whole number");
    }
    out->has_length = true;
    out->n_body = n > LENGTH_DIGITS_MAX ? UINT64_MAX : 0;
    for (size_t i = 0; i < n && n <= LENGTH_DIGITS_MAX; i++) {
        out->n_body = out->n_body * 10 + (uint64_t)(text[i] - '0');
    }
    return nothing_wrong;
}

/* What the fields say together. */
static mu_http_refusal settle(const seen *s, const char *authority, mu_http_head *out) {
    if (!s->host && out->is_11) return refuse(400, "no Host header");
    if (authority && (!s->host || strcasecmp(authority, s->host) != 0)) {
        return refuse(400, "the host of the request line is not that of the Host header");
    }
    if (s->length && s->encoding) return refuse(400, "both Content-Length and Transfer-Encoding");
    if (s->encoding && strcasecmp(s->encoding, "chunked") != 0) {
        return refuse(400, "Transfer-Encoding other than chunked");
    }
    if (s->encoding && !out->is_11) return refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (s->expect && strcasecmp(s->expect, "100-continue") != 0) {
        return refuse(400, "Expect other than 100-continue");
    }
    out->is_chunked = s->encoding != NULL;
    out->expects_continue = s->expect && out->is_11;
    out->is_last = out->is_11 ? is_list_with(s->connection, "close")
                              : !is_list_with(s->connection, "keep-alive");
    return s->length ? parse_length(s->length, out) : nothing_wrong;
}

mu_http_refusal mu_http_head_parse(char *text, size_t n, const mu_http_limits *limits,
                                   mu_http_head *out) {
    char *end = text + n, *line = text + skip_empty_line(text, n), *to = NULL;
    const char *authority = NULL;
    seen s = {0};
    uint32_t n_fields = 0, set = 0;
    mu_http_refusal refusal = nothing_wrong;
    *out = (mu_http_head){0};
    if (memchr(text, '\0', n)) return refuse(400, "a NUL in the head");
    for (char *next; line < end && refusal.code == 0; line = next) {
        size_t n_line = (size_t)((char *)memchr(line, '\n', (size_t)(end - line)) - line);
        next = line + n_line + 1;
        n_line--; /* the CR */
        if (memchr(line, '\r', n_line)) return refuse(400, "a CR without LF");
        if (!to) {
            to = line + n_line;
            line[n_line] = '\0';
            refusal = parse_request_line(line, out, &authority);
            out->fields = ++to;
        } else if (n_line > 0) {
            char *name = to;
            if (++n_fields > limits->n_headers_max) return refuse(431, "too many headers");
            to = parse_field(line, n_line, to, &refusal);
            if (refusal.code == 0) {
                refusal = note_field(name, name + strlen(name) + 1, &s, &set);
            }
        }
    }
    out->fields_end = to;
    return refusal.code != 0 ? refusal : settle(&s, authority, out);
}

const char *mu_http_head_field(const mu_http_head *head, const char *name) {
    for (const char *at = head->fields; at < head->fields_end;) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}
