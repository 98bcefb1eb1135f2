/* A recursive descent scanner that moves one pointer. Every value is either taken by the table of
 * the object it is in or skipped by the same checks, so nothing malformed is passed over. Failure
 * is sticky: at = NULL, after which every function returns at once.
 */
#include "bench/load/chunk.h"

#include <string.h>

#include "text/utf8.h"

enum { DEPTH_MAX = 64 };

typedef struct span {
    const char *text; /* between the quotes, escapes as they are */
    size_t n;
} span;

typedef struct scan {
    const char *at, *end; /* at NULL: not JSON */
    uint32_t depth;
    mu_chunk *chunk;
    uint64_t hash;
    uint32_t choice; /* index of the choice being read */
} scan;

/* One field of an object: takes its value. */
typedef void (*take_fn)(scan *s);
typedef struct field {
    const char *name;
    take_fn take;
} field;

static void skip_value(scan *s);

static void fail(scan *s) {
    s->at = NULL;
}

static void skip_space(scan *s) {
    if (!s->at) return;
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

/* The next character after white space; 0 at the end or after a failure. */
static char peek(scan *s) {
    skip_space(s);
    return s->at && s->at < s->end ? *s->at : '\0';
}

static bool accept(scan *s, char c) {
    if (peek(s) != c) return false;
    s->at++;
    return true;
}

static void expect(scan *s, char c) {
    if (!accept(s, c)) fail(s);
}

static int hex_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits; -1 when they are not. text: [4] */
static int32_t hex4(const char *text) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_of(text[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static span take_string(scan *s) {
    expect(s, '"');
    if (!s->at) return (span){0};
    const char *start = s->at;
    for (; s->at < s->end; s->at++) {
        unsigned char c = (unsigned char)*s->at;
        if (c == '"') {
            s->at++;
            return (span){start, (size_t)(s->at - 1 - start)};
        }
        if (c < ' ') break;
        if (c != '\\') continue;
        size_t left = (size_t)(s->end - s->at);
        if (left < 2 || !strchr("\"\\/bfnrtu", s->at[1]) || s->at[1] == '\0') break;
        if (s->at[1] == 'u' && (left < 6 || hex4(s->at + 2) < 0)) break;
        s->at++;
    }
    fail(s);
    return (span){0};
}

static void skip_digits(scan *s) {
    const char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    if (s->at == start) fail(s);
}

static void skip_number(scan *s) {
    if (*s->at == '-') s->at++;
    if (s->at < s->end && *s->at == '0') {
        s->at++;
    } else {
        skip_digits(s);
    }
    if (s->at && s->at < s->end && *s->at == '.') {
        s->at++;
        skip_digits(s);
    }
    if (s->at && s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-')) s->at++;
        skip_digits(s);
    }
}

static bool accept_word(scan *s, const char *word) {
    size_t n = strlen(word);
    skip_space(s);
    if (!s->at || (size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0) return false;
    s->at += n;
    return true;
}

static bool enter(scan *s, char c) {
    if (!accept(s, c)) {
        skip_value(s);
        return false;
    }
    if (++s->depth > DEPTH_MAX) fail(s);
    return s->at != NULL;
}

static bool is_name(span key, const char *name) {
    return strlen(name) == key.n && memcmp(key.text, name, key.n) == 0;
}

/* An object, its fields by the table; another value is skipped. */
static void take_object(scan *s, const field *fields, size_t n_fields) {
    if (!enter(s, '{')) return;
    bool more = !accept(s, '}');
    while (more && s->at) {
        span key = take_string(s);
        expect(s, ':');
        if (!s->at) return;
        take_fn take = skip_value;
        for (size_t i = 0; i < n_fields; i++) {
            if (is_name(key, fields[i].name)) take = fields[i].take;
        }
        take(s);
        more = accept(s, ',');
        if (!more) expect(s, '}');
    }
    s->depth--;
}

/* An array of values that take() takes; another value is skipped. Returns the number of elements,
 * -1 when it is none. */
static int64_t take_array(scan *s, take_fn take) {
    if (!enter(s, '[')) return -1;
    int64_t n = 0;
    bool more = !accept(s, ']');
    while (more && s->at) {
        take(s);
        n++;
        more = accept(s, ',');
        if (!more) expect(s, ']');
    }
    s->depth--;
    return n;
}

static void skip_value(scan *s) {
    char c = peek(s);
    if (c == '{') {
        take_object(s, NULL, 0);
    } else if (c == '[') {
        take_array(s, skip_value);
    } else if (c == '"') {
        take_string(s);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        skip_number(s);
    } else if (!accept_word(s, "true") && !accept_word(s, "false") && !accept_word(s, "null")) {
        fail(s);
    }
}

/* A whole number from 0 that fits; anything else is skipped and leaves *out. */
static void take_count(scan *s, int64_t *out) {
    peek(s);
    const char *start = s->at;
    skip_value(s);
    if (!s->at) return;
    int64_t value = 0;
    for (const char *c = start; c < s->at; c++) {
        if (*c < '0' || *c > '9' || value > INT64_MAX / 16) return;
        value = value * 10 + (*c - '0');
    }
    *out = value;
}

static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    }
    return hash;
}

/* UTF-8 of a code point; returns its length. */
static size_t encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3f));
    }
    out[0] = (char)(first[n] | c);
    return n;
}

