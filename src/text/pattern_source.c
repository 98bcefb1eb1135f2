/* What differs between Oniguruma (Ruby syntax, Unicode 16) and PCRE2 10.42 (Unicode 14), and what
 * is done about it:
 *
 *     \s              PCRE2 adds U+180E, which lost White_Space in Unicode 6.3: written out
 *     \p{L} and such  older tables: the code points added since are written next to the name
 *     \d              the same, it means \p{Nd}
 *     \uHHHH          unknown to PCRE2: written \x{HHHH}
 *     [a[b]], [a&&b]  set operations, literals in PCRE2: refused
 *     {1,3}+ {3}?     a repeated repeat, possessive or lazy in PCRE2: refused
 *     $               the end of each line: written as a look-ahead
 *     \b              by PCRE2's idea of a word, which has no marks: written out
 *     ^ \w \h ..       other meaning, no use in known tokenizers: refused
 *     (*VERB)         changes PCRE2's limits: refused
 *
 * The rest (literals, alternation, groups, look-around, (?i:), * + ? and their lazy and possessive
 * forms, counted repeats) means the same in both, and is copied.
 */
#include "text/pattern_source.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode_additions.h"

#define WHITE_SPACE                                                  \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}" \
    "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

/* \w of Oniguruma: alphabetic, marks, decimal digits, connectors. */
#define WORD                                                                     \
    "[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}" \
    "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}]"
#define WORD_EDGE "(?:(?<=" WORD ")(?!" WORD ")|(?<!" WORD ")(?=" WORD "))"

typedef struct translator {
    const char *regex; /* NUL-terminated */
    size_t pos;
    bool in_class;
    bool after_dash; /* in a class, the last thing was a "-" that may make a range */
    mu_buf *out;
    mu_err *err;
} translator;

static mu_status refuse(translator *t, size_t n) {
    return mu_fail(t->err, MU_ERR_UNSUPPORTED, "pattern: \"%.*s\" at byte %zu", (int)n,
                   t->regex + t->pos, t->pos);
}

/* A set of characters: inside a class its members, outside a class of its own. n: of its source. */
static mu_status write_set(translator *t, size_t n, const char *name, const char *ranges,
                           bool negated) {
    bool makes_range = t->regex[t->pos + n] == '-' && t->regex[t->pos + n + 1] != ']';
    if (t->in_class && (negated || t->after_dash || makes_range)) return refuse(t, n);
    if (!t->in_class) mu_buf_append_str(t->out, negated ? "[^" : "[");
    if (name) mu_buf_printf(t->out, "\\p{%s}", name);
    mu_buf_append_str(t->out, ranges);
    if (!t->in_class) mu_buf_append_str(t->out, "]");
    t->pos += n;
    return MU_OK;
}

static mu_status write_category(translator *t) {
    const char *at = t->regex + t->pos; /* \p{Name} or \pN */
    const char *name = at[2] == '{' ? at + 3 : at + 2;
    size_t n_name = at[2] == '{' ? strcspn(name, "}") : 1;
    if (at[2] == '\0' || n_name == 0 || name[n_name - 1] == '\0' ||
        (at[2] == '{' && name[n_name] != '}')) {
        return refuse(t, 2);
    }
    for (size_t i = 0; i < mu_unicode_additions_n; i++) {
        const mu_unicode_addition *row = &mu_unicode_additions[i];
        if (strlen(row->category) != n_name || memcmp(row->category, name, n_name) != 0) continue;
        size_t n = n_name + (at[2] == '{' ? 4 : 2);
        return write_set(t, n, row->category, row->ranges, at[1] == 'P');
    }
    return refuse(t, n_name + 3 < 40 ? n_name + 3 : 40);
}

static const char *additions_of(const char *category) {
    for (size_t i = 0; i < mu_unicode_additions_n; i++) {
        if (strcmp(mu_unicode_additions[i].category, category) == 0) {
            return mu_unicode_additions[i].ranges;
        }
    }
    MU_ASSERT(false);
    return NULL;
}

/* \xHH, \x{H...}, \uHHHH */
static mu_status write_code_point(translator *t) {
    const char *at = t->regex + t->pos, *digits = at + 2;
    bool braced = at[1] == 'x' && at[2] == '{';
    if (braced) digits++;
    size_t n = strspn(digits, "0123456789abcdefABCDEF"), n_want = at[1] == 'u' ? 4 : 2;
    if (braced ? n == 0 || n > 6 || digits[n] != '}' : n < n_want) return refuse(t, 2);
    if (!braced) n = n_want;
    char hex[7] = {0};
    memcpy(hex, digits, n);
    unsigned long point = strtoul(hex, NULL, 16);
    /* Two digits above 7F are a raw byte to Oniguruma. */
    if ((at[1] == 'x' && !braced && point > 0x7F) || point > 0x10FFFF) return refuse(t, 2);
    mu_buf_printf(t->out, "\\x{%lx}", point);
    t->pos = (size_t)(digits - t->regex) + n + (braced ? 1 : 0);
    return MU_OK;
}

