#include "bench/suite/capacity.h"

#include <math.h>
#include <string.h>

#include "base/intervals.h"
#include "bench/result/path.h"

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

mu_capacity_outcome mu_capacity_judge(const json_t *cell) {
    double wanted = mu_document_number(cell, "goodput.slo.attain");
    double share = mu_document_number(cell, "goodput.attainment.value");
    double low = mu_document_number(cell, "goodput.attainment.low");
    double n = mu_document_number(cell, "goodput.offered");
    bool is_saturated = strcmp(mu_document_text(cell, "validity.status"), "SATURATED") == 0;
    if (is_saturated || !(share >= wanted) || !(n > 0)) return MU_CAPACITY_MISSED;
    if (low >= wanted) return MU_CAPACITY_MET;
    bool could_show = mu_interval_proportion((uint64_t)n, (uint64_t)n).low >= wanted;
    return could_show ? MU_CAPACITY_MISSED : MU_CAPACITY_LIKELY;
}
