/* jansson 2.14 does not survive an allocation that fails in the middle of a string: its lexer then
 * reads past the text it has saved. So it never sees one. When memory runs out the allocator notes
 * it, answers from a spare block, and the input ends early; the parse stops within what jansson has
 * buffered, and the result is thrown away with the spare.
 */
#include "format/json.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

enum {
    SPARE_BYTES = 1 << 18, /* for values in the 1 KiB that jansson reads ahead */
    SPARE_PER_BYTE = 4,    /* for one string, and one object's table, as long as the input */
    SPARE_ALIGN = 16,
};

/* One parse at a time per thread. */
typedef struct parse {
    const char *text;
    size_t n, pos;
    char *spare; /* [spare_cap] */
    size_t spare_cap, spare_used;
    bool ran_out;
} parse;

static _Thread_local parse *current;

static void *json_alloc(size_t size) {
    void *ptr = mu_alloc(size > 0 ? size : 1);
    if (ptr || !current) return ptr;
    current->ran_out = true;
    size = (size + SPARE_ALIGN - 1) / SPARE_ALIGN * SPARE_ALIGN;
    if (size > current->spare_cap - current->spare_used) return NULL;
    ptr = current->spare + current->spare_used;
    current->spare_used += size;
    return ptr;
}

static bool is_spare(const void *ptr) {
    const char *at = ptr;
    return current && at >= current->spare && at < current->spare + current->spare_cap;
}

static void json_release(void *ptr) {
    if (!is_spare(ptr)) mu_free(ptr);
}

static void use_our_allocator(void) {
    json_set_alloc_funcs(json_alloc, json_release);
}

static size_t read_text(void *buffer, size_t size, void *ctx) {
    parse *p = ctx;
    size_t left = p->ran_out ? 0 : p->n - p->pos, n = size < left ? size : left;
    memcpy(buffer, p->text + p->pos, n);
    p->pos += n;
    return n;
}

/* Deepest nesting of arrays and objects, by brackets outside strings. Text that is not JSON gives
 * some number; the parser then says what is wrong with it. */
static size_t depth_of(const char *text, size_t n) {
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > deepest) deepest = depth;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

mu_json_cost mu_json_measure(const char *text, size_t n) {
    /* jansson 2.14 on 64 bits, with what the allocator adds: measured with many of each. */
    enum { OBJECT_BYTES = 288, ARRAY_BYTES = 160, KEY_BYTES = 112, VALUE_BYTES = 80 };
    uint64_t n_objects = 0, n_arrays = 0, n_keys = 0, n_commas = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
            continue;
        }
        in_string = c == '"';
        n_objects += c == '{';
        n_arrays += c == '[';
        n_keys += c == ':';
        n_commas += c == ',';
    }
    uint64_t n_values = n_commas + n_objects + n_arrays + 1;
    return (mu_json_cost){
        .n_values = n_values + n_keys,
        .bytes = n_objects * OBJECT_BYTES + n_arrays * ARRAY_BYTES + n_keys * KEY_BYTES +
                 n_values * VALUE_BYTES + 2 * (uint64_t)n,
    };
}

static mu_status say_what_is_wrong(json_error_t *error, mu_err *err) {
    for (char *c = error->text; *c; c++) { /* it may quote the input: keep the line clean */
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') *c = '?';
    }
    return mu_fail(err, MU_ERR_FORMAT, "line %d column %d: %.120s", error->line, error->column,
                   error->text);
}

mu_status mu_json_parse(const char *text, size_t n, json_t **out, mu_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, use_our_allocator);

    if (n == 0) return mu_fail(err, MU_ERR_FORMAT, "empty, not JSON");
    if (n > SIZE_MAX / 2 / SPARE_PER_BYTE) return mu_fail(err, MU_ERR_LIMIT, "%zu bytes", n);
    if (depth_of(text, n) > MU_JSON_DEPTH_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "JSON nested deeper than %d", MU_JSON_DEPTH_MAX);
    }
    parse p = {.text = text, .n = n, .spare_cap = n * SPARE_PER_BYTE + SPARE_BYTES};
    p.spare = mu_alloc(p.spare_cap); /* untouched unless needed */
    if (!p.spare) return mu_fail(err, MU_ERR_NOMEM, "JSON of %zu bytes", n);
    current = &p;
    json_error_t error;
    json_t *json = json_load_callback(
        read_text, &p, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    mu_status status = MU_OK;
    if (p.ran_out) {
        json_decref(json);
        status = mu_fail(err, MU_ERR_NOMEM, "JSON of %zu bytes", n);
    } else if (!json) {
        status = say_what_is_wrong(&error, err);
    } else {
        *out = json;
    }
    current = NULL;
    mu_free(p.spare);
    return status;
}

/* The code unit of an escape \uXXXX at text [n]; 0: there is none. */
static uint32_t escaped_unit(const char *text, size_t n) {
    uint32_t unit = 0;
    if (n < 6 || text[0] != '\\' || text[1] != 'u') return 0;
    for (size_t i = 2; i < 6; i++) {
        char c = text[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return 0;
        unit = unit << 4 | digit;
    }
    return unit;
}

void mu_json_mend_surrogates(char *text, size_t n) {
    enum { ESCAPE = 6 };
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '\\') continue;
        uint32_t unit = escaped_unit(text + i, n - i);
        bool is_high = unit >= 0xd800 && unit < 0xdc00, is_low = unit >= 0xdc00 && unit < 0xe000;
        uint32_t next = is_high ? escaped_unit(text + i + ESCAPE, n - i - ESCAPE) : 0;
        bool is_pair = next >= 0xdc00 && next < 0xe000;
        if (is_low || (is_high && !is_pair)) memcpy(text + i + 2, "fffd", 4);
        i += unit == 0 ? 1 : is_pair ? 2 * ESCAPE - 1 : ESCAPE - 1; /* of "\\" both */
    }
}

/* digits: [n], without a sign. */
static bool fits_64_bits(const char *digits, size_t n, bool is_negative) {
    static const char max[] = "9223372036854775807", min[] = "9223372036854775808";
    size_t n_max = sizeof(max) - 1;
    return n < n_max || (n == n_max && memcmp(digits, is_negative ? min : max, n) <= 0);
}

void mu_json_mend_integers(char *text, size_t n) {
    enum { SHORTEST = 19, LONGEST = 300 }; /* longer ones are no number of a double either */
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"') in_string = !in_string;
        if (in_string && text[i] == '\\') i++;
        if (in_string || text[i] < '0' || text[i] > '9') continue;
        size_t n_digits = 0, at = i;
        while (at + n_digits < n && text[at + n_digits] >= '0' && text[at + n_digits] <= '9') {
            n_digits++;
        }
        i += n_digits;
        char next = i < n ? text[i] : ' ', before = at > 0 ? text[at - 1] : ' ';
        bool is_whole = !strchr(".eE", next) && !strchr(".eE+", before);
        bool is_long = n_digits >= SHORTEST && n_digits <= LONGEST;
        if (next == '"') i--; /* the next round sees it */
        if (!is_whole || !is_long || fits_64_bits(text + at, n_digits, before == '-')) continue;
        memcpy(text + at + n_digits - 3, "e03", 3);
    }
}

mu_status mu_json_load(const char *path, json_t **out, mu_err *err) {
    mu_map map;
    mu_err inner;
    mu_status status = mu_map_open(path, &map, err);
    if (status != MU_OK) return status;
    status = mu_json_parse((const char *)map.data, map.size, out, &inner);
    mu_map_close(&map);
    return status == MU_OK ? MU_OK : mu_fail(err, status, "%s: %s", path, inner.text);
}
