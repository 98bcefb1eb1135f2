/* Python's % formatting, the part of it that texts are made with: %s %r %d %i %x %o %e %f %g %c %%,
 * with flags, width and precision. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "chat/jinja/characters.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/print.h"

enum { FIELD_MAX = 1000 }; /* characters that a width or precision may ask for */

typedef struct formatter {
    mu_run *run;
    mu_value args; /* a tuple, or one value */
    size_t n_used;
    mu_marked_builder out;
} formatter;

typedef struct format_spec {
    char flags[8];
    int width, precision; /* precision -1: not given */
    char conversion;
} format_spec;

static bool next_argument(formatter *f, mu_value *out) {
    bool is_tuple = f->args.kind == MU_VALUE_TUPLE;
    size_t n = is_tuple ? f->args.list->n : 1;
    if (f->n_used >= n)
        return mu_run_fail(f->run, MU_ERR_INVALID, "not enough arguments for format string");
    *out = is_tuple ? f->args.list->items[f->n_used] : f->args;
    f->n_used++;
    return true;
}

static int take_count(mu_marked format, size_t *at) {
    int n = 0;
    for (; *at < format.n && format.data[*at] >= '0' && format.data[*at] <= '9'; ++*at) {
        if (n <= FIELD_MAX) n = n * 10 + (format.data[*at] - '0');
    }
    return n;
}

/* What stands behind a '%'. */
static bool take_field(formatter *f, mu_marked format, size_t *at, format_spec *out) {
    *out = (format_spec){.precision = -1};
    size_t n_flags = 0;
    while (*at < format.n && format.data[*at] && strchr("-+ 0#", format.data[*at])) {
        if (n_flags + 1 < sizeof(out->flags)) out->flags[n_flags++] = format.data[*at];
        ++*at;
    }
    out->width = take_count(format, at);
    if (*at < format.n && format.data[*at] == '.') {
        ++*at;
        out->precision = take_count(format, at);
    }
    if (*at >= format.n) return mu_run_fail(f->run, MU_ERR_INVALID, "incomplete format");
    if (out->width > FIELD_MAX || out->precision > FIELD_MAX)
        return mu_run_fail(f->run, MU_ERR_LIMIT, "a format wider than %d", FIELD_MAX);
    out->conversion = format.data[(*at)++];
    return true;
}

static void pad(formatter *f, int n) {
    for (; n > 0; n--) {
        mu_marked_append_literal(&f->out, " ");
    }
}

static bool format_text(formatter *f, const format_spec *field, mu_value v) {
    mu_marked text;
    if (field->conversion == 'r') {
        mu_value_list one = {.items = &v, .n = 1}; /* repr() is what a list shows */
        mu_marked list;
        mu_value wrapped = mu_value_of_list(&one, MU_VALUE_LIST);
        if (!mu_value_as_text(f->run, wrapped, &list)) return false;
        text = mu_marked_slice(list, 1, list.n - 2);
    } else if (!mu_value_as_text(f->run, v, &text)) {
        return false;
    }
    if (field->precision >= 0 && text.n > 0)
        text.n = mu_characters_offset(text.data, text.n, (size_t)field->precision);
    int n = text.n ? (int)mu_characters_count(text.data, text.n) : 0;
    bool is_left = strchr(field->flags, '-') != NULL;
    if (!is_left) pad(f, field->width - n);
    mu_marked_append(&f->out, text);
    if (is_left) pad(f, field->width - n);
    return true;
}

static bool format_number(formatter *f, const format_spec *field, mu_value v) {
    char spec[48], text[FIELD_MAX + 400];
    bool is_int = strchr("dixXo", field->conversion) != NULL;
    double x = 0;
    int64_t i = 0;
    if (!mu_value_as_number(v, &x))
        return mu_run_fail(f->run, MU_ERR_INVALID, "%%%c format: a number is required, not %s",
                           field->conversion, mu_value_type_name(v.kind));
    bool whole = mu_value_as_int(v, &i);
    if (is_int && !whole && !(fabs(x) < 9e18))
        return mu_run_fail(f->run, MU_ERR_LIMIT, "a number that does not fit 64 bits");
    if (is_int && !whole) i = (int64_t)x;
    int precision = field->precision < 0 ? (is_int ? 1 : 6) : field->precision;
    char conversion = field->conversion == 'i' ? 'd' : field->conversion;
    snprintf(spec, sizeof(spec), "%%%s*.*%s%c", field->flags, is_int ? "ll" : "", conversion);
    if (is_int) {
        bool zero_fills = field->precision < 0 && strchr(field->flags, '0');
        if (zero_fills) snprintf(spec, sizeof(spec), "%%%s*ll%c", field->flags, conversion);
        int n = zero_fills
                    ? snprintf(text, sizeof(text), spec, field->width, (long long)i)
                    : snprintf(text, sizeof(text), spec, field->width, precision, (long long)i);
        MU_ASSERT(n >= 0 && (size_t)n < sizeof(text));
    } else {
        int n = snprintf(text, sizeof(text), spec, field->width, precision, x);
        MU_ASSERT(n >= 0 && (size_t)n < sizeof(text));
    }
    mu_marked_append_literal(&f->out, text);
    return true;
}

static bool format_field(formatter *f, const format_spec *field) {
    mu_value v;
    if (field->conversion == '%') {
        mu_marked_append_literal(&f->out, "%");
        return true;
    }
    if (!next_argument(f, &v)) return false;
    if (field->conversion == 's' || field->conversion == 'r') return format_text(f, field, v);
    if (field->conversion && strchr("dixXoeEfFgG", field->conversion))
        return format_number(f, field, v);
    return mu_run_fail(f->run, MU_ERR_UNSUPPORTED, "unsupported format character '%c'",
                       field->conversion);
}

bool mu_text_format(mu_run *run, mu_marked format, mu_value args, mu_value *out) {
    formatter f = {.run = run, .args = args};
    mu_run_builder(run, &f.out);
    size_t plain = 0, at = 0;
    while (at < format.n) {
        if (format.data[at] != '%') {
            at++;
            continue;
        }
        format_spec field;
        mu_marked_append(&f.out, mu_marked_slice(format, plain, at - plain));
        at++;
        if (!take_field(&f, format, &at, &field) || !format_field(&f, &field)) return false;
        if (!mu_run_charge(run, 1)) return false;
        plain = at;
    }
    mu_marked_append(&f.out, mu_marked_slice(format, plain, format.n - plain));
    if (args.kind == MU_VALUE_TUPLE && f.n_used < args.list->n)
        return mu_run_fail(run, MU_ERR_INVALID,
                           "not all arguments converted during string formatting");
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(run, &f.out, &out->text);
}
