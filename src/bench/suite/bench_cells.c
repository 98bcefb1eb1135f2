/* The phases that are made of cells: a plan measured in rounds, and the search for the highest
 * rate.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/result/path.h"
#include "bench/suite/bench_state.h"
#include "bench/suite/capacity.h"
#include "bench/suite/frame.h"

enum {
    CAPACITY_CELLS_QUICK = 4,
    CAPACITY_CELLS_FULL = 9,
    CAPACITY_REQUESTS_MIN = 20, /* of a cell */
    CELL_SECONDS_MIN = 2,       /* however small the budget is */
};

static mu_progress_number number_text(const json_t *cell, const char *path, int digits) {
    return mu_progress_number_of(mu_document_number(cell, path), digits);
}

/* One line that stays on the screen for every cell. */
static void tell_cell(mu_bench *b, const json_t *cell) {
    mu_progress_say(
        b->o->progress, "  %-44s TTFT %7s ms  per token %6s ms  %7s req/s  %8s tok/s  %s",
        mu_document_text(cell, "id"), number_text(cell, "metrics.ttft_service_ms.p50", 1).text,
        number_text(cell, "metrics.tpot_ms.p50", 2).text,
        number_text(cell, "throughput.requests_s.value", 2).text,
        number_text(cell, "throughput.output_tok_s.value", 0).text,
        mu_document_text(cell, "validity.status"));
}

/* A server that nobody can connect to is not measured again and again. */
static mu_status check_answers(mu_bench *b, const json_t *cell, mu_err *err) {
    const json_t *classes = mu_document_at(cell, "reliability.classes");
    const json_t *class = json_array_get(classes, 0);
    double n_failed = mu_document_number(cell, "reliability.failed");
    if (!(n_failed > 0) || mu_document_number(cell, "reliability.ok") > 0) return MU_OK;
    const char *word = mu_document_text(class, "class"), *first = mu_document_text(class, "first");
    if (json_array_size(classes) > 1) return MU_OK;
    if (strcmp(word, "connect") == 0) {
        b->is_lost = true;
        return mu_fail(err, MU_ERR_IO, "no connection any more: %.150s", first);
    }
    mu_progress_say(b->o->progress, "  every request failed, %s: %.200s", word, first);
    return MU_OK;
}

static mu_status measure(mu_bench *b, mu_system *system, const mu_cell_plan *plan, uint32_t run,
                         uint32_t block, json_t **out, mu_err *err) {
    const mu_bench_inside *inside = &b->o->inside;
    uint32_t n_prompt = plan->shape.prompt_tokens;
    const mu_measure_options options = {.system = system,
                                        .plan = plan,
                                        .run = run,
                                        .block = block,
                                        .seed = b->o->seed,
                                        .cell_number = ++b->cell_number,
                                        .slo = b->o->slo,
                                        .steal_limit = b->o->steal_limit,
                                        .limits = mu_system_is_own(system)
                                                      ? inside->limits(inside->ctx, n_prompt)
                                                      : (mu_cell_limits){0},
                                        .pooled = b->pooled,
                                        .raw = b->o->raw,
                                        .progress = b->o->progress,
                                        .view = &b->view,
                                        .is_canceled = b->o->is_canceled};
    mu_status status = mu_measure_cell(&options, out, err);
    if (status == MU_OK) {
        tell_cell(b, *out);
        json_array_append(json_object_get(b->doc, "cells"), *out);
        status = check_answers(b, *out, err);
    }
    return status;
}

/* Measure a plan on one system: returns the first error, after trying the other cells too unless
 * it was canceled. */
static mu_status measure_plan(mu_bench *b, mu_system *system, const mu_plan *plan, uint32_t run,
                              uint32_t block, mu_err *err) {
    mu_status first = MU_OK;
    for (uint32_t i = 0; i < plan->n; i++) {
        json_t *cell = NULL;
        mu_err why;
        mu_bench_show(b, plan->cells[i].label, i + 1, plan->n);
        mu_status status = measure(b, system, &plan->cells[i], run, block, &cell, &why);
        json_decref(cell);
        if (status == MU_OK) continue;
        mu_progress_say(b->o->progress, "  %s: %s", plan->cells[i].id, why.text);
        if (first == MU_OK) {
            first = status;
            *err = why;
        }
        if (status == MU_ERR_CANCELED || status == MU_ERR_NOMEM || b->is_lost) break;
    }
    return first;
}