static mu_status write_escape(translator *t) {
    char c = t->regex[t->pos + 1];
    switch (c) {
    case 's':
    case 'S':
        return write_set(t, 2, NULL, WHITE_SPACE, c == 'S');
    case 'd':
    case 'D':
        return write_set(t, 2, "Nd", additions_of("Nd"), c == 'D');
    case 'p':
    case 'P':
        return write_category(t);
    case 'x':
    case 'u':
        return write_code_point(t);
    case 'b': /* a backspace in a class */
        if (t->in_class) return refuse(t, 2);
        mu_buf_append_str(t->out, WORD_EDGE);
        t->pos += 2;
        return MU_OK;
    case 'r':
    case 'n':
    case 't':
    case 'f':
        break;
    default: /* an escaped punctuation mark or blank is itself */
        if (c < ' ' || c > '~' || (c >= '0' && c <= '9') ||
            ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            return refuse(t, 2);
    }
    mu_buf_append(t->out, t->regex + t->pos, 2);
    t->pos += 2;
    return MU_OK;
}

static mu_status write_group_open(translator *t) {
    static const char *const known[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    const char *at = t->regex + t->pos;
    if (at[1] == '*') return refuse(t, 2);
    if (at[1] != '?') {
        mu_buf_append_str(t->out, "(?:"); /* Nothing refers to a group, so none captures. */
        t->pos++;
        return MU_OK;
    }
    for (size_t i = 0; i < MU_COUNTOF(known); i++) {
        size_t n = strlen(known[i]);
        if (strncmp(at, known[i], n) != 0) continue;
        mu_buf_append(t->out, at, n);
        t->pos += n;
        return MU_OK;
    }
    return refuse(t, strnlen(at, 3));
}

static mu_status write_counted_repeat(translator *t) {
    const char *at = t->regex + t->pos;
    size_t n = 1, n_low = strspn(at + n, "0123456789");
    n += n_low;
    if (at[n] == ',') {
        n++;
        n += strspn(at + n, "0123456789");
    }
    if (n_low == 0 || at[n] != '}' || at[n + 1] == '+' || at[n + 1] == '?') {
        return refuse(t, strnlen(at, n + 2));
    }
    mu_buf_append(t->out, at, n + 1);
    t->pos += n + 1;
    return MU_OK;
}

static mu_status write_class_open(translator *t) {
    const char *at = t->regex + t->pos;
    size_t n = at[1] == '^' ? 2 : 1;
    if (at[n] == ']') return refuse(t, n + 1);
    mu_buf_append(t->out, at, n);
    t->pos += n;
    t->in_class = true;
    t->after_dash = false;
    return MU_OK;
}

static mu_status write_in_class(translator *t) {
    const char *at = t->regex + t->pos;
    if (at[0] == '[' || (at[0] == '&' && at[1] == '&')) return refuse(t, 2);
    bool dash = at[0] == '-' && t->pos > 0 && at[-1] != '[' && at[-1] != '^' && at[1] != ']';
    if (at[0] == '\\') {
        mu_status status = write_escape(t);
        t->after_dash = false;
        return status;
    }
    if (at[0] == ']') t->in_class = false;
    t->after_dash = dash;
    mu_buf_append(t->out, at, 1);
    t->pos++;
    return MU_OK;
}

mu_status mu_pattern_source_write(const char *regex, mu_buf *out, mu_err *err) {
    translator t = {.regex = regex, .out = out, .err = err};
    while (regex[t.pos]) {
        mu_status status = MU_OK;
        char c = regex[t.pos];
        if (c == '\\' && !regex[t.pos + 1]) {
            status = refuse(&t, 1);
        } else if (t.in_class) {
            status = write_in_class(&t);
        } else if (c == '\\') {
            status = write_escape(&t);
        } else if (c == '[') {
            status = write_class_open(&t);
        } else if (c == '(') {
            status = write_group_open(&t);
        } else if (c == '{') {
            status = write_counted_repeat(&t);
        } else if (c == '^' || c == '}' || c == ']') {
            status = refuse(&t, 1);
        } else if (c == '$') {
            mu_buf_append_str(out, "(?=\\n|\\z)");
            t.pos++;
        } else {
            mu_buf_append(out, &c, 1);
            t.pos++;
        }
        if (status != MU_OK) return status;
    }
    if (t.in_class) return mu_fail(err, MU_ERR_FORMAT, "pattern: \"[\" is not closed");
    if (out->failed) return mu_fail(err, MU_ERR_NOMEM, "pattern of %zu bytes", t.pos);
    return MU_OK;
}
