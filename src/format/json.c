#include "format/json.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

/* jansson reports running out of memory as whatever it was doing: a syntax error, or no text at all.
 * So the allocator remembers. */
static _Thread_local bool ran_out;

static void *json_alloc(size_t size) {
    void *ptr = mu_alloc(size > 0 ? size : 1);
    if (!ptr) ran_out = true;
    return ptr;
}

static void use_our_allocator(void) {
    json_set_alloc_funcs(json_alloc, mu_free);
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

mu_status mu_json_parse(const char *text, size_t n, json_t **out, mu_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, use_our_allocator);

    if (n == 0) return mu_fail(err, MU_ERR_FORMAT, "empty, not JSON");
    if (depth_of(text, n) > MU_JSON_DEPTH_MAX) {
        return mu_fail(err, MU_ERR_LIMIT, "JSON nested deeper than %d", MU_JSON_DEPTH_MAX);
    }
    json_error_t error;
    ran_out = false;
    json_t *json =
        json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (json && !ran_out) {
        *out = json;
        return MU_OK;
    }
    json_decref(json);
    if (ran_out) {
        return mu_fail(err, MU_ERR_NOMEM, "JSON of %zu bytes", n);
    }
    for (char *c = error.text; *c;
         c++) { /* it may quote the input: keep the error one clean line */
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') *c = '?';
    }
    return mu_fail(err, MU_ERR_FORMAT, "line %d column %d: %.120s", error.line, error.column,
                   error.text);
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