/* Rounds: of one system fresh processes; of several blocks in ABBA order, every block with fresh
 * processes of ours. */
static mu_status measure_rounds(mu_bench *b, const mu_plan *plan, mu_err *err) {
    const mu_bench_options *o = b->o;
    bool is_comparison = o->n_systems > 1;
    uint32_t n_rounds = mu_bench_n_rounds(o);
    mu_status first = MU_OK;
    for (uint32_t round = 1; round <= n_rounds; round++) {
        for (uint32_t i = 0; i < o->n_systems; i++) {
            bool is_reversed = round % 2 == 0;
            mu_system *system = b->systems[is_reversed ? o->n_systems - 1 - i : i];
            mu_err why;
            mu_status status = n_rounds > 1 ? mu_bench_restart(b, system, &why) : MU_OK;
            if (status == MU_OK) {
                status = measure_plan(b, system, plan, !is_comparison && n_rounds > 1 ? round : 0,
                                      is_comparison ? round : 0, &why);
            }
            if (status == MU_OK) continue;
            if (first == MU_OK) {
                first = status;
                *err = why;
            }
            if (status == MU_ERR_CANCELED || status == MU_ERR_NOMEM || b->is_lost) return status;
        }
    }
    return first;
}

static mu_plan_options plan_options(const mu_bench *b) {
    mu_plan_options options = b->o->plan;
    options.n_ctx = b->n_ctx;
    return options;
}

/* To a share of its length, but not to nothing. */
static void shorten_cell(mu_cell_plan *cell, double share) {
    if (share >= 1) return;
    cell->seconds_max = fmax(cell->seconds_max * share, CELL_SECONDS_MIN);
    cell->seconds_min = fmin(cell->seconds_min, cell->seconds_max);
    cell->warmup_s = fmin(cell->warmup_s, fmax(cell->seconds_max / 5, 0.5));
}

/* Shorten cells so that all rounds fit into the phase's budget. */
static void fit_budget(const mu_bench *b, mu_plan *plan) {
    const mu_bench_options *o = b->o;
    if (b->phase_budget_s <= 0) return;
    double rounds = (double)mu_bench_n_rounds(o) * o->n_systems;
    double share = b->phase_budget_s / (mu_plan_seconds(plan) * rounds);
    for (uint32_t i = 0; i < plan->n; i++) {
        shorten_cell(&plan->cells[i], share);
    }
}

/* The rounds, and what all of them say together. */
static mu_status measure_and_pool(mu_bench *b, const mu_plan *plan, mu_err *err) {
    if (mu_bench_n_rounds(b->o) < 2) return measure_rounds(b, plan, err);
    mu_err why;
    json_t *all = json_object_get(b->doc, "pooled");
    if (!all) json_object_set_new(b->doc, "pooled", all = json_array());
    mu_status status = mu_pooled_open(&b->pooled, err);
    if (status != MU_OK) return status;
    status = measure_rounds(b, plan, err);
    mu_status pooled = mu_pooled_append(b->pooled, all, &why);
    mu_pooled_close(b->pooled);
    b->pooled = NULL;
    if (status == MU_OK && pooled != MU_OK) *err = why;
    return status != MU_OK ? status : pooled;
}

static mu_status run_plan(mu_bench *b, bool (*make)(const mu_plan_options *, mu_plan *),
                          mu_err *err) {
    mu_plan *plan = mu_alloc(sizeof(*plan));
    if (!plan) return mu_fail(err, MU_ERR_NOMEM, "a plan");
    mu_plan_options options = plan_options(b);
    mu_status status = MU_OK;
    if (!make(&options, plan)) {
        status = mu_fail(err, MU_ERR_LIMIT, "more than %d cells", MU_PLAN_CELLS_MAX);
    } else if (plan->n == 0) {
        status = mu_fail(err, MU_ERR_INVALID, "no shape fits the context of %u tokens", b->n_ctx);
    } else {
        if (plan->n_left_out > 0) {
            mu_document_add_note(b->doc, "%s: %u shapes are longer than the context of %u tokens",
                                 b->view.phase, plan->n_left_out, b->n_ctx);
        }
        fit_budget(b, plan);
        size_t before = json_array_size(json_object_get(b->doc, "cells"));
        status = measure_and_pool(b, plan, err);
        size_t n = json_array_size(json_object_get(b->doc, "cells")) - before;
        snprintf(b->summary, sizeof(b->summary), "%zu cells", n);
    }
    mu_free(plan);
    return status;
}

