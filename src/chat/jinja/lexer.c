/* The reference lexer is a set of regular expressions tried in order; this one walks the bytes and
 * decides the same. In the text between tags only "{{", "{%" and "{#" matter; within a tag its end
 * is looked for only outside of brackets, so that {{ {"a": {}} }} is read as meant. */
#include "chat/jinja/lexer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "chat/jinja/characters.h"

enum { BRACKETS_MAX = 128 };

typedef struct lexer {
    const char *name;   /* of the template */
    const char *source; /* [n], newlines are \n */
    size_t n, pos;
    size_t line_pos; /* line and column are known for this position */
    uint32_t line, column;
    mu_arena *arena;
    mu_lexeme *tokens;
    size_t n_tokens, cap;
    char brackets[BRACKETS_MAX]; /* the closing ones that are waited for */
    uint32_t n_brackets;
    mu_err *err;
    mu_status status;
} lexer;

static void locate(lexer *x, size_t pos) {
    MU_ASSERT(pos >= x->line_pos);
    for (; x->line_pos < pos; x->line_pos++) {
        bool ends = x->source[x->line_pos] == '\n';
        x->line += ends;
        x->column = ends ? 1 : x->column + 1;
    }
}

static bool fail(lexer *x, size_t pos, const char *what) {
    locate(x, pos < x->line_pos ? x->line_pos : pos);
    x->status = mu_fail(x->err, MU_ERR_FORMAT, "%s: line %u, column %u: %s", x->name, x->line,
                        x->column, what);
    return false;
}

static bool emit(lexer *x, mu_lexeme token, size_t pos) {
    void *tokens = x->tokens;
    if (!mu_grow(&tokens, &x->cap, x->n_tokens + 1, sizeof(token))) {
        x->status = mu_fail(x->err, MU_ERR_NOMEM, "%s: chat template", x->name);
        return false;
    }
    x->tokens = tokens;
    locate(x, pos);
    token.line = x->line;
    token.column = x->column;
    x->tokens[x->n_tokens++] = token;
    return true;
}

static bool at(const lexer *x, size_t pos, const char *text) {
    size_t n = strlen(text);
    return n <= x->n - pos && memcmp(x->source + pos, text, n) == 0;
}

static size_t skip_space(const lexer *x, size_t pos) {
    return pos + mu_characters_space_before(x->source + pos, x->n - pos);
}

/* Length of the end of a tag at pos, 0: it is none. close: "%}", "}}" or "#}". */
static size_t tag_end(const lexer *x, size_t pos, const char *close) {
    bool is_variable = close[0] == '}';
    if (at(x, pos, close)) {
        bool trims = !is_variable && pos + 2 < x->n && x->source[pos + 2] == '\n';
        return 2 + (size_t)trims;
    }
    char sign = x->source[pos];
    if ((sign != '-' && sign != '+') || !at(x, pos + 1, close)) return 0;
    if (sign == '-') return skip_space(x, pos + 3) - pos;
    return is_variable ? 0 : 3;
}

/* The text before a tag, with what the tag strips from its end gone. */
static bool emit_data(lexer *x, size_t from, size_t to, char sign, bool is_variable) {
    const char *text = x->source + from;
    size_t n = to - from;
    if (sign == '-') {
        n -= mu_characters_space_after(text, n);
    } else if (sign != '+' && !is_variable) {
        const char *newline = memrchr(text, '\n', n);
        size_t line = newline ? (size_t)(newline - text) + 1 : 0;
        bool starts_line = line > 0 || from == 0 || x->source[from - 1] == '\n';
        if (starts_line && mu_characters_space_before(text + line, n - line) == n - line) n = line;
    }
    return n == 0 || emit(x, (mu_lexeme){.type = MU_LEX_DATA, .text = text, .n = n}, from);
}

static char sign_at(const lexer *x, size_t pos) {
    bool is_sign = pos < x->n && (x->source[pos] == '-' || x->source[pos] == '+');
    return is_sign ? x->source[pos] : '\0';
}

static bool comment(lexer *x, size_t open) {
    for (; x->pos < x->n; x->pos++) {
        size_t n = tag_end(x, x->pos, "#}");
        if (n == 0) continue;
        x->pos += n;
        return true;
    }
    return fail(x, open, "missing end of comment tag");
}

/* Where the tag {% word %} at pos ends, 0: it is another. */
static size_t word_tag(const lexer *x, size_t pos, const char *word) {
    if (!at(x, pos, "{%")) return 0;
    pos += sign_at(x, pos + 2) ? 3 : 2;
    pos = skip_space(x, pos);
    if (!at(x, pos, word)) return 0;
    pos = skip_space(x, pos + strlen(word));
    size_t n = pos < x->n ? tag_end(x, pos, "%}") : 0;
    return n > 0 ? pos + n : 0;
}

