/* metadata.h - the key-value part of a model file: GGUF's metadata, or a config.json flattened
 * ("a.b" for nested objects). One form, so that the architecture table reads both.
 *
 * Threads: immutable once built. Memory: keys and values are borrowed from the file they are in.
 */
#ifndef MU_TENSOR_METADATA_H
#define MU_TENSOR_METADATA_H

#include "base/status.h"

typedef enum mu_meta_kind {
    MU_META_BOOL,
    MU_META_INT,
    MU_META_FLOAT,
    MU_META_STRING,
    MU_META_ARRAY, /* of one of the above; arrays of arrays are not kept */
    MU_META_NULL,
} mu_meta_kind;

typedef struct mu_meta_string {
    const char *data; /* borrowed, [n], not NUL-terminated, any bytes */
    size_t n;
} mu_meta_string;

typedef struct mu_meta_value mu_meta_value;
struct mu_meta_value {
    mu_meta_kind kind;
    bool b;
    int64_t i;
    double f; /* also set for MU_META_INT */
    mu_meta_string str;
    mu_meta_kind elem_kind; /* MU_META_ARRAY: exactly one of the three below is set */
    size_t n_elems;
    const mu_meta_string *strings; /* [n_elems] */
    const int64_t *ints;           /* [n_elems]; also bools, as 0 and 1 */
    const double *floats;          /* [n_elems] */
};

typedef struct mu_meta_entry {
    const char *key; /* NUL-terminated */
    mu_meta_value value;
} mu_meta_entry;

typedef struct mu_metadata {
    mu_meta_entry *entries; /* [n], sorted by key, keys unique */
    size_t n;
} mu_metadata;

/* Sort by key. False when two entries have the same key (*duplicate names it). */
bool mu_metadata_sort(mu_metadata *metadata, const char **duplicate) MU_MUST_USE;
const mu_meta_value *mu_metadata_find(const mu_metadata *metadata, const char *key); /* or NULL */

/* Typed lookups. False when the key is absent or of another kind; *out is then untouched. */
bool mu_metadata_int(const mu_metadata *metadata, const char *key, int64_t *out);
bool mu_metadata_float(const mu_metadata *metadata, const char *key, double *out);
bool mu_metadata_bool(const mu_metadata *metadata, const char *key, bool *out);
bool mu_metadata_string(const mu_metadata *metadata, const char *key, mu_meta_string *out);
bool mu_meta_string_is(mu_meta_string str, const char *text);

#endif
