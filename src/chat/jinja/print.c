#include "chat/jinja/print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/jinja/characters.h"

void mu_float_print(double real, char out[32]) {
    if (isnan(real) || isinf(real)) {
        snprintf(out, 32, "%s", isnan(real) ? "nan" : real > 0 ? "inf" : "-inf");
        return;
    }
    char digits[40];
    int precision = 1;
    do {
        snprintf(digits, sizeof(digits), "%.*e", precision - 1, real);
    } while (strtod(digits, NULL) != real && precision++ < 17);
    int exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) { /* Python prints at least two digits of an exponent */
        snprintf(out, 32, "%.*e", precision - 1, real);
    } else {
        int n_decimals = precision - 1 - exponent;
        snprintf(out, 32, "%.*f", n_decimals > 1 ? n_decimals : 1, real);
    }
}

static void print_number(mu_value v, mu_marked_builder *out) {
    char digits[40];
    if (v.kind == MU_VALUE_INT) {
        snprintf(digits, sizeof(digits), "%lld", (long long)v.integer);
    } else {
        mu_float_print(v.real, digits);
    }
    mu_marked_append_literal(out, digits);
}

/* \xNN, \uNNNN or \UNNNNNNNN */
static void escape_code(uint32_t c, bool from_input, mu_marked_builder *out) {
    char text[16];
    if (c <= 0xFF) {
        snprintf(text, sizeof(text), "\\x%02x", c);
    } else {
        snprintf(text, sizeof(text), c <= 0xFFFF ? "\\u%04x" : "\\U%08x", c);
    }
    mu_marked_append_bytes(out, text, strlen(text), from_input);
}

static void repr_text(mu_marked text, mu_marked_builder *out) {
    bool has_single = text.n && memchr(text.data, '\'', text.n);
    bool has_double = text.n && memchr(text.data, '"', text.n);
    char quote = has_single && !has_double ? '"' : '\'';
    mu_marked_append_bytes(out, &quote, 1, false);
    size_t plain = 0, n;
    for (size_t at = 0; at < text.n; at += n) {
        uint32_t c = mu_character_decode(text.data + at, text.n - at, &n);
        const char *named = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
        char slashed[2] = {'\\', (char)c};
        bool is_slashed = c == '\\' || c == (uint8_t)quote;
        if (!named && !is_slashed && mu_character_is_printable(c)) continue;
        mu_marked_append(out, mu_marked_slice(text, plain, at - plain));
        bool mark = mu_marked_at(text, at);
        if (named || is_slashed) {
            mu_marked_append_bytes(out, named ? named : slashed, 2, mark);
        } else {
            escape_code(c, mark, out);
        }
        plain = at + n;
    }
    mu_marked_append(out, mu_marked_slice(text, plain, text.n - plain));
    mu_marked_append_bytes(out, &quote, 1, false);
}

static bool repr_at(mu_run *run, mu_value v, uint32_t level, mu_marked_builder *out);

static bool repr_list(mu_run *run, mu_value v, uint32_t level, mu_marked_builder *out) {
    bool is_tuple = v.kind == MU_VALUE_TUPLE;
    mu_marked_append_literal(out, is_tuple ? "(" : "[");
    for (size_t i = 0; i < v.list->n; i++) {
        if (i > 0) mu_marked_append_literal(out, ", ");
        if (!repr_at(run, v.list->items[i], level + 1, out)) return false;
    }
    mu_marked_append_literal(out, !is_tuple ? "]" : v.list->n == 1 ? ",)" : ")");
    return true;
}

static bool repr_dict(mu_run *run, const mu_value_dict *dict, uint32_t level,
                      mu_marked_builder *out) {
    mu_marked_append_literal(out, "{");
    for (size_t i = 0; i < dict->n; i++) {
        if (i > 0) mu_marked_append_literal(out, ", ");
        if (!repr_at(run, dict->pairs[i].key, level + 1, out)) return false;
        mu_marked_append_literal(out, ": ");
        if (!repr_at(run, dict->pairs[i].value, level + 1, out)) return false;
    }
    mu_marked_append_literal(out, "}");
    return true;
}

static bool repr_at(mu_run *run, mu_value v, uint32_t level, mu_marked_builder *out) {
    if (level > MU_RUN_NESTING_MAX)
        return mu_run_fail(run, MU_ERR_LIMIT, "values nested deeper than %d", MU_RUN_NESTING_MAX);
    if (!mu_run_charge(run, 1)) return false;
    switch (v.kind) {
    case MU_VALUE_UNDEFINED:
        mu_marked_append_literal(out, "Undefined");
        return true;
    case MU_VALUE_NONE:
        mu_marked_append_literal(out, "None");
        return true;
    case MU_VALUE_BOOL:
        mu_marked_append_literal(out, v.boolean ? "True" : "False");
        return true;
    case MU_VALUE_INT:
    case MU_VALUE_FLOAT:
        print_number(v, out);
        return true;
    case MU_VALUE_TEXT:
        if (v.is_markup) mu_marked_append_literal(out, "Markup(");
        repr_text(v.text, out);
        if (v.is_markup) mu_marked_append_literal(out, ")");
        return mu_run_charge(run, v.text.n / 64);
    case MU_VALUE_LIST:
    case MU_VALUE_TUPLE:
        return repr_list(run, v, level, out);
    case MU_VALUE_DICT:
        return repr_dict(run, v.dict, level, out);
    default: /* Python would show an address */
        mu_marked_append_literal(out, "<");
        mu_marked_append_literal(out, mu_value_type_name(v.kind));
        mu_marked_append_literal(out, ">");
        return true;
    }
}

bool mu_value_print(mu_run *run, mu_value v, mu_marked_builder *out) {
    if (v.kind == MU_VALUE_UNDEFINED) return true;
    if (v.kind != MU_VALUE_TEXT) return repr_at(run, v, 0, out);
    mu_marked_append(out, v.text);
    return mu_run_charge(run, v.text.n / 256);
}

bool mu_value_as_text(mu_run *run, mu_value v, mu_marked *out) {
    if (v.kind == MU_VALUE_TEXT) {
        *out = v.text;
        return true;
    }
    mu_marked_builder b;
    mu_run_builder(run, &b);
    return mu_value_print(run, v, &b) && mu_run_built(run, &b, out);
}