/* {% raw %} does not eat the newline behind it, which an ordinary block tag does. */
static size_t raw_begin(const lexer *x, size_t pos) {
    size_t end = word_tag(x, pos, "raw");
    if (end >= 3 && x->source[end - 1] == '\n' && at(x, end - 3, "%}\n")) {
        bool has_sign = x->source[end - 4] == '-';
        return has_sign ? end : end - 1;
    }
    return end;
}

static bool raw(lexer *x, size_t begin, size_t body) {
    for (size_t i = body; i < x->n; i++) {
        size_t end = word_tag(x, i, "endraw");
        if (end == 0) continue;
        x->pos = end;
        return emit_data(x, body, i, sign_at(x, i + 2), false);
    }
    return fail(x, begin, "missing end of raw directive");
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t)c >= 0x80;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool name(lexer *x) {
    size_t start = x->pos;
    while (x->pos < x->n && (is_name_start(x->source[x->pos]) || is_digit(x->source[x->pos]))) {
        x->pos++;
    }
    mu_lexeme token = {.type = MU_LEX_NAME, .text = x->source + start, .n = x->pos - start};
    return emit(x, token, start);
}

/* Digits of the base with '_' between them, into digits without them; returns how many are there.
 */
static size_t take_digits(lexer *x, const char *allowed, char *digits, size_t n, size_t cap) {
    size_t start = n;
    while (x->pos < x->n && n + 1 < cap) {
        size_t next = x->pos + (n > start && x->source[x->pos] == '_');
        if (next >= x->n || !x->source[next] || !strchr(allowed, x->source[next])) break;
        digits[n++] = x->source[next];
        x->pos = next + 1;
    }
    digits[n] = '\0';
    return n - start;
}

static bool integer(lexer *x, size_t start, const char *digits, int base) {
    errno = 0;
    long long value = strtoll(digits, NULL, base);
    if (errno == ERANGE) return fail(x, start, "a number that does not fit 64 bits");
    return emit(x, (mu_lexeme){.type = MU_LEX_INTEGER, .integer = value}, start);
}

static bool prefixed_integer(lexer *x, size_t start) {
    static const struct {
        char letter;
        int base;
        const char *digits;
    } bases[] = {{'x', 16, "0123456789abcdefABCDEF"}, {'o', 8, "01234567"}, {'b', 2, "01"}};
    char digits[72];
    for (size_t i = 0; i < MU_COUNTOF(bases); i++) {
        if ((x->source[start + 1] | 0x20) != bases[i].letter) continue;
        x->pos = start + 2;
        if (take_digits(x, bases[i].digits, digits, 0, sizeof(digits)) == 0) break;
        return integer(x, start, digits, bases[i].base);
    }
    x->pos = start + 1;
    return integer(x, start, "0", 10);
}

static bool number(lexer *x) {
    char digits[72];
    size_t start = x->pos, n;
    bool is_prefixed =
        x->source[start] == '0' && start + 1 < x->n &&
        ((x->source[start + 1] | 0x20) == 'x' || (x->source[start + 1] | 0x20) == 'o' ||
         (x->source[start + 1] | 0x20) == 'b');
    if (is_prefixed) return prefixed_integer(x, start);
    n = take_digits(x, "0123456789", digits, 0, sizeof(digits));
    bool after_dot = start > 0 && x->source[start - 1] == '.'; /* x.0.1 are two subscripts */
    bool is_real = false;
    if (!after_dot && x->pos + 1 < x->n && x->source[x->pos] == '.' &&
        is_digit(x->source[x->pos + 1]) && n + 1 < sizeof(digits)) {
        digits[n++] = '.';
        x->pos++;
        n += take_digits(x, "0123456789", digits, n, sizeof(digits));
        is_real = true;
    }
    size_t exponent = x->pos + 1;
    if (!after_dot && x->pos < x->n && (x->source[x->pos] | 0x20) == 'e') {
        exponent += sign_at(x, exponent) ? 1 : 0;
        if (exponent < x->n && is_digit(x->source[exponent]) && n + 3 < sizeof(digits)) {
            digits[n++] = 'e';
            if (sign_at(x, exponent - 1)) digits[n++] = x->source[exponent - 1];
            x->pos = exponent;
            take_digits(x, "0123456789", digits, n, sizeof(digits));
            is_real = true;
        }
    }
    if (!is_real) return integer(x, start, digits, 10);
    return emit(x, (mu_lexeme){.type = MU_LEX_FLOAT, .real = strtod(digits, NULL)}, start);
}

