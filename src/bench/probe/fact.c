#include "bench/probe/fact.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const char NOT_MEASURED[] = "not measured";

static mu_fact combine(mu_fact a, mu_fact b, double value) {
    if (!a.is_known) return a;
    if (!b.is_known) return b;
    return mu_fact_of(value);
}

mu_fact mu_fact_add(mu_fact a, mu_fact b) {
    return combine(a, b, a.value + b.value);
}

mu_fact mu_fact_subtract(mu_fact a, mu_fact b) {
    return combine(a, b, a.value - b.value);
}

mu_fact mu_fact_max(mu_fact a, mu_fact b) {
    return combine(a, b, a.value > b.value ? a.value : b.value);
}

mu_text_fact mu_text_fact_of(const char *text, size_t n) {
    mu_text_fact fact = {.is_known = true};
    while (n > 0 && isspace((unsigned char)text[0])) {
        text++, n--;
    }
    while (n > 0 && isspace((unsigned char)text[n - 1])) {
        n--;
    }
    if (n >= sizeof(fact.text)) n = sizeof(fact.text) - 1;
    memcpy(fact.text, text, n);
    return fact;
}

mu_text_fact mu_text_fact_unknown(const char *why) {
    return (mu_text_fact){.why = why};
}

static void set_unknown(json_t *object, const char *key, const char *why) {
    json_object_set_new(object, key, json_null());
    json_t *reasons = json_object_get(object, "unknown");
    if (!reasons) {
        reasons = json_object();
        json_object_set_new(object, "unknown", reasons);
    }
    json_object_set_new(reasons, key, json_string(why ? why : NOT_MEASURED));
}

void mu_fact_set_json(json_t *object, const char *key, const mu_fact *fact) {
    const double whole_max = 9007199254740992.0; /* 2^53 */
    if (!fact->is_known) {
        set_unknown(object, key, fact->why);
    } else if (fact->value == floor(fact->value) && fabs(fact->value) <= whole_max) {
        json_object_set_new(object, key, json_integer((json_int_t)fact->value));
    } else {
        json_object_set_new(object, key, json_real(fact->value));
    }
}

void mu_text_fact_set_json(json_t *object, const char *key, const mu_text_fact *fact) {
    if (!fact->is_known) {
        set_unknown(object, key, fact->why);
        return;
    }
    json_t *text = json_string(fact->text);
    if (!text) text = json_string(""); /* not UTF-8 */
    json_object_set_new(object, key, text);
}
