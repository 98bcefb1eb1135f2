/* json.h - the one way JSON enters the program: jansson, with our allocator, duplicate keys
 * rejected and depth limited before anything is built. */
#ifndef MU_FORMAT_JSON_H
#define MU_FORMAT_JSON_H

#include <jansson.h>

#include "base/status.h"

enum { MU_JSON_DEPTH_MAX = 64 };

/* Parse exactly one JSON value. On success the caller owns one reference of *out (json_decref).
 * Errors: MU_ERR_FORMAT with line and column, MU_ERR_LIMIT (depth), MU_ERR_NOMEM. */
mu_status mu_json_parse(const char *text, size_t n, json_t **out, mu_err *err) MU_MUST_USE;

/* What parsing text [n] takes at most: the number of values and keys, and the memory for them. From
 * a look at the punctuation, without parsing: text that is not JSON gives some numbers too. */
typedef struct mu_json_cost {
    uint64_t n_values, bytes;
} mu_json_cost;
mu_json_cost mu_json_measure(const char *text, size_t n);

/* Escapes of half a surrogate pair (\ud83d alone), which clients that cut text send, become
 * \ufffd; in place, the length stays. */
void mu_json_mend_surrogates(char *text, size_t n);

/* Whole numbers that do not fit 64 bits with a sign, which jansson refuses wherever they stand,
 * become real ones of nearly the same value (18446744073709551615: 18446744073709551e03); in place,
 * the length stays. */
void mu_json_mend_integers(char *text, size_t n);

/* mu_json_parse() for a file, errors prefixed with its path. */
mu_status mu_json_load(const char *path, json_t **out, mu_err *err) MU_MUST_USE;

#endif
