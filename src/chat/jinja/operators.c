#include "chat/jinja/operators.h"

#include <math.h>

#include "chat/jinja/letters.h"

static const char *symbol(mu_operator op) {
    static const char *const symbols[] = {
        [MU_OP_ADD] = "+", [MU_OP_SUB] = "-",       [MU_OP_MUL] = "*", [MU_OP_DIV] = "/",
        [MU_OP_MOD] = "%", [MU_OP_FLOORDIV] = "//", [MU_OP_POW] = "**"};
    return symbols[op];
}

static bool too_large(mu_run *run) {
    return mu_run_fail(run, MU_ERR_LIMIT, "a number that does not fit 64 bits");
}

static bool by_zero(mu_run *run) {
    return mu_run_fail(run, MU_ERR_INVALID, "division by zero");
}

static bool int_power(mu_run *run, int64_t base, int64_t exponent, mu_value *out) {
    if (exponent < 0) {
        if (base == 0) return by_zero(run);
        *out = mu_value_float(pow((double)base, (double)exponent));
        return true;
    }
    int64_t result = 1;
    bool is_trivial = base >= -1 && base <= 1;
    if (is_trivial) exponent = exponent == 0 ? 0 : 2 - exponent % 2;
    for (; exponent > 0; exponent--) { /* at most 63 turns before it overflows */
        if (__builtin_mul_overflow(result, base, &result)) return too_large(run);
    }
    *out = mu_value_int(result);
    return true;
}