/* \xHH, \uHHHH, \UHHHHHHHH: the character, UINT32_MAX: the digits are not there. */
static uint32_t hex_escape(const char *text, size_t n, size_t n_digits) {
    static const char hex[] = "0123456789abcdef";
    uint32_t c = 0;
    if (n_digits > n) return UINT32_MAX;
    for (size_t i = 0; i < n_digits; i++) {
        const char *digit = text[i] ? strchr(hex, text[i] >= 'A' ? text[i] | 0x20 : text[i]) : NULL;
        if (!digit || c > 0x10FFFF) return UINT32_MAX;
        c = c << 4 | (uint32_t)(digit - hex);
    }
    bool is_scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    return is_scalar ? c : UINT32_MAX;
}

/* One escape of a string at text[0] == '\\'; writes it and returns the length read, 0: broken. */
static size_t unescape(const char *text, size_t n, char *out, size_t *out_n) {
    static const char plain[] = "\\'\"abfnrtv", meant[] = "\\'\"\a\b\f\n\r\t\v";
    char c = text[1];
    const char *found = c ? strchr(plain, c) : NULL;
    if (found) {
        out[(*out_n)++] = meant[found - plain];
        return 2;
    }
    if (c == '\n') return 2;
    size_t n_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (n_digits > 0) {
        uint32_t code = hex_escape(text + 2, n - 2, n_digits);
        if (code == UINT32_MAX) return 0;
        *out_n += mu_character_encode(code, out + *out_n);
        return 2 + n_digits;
    }
    if (c >= '0' && c <= '7') {
        uint32_t code = 0;
        size_t i = 1;
        for (; i < n && i < 4 && text[i] >= '0' && text[i] <= '7'; i++) {
            code = code * 8 + (uint32_t)(text[i] - '0');
        }
        *out_n += mu_character_encode(code, out + *out_n);
        return i;
    }
    if (c == 'N') return 0; /* names of characters are not known here */
    out[(*out_n)++] = '\\';
    return 1;
}

static bool string(lexer *x) {
    size_t start = x->pos, end = start + 1;
    char quote = x->source[start];
    while (end < x->n && x->source[end] != quote) {
        end += x->source[end] == '\\' ? 2 : 1;
    }
    if (end >= x->n) return fail(x, start, "a string that does not end");
    /* An escape is never shorter than what it stands for. */
    char *text = mu_arena_alloc(x->arena, end - start, 1, 1);
    if (!text) {
        x->status = mu_fail(x->err, MU_ERR_LIMIT, "%s: the chat template is too large", x->name);
        return false;
    }
    size_t n = 0;
    for (size_t i = start + 1; i < end;) {
        if (x->source[i] != '\\') {
            text[n++] = x->source[i++];
            continue;
        }
        size_t n_read = unescape(x->source + i, end - i, text, &n);
        if (n_read == 0) return fail(x, i, "an escape that means no character");
        i += n_read;
    }
    x->pos = end + 1;
    return emit(x, (mu_lexeme){.type = MU_LEX_STRING, .text = text, .n = n}, start);
}

static const struct {
    const char *text;
    mu_operator op;
} operators[] = {
    /* the longer first */
    {"//", MU_OP_FLOORDIV}, {"**", MU_OP_POW},   {"==", MU_OP_EQ},      {"!=", MU_OP_NE},
    {">=", MU_OP_GE},       {"<=", MU_OP_LE},    {"+", MU_OP_ADD},      {"-", MU_OP_SUB},
    {"*", MU_OP_MUL},       {"/", MU_OP_DIV},    {"%", MU_OP_MOD},      {"~", MU_OP_TILDE},
    {">", MU_OP_GT},        {"<", MU_OP_LT},     {"=", MU_OP_ASSIGN},   {".", MU_OP_DOT},
    {":", MU_OP_COLON},     {"|", MU_OP_PIPE},   {",", MU_OP_COMMA},    {";", MU_OP_SEMICOLON},
    {"(", MU_OP_LPAREN},    {")", MU_OP_RPAREN}, {"[", MU_OP_LBRACKET}, {"]", MU_OP_RBRACKET},
    {"{", MU_OP_LBRACE},    {"}", MU_OP_RBRACE},
};

