/* The tests of templates: "x is NAME". */
#include "chat/jinja/callable.h"
#include "chat/jinja/characters.h"
#include "chat/jinja/operators.h"

#define TEST(name) \
    static bool is_##name(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out)

static bool answer(mu_value *out, bool is) {
    *out = mu_value_bool(is);
    return true;
}

static bool compare(mu_run *run, mu_operator op, mu_value a, mu_value b, mu_value *out) {
    bool is;
    return mu_operator_compare(run, op, a, b, &is) && answer(out, is);
}

TEST(defined) {
    (void)run, (void)args;
    return answer(out, self.kind != MU_VALUE_UNDEFINED);
}

TEST(undefined) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_UNDEFINED);
}

TEST(none) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_NONE);
}

TEST(boolean) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_BOOL);
}

TEST(true) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_BOOL && self.boolean);
}

TEST(false) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_BOOL && !self.boolean);
}

TEST(integer) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_INT);
}

TEST(float) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_FLOAT);
}

TEST(number) {
    double unused;
    (void)run, (void)args;
    return answer(out, mu_value_as_number(self, &unused));
}

TEST(string) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_TEXT);
}

TEST(mapping) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_DICT);
}

/* Undefined can be iterated and measured, so it is both. */
static bool can_be_walked(mu_value v) {
    return v.kind == MU_VALUE_TEXT || v.kind == MU_VALUE_DICT || mu_value_is_sequence(v) ||
           v.kind == MU_VALUE_UNDEFINED;
}

TEST(iterable) {
    (void)run, (void)args;
    return answer(out, can_be_walked(self) || self.kind == MU_VALUE_LOOP);
}

TEST(sequence) {
    (void)run, (void)args;
    return answer(out, can_be_walked(self));
}

TEST(callable) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_FUNCTION || self.kind == MU_VALUE_METHOD ||
                           self.kind == MU_VALUE_MACRO || self.kind == MU_VALUE_LOOP ||
                           self.kind == MU_VALUE_UNDEFINED);
}

TEST(sameas) {
    bool is_same = false;
    mu_value other = args->values[0];
    if (self.kind == other.kind && !mu_value_equals(run, self, other, &is_same)) return false;
    bool is_shared = mu_value_is_sequence(self) || self.kind == MU_VALUE_DICT;
    return answer(out, is_same && (!is_shared || self.list == other.list));
}

static bool remainder_is(mu_run *run, mu_value v, int64_t divisor, int64_t wanted, mu_value *out) {
    mu_value rest;
    return mu_operator_apply(run, MU_OP_MOD, v, mu_value_int(divisor), &rest) &&
           compare(run, MU_OP_EQ, rest, mu_value_int(wanted), out);
}

TEST(odd) {
    (void)args;
    return remainder_is(run, self, 2, 1, out);
}

TEST(even) {
    (void)args;
    return remainder_is(run, self, 2, 0, out);
}

TEST(divisibleby) {
    int64_t divisor;
    if (!mu_argument_int(run, "divisibleby", args->values[0], &divisor)) return false;
    return remainder_is(run, self, divisor, 0, out);
}

/* Has letters, and all that have a case have that one. */
static bool all_in_case(mu_marked text, bool (*wanted)(uint32_t), bool (*other)(uint32_t)) {
    size_t n;
    bool has = false;
    for (size_t at = 0; at < text.n; at += n) {
        uint32_t c = mu_character_decode(text.data + at, text.n - at, &n);
        if (other(c)) return false;
        has |= wanted(c);
    }
    return has;
}

TEST(lower) {
    (void)args;
    bool is = self.kind == MU_VALUE_TEXT &&
              all_in_case(self.text, mu_character_is_lower, mu_character_is_upper);
    return mu_run_charge(run, 1) && answer(out, is);
}

TEST(upper) {
    (void)args;
    bool is = self.kind == MU_VALUE_TEXT &&
              all_in_case(self.text, mu_character_is_upper, mu_character_is_lower);
    return mu_run_charge(run, 1) && answer(out, is);
}

TEST(filter) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_TEXT && mu_filter_find(self.text));
}

TEST(test) {
    (void)run, (void)args;
    return answer(out, self.kind == MU_VALUE_TEXT && mu_test_find(self.text));
}

TEST(in) {
    return compare(run, MU_OP_IN, self, args->values[0], out);
}

TEST(equal) {
    return compare(run, MU_OP_EQ, self, args->values[0], out);
}

TEST(unequal) {
    return compare(run, MU_OP_NE, self, args->values[0], out);
}

TEST(greater) {
    return compare(run, MU_OP_GT, self, args->values[0], out);
}

TEST(greater_equal) {
    return compare(run, MU_OP_GE, self, args->values[0], out);
}

TEST(less) {
    return compare(run, MU_OP_LT, self, args->values[0], out);
}

TEST(less_equal) {
    return compare(run, MU_OP_LE, self, args->values[0], out);
}

#define ALONE(name) \
    { #name, is_##name, 0, {0 }, false }
#define WITH_ONE(name, fn) \
    { name, fn, 1, {"other"}, false }

static const mu_callable tests[] = {
    ALONE(boolean),
    ALONE(callable),
    ALONE(defined),
    ALONE(even),
    ALONE(false),
    ALONE(filter),
    ALONE(float),
    ALONE(integer),
    ALONE(iterable),
    ALONE(lower),
    ALONE(mapping),
    ALONE(none),
    ALONE(number),
    ALONE(odd),
    ALONE(sequence),
    ALONE(string),
    ALONE(test),
    ALONE(true),
    ALONE(undefined),
    ALONE(upper),
    WITH_ONE("divisibleby", is_divisibleby),
    WITH_ONE("sameas", is_sameas),
    WITH_ONE("in", is_in),
    WITH_ONE("==", is_equal),
    WITH_ONE("eq", is_equal),
    WITH_ONE("equalto", is_equal),
    WITH_ONE("!=", is_unequal),
    WITH_ONE("ne", is_unequal),
    WITH_ONE(">", is_greater),
    WITH_ONE("gt", is_greater),
    WITH_ONE("greaterthan", is_greater),
    WITH_ONE(">=", is_greater_equal),
    WITH_ONE("ge", is_greater_equal),
    WITH_ONE("<", is_less),
    WITH_ONE("lt", is_less),
    WITH_ONE("lessthan", is_less),
    WITH_ONE("<=", is_less_equal),
    WITH_ONE("le", is_less_equal),
};

const mu_callable_table mu_tests = {tests, MU_COUNTOF(tests)};
