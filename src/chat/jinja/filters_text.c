/* Filters that make a text or a number of one value. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/jinja/callable.h"
#include "chat/jinja/letters.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/print.h"
#include "chat/jinja/subscripts.h"

enum { INDENT_MAX = 1000 /* characters of one level */ };

static bool give_text(mu_run *run, const mu_marked_builder *b, mu_value *out) {
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(run, b, &out->text);
}

static bool cased(mu_run *run, mu_value self, mu_letter_case how, mu_value *out) {
    mu_marked text;
    *out = mu_value_text((mu_marked){0});
    out->is_markup = self.is_markup;
    return mu_value_as_text(run, self, &text) && mu_text_cased(run, text, how, &out->text);
}

static bool filter_upper(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    (void)args;
    return cased(run, self, MU_CASE_UPPER, out);
}

static bool filter_lower(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    (void)args;
    return cased(run, self, MU_CASE_LOWER, out);
}

static bool filter_capitalize(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    (void)args;
    return cased(run, self, MU_CASE_CAPITALIZED, out);
}

static bool filter_title(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    (void)args;
    return cased(run, self, MU_CASE_WORDS, out);
}

static bool filter_string(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    (void)args;
    *out = mu_value_text((mu_marked){0});
    out->is_markup = self.is_markup;
    return mu_value_as_text(run, self, &out->text);
}

static bool filter_trim(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_marked text, chars;
    bool has_chars = mu_value_is_given(args->values[0]) && args->values[0].kind != MU_VALUE_NONE;
    if (!mu_value_as_text(run, self, &text)) return false;
    if (has_chars && !mu_argument_text(run, "trim", args->values[0], &chars)) return false;
    text = mu_text_stripped(text, has_chars ? &chars : NULL, MU_STRIP_START | MU_STRIP_END);
    *out = mu_value_text(text);
    out->is_markup = self.is_markup;
    return mu_run_charge(run, text.n / 64);
}

static bool filter_replace(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_marked text, old, new;
    int64_t max = -1;
    if (mu_value_is_given(args->values[2]) && args->values[2].kind != MU_VALUE_NONE &&
        !mu_argument_int(run, "replace", args->values[2], &max))
        return false;
    *out = mu_value_text((mu_marked){0});
    return mu_value_as_text(run, self, &text) && mu_value_as_text(run, args->values[0], &old) &&
           mu_value_as_text(run, args->values[1], &new) &&
           mu_text_replaced(run, text, old, new, max, &out->text);
}

static bool filter_escape(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_marked text;
    (void)args;
    *out = mu_value_text((mu_marked){0});
    out->is_markup = true;
    if (!mu_value_as_text(run, self, &text)) return false;
    if (!self.is_markup) return mu_text_escaped(run, text, &out->text);
    out->text = text;
    return true;
}

static bool filter_safe(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    (void)args;
    *out = mu_value_text((mu_marked){0});
    out->is_markup = true;
    return mu_value_as_text(run, self, &out->text);
}

/* n blanks, or a text itself. */
static bool indentation(mu_run *run, const char *what, mu_value v, mu_marked *out) {
    int64_t n = 0;
    mu_marked_builder b;
    if (v.kind == MU_VALUE_TEXT) {
        *out = v.text;
        return true;
    }
    if (!mu_argument_int(run, what, v, &n)) return false;
    if (n > INDENT_MAX)
        return mu_run_fail(run, MU_ERR_LIMIT, "%s: more than %d blanks", what, INDENT_MAX);
    mu_run_builder(run, &b);
    for (; n > 0; n--) {
        mu_marked_append_literal(&b, " ");
    }
    return mu_run_built(run, &b, out);
}

static bool filter_indent(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value width = mu_value_is_given(args->values[0]) ? args->values[0] : mu_value_int(4);
    bool first = mu_value_is_true(args->values[1]), blank = mu_value_is_true(args->values[2]);
    mu_marked text, indent;
    mu_value_list *lines;
    mu_marked_builder b, closed;
    mu_run_builder(run, &b);
    mu_run_builder(run, &closed);
    if (!mu_value_as_text(run, self, &text) || !indentation(run, "indent", width, &indent))
        return false;
    mu_marked_append(&closed,
                     text); /* the reference adds a newline, so that the last line counts */
    mu_marked_append_literal(&closed, "\n");
    if (!mu_run_built(run, &closed, &text) || !mu_text_split_lines(run, text, false, &lines))
        return false;
    for (size_t i = 0; i < lines->n; i++) {
        mu_marked line = lines->items[i].text;
        if (i > 0) mu_marked_append_literal(&b, "\n");
        if (i == 0 ? first : blank || line.n > 0) mu_marked_append(&b, indent);
        mu_marked_append(&b, line);
    }
    return give_text(run, &b, out);
}

