/* fact.h - a number or a text that a system may not tell: unknown with a reason, never 0.
 *
 * A zeroed fact is unknown ("not measured"). In JSON a known fact is its value; an unknown one is
 * null, and the object's member "unknown" maps its name to the reason.
 */
#ifndef MU_BENCH_PROBE_FACT_H
#define MU_BENCH_PROBE_FACT_H

#include <jansson.h>

#include "base/base.h"

typedef struct mu_fact {
    bool is_known;
    double value;    /* counts and bytes are exact up to 2^53 */
    const char *why; /* it is unknown; a constant text */
} mu_fact;

typedef struct mu_text_fact {
    bool is_known;
    char text[160]; /* cut off */
    const char *why;
} mu_text_fact;

static inline mu_fact mu_fact_of(double value) {
    return (mu_fact){.is_known = true, .value = value};
}

static inline mu_fact mu_fact_unknown(const char *why) {
    return (mu_fact){.why = why};
}

/* Unknown as soon as one of them is, with its reason. */
mu_fact mu_fact_add(mu_fact a, mu_fact b);
mu_fact mu_fact_subtract(mu_fact a, mu_fact b);
mu_fact mu_fact_max(mu_fact a, mu_fact b);

mu_text_fact mu_text_fact_of(const char *text, size_t n); /* without blanks at its ends */
mu_text_fact mu_text_fact_unknown(const char *why);

/* Set object[key], and object.unknown[key] when it is unknown. */
void mu_fact_set_json(json_t *object, const char *key, const mu_fact *fact);
void mu_text_fact_set_json(json_t *object, const char *key, const mu_text_fact *fact);

#endif
