#include "server/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    "true or false", "whole number", "whole number", "number", "text", "", "any"};

/* Whole numbers are written as such: "%g" would round them. */
static bool out_of_range(const mu_param *row, json_t *value, mu_api_error *error) {
    char number[32];
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    } else {
        snprintf(number, sizeof(number), "%g", json_number_value(value));
    }
    int n_digits = row->kind == MU_PARAM_F32 ? 6 : 17;
    return mu_api_fail(error, MU_API_INVALID_VALUE, row->name, "%s: %s is not in [%.*g, %.*g]",
                       row->name, number, n_digits, row->min, n_digits, row->max);
}

static bool read_number(const mu_param *row, json_t *value, void *target, mu_api_error *error) {
    bool is_whole = row->kind != MU_PARAM_F32;
    double number = json_number_value(value);
    if (is_whole ? !json_is_integer(value) : !json_is_number(value)) {
        bool is_round = json_is_real(value) && number == floor(number);
        if (!is_round) {
            return mu_api_fail(error, MU_API_INVALID_VALUE, row->name, "%s: must be a %s",
                               row->name, kind_names[row->kind]);
        }
    }
    if (row->kind == MU_PARAM_U64) { /* any 64 bits, signed or not */
        uint64_t bits;
        memcpy(&bits, &number, sizeof(bits)); /* of what is larger than json_int_t */
        if (json_is_integer(value)) bits = (uint64_t)json_integer_value(value);
        *(uint64_t *)target = bits;
        return true;
    }
    if (!(number >= row->min && number <= row->max)) { /* also refuses NaN */
        return out_of_range(row, value, error);
    }
    if (row->kind == MU_PARAM_F32) {
        *(float *)target = (float)number;
    } else {
        *(uint32_t *)target = (uint32_t)(int64_t)number; /* -1, where it may be, is UINT32_MAX */
    }
    return true;
}

static bool read_value(const mu_param *row, json_t *value, void *target, mu_api_error *error) {
    switch (row->kind) {
    case MU_PARAM_BOOL:
        if (!json_is_boolean(value)) break;
        *(bool *)target = json_is_true(value);
        return true;
    case MU_PARAM_TEXT:
        if (!json_is_string(value)) break;
        *(const char **)target = json_string_value(value);
        return true;
    case MU_PARAM_JSON:
        *(json_t **)target = value;
        return true;
    case MU_PARAM_IGNORED:
        return true;
    default:
        return read_number(row, value, target, error);
    }
    return mu_api_fail(error, MU_API_INVALID_VALUE, row->name, "%s: must be %s", row->name,
                       kind_names[row->kind]);
}

static const mu_param *find(const mu_param_table *table, const char *name) {
    for (; table; table = table->more) {
        for (size_t i = 0; i < table->n; i++) {
            if (strcmp(table->rows[i].name, name) == 0) return &table->rows[i];
        }
    }
    return NULL;
}

/* For a header: printable ASCII. */
static void append_name(mu_buf *out, const char *name) {
    for (const char *c = name; *c; c++) {
        mu_buf_append(out, *c > ' ' && *c < 0x7f && *c != ',' ? c : "?", 1);
    }
}

bool mu_params_read(const mu_param_table *table, json_t *object, void *out, mu_buf *unknown,
                    mu_api_error *error) {
    if (!json_is_object(object)) {
        return mu_api_fail(error, MU_API_INVALID_VALUE, NULL, "the body must be a JSON object");
    }
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        const mu_param *row = find(table, name);
        if (!row) {
            if (unknown->n > 0) mu_buf_append_str(unknown, ", ");
            append_name(unknown, name);
        } else if (!json_is_null(value) &&
                   !read_value(row, value, (char *)out + row->offset, error)) {
            return false;
        }
    }
    return true;
}

static void document_row(const mu_param *row, mu_buf *out) {
    mu_buf_printf(out, "| `%s` | %s |", row->name, kind_names[row->kind]);
    if (row->kind == MU_PARAM_U32 || row->kind == MU_PARAM_F32) {
        mu_buf_printf(out, " %.10g to %.10g", row->min, row->max);
    }
    mu_buf_printf(out, " | %s | %s |\n", row->initial ? row->initial : "", row->help);
}

void mu_params_document(const mu_param_table *table, mu_buf *out) {
    mu_buf_append_str(out, "| field | type | range | default | meaning |\n|---|---|---|---|---|\n");
    for (; table; table = table->more) {
        for (size_t i = 0; i < table->n; i++) {
            document_row(&table->rows[i], out);
        }
    }
}