static bool filter_default(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    bool is_missing = self.kind == MU_VALUE_UNDEFINED ||
                      (mu_value_is_true(args->values[1]) && !mu_value_is_true(self));
    (void)run;
    *out = !is_missing                          ? self
           : mu_value_is_given(args->values[0]) ? args->values[0]
                                                : mu_value_literal("");
    return true;
}

static bool json_separators(mu_run *run, mu_value pair, mu_json_style *style) {
    if (!mu_value_is_sequence(pair) || pair.list->n != 2)
        return mu_run_fail(run, MU_ERR_INVALID, "tojson: separators are a pair of texts");
    return mu_argument_text(run, "tojson: separators", pair.list->items[0], &style->comma) &&
           mu_argument_text(run, "tojson: separators", pair.list->items[1], &style->colon);
}

static bool filter_tojson(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_value indent = args->values[1], separators = args->values[2];
    mu_json_style style = {.ensure_ascii = mu_value_is_true(args->values[0]),
                           .sort_keys = mu_value_is_true(args->values[3])};
    style.has_indent = mu_value_is_given(indent) && indent.kind != MU_VALUE_NONE;
    style.comma = mu_marked_literal(style.has_indent ? "," : ", ");
    style.colon = mu_marked_literal(": ");
    if (style.has_indent && !indentation(run, "tojson: indent", indent, &style.indent))
        return false;
    if (mu_value_is_given(separators) && separators.kind != MU_VALUE_NONE &&
        !json_separators(run, separators, &style))
        return false;
    mu_marked_builder b;
    mu_run_builder(run, &b);
    return mu_value_print_json(run, self, &style, &b) && give_text(run, &b, out);
}

/* The whole of a text as a number of Python's int() or float(). */
static bool read_number(mu_marked text, int base, bool wants_int, int64_t *out_int,
                        double *out_float) {
    char digits[64], *end;
    text = mu_text_stripped(text, NULL, MU_STRIP_START | MU_STRIP_END);
    if (text.n == 0 || text.n >= sizeof(digits)) return false;
    memcpy(digits, text.data, text.n);
    digits[text.n] = '\0';
    if (strlen(digits) != text.n || strpbrk(digits, wants_int ? " \t" : " \txXpP(")) return false;
    if (wants_int) {
        *out_int = strtoll(digits, &end, base);
    } else {
        *out_float = strtod(digits, &end);
    }
    return *end == '\0';
}

static bool int_of_float(double real, int64_t *out) {
    if (!(fabs(real) < 9.2e18)) return false;
    *out = (int64_t)real;
    return true;
}

static bool filter_int(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    int64_t base = 10, result = 0;
    double real = 0;
    if (mu_value_is_given(args->values[1]) && !mu_argument_int(run, "int", args->values[1], &base))
        return false;
    if (base != 0 && (base < 2 || base > 36))
        return mu_run_fail(run, MU_ERR_INVALID, "int: base %lld", (long long)base);
    bool ok = mu_value_as_int(self, &result);
    if (!ok && self.kind == MU_VALUE_FLOAT) ok = int_of_float(self.real, &result);
    if (!ok && self.kind == MU_VALUE_TEXT) {
        ok = read_number(self.text, (int)base, true, &result, &real) ||
             (read_number(self.text, 10, false, &result, &real) && int_of_float(real, &result));
    }
    *out = ok                                   ? mu_value_int(result)
           : mu_value_is_given(args->values[0]) ? args->values[0]
                                                : mu_value_int(0);
    return true;
}

static bool filter_float(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    double real = 0;
    int64_t unused = 0;
    (void)run;
    bool ok = mu_value_as_number(self, &real) ||
              (self.kind == MU_VALUE_TEXT && read_number(self.text, 10, false, &unused, &real));
    *out = ok                                   ? mu_value_float(real)
           : mu_value_is_given(args->values[0]) ? args->values[0]
                                                : mu_value_float(0);
    return true;
}

