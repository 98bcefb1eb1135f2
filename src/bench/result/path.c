#include "bench/result/path.h"

#include <math.h>
#include <string.h>

bool mu_document_next_word(const char **path, char word[MU_DOCUMENT_WORD]) {
    size_t n = strcspn(*path, ".");
    if (n == 0 || n >= MU_DOCUMENT_WORD) return false;
    memcpy(word, *path, n);
    word[n] = '\0';
    *path += n + ((*path)[n] == '.');
    return true;
}

const json_t *mu_document_member(const json_t *array, const char *key, const char *text) {
    for (size_t i = 0; text && i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *own = json_string_value(json_object_get(item, key));
        if (own && strcmp(own, text) == 0) return item;
    }
    return NULL;
}

static const json_t *named_member(const json_t *array, const char *text) {
    static const char *const keys[] = {"id", "kind", "name", "phase", "system"};
    for (size_t i = 0; i < MU_COUNTOF(keys); i++) {
        const json_t *item = mu_document_member(array, keys[i], text);
        if (item) return item;
    }
    return NULL;
}

const json_t *mu_document_at(const json_t *json, const char *path) {
    char word[MU_DOCUMENT_WORD];
    while (json && *path != '\0') {
        if (!mu_document_next_word(&path, word)) return NULL;
        json = json_is_array(json) ? named_member(json, word) : json_object_get(json, word);
    }
    return json_is_null(json) ? NULL : json;
}

static double number(const json_t *json) {
    return json_is_number(json) ? json_number_value(json) : NAN;
}

double mu_document_number(const json_t *json, const char *path) {
    return number(mu_document_at(json, path));
}

const char *mu_document_string(const json_t *json, const char *path) {
    return json_string_value(mu_document_at(json, path));
}

const char *mu_document_text(const json_t *json, const char *path) {
    const char *text = mu_document_string(json, path);
    return text ? text : "";
}

bool mu_document_is_true(const json_t *json, const char *path) {
    return json_is_true(mu_document_at(json, path));
}

size_t mu_document_n(const json_t *json, const char *path) {
    return json_array_size(mu_document_at(json, path));
}

double mu_document_item(const json_t *array, size_t i) {
    return number(json_array_get(array, i));
}

json_t *mu_document_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

bool mu_cell_is_run(const json_t *cell) {
    return !isnan(mu_document_number(cell, "run")) || !isnan(mu_document_number(cell, "block"));
}

void mu_cell_id_without_run(const json_t *cell, char *out, size_t n) {
    const char *id = mu_document_text(cell, "id");
    size_t length = strlen(id);
    const char *dash = strrchr(id, '-');
    if (mu_cell_is_run(cell) && dash && (dash[1] == 'r' || dash[1] == 'b')) {
        size_t digits = strspn(dash + 2, "0123456789");
        if (digits > 0 && dash[2 + digits] == '\0') length = (size_t)(dash - id);
    }
    if (length >= n) length = n - 1;
    memcpy(out, id, length);
    out[length] = '\0';
}

const json_t *mu_document_pooled(const json_t *doc, const json_t *cell) {
    char id[160];
    const json_t *all = mu_document_at(doc, "pooled");
    mu_cell_id_without_run(cell, id, sizeof(id));
    for (size_t i = 0; i < json_array_size(all) && mu_cell_is_run(cell); i++) {
        const json_t *pooled = json_array_get(all, i);
        if (strcmp(mu_document_text(pooled, "id"), id) != 0) continue;
        if (strcmp(mu_document_text(pooled, "system"), mu_document_text(cell, "system")) == 0) {
            return pooled;
        }
    }
    return NULL;
}