/* The escape at text[0] = '\\' as UTF-8; *n_read is its length in the text. Half a surrogate pair
 * is U+FFFD. */
static size_t decode_escape(const char *text, size_t n, size_t *n_read, char out[4]) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    *n_read = 2;
    if (text[1] != 'u') {
        out[0] = to[strchr(from, text[1]) - from];
        return 1;
    }
    *n_read = 6;
    uint32_t c = (uint32_t)hex4(text + 2);
    if (c >= 0xd800 && c < 0xdc00 && n >= 12 && text[6] == '\\' && text[7] == 'u') {
        uint32_t low = (uint32_t)hex4(text + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            *n_read = 12;
            return encode(0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), out);
        }
    }
    return encode(c >= 0xd800 && c < 0xe000 ? 0xfffd : c, out);
}

static uint64_t hash_string(uint64_t hash, span text) {
    for (size_t i = 0; i < text.n;) {
        if (text.text[i] != '\\') {
            hash = hash_bytes(hash, text.text + i, 1);
            i++;
            continue;
        }
        char bytes[4];
        size_t n_read;
        size_t n = decode_escape(text.text + i, text.n - i, &n_read, bytes);
        hash = hash_bytes(hash, bytes, n);
        i += n_read;
    }
    return hash;
}

/* A string of generated text; null and others are skipped. */
static void take_text(scan *s, uint32_t channel) {
    if (peek(s) != '"') {
        skip_value(s);
        return;
    }
    span text = take_string(s);
    if (!s->at || text.n == 0) return;
    s->chunk->channels |= channel;
    if (s->choice == 0) s->hash = hash_string(s->hash, text);
}

static void take_plain_text(scan *s) {
    take_text(s, MU_CHANNEL_TEXT);
}

static void take_content(scan *s) {
    take_text(s, MU_CHANNEL_CONTENT);
}

static void take_reasoning(scan *s) {
    take_text(s, MU_CHANNEL_REASONING);
}

static void take_refusal(scan *s) {
    take_text(s, MU_CHANNEL_REFUSAL);
}

static void take_tool_text(scan *s) {
    take_text(s, MU_CHANNEL_TOOL);
}

static void take_function(scan *s) {
    static const field fields[] = {{"name", take_tool_text}, {"arguments", take_tool_text}};
    take_object(s, fields, MU_COUNTOF(fields));
}

static void take_tool_call(scan *s) {
    static const field fields[] = {{"function", take_function}};
    take_object(s, fields, MU_COUNTOF(fields));
}

static void take_tool_calls(scan *s) {
    take_array(s, take_tool_call);
}

static void take_delta(scan *s) {
    static const field fields[] = {
        {"content", take_content},        {"reasoning_content", take_reasoning},
        {"reasoning", take_reasoning},    {"thinking", take_reasoning},
        {"refusal", take_refusal},        {"tool_calls", take_tool_calls},
        {"function_call", take_function},
    };
    take_object(s, fields, MU_COUNTOF(fields));
}

static void take_finish(scan *s) {
    if (peek(s) != '"') {
        skip_value(s);
        return;
    }
    span text = take_string(s);
    if (!s->at || text.n == 0) return;
    s->chunk->finish = is_name(text, "stop")     ? MU_CHUNK_FINISH_STOP
                       : is_name(text, "length") ? MU_CHUNK_FINISH_LENGTH
                                                 : MU_CHUNK_FINISH_OTHER;
}

static void take_token_ids(scan *s) {
    int64_t n = take_array(s, skip_value);
    if (n < 0) return;
    s->chunk->n_token_ids = n + (s->chunk->n_token_ids > 0 ? s->chunk->n_token_ids : 0);
}