mu_status mu_bench_run_latency(mu_bench *b, mu_err *err) {
    return run_plan(b, mu_plan_latency, err);
}

/* The same system, round and lengths with one client. */
static bool is_base_of(const json_t *one, const json_t *cell) {
    const json_t *run = mu_document_at(cell, "run"), *own = mu_document_at(one, "run");
    return mu_document_number(one, "load.clients") == 1 &&
           strcmp(mu_document_text(one, "phase"), "throughput") == 0 &&
           strcmp(mu_document_text(one, "system"), mu_document_text(cell, "system")) == 0 &&
           json_equal(mu_document_at(one, "load.prompt_tokens"),
                      mu_document_at(cell, "load.prompt_tokens")) &&
           json_equal(mu_document_at(one, "load.output_tokens"),
                      mu_document_at(cell, "load.output_tokens")) &&
           (own == run || json_equal(own, run));
}

/* Throughput of c clients over c times that of one, in the same round. */
static void set_efficiency(json_t *doc) {
    json_t *cells = json_object_get(doc, "cells");
    size_t i, j;
    json_t *cell, *one;
    json_array_foreach(cells, i, cell) {
        if (strcmp(mu_document_text(cell, "phase"), "throughput") != 0) continue;
        double clients = mu_document_number(cell, "load.clients");
        double own = mu_document_number(cell, "throughput.output_tok_s.value");
        json_array_foreach(cells, j, one) {
            if (!is_base_of(one, cell)) continue;
            double base = mu_document_number(one, "throughput.output_tok_s.value");
            double efficiency = own / (clients * base);
            if (!isfinite(efficiency)) continue;
            json_object_set_new(json_object_get(cell, "throughput"), "efficiency",
                                json_real(efficiency));
        }
    }
}

mu_status mu_bench_run_throughput(mu_bench *b, mu_err *err) {
    mu_status status = run_plan(b, mu_plan_throughput, err);
    set_efficiency(b->doc);
    return status;
}

/* The best closed loop's rate, to begin the search at. */
static double reference_rate(const mu_bench *b, const char *system, const mu_shape *shape) {
    double best = 0;
    size_t i;
    const json_t *cell;
    json_array_foreach(json_object_get(b->doc, "cells"), i, cell) {
        bool is_same = strcmp(mu_document_text(cell, "system"), system) == 0 &&
                       mu_document_number(cell, "load.prompt_tokens") == shape->prompt_tokens &&
                       mu_document_number(cell, "load.output_tokens") == shape->output_tokens;
        double rate = mu_document_number(cell, "throughput.requests_s.value");
        if (is_same && rate > best) best = rate;
    }
    return best;
}

static json_t *positive_or_null(double value) {
    return value > 0 ? json_real(value) : json_null();
}

/* budget_s: of the cell, 0: none; it stays long enough to tell anything. */
static mu_cell_plan capacity_cell(const mu_plan_options *options, const mu_shape *shape,
                                  double rate, double budget_s) {
    mu_cell_plan plan = mu_plan_capacity_cell(options, shape, rate);
    if (budget_s > 0) {
        double share = budget_s / (plan.seconds_max + plan.warmup_s);
        shorten_cell(&plan, fmax(share, CAPACITY_REQUESTS_MIN / rate / plan.seconds_max));
    }
    return plan;
}

/* A search and the cell of the highest rate that met the objective, or looked like it. */
typedef struct capacity_result {
    mu_capacity_search search;
    json_t *cells;               /* ids */
    json_t *best;                /* NULL: none */
    mu_capacity_outcome outcome; /* of the best; missed: there is none */
} capacity_result;

/* Why the result is not all that was asked for; "": it is. */
static void explain_capacity(const capacity_result *r, char *out, size_t cap) {
    out[0] = '\0';
    if (json_array_size(r->cells) == 0) {
        snprintf(out, cap, "the rate is too low to be tried in the time of a cell");
    } else if (r->outcome == MU_CAPACITY_MISSED) {
        snprintf(out, cap, "no rate that was tried met the objective");
    } else if (r->outcome == MU_CAPACITY_LIKELY) {
        snprintf(out, cap,
                 "not shown: %.0f requests are too few, %.3g%% are certain (95%%); longer cells "
                 "(--seconds) show more",
                 mu_document_number(r->best, "goodput.offered"),
                 100 * mu_document_number(r->best, "goodput.attainment.low"));
    } else if (r->search.failed == 0) {
        snprintf(out, cap, "every rate that was tried met the objective");
    }
}

