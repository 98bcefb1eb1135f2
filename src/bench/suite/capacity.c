#include "bench/suite/capacity.h"

#include <math.h>
#include <string.h>

/* A closed loop of few clients is below the capacity, one of many above what meets an objective. */
static const double first_part = 0.7, step_up = 1.4, close_enough = 0.05;

void mu_capacity_begin(mu_capacity_search *search, double reference, uint32_t n_cells) {
    MU_ASSERT(reference > 0 && n_cells > 0);
    *search = (mu_capacity_search){.next = reference * first_part, .n_left = n_cells};
}

bool mu_capacity_feed(mu_capacity_search *s, bool is_met) {
    MU_ASSERT(s->n_left > 0);
    s->n_left--;
    if (is_met) {
        s->met = fmax(s->met, s->next);
    } else {
        s->failed = s->failed > 0 ? fmin(s->failed, s->next) : s->next;
    }
    if (s->failed == 0) {
        s->next *= step_up;
    } else if (s->met == 0) {
        s->next /= 2;
    } else {
        s->next = (s->met + s->failed) / 2;
    }
    bool is_found = s->met > 0 && s->failed > 0 && s->failed / s->met - 1 < close_enough;
    return s->n_left > 0 && !is_found;
}

bool mu_capacity_is_met(const json_t *cell, bool is_quick) {
    const json_t *goodput = json_object_get(cell, "goodput");
    const json_t *attainment = json_object_get(goodput, "attainment");
    const char *stamp =
        json_string_value(json_object_get(json_object_get(cell, "validity"), "status"));
    double wanted = json_number_value(json_object_get(json_object_get(goodput, "slo"), "attain"));
    const json_t *share = json_object_get(attainment, is_quick ? "value" : "low");
    if (!json_is_number(share) || !stamp || strcmp(stamp, "SATURATED") == 0) return false;
    return json_number_value(share) >= wanted;
}