static bool brackets(lexer *x, mu_operator op) {
    char close = op == MU_OP_LPAREN     ? ')'
                 : op == MU_OP_LBRACKET ? ']'
                 : op == MU_OP_LBRACE   ? '}'
                                        : 0;
    if (close) {
        if (x->n_brackets == BRACKETS_MAX) return fail(x, x->pos, "brackets nested too deep");
        x->brackets[x->n_brackets++] = close;
        return true;
    }
    if (op != MU_OP_RPAREN && op != MU_OP_RBRACKET && op != MU_OP_RBRACE) return true;
    if (x->n_brackets == 0 || x->brackets[x->n_brackets - 1] != x->source[x->pos])
        return fail(x, x->pos, "a closing bracket without its opening one");
    x->n_brackets--;
    return true;
}

static bool operator_(lexer *x) {
    for (size_t i = 0; i < MU_COUNTOF(operators); i++) {
        if (!at(x, x->pos, operators[i].text)) continue;
        if (!brackets(x, operators[i].op)) return false;
        size_t start = x->pos;
        x->pos += strlen(operators[i].text);
        return emit(x, (mu_lexeme){.type = MU_LEX_OPERATOR, .op = operators[i].op}, start);
    }
    return fail(x, x->pos, "an unexpected character");
}

/* From behind "{%" or "{{" to behind its end. */
static bool tag(lexer *x, size_t open, bool is_variable) {
    const char *close = is_variable ? "}}" : "%}";
    mu_lexeme begin = {.type = is_variable ? MU_LEX_VARIABLE_BEGIN : MU_LEX_BLOCK_BEGIN};
    mu_lexeme end = {.type = is_variable ? MU_LEX_VARIABLE_END : MU_LEX_BLOCK_END};
    if (!emit(x, begin, open)) return false;
    x->n_brackets = 0;
    for (;;) {
        x->pos = skip_space(x, x->pos);
        if (x->pos >= x->n) return fail(x, open, "a tag that does not end");
        size_t n_end = x->n_brackets == 0 ? tag_end(x, x->pos, close) : 0;
        if (n_end > 0) {
            size_t start = x->pos;
            x->pos += n_end;
            return emit(x, end, start);
        }
        char c = x->source[x->pos];
        bool ok = is_digit(c)             ? number(x)
                  : is_name_start(c)      ? name(x)
                  : c == '"' || c == '\'' ? string(x)
                                          : operator_(x);
        if (!ok) return false;
    }
}

static bool next(lexer *x) {
    size_t open = x->pos;
    for (; open < x->n; open++) {
        const char *brace = memchr(x->source + open, '{', x->n - open);
        open = brace ? (size_t)(brace - x->source) : x->n;
        if (open + 1 < x->n && strchr("{%#", x->source[open + 1]) && x->source[open + 1]) break;
    }
    if (open >= x->n) {
        size_t start = x->pos;
        x->pos = x->n;
        mu_lexeme data = {.type = MU_LEX_DATA, .text = x->source + start, .n = x->n - start};
        return emit(x, data, start);
    }
    char kind = x->source[open + 1], sign = sign_at(x, open + 2);
    if (!emit_data(x, x->pos, open, sign, kind == '{')) return false;
    size_t body = kind == '%' ? raw_begin(x, open) : 0;
    if (body > 0) return raw(x, open, body);
    x->pos = open + (sign ? 3 : 2);
    return kind == '#' ? comment(x, open) : tag(x, open, kind == '{');
}

/* A copy with \n for \r\n and \r, without the last one. NULL: the arena is full. */
static char *normalized(mu_arena *arena, const char *source, size_t n, size_t *out_n) {
    char *copy = mu_arena_alloc(arena, n + 1, 1, 1);
    size_t m = 0;
    for (size_t i = 0; copy && i < n; i++) {
        if (source[i] == '\n' && i > 0 && source[i - 1] == '\r') continue;
        copy[m++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (m > 0 && copy && copy[m - 1] == '\n') m--;
    *out_n = m;
    return copy;
}

mu_status mu_lex(const char *name, const char *source, size_t n, mu_arena *arena, mu_lexeme **out,
                 size_t *out_n, mu_err *err) {
    lexer x = {.name = name, .arena = arena, .line = 1, .column = 1, .err = err};
    *out = NULL;
    *out_n = 0;
    x.source = normalized(arena, source, n, &x.n);
    if (!x.source) return mu_fail(err, MU_ERR_LIMIT, "%s: the chat template is too large", name);
    while (x.status == MU_OK && x.pos < x.n) {
        if (!next(&x)) break;
    }
    if (x.status == MU_OK) {
        bool ok = emit(&x, (mu_lexeme){.type = MU_LEX_END}, x.n);
        MU_ASSERT(ok || x.status != MU_OK);
    }
    *out = x.tokens;
    *out_n = x.n_tokens;
    return x.status;
}