static void add_capacity(mu_bench *b, const mu_system *system, const mu_shape *shape,
                         const capacity_result *r) {
    const mu_slo *slo = &b->o->slo;
    char name[32], why[160];
    snprintf(name, sizeof(name), "%u/%u", shape->prompt_tokens, shape->output_tokens);
    explain_capacity(r, why, sizeof(why));
    const json_t *attainment = mu_document_at(r->best, "goodput.attainment");
    json_array_append_new(
        json_object_get(b->doc, "capacity"),
        json_pack("{s:s, s:{s:o, s:o, s:f}, s:s, s:o, s:b, s:O?, s:o, s:O, s:s?}", "system",
                  mu_system_id(system), "slo", "ttft_ms", positive_or_null(slo->ttft_ms), "tpot_ms",
                  positive_or_null(slo->tpot_ms), "attain", slo->attain, "shape", name,
                  "max_rate_per_s", positive_or_null(r->search.met), "is_shown",
                  r->outcome == MU_CAPACITY_MET, "attainment", attainment, "failing_rate_per_s",
                  positive_or_null(r->search.failed), "cells", r->cells, "why",
                  why[0] ? why : NULL));
    snprintf(b->summary, sizeof(b->summary), "%s: %.3g requests/s %s the objective", name,
             r->search.met, r->outcome == MU_CAPACITY_LIKELY ? "seem to meet" : "meet");
}

/* Where to begin: at what the closed loops reached, else at what a cell can tell of at all, with
 * room below. */
static double first_reference(const mu_bench *b, const mu_system *system, const mu_shape *shape,
                              const mu_plan_options *options, double budget_s) {
    double reference = reference_rate(b, mu_system_id(system), shape);
    if (reference > 0) return reference;
    return 4.0 * CAPACITY_REQUESTS_MIN / capacity_cell(options, shape, 1.0, budget_s).seconds_max;
}

static mu_status search_capacity(mu_bench *b, mu_system *system, const mu_shape *shape,
                                 mu_err *err) {
    mu_plan_options options = plan_options(b);
    if (options.arrivals.kind == MU_ARRIVAL_CLOSED) options.arrivals.kind = MU_ARRIVAL_POISSON;
    uint32_t n_cells = options.is_quick ? CAPACITY_CELLS_QUICK : CAPACITY_CELLS_FULL;
    double budget_s = b->phase_budget_s / ((double)n_cells * b->o->n_systems);
    capacity_result r = {.cells = json_array()};
    mu_capacity_search *search = &r.search;
    mu_capacity_begin(search, first_reference(b, system, shape, &options, budget_s), n_cells);
    mu_status status = MU_OK;
    for (bool goes_on = true; goes_on && status == MU_OK;) {
        mu_cell_plan plan = capacity_cell(&options, shape, search->next, budget_s);
        if (search->next * plan.seconds_max < CAPACITY_REQUESTS_MIN) break; /* nothing to learn */
        json_t *cell = NULL;
        uint32_t i = n_cells - search->n_left + 1;
        mu_bench_show(b, plan.label, i, n_cells);
        status = measure(b, system, &plan, 0, 0, &cell, err);
        if (status == MU_OK) {
            mu_capacity_outcome outcome = mu_capacity_judge(cell);
            bool is_met = outcome != MU_CAPACITY_MISSED;
            json_array_append(r.cells, json_object_get(cell, "id"));
            if (is_met && search->next > search->met) {
                json_decref(r.best);
                r.best = json_incref(cell);
                r.outcome = outcome;
            }
            goes_on = mu_capacity_feed(search, is_met);
        }
        json_decref(cell);
    }
    add_capacity(b, system, shape, &r);
    json_decref(r.cells);
    json_decref(r.best);
    return status;
}

mu_status mu_bench_run_rate(mu_bench *b, mu_err *err) {
    if (b->o->plan.n_rates > 0) return run_plan(b, mu_plan_rate, err);
    const mu_plan_options *plan = &b->o->plan;
    mu_status status = MU_OK;
    for (uint32_t s = 0; s < b->o->n_systems && status == MU_OK; s++) {
        const mu_shape *shape = plan->n_shapes > 0 ? &plan->shapes[0] : &mu_shape_short;
        status = search_capacity(b, b->systems[s], shape, err);
    }
    return status;
}