static void take_choice(scan *s) {
    static const field fields[] = {
        {"text", take_plain_text},     {"delta", take_delta},          {"message", take_delta},
        {"token_ids", take_token_ids}, {"finish_reason", take_finish},
    };
    take_object(s, fields, MU_COUNTOF(fields));
    s->choice++;
}

static void take_choices(scan *s) {
    int64_t n = take_array(s, take_choice);
    if (n > 0) s->chunk->n_choices = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void take_cached(scan *s) {
    take_count(s, &s->chunk->cached_tokens);
}

static void take_prompt_details(scan *s) {
    static const field fields[] = {{"cached_tokens", take_cached}};
    take_object(s, fields, MU_COUNTOF(fields));
}

static void take_completion_tokens(scan *s) {
    take_count(s, &s->chunk->completion_tokens);
}

static void take_prompt_tokens(scan *s) {
    take_count(s, &s->chunk->prompt_tokens);
}

static void take_usage(scan *s) {
    static const field fields[] = {
        {"completion_tokens", take_completion_tokens},
        {"prompt_tokens", take_prompt_tokens},
        {"prompt_tokens_details", take_prompt_details},
        {"prompt_cache_hit_tokens", take_cached},
    };
    take_object(s, fields, MU_COUNTOF(fields));
}

static void take_predicted(scan *s) {
    take_count(s, &s->chunk->predicted_n);
}

static void take_timings(scan *s) {
    static const field fields[] = {{"predicted_n", take_predicted}, {"cache_n", take_cached}};
    take_object(s, fields, MU_COUNTOF(fields));
}

/* Copied as one printable line: it comes from a server and goes to terminals. */
static void take_message(scan *s) {
    if (peek(s) != '"') {
        skip_value(s);
        return;
    }
    span text = take_string(s);
    size_t n = 0;
    for (size_t i = 0; s->at && i < text.n && n + 4 < MU_CHUNK_MESSAGE_MAX;) {
        char bytes[4] = {text.text[i]};
        size_t n_read = 1, n_bytes = 1;
        if (text.text[i] == '\\') {
            n_bytes = decode_escape(text.text + i, text.n - i, &n_read, bytes);
        }
        if (n_bytes == 1 && ((unsigned char)bytes[0] < ' ' || bytes[0] == 0x7f)) bytes[0] = ' ';
        memcpy(s->chunk->message + n, bytes, n_bytes);
        n += n_bytes;
        i += n_read;
    }
    while (n > 0 && mu_utf8_valid(s->chunk->message, n) != n) {
        n--; /* a character that was cut */
    }
    s->chunk->message[n] = '\0';
}

static void take_error(scan *s) {
    static const field fields[] = {{"message", take_message}};
    char c = peek(s);
    s->chunk->is_error = c == '{' || c == '[' || c == '"' || c == 't' || (c >= '1' && c <= '9');
    if (c == '"') {
        take_message(s);
    } else {
        take_object(s, fields, MU_COUNTOF(fields));
    }
}

static void take_kind(scan *s) {
    if (peek(s) != '"') {
        skip_value(s);
        return;
    }
    span text = take_string(s);
    if (s->at && is_name(text, "error")) s->chunk->is_error = true;
}

static void take_root(scan *s) {
    static const field fields[] = {
        {"choices", take_choices}, {"usage", take_usage}, {"timings", take_timings},
        {"error", take_error},     {"object", take_kind}, {"message", take_message},
    };
    take_object(s, fields, MU_COUNTOF(fields));
}

static bool is_utf8(const char *text, size_t n) {
    size_t at = 0;
    for (uint64_t word; n - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, text + at, sizeof(word));
        if (word & 0x8080808080808080u) break;
    }
    return at == n || mu_utf8_valid(text + at, n - at) == n - at;
}

mu_chunk_verdict mu_chunk_parse(const char *json, size_t n, mu_chunk *out, uint64_t *text_hash) {
    *out = (mu_chunk){.n_token_ids = -1,
                      .completion_tokens = -1,
                      .predicted_n = -1,
                      .prompt_tokens = -1,
                      .cached_tokens = -1};
    if (!is_utf8(json, n)) return MU_CHUNK_INVALID_UTF8;
    scan s = {.at = json, .end = json + n, .chunk = out, .hash = *text_hash};
    if (peek(&s) != '{') return MU_CHUNK_INVALID_JSON;
    take_root(&s);
    skip_space(&s);
    if (s.at != s.end) return MU_CHUNK_INVALID_JSON;
    *text_hash = s.hash;
    return MU_CHUNK_OK;
}
