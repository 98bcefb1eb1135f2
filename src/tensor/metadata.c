#include "tensor/metadata.h"

#include <stdlib.h>
#include <string.h>

static int by_key(const void *a, const void *b) {
    return strcmp(((const mu_meta_entry *)a)->key, ((const mu_meta_entry *)b)->key);
}

bool mu_metadata_sort(mu_metadata *metadata, const char **duplicate) {
    if (metadata->n > 0) {
        qsort(metadata->entries, metadata->n, sizeof(*metadata->entries), by_key);
    }
    for (size_t i = 1; i < metadata->n; i++) {
        if (strcmp(metadata->entries[i - 1].key, metadata->entries[i].key) != 0) continue;
        *duplicate = metadata->entries[i].key;
        return false;
    }
    return true;
}

const mu_meta_value *mu_metadata_find(const mu_metadata *metadata, const char *key) {
    mu_meta_entry wanted = {.key = key};
    if (metadata->n == 0) return NULL;
    const mu_meta_entry *entry =
        bsearch(&wanted, metadata->entries, metadata->n, sizeof(wanted), by_key);
    return entry ? &entry->value : NULL;
}

bool mu_metadata_int(const mu_metadata *metadata, const char *key, int64_t *out) {
    const mu_meta_value *value = mu_metadata_find(metadata, key);
    if (!value || value->kind != MU_META_INT) return false;
    *out = value->i;
    return true;
}

bool mu_metadata_float(const mu_metadata *metadata, const char *key, double *out) {
    const mu_meta_value *value = mu_metadata_find(metadata, key);
    if (!value || (value->kind != MU_META_FLOAT && value->kind != MU_META_INT)) return false;
    *out = value->f;
    return true;
}

bool mu_metadata_bool(const mu_metadata *metadata, const char *key, bool *out) {
    const mu_meta_value *value = mu_metadata_find(metadata, key);
    if (!value || value->kind != MU_META_BOOL) return false;
    *out = value->b;
    return true;
}

bool mu_metadata_string(const mu_metadata *metadata, const char *key, mu_meta_string *out) {
    const mu_meta_value *value = mu_metadata_find(metadata, key);
    if (!value || value->kind != MU_META_STRING) return false;
    *out = value->str;
    return true;
}

bool mu_meta_string_is(mu_meta_string str, const char *text) {
    size_t n = strlen(text);
    return str.n == n && memcmp(str.data, text, n) == 0;
}
