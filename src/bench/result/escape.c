#include "bench/result/escape.h"

#include <stdio.h>
#include <string.h>

#include "text/utf8.h"

typedef struct span {
    uint32_t first, last;
} span;

static bool is_in(const span *spans, size_t n, uint32_t c) {
    for (size_t i = 0; i < n; i++) {
        if (c >= spans[i].first && c <= spans[i].last) return true;
    }
    return false;
}

static bool is_hidden(uint32_t c) {
    static const span spans[] = {{0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e},
                                 {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
                                 {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
    return is_in(spans, MU_COUNTOF(spans), c);
}

static bool is_blank(uint32_t c) {
    return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029;
}

static uint32_t decode(const char *text, size_t n) {
    const unsigned char *b = (const unsigned char *)text;
    if (n == 1) return b[0];
    uint32_t c = b[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (b[i] & 0x3fu);
    return c;
}

/* The next character that survives cleaning: its bytes at *at, their number returned, 0 at the end.
 * Runs of blanks are one blank. */
static size_t next_clean(const char **text, size_t *n, const char **at, bool *was_blank) {
    while (*n > 0) {
        size_t n_bytes;
        mu_utf8 kind = mu_utf8_step(*text, *n, &n_bytes);
        const char *start = *text;
        *text += n_bytes;
        *n -= n_bytes;
        uint32_t c = kind == MU_UTF8_WHOLE ? decode(start, n_bytes) : 0xfeff;
        if (is_hidden(c)) continue;
        if (is_blank(c)) {
            if (*was_blank) continue;
            *was_blank = true;
            *at = " ";
            return 1;
        }
        *was_blank = false;
        *at = start;
        return n_bytes;
    }
    return 0;
}

typedef const char *(*replace)(char c, bool is_first);

static void append_clean(mu_buf *out, const char *str, size_t characters_max, replace with) {
    if (!str) return;
    size_t n = strlen(str), n_bytes, n_done = 0;
    const char *at;
    bool was_blank = true;
    while ((n_bytes = next_clean(&str, &n, &at, &was_blank)) > 0) {
        if (characters_max > 0 && n_done + 1 >= characters_max && n > 0) {
            mu_buf_append_str(out, "\xe2\x80\xa6");
            return;
        }
        const char *other = with && n_bytes == 1 ? with(*at, n_done == 0) : NULL;
        if (other) {
            mu_buf_append_str(out, other);
        } else {
            mu_buf_append(out, at, n_bytes);
        }
        n_done++;
    }
}

void mu_escape_plain(mu_buf *out, const char *str, size_t characters_max) {
    append_clean(out, str, characters_max, NULL);
}

void mu_escape_fixed(char *out, size_t cap, const char *str, size_t characters_max) {
    MU_ASSERT(cap > 0);
    size_t n = str ? strlen(str) : 0, n_bytes, n_out = 0, n_done = 0;
    const char *at;
    bool was_blank = true;
    while (n_done < characters_max && (n_bytes = next_clean(&str, &n, &at, &was_blank)) > 0) {
        if (n_out + n_bytes >= cap) break;
        memcpy(out + n_out, at, n_bytes);
        n_out += n_bytes;
        n_done++;
    }
    out[n_out] = '\0';
}

void mu_escape_line(mu_buf *out, const char *str) {
    append_clean(out, str, 0, NULL);
}

static const char *html(char c, bool is_first) {
    (void)is_first;
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void mu_escape_html(mu_buf *out, const char *str) {
    append_clean(out, str, 0, html);
}

void mu_html_id(char out[MU_HTML_ID_BYTES], const char *prefix, const char *str) {
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    snprintf(out, MU_HTML_ID_BYTES, "%.30s%.120s", prefix, str ? str : "");
    for (char *c = out + strlen(prefix); *c; c++) {
        if (!strchr(safe, *c)) *c = '-';
    }
}

/* Angle brackets too, because Markdown may hold HTML; "@" and "#" would call people and name
 * issues. */
static const char *markdown(char c, bool is_first) {
    (void)is_first;
    switch (c) {
    case '<':
        return "\\<";
    case '>':
        return "\\>";
    case '&':
        return "&amp;";
    case '|':
        return "\\|";
    case '\\':
        return "\\\\";
    case '`':
        return "\\`";
    case '*':
        return "\\*";
    case '_':
        return "\\_";
    case '[':
        return "\\[";
    case ']':
        return "\\]";
    case '~':
        return "\\~";
    case '!':
        return "\\!";
    case '#':
        return "\\#";
    case '@':
        return "&#64;";
    default:
        return NULL;
    }
}

void mu_escape_markdown(mu_buf *out, const char *str) {
    append_clean(out, str, 0, markdown);
}

static const char *csv(char c, bool is_first) {
    if (c == '"') return "\"\"";
    if (is_first && c != '\0' && strchr("=+-@", c))
        return c == '=' ? "'=" : c == '+' ? "'+" : c == '-' ? "'-" : "'@";
    return NULL;
}

void mu_escape_csv(mu_buf *out, const char *str) {
    bool quoted = str && strpbrk(str, ",\"\r\n") != NULL;
    if (quoted) mu_buf_append_str(out, "\"");
    append_clean(out, str, 0, csv);
    if (quoted) mu_buf_append_str(out, "\"");
}

void mu_escape_script(mu_buf *out, const char *json, size_t n) {
    size_t start = 0;
    for (size_t i = 0; i < n; i++) {
        if (json[i] != '<' && json[i] != '>') continue;
        mu_buf_append(out, json + start, i - start);
        mu_buf_append_str(out, json[i] == '<' ? "\\u003c" : "\\u003e");
        start = i + 1;
    }
    mu_buf_append(out, json + start, n - start);
}

size_t mu_text_columns(const char *str) {
    static const span wide[] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                {0x1f300, 0x1f64f}, {0x1f680, 0x1faff}, {0x20000, 0x3fffd}};
    static const span combining[] = {{0x300, 0x36f},   {0x483, 0x489},  {0x591, 0x5bd},
                                     {0x610, 0x61a},   {0x64b, 0x65f},  {0x1ab0, 0x1aff},
                                     {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};
    size_t n = strlen(str), n_columns = 0;
    while (n > 0) {
        size_t n_bytes;
        mu_utf8_step(str, n, &n_bytes);
        uint32_t c = decode(str, n_bytes);
        if (!is_in(combining, MU_COUNTOF(combining), c)) {
            n_columns += is_in(wide, MU_COUNTOF(wide), c) ? 2 : 1;
        }
        str += n_bytes;
        n -= n_bytes;
    }
    return n_columns;
}

size_t mu_markdown_columns(const char *str) {
    size_t n_columns = mu_text_columns(str);
    for (; *str; str++) {
        const char *other = markdown(*str, false);
        if (other) n_columns += strlen(other) - 1;
    }
    return n_columns;
}