static bool filter_abs(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    double real = 0;
    (void)args;
    if (self.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, self);
    if (!mu_value_as_number(self, &real))
        return mu_run_fail(run, MU_ERR_INVALID, "bad operand type for abs(): '%s'",
                           mu_value_type_name(self.kind));
    if (self.kind == MU_VALUE_FLOAT) {
        *out = mu_value_float(fabs(self.real));
        return true;
    }
    if (real < 0) return mu_operator_negate(run, self, out);
    return mu_operator_apply(run, MU_OP_ADD, self, mu_value_int(0), out); /* True is 1 */
}

static bool filter_round(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    int64_t digits = 0;
    mu_marked how = mu_marked_literal("common");
    double real = 0;
    char text[400];
    if (mu_value_is_given(args->values[0]) &&
        !mu_argument_int(run, "round", args->values[0], &digits))
        return false;
    if (mu_value_is_given(args->values[1]) &&
        !mu_argument_text(run, "round", args->values[1], &how))
        return false;
    if (!mu_value_as_number(self, &real) || digits < 0 || digits > 20)
        return mu_run_fail(run, MU_ERR_INVALID, "round: a number and 0 to 20 digits are expected");
    if (mu_marked_is(how, "common")) {
        snprintf(text, sizeof(text), "%.*f", (int)digits, real); /* half to even, as Python */
        *out = self.kind == MU_VALUE_FLOAT ? mu_value_float(strtod(text, NULL)) : self;
        return true;
    }
    if (!mu_marked_is(how, "ceil") && !mu_marked_is(how, "floor"))
        return mu_run_fail(run, MU_ERR_INVALID, "method must be common, ceil or floor");
    double scale = pow(10, (double)digits);
    *out = mu_value_float((how.data[0] == 'c' ? ceil(real * scale) : floor(real * scale)) / scale);
    return true;
}

static bool filter_format(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_marked format;
    mu_value_list list = {.items = args->values, .n = args->n};
    if (args->n_keywords > 0)
        return mu_run_fail(run, MU_ERR_UNSUPPORTED, "format: arguments by keyword");
    return mu_value_as_text(run, self, &format) &&
           mu_text_format(run, format, mu_value_of_list(&list, MU_VALUE_TUPLE), out);
}

static bool filter_attr(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out) {
    mu_marked name;
    if (!mu_argument_text(run, "attr", args->values[0], &name)) return false;
    if (!mu_value_attribute(run, self, name, out)) return false;
    bool is_item = self.kind == MU_VALUE_DICT && out->kind != MU_VALUE_METHOD &&
                   out->kind != MU_VALUE_UNDEFINED; /* attr() never looks at items */
    if (is_item) *out = mu_value_missing(MU_MISSING_ATTRIBUTE, self.kind, name);
    return true;
}

static const mu_callable filters[] = {
    {"abs", filter_abs, 0, {0}, false},
    {"attr", filter_attr, 1, {"name"}, false},
    {"capitalize", filter_capitalize, 0, {0}, false},
    {"d", filter_default, 0, {"default_value", "boolean"}, false},
    {"default", filter_default, 0, {"default_value", "boolean"}, false},
    {"e", filter_escape, 0, {0}, false},
    {"escape", filter_escape, 0, {0}, false},
    {"float", filter_float, 0, {"default"}, false},
    {"format", filter_format, 0, {0}, true},
    {"indent", filter_indent, 0, {"width", "first", "blank"}, false},
    {"int", filter_int, 0, {"default", "base"}, false},
    {"lower", filter_lower, 0, {0}, false},
    {"replace", filter_replace, 2, {"old", "new", "count"}, false},
    {"round", filter_round, 0, {"precision", "method"}, false},
    {"safe", filter_safe, 0, {0}, false},
    {"string", filter_string, 0, {0}, false},
    {"title", filter_title, 0, {0}, false},
    {"tojson", filter_tojson, 0, {"ensure_ascii", "indent", "separators", "sort_keys"}, false},
    {"trim", filter_trim, 0, {"chars"}, false},
    {"upper", filter_upper, 0, {0}, false},
};

const mu_callable_table mu_filters_of_text = {filters, MU_COUNTOF(filters)};