/* Python rounds quotients down and gives the remainder the divisor's sign. */
static bool int_divide(mu_run *run, mu_operator op, int64_t a, int64_t b, mu_value *out) {
    if (b == 0) return by_zero(run);
    if (b == -1 && a == INT64_MIN) return too_large(run);
    int64_t quotient = a / b, rest = a % b;
    if (rest != 0 && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    *out = mu_value_int(op == MU_OP_MOD ? rest : quotient);
    return true;
}

static bool int_apply(mu_run *run, mu_operator op, int64_t a, int64_t b, mu_value *out) {
    int64_t result = 0;
    switch (op) {
    case MU_OP_ADD:
        if (__builtin_add_overflow(a, b, &result)) return too_large(run);
        break;
    case MU_OP_SUB:
        if (__builtin_sub_overflow(a, b, &result)) return too_large(run);
        break;
    case MU_OP_MUL:
        if (__builtin_mul_overflow(a, b, &result)) return too_large(run);
        break;
    case MU_OP_DIV:
        if (b == 0) return by_zero(run);
        *out = mu_value_float((double)a / (double)b);
        return true;
    case MU_OP_POW:
        return int_power(run, a, b, out);
    default:
        return int_divide(run, op, a, b, out);
    }
    *out = mu_value_int(result);
    return true;
}

static bool float_apply(mu_run *run, mu_operator op, double a, double b, mu_value *out) {
    double result = 0;
    bool divides = op == MU_OP_DIV || op == MU_OP_FLOORDIV || op == MU_OP_MOD;
    if (divides && b == 0) return by_zero(run);
    switch (op) {
    case MU_OP_ADD:
        result = a + b;
        break;
    case MU_OP_SUB:
        result = a - b;
        break;
    case MU_OP_MUL:
        result = a * b;
        break;
    case MU_OP_DIV:
        result = a / b;
        break;
    case MU_OP_POW:
        result = pow(a, b);
        break;
    case MU_OP_FLOORDIV:
        result = floor(a / b);
        break;
    default:
        result = fmod(a, b);
        if (result != 0 && (result < 0) != (b < 0)) result += b;
        break;
    }
    *out = mu_value_float(result);
    return true;
}

static bool repeat_text(mu_run *run, mu_marked text, int64_t n, mu_value *out) {
    mu_marked_builder b;
    mu_run_builder(run, &b);
    for (int64_t i = 0; i < n && text.n > 0; i++) {
        if (!mu_run_charge(run, 1)) return false;
        mu_marked_append(&b, text);
        if (b.failed) break;
    }
    *out = mu_value_text((mu_marked){0});
    return mu_run_built(run, &b, &out->text);
}

static bool append_all(mu_run *run, mu_value_list *to, const mu_value_list *from) {
    for (size_t i = 0; i < from->n; i++) {
        if (!mu_value_list_append(run, to, from->items[i])) return false;
    }
    return true;
}

static bool repeat_list(mu_run *run, mu_value v, int64_t n, mu_value *out) {
    mu_value_list *list;
    if (!mu_value_list_new(run, 0, &list)) return false;
    for (int64_t i = 0; i < n && v.list->n > 0; i++) {
        if (!append_all(run, list, v.list)) return false;
    }
    *out = mu_value_of_list(list, v.kind);
    return true;
}

/* A text that is marked safe escapes the other one, which is what the reference does: some prompts
 * have "&#34;" for that reason, and models were trained on them. */
static bool join_texts(mu_run *run, mu_value a, mu_value b, mu_value *out) {
    mu_marked_builder builder;
    bool is_markup = a.is_markup || b.is_markup;
    mu_run_builder(run, &builder);
    if (is_markup && !a.is_markup && !mu_text_escaped(run, a.text, &a.text)) return false;
    if (is_markup && !b.is_markup && !mu_text_escaped(run, b.text, &b.text)) return false;
    mu_marked_append(&builder, a.text);
    mu_marked_append(&builder, b.text);
    *out = mu_value_text((mu_marked){0});
    out->is_markup = is_markup;
    return mu_run_charge(run, (a.text.n + b.text.n) / 256) &&
           mu_run_built(run, &builder, &out->text);
}

static bool join_lists(mu_run *run, mu_value a, mu_value b, mu_value *out) {
    mu_value_list *list;
    if (!mu_value_list_new(run, a.list->n + b.list->n, &list)) return false;
    if (!append_all(run, list, a.list) || !append_all(run, list, b.list)) return false;
    *out = mu_value_of_list(list, a.kind);
    return true;
}

bool mu_operator_apply(mu_run *run, mu_operator op, mu_value a, mu_value b, mu_value *out) {
    int64_t i = 0, j = 0;
    double x = 0, y = 0;
    if (a.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, a);
    if (op == MU_OP_MOD && a.kind == MU_VALUE_TEXT) return mu_text_format(run, a.text, b, out);
    if (b.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, b);
    if (mu_value_as_int(a, &i) && mu_value_as_int(b, &j)) return int_apply(run, op, i, j, out);
    if (mu_value_as_number(a, &x) && mu_value_as_number(b, &y))
        return float_apply(run, op, x, y, out);
    if (op == MU_OP_ADD && a.kind == MU_VALUE_TEXT && b.kind == MU_VALUE_TEXT)
        return join_texts(run, a, b, out);
    if (op == MU_OP_ADD && mu_value_is_sequence(a) && a.kind == b.kind)
        return join_lists(run, a, b, out);
    if (op == MU_OP_MUL && (mu_value_as_int(a, &i) || mu_value_as_int(b, &i))) {
        mu_value repeated = mu_value_as_int(a, &i) ? b : a;
        if (repeated.kind == MU_VALUE_TEXT) return repeat_text(run, repeated.text, i, out);
        if (mu_value_is_sequence(repeated)) return repeat_list(run, repeated, i, out);
    }
    return mu_run_fail(run, MU_ERR_INVALID, "unsupported operand type(s) for %s: '%s' and '%s'",
                       symbol(op), mu_value_type_name(a.kind), mu_value_type_name(b.kind));
}

bool mu_operator_compare(mu_run *run, mu_operator op, mu_value a, mu_value b, bool *out) {
    int order = 0;
    bool is;
    switch (op) {
    case MU_OP_EQ:
        return mu_value_equals(run, a, b, out);
    case MU_OP_NE:
        if (!mu_value_equals(run, a, b, &is)) return false;
        *out = !is;
        return true;
    case MU_OP_IN:
        return mu_value_contains(run, b, a, out);
    case MU_OP_NOT_IN:
        if (!mu_value_contains(run, b, a, &is)) return false;
        *out = !is;
        return true;
    default:
        break;
    }
    if (!mu_value_compare(run, a, b, &order)) return false;
    *out = op == MU_OP_LT   ? order < 0
           : op == MU_OP_LE ? order <= 0
           : op == MU_OP_GT ? order > 0
                            : order >= 0;
    return true;
}

bool mu_operator_negate(mu_run *run, mu_value a, mu_value *out) {
    int64_t i = 0;
    if (a.kind == MU_VALUE_UNDEFINED) return mu_value_fail_undefined(run, a);
    if (mu_value_as_int(a, &i)) return int_apply(run, MU_OP_SUB, 0, i, out);
    if (a.kind == MU_VALUE_FLOAT) {
        *out = mu_value_float(-a.real);
        return true;
    }
    return mu_run_fail(run, MU_ERR_INVALID, "bad operand type for unary -: '%s'",
                       mu_value_type_name(a.kind));
}
