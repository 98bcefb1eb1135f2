#include "bench/suite/bench.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/document.h"
#include "bench/judge/document_comparison.h"
#include "bench/judge/recommendations.h"
#include "bench/suite/capacity.h"
#include "bench/suite/document.h"
#include "bench/suite/instrument.h"
#include "bench/suite/stress.h"

enum {
    CAPACITY_CELLS_QUICK = 4,
    CAPACITY_CELLS_FULL = 9,
    CAPACITY_REQUESTS_MIN = 20, /* of a cell */
    SUMMARY_MAX = 200
};

typedef struct bench {
    const mu_bench_options *o;
    mu_system *systems[MU_SYSTEMS_MAX];
    json_t *doc;
    mu_machine_rates rates;
    mu_progress_view view;
    uint64_t start_ns, cell_number;
    double planned_s;          /* of the whole run, roughly */
    uint32_t n_ctx;            /* the smallest that a system says; 0: not known */
    char summary[SUMMARY_MAX]; /* of the phase that runs */
} bench;

static double elapsed_s(const bench *b) {
    return (double)(mu_now_ns() - b->start_ns) * 1e-9;
}

static void show_part(bench *b, const char *what, uint32_t i, uint32_t n) {
    mu_progress_view *v = &b->view;
    v->what = what;
    v->i_part = i;
    v->n_parts = n;
    v->has_load = false;
    v->fraction = b->planned_s > 0 ? elapsed_s(b) / b->planned_s : 0;
    v->seconds_left = b->planned_s > elapsed_s(b) ? b->planned_s - elapsed_s(b) : -1;
    mu_progress_show(b->o->progress, v, true);
}

static bool is_canceled(const bench *b) {
    return b->o->is_canceled && b->o->is_canceled();
}

/* One line that stays on the screen for every cell. */
static void tell_cell(bench *b, const json_t *cell) {
    const json_t *metrics = json_object_get(cell, "metrics");
    double ttft = mu_document_number(metrics, "ttft_service_ms.p50");
    double tpot = mu_document_number(metrics, "tpot_ms.p50");
    const json_t *through = json_object_get(cell, "throughput");
    mu_progress_say(
        b->o->progress, "  %-44s TTFT %7.1f ms  per token %6.2f ms  %7.2f req/s  %8.0f tok/s  %s",
        mu_document_text(cell, "id"), ttft, tpot, mu_document_number(through, "requests_s.value"),
        mu_document_number(through, "output_tok_s.value"),
        mu_document_text(cell, "validity.status"));
}

static mu_status measure(bench *b, mu_system *system, const mu_cell_plan *plan, uint32_t run,
                         uint32_t block, json_t **out, mu_err *err) {
    const mu_measure_options options = {.system = system,
                                        .plan = plan,
                                        .run = run,
                                        .block = block,
                                        .seed = b->o->seed,
                                        .cell_number = ++b->cell_number,
                                        .slo = b->o->slo,
                                        .steal_limit = b->o->steal_limit,
                                        .rates = b->rates,
                                        .raw = b->o->raw,
                                        .progress = b->o->progress,
                                        .view = &b->view,
                                        .is_canceled = b->o->is_canceled};
    mu_status status = mu_measure_cell(&options, out, err);
    if (status == MU_OK) {
        tell_cell(b, *out);
        json_array_append(json_object_get(b->doc, "cells"), *out);
    }
    return status;
}

/* Measure a plan on one system: returns the first error, after trying the other cells too unless
 * it was canceled. */
static mu_status measure_plan(bench *b, mu_system *system, const mu_plan *plan, uint32_t run,
                              uint32_t block, mu_err *err) {
    mu_status first = MU_OK;
    for (uint32_t i = 0; i < plan->n; i++) {
        json_t *cell = NULL;
        mu_err why;
        show_part(b, plan->cells[i].label, i + 1, plan->n);
        mu_status status = measure(b, system, &plan->cells[i], run, block, &cell, &why);
        json_decref(cell);
        if (status == MU_OK) continue;
        mu_progress_say(b->o->progress, "  %s: %s", plan->cells[i].id, why.text);
        if (first == MU_OK) {
            first = status;
            *err = why;
        }
        if (status == MU_ERR_CANCELED || status == MU_ERR_NOMEM) break;
    }
    return first;
}

static mu_status restart(bench *b, mu_system *system, mu_err *err) {
    if (mu_system_is_own(system)) mu_system_stop(system);
    show_part(b, "starting the server", 0, 0);
    return mu_system_start(system, err);
}

/* Rounds: of one system fresh processes; of several blocks in ABBA order, every block with fresh
 * processes of ours. */
static mu_status measure_rounds(bench *b, const mu_plan *plan, mu_err *err) {
    const mu_bench_options *o = b->o;
    bool is_comparison = o->n_systems > 1;
    uint32_t n_rounds = is_comparison ? o->blocks : o->runs;
    mu_status first = MU_OK;
    for (uint32_t round = 1; round <= n_rounds; round++) {
        for (uint32_t i = 0; i < o->n_systems; i++) {
            bool is_reversed = round % 2 == 0;
            mu_system *system = b->systems[is_reversed ? o->n_systems - 1 - i : i];
            mu_err why;
            mu_status status = n_rounds > 1 ? restart(b, system, &why) : MU_OK;
            if (status == MU_OK) {
                status = measure_plan(b, system, plan, !is_comparison && n_rounds > 1 ? round : 0,
                                      is_comparison ? round : 0, &why);
            }
            if (status == MU_OK) continue;
            if (first == MU_OK) {
                first = status;
                *err = why;
            }
            if (status == MU_ERR_CANCELED || status == MU_ERR_NOMEM) return status;
        }
    }
    return first;
}

static mu_plan_options plan_options(const bench *b) {
    mu_plan_options options = b->o->plan;
    options.n_ctx = b->n_ctx;
    return options;
}

/* Shorten cells so that the rounds fit into what is left of the budget. */
static void fit_budget(const bench *b, mu_plan *plan) {
    const mu_bench_options *o = b->o;
    if (o->budget_s <= 0) return;
    double rounds = o->n_systems > 1 ? (double)o->blocks * o->n_systems : o->runs;
    double left = fmax(o->budget_s - elapsed_s(b), 1), wanted = mu_plan_seconds(plan) * rounds;
    if (wanted <= left) return;
    for (uint32_t i = 0; i < plan->n; i++) {
        mu_cell_plan *cell = &plan->cells[i];
        cell->seconds_max = fmax(cell->seconds_max * left / wanted, 2);
        cell->seconds_min = fmin(cell->seconds_min, cell->seconds_max);
        cell->warmup_s = fmin(cell->warmup_s, fmax(cell->seconds_max / 5, 0.5));
    }
}

static mu_status run_plan(bench *b, bool (*make)(const mu_plan_options *, mu_plan *), mu_err *err) {
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
        status = measure_rounds(b, plan, err);
        size_t n = json_array_size(json_object_get(b->doc, "cells")) - before;
        snprintf(b->summary, sizeof(b->summary), "%zu cells", n);
    }
    mu_free(plan);
    return status;
}

static mu_status run_latency(bench *b, mu_err *err) {
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

static mu_status run_throughput(bench *b, mu_err *err) {
    mu_status status = run_plan(b, mu_plan_throughput, err);
    set_efficiency(b->doc);
    return status;
}

/* The best closed loop's rate, to begin the search at. */
static double reference_rate(const bench *b, const char *system, const mu_shape *shape) {
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

static mu_status search_capacity(bench *b, mu_system *system, const mu_shape *shape, mu_err *err) {
    const mu_bench_options *o = b->o;
    mu_plan_options options = plan_options(b);
    if (options.arrivals.kind == MU_ARRIVAL_CLOSED) options.arrivals.kind = MU_ARRIVAL_POISSON;
    double reference = reference_rate(b, mu_system_id(system), shape);
    json_t *cells = json_array();
    mu_capacity_search search;
    mu_status status = MU_OK;
    bool is_quick = options.is_quick, goes_on = true;
    mu_capacity_begin(&search, reference > 0 ? reference : 1.0,
                      is_quick ? CAPACITY_CELLS_QUICK : CAPACITY_CELLS_FULL);
    for (uint32_t i = 1; goes_on && status == MU_OK; i++) {
        mu_cell_plan plan = mu_plan_capacity_cell(&options, shape, search.next);
        json_t *cell = NULL;
        if (search.next * plan.seconds_max < CAPACITY_REQUESTS_MIN) break; /* nothing to learn */
        show_part(b, plan.label, i, i + search.n_left - 1);
        status = measure(b, system, &plan, 0, 0, &cell, err);
        if (status == MU_OK) {
            json_array_append(cells, json_object_get(cell, "id"));
            goes_on = mu_capacity_feed(&search, mu_capacity_is_met(cell, is_quick));
        }
        json_decref(cell);
    }
    const char *why = search.met == 0      ? "no rate that was tried met the objective"
                      : search.failed == 0 ? "every rate that was tried met the objective"
                                           : NULL;
    char name[32];
    snprintf(name, sizeof(name), "%u/%u", shape->prompt_tokens, shape->output_tokens);
    json_array_append_new(json_object_get(b->doc, "capacity"),
                          json_pack("{s:s, s:{s:o, s:o, s:f}, s:s, s:o, s:o, s:o, s:o}", "system",
                                    mu_system_id(system), "slo", "ttft_ms",
                                    positive_or_null(o->slo.ttft_ms), "tpot_ms",
                                    positive_or_null(o->slo.tpot_ms), "attain", o->slo.attain,
                                    "shape", name, "max_rate_per_s", positive_or_null(search.met),
                                    "failing_rate_per_s", positive_or_null(search.failed), "cells",
                                    cells, "why", why ? json_string(why) : json_null()));
    snprintf(b->summary, sizeof(b->summary), "%s: %.3g requests/s meet the objective", name,
             search.met);
    return status;
}

static mu_status run_rate(bench *b, mu_err *err) {
    if (b->o->plan.n_rates > 0) return run_plan(b, mu_plan_rate, err);
    const mu_plan_options *plan = &b->o->plan;
    mu_status status = MU_OK;
    for (uint32_t s = 0; s < b->o->n_systems && status == MU_OK; s++) {
        const mu_shape *shape = plan->n_shapes > 0 ? &plan->shapes[0] : &mu_shape_short;
        status = search_capacity(b, b->systems[s], shape, err);
    }
    return status;
}

static mu_status run_memory(bench *b, mu_err *err) {
    mu_status first = MU_OK;
    for (uint32_t s = 0; s < b->o->n_systems; s++) {
        const mu_memory_options options = {.system = b->systems[s],
                                           .is_quick = b->o->plan.is_quick,
                                           .n_ctx = b->n_ctx,
                                           .leak_seconds = b->o->seconds,
                                           .seed = b->o->seed,
                                           .progress = b->o->progress,
                                           .view = &b->view,
                                           .is_canceled = b->o->is_canceled};
        json_t *memory = NULL;
        mu_err why;
        b->view.i_part = s + 1;
        b->view.n_parts = b->o->n_systems;
        if (mu_system_is_own(b->systems[s])) mu_system_stop(b->systems[s]);
        mu_status status = mu_memory_measure(&options, &memory, &why);
        if (status == MU_OK) {
            snprintf(b->summary, sizeof(b->summary), "%.0f MB idle, %.0f MB under load; leak: %s",
                     mu_document_number(memory, "footprint.rss_mb"),
                     mu_document_number(memory, "inference.peak_mb"),
                     mu_document_text(memory, "leak.verdict"));
            json_array_append_new(json_object_get(b->doc, "memory"), memory);
            /* What comes next must not find memory and caches as this phase left them. */
            if (mu_system_is_own(b->systems[s])) status = restart(b, b->systems[s], &why);
        }
        if (status != MU_OK && first == MU_OK) {
            first = status;
            *err = why;
        }
        if (status == MU_ERR_CANCELED) break;
    }
    return first;
}

static mu_status run_soak(bench *b, mu_err *err) {
    mu_status status = MU_OK;
    for (uint32_t s = 0; s < b->o->n_systems && status == MU_OK; s++) {
        const mu_leak_watch_options options = {
            .system = b->systems[s],
            .shape = b->o->plan.n_shapes > 0 ? b->o->plan.shapes[0] : mu_shape_short,
            .clients = b->o->plan.n_clients > 0 ? b->o->plan.clients[0] : 16,
            .seconds = b->o->seconds > 0     ? b->o->seconds
                       : b->o->plan.is_quick ? 60
                                             : 3600,
            .cycle_seconds = b->o->plan.is_quick ? 2 : 30,
            .seed = b->o->seed,
            .progress = b->o->progress,
            .view = &b->view,
            .is_canceled = b->o->is_canceled};
        json_t *leak = NULL;
        show_part(b, "requests, checkpoints, requests, ...", s + 1, b->o->n_systems);
        status = mu_leak_watch(&options, &leak, err);
        if (status != MU_OK) break;
        snprintf(b->summary, sizeof(b->summary), "%s: %.120s", mu_document_text(leak, "verdict"),
                 mu_document_text(leak, "why"));
        json_array_append_new(
            json_object_get(b->doc, "memory"),
            json_pack("{s:s, s:o}", "system", mu_system_id(b->systems[s]), "leak", leak));
    }
    return status;
}

static mu_status run_stress(bench *b, mu_err *err) {
    mu_status status = MU_OK;
    for (uint32_t s = 0; s < b->o->n_systems && status == MU_OK; s++) {
        const mu_stress_options options = {.system = b->systems[s],
                                           .n_ctx = b->n_ctx,
                                           .is_quick = b->o->plan.is_quick,
                                           .seed = b->o->seed,
                                           .progress = b->o->progress,
                                           .view = &b->view,
                                           .is_canceled = b->o->is_canceled};
        json_t *stress = NULL;
        status = mu_stress_run(&options, &stress, err);
        if (status != MU_OK) break;
        snprintf(b->summary, sizeof(b->summary), "%.190s", mu_document_text(stress, "summary"));
        json_t *all = json_object_get(b->doc, "stress");
        if (!all) json_object_set_new(b->doc, "stress", all = json_array());
        json_array_append_new(all, stress);
    }
    return status;
}

static mu_status measure_instrument(bench *b, mu_err *err) {
    static const uint32_t streams[] = {1, 8, 32};
    json_t *rows = json_object_get(json_object_get(b->doc, "instrument"), "rows");
    for (size_t i = 0; i < MU_COUNTOF(streams); i++) {
        mu_instrument_error error;
        show_part(b, "the instrument against a server of known truth", (uint32_t)i + 1,
                  MU_COUNTOF(streams));
        if (is_canceled(b)) return mu_fail(err, MU_ERR_CANCELED, "stopped");
        mu_status status =
            mu_instrument_measure(streams[i], b->o->plan.is_quick ? 1.5 : 5, &error, err);
        if (status != MU_OK) return status;
        json_array_append_new(rows, mu_instrument_json(&error));
        mu_progress_say(b->o->progress,
                        "  instrument, %2u streams: TTFT %+.0f us (p99 %.0f), gaps %+.0f us "
                        "(p99 %.0f)",
                        error.n_streams, error.ttft_bias_us, error.ttft_p99_us, error.gap_bias_us,
                        error.gap_p99_us);
    }
    return MU_OK;
}

static mu_status start_systems(bench *b, mu_err *err) {
    for (uint32_t s = 0; s < b->o->n_systems; s++) {
        show_part(b, "starting and asking what the server can", s + 1, b->o->n_systems);
        mu_status status = mu_system_start(b->systems[s], err);
        if (status != MU_OK) return status;
        const mu_target_info *info = mu_target_info_of(mu_system_target(b->systems[s]));
        const mu_own_model *own = mu_system_own(b->systems[s]);
        uint32_t n_ctx = own ? mu_model_spec(own->model)->n_ctx : info->n_ctx;
        if (n_ctx > 0 && (b->n_ctx == 0 || n_ctx < b->n_ctx)) b->n_ctx = n_ctx;
        json_array_append_new(json_object_get(b->doc, "systems"), mu_system_json(b->systems[s]));
        mu_progress_say(b->o->progress, "  %s: %s, model %s, tokens counted by %s",
                        mu_system_id(b->systems[s]), info->name, info->model,
                        mu_token_source_name(info->token_source));
        if (own && own->is_synthetic) {
            mu_document_add_note(b->doc,
                                 "%s has random weights: its speed and memory are those of its "
                                 "shape, its text means nothing, and prompt lookup, which would "
                                 "profit from repeated nonsense, is off",
                                 own->reference);
        }
    }
    return MU_OK;
}

static mu_status run_validate(bench *b, mu_err *err) {
    mu_status status = start_systems(b, err);
    if (status != MU_OK) return status;
    show_part(b, "peak rates of the machine", 0, 0);
    status = mu_machine_rates_measure(b->o->n_threads, b->o->isa_max, &b->rates, err);
    if (status != MU_OK) return status;
    mu_document_set_rates(b->doc, &b->rates);
    if (!b->o->no_instrument) {
        status = measure_instrument(b, err);
    } else {
        json_object_set_new(json_object_get(b->doc, "instrument"), "why",
                            json_string("not measured: --no-instrument"));
    }
    if (status == MU_OK) {
        snprintf(b->summary, sizeof(b->summary), "%u server%s ready, instrument %s",
                 b->o->n_systems, b->o->n_systems > 1 ? "s" : "",
                 b->o->no_instrument ? "not checked" : "checked");
    }
    return status;
}

static const struct {
    const char *id;
    mu_status (*run)(bench *b, mu_err *err);
    uint32_t suites;                    /* that it is a part of */
    double seconds_quick, seconds_full; /* roughly, for the time left; full: a run */
} phases[] = {
    {"validate", run_validate, ~0u, 9, 20},
    {"latency", run_latency, MU_SUITE_LATENCY | MU_SUITE_ALL, 55, 500},
    {"memory", run_memory, MU_SUITE_MEMORY | MU_SUITE_ALL, 38, 960},
    {"throughput", run_throughput, MU_SUITE_THROUGHPUT | MU_SUITE_ALL, 40, 400},
    {"rate", run_rate, MU_SUITE_RATE | MU_SUITE_ALL, 32, 420},
    {"soak", run_soak, MU_SUITE_SOAK, 62, 3600},
    {"stress", run_stress, MU_SUITE_STRESS, 40, 180},
};

static double estimate_s(const mu_bench_options *o) {
    double rounds = o->n_systems > 1 ? (double)o->blocks * o->n_systems : o->runs, sum = 0;
    for (size_t i = 0; i < MU_COUNTOF(phases); i++) {
        if (!(phases[i].suites & o->suite)) continue;
        bool is_repeated = phases[i].run == run_latency || phases[i].run == run_throughput;
        double seconds = o->plan.is_quick ? phases[i].seconds_quick : phases[i].seconds_full;
        sum += seconds * (is_repeated ? rounds : 1);
    }
    return o->budget_s > 0 ? fmin(sum, o->budget_s) : sum;
}

static void add_phase(bench *b, const char *id, mu_status status, double seconds,
                      const mu_err *why) {
    const char *word = status == MU_OK ? "passed" : "failed";
    const char *text = status == MU_OK ? b->summary : why->text;
    json_t *summary = json_string(text);
    json_array_append_new(json_object_get(b->doc, "phases"),
                          json_pack("{s:s, s:s, s:f, s:o}", "id", id, "status", word, "duration_s",
                                    seconds, "summary", summary ? summary : json_null()));
    mu_progress_say(b->o->progress, "%s: %s, %.1f s%s%s", id, word, seconds, text[0] ? ": " : "",
                    text);
}

/* The first error that ended the run, or that a phase met. */
static mu_status walk(bench *b, mu_err *err) {
    mu_status first = MU_OK;
    for (size_t i = 0; i < MU_COUNTOF(phases); i++) {
        if (!(phases[i].suites & b->o->suite)) continue;
        mu_err why = {0};
        uint64_t start = mu_now_ns();
        b->view.phase = phases[i].id;
        b->summary[0] = '\0';
        mu_status status = phases[i].run(b, &why);
        add_phase(b, phases[i].id, status, (double)(mu_now_ns() - start) * 1e-9, &why);
        if (status == MU_OK) continue;
        if (first == MU_OK) {
            first = status;
            *err = why;
        }
        if (is_canceled(b)) return MU_ERR_CANCELED;
        if (phases[i].run == run_validate) return status;
    }
    return first;
}

/* The built-in targets are about all phases: a suite of one is judged by those it can know of. */
static void drop_unmeasured(json_t *targets) {
    for (size_t i = json_array_size(targets); i-- > 0;) {
        const json_t *value = json_object_get(json_array_get(targets, i), "value");
        if (!json_is_number(value)) json_array_remove(targets, i);
    }
}

static mu_status judge(bench *b, mu_err *err) {
    json_t *doc = b->doc, *notes = json_object_get(doc, "notes");
    b->view.phase = "report";
    uint64_t start = mu_now_ns();
    if (b->o->n_systems > 1) {
        const mu_compare_options options = {.seed = b->o->seed};
        json_t *comparisons = mu_compare_systems(doc, &options, notes);
        if (!comparisons) return mu_fail(err, MU_ERR_NOMEM, "comparison");
        json_object_set_new(doc, "comparisons", comparisons);
    }
    json_t *targets = b->o->no_targets ? json_array() : mu_targets_judge(doc, b->o->targets);
    if (!targets) return mu_fail(err, MU_ERR_NOMEM, "targets");
    if (b->o->suite != MU_SUITE_ALL && !b->o->targets) drop_unmeasured(targets);
    json_object_set_new(doc, "targets", targets);
    json_t *advice = mu_recommend(doc);
    if (!advice) return mu_fail(err, MU_ERR_NOMEM, "recommendations");
    json_object_set_new(doc, "recommendations", advice);
    snprintf(b->summary, sizeof(b->summary), "%zu targets judged, %zu recommendations",
             json_array_size(targets), json_array_size(advice));
    add_phase(b, "report", MU_OK, (double)(mu_now_ns() - start) * 1e-9, NULL);
    return MU_OK;
}

static mu_status open_all(bench *b, mu_err *err) {
    const mu_bench_options *o = b->o;
    char title[200];
    const mu_system_options *first = &o->systems[0];
    snprintf(title, sizeof(title), "%.120s%s", first->own ? first->own->reference : first->url,
             o->n_systems > 1 ? " and others" : "");
    const mu_document_options document = {.suite = o->suite_name,
                                          .title = title,
                                          .is_quick = o->plan.is_quick,
                                          .runs = o->n_systems > 1 ? o->blocks : o->runs,
                                          .seed = o->seed,
                                          .command = o->command,
                                          .n_command = o->n_command};
    b->doc = mu_document_begin(&document);
    if (!b->doc) return mu_fail(err, MU_ERR_NOMEM, "the document");
    mu_status status = MU_OK;
    for (uint32_t s = 0; s < o->n_systems && status == MU_OK; s++) {
        status = mu_system_open(&o->systems[s], &b->systems[s], err);
    }
    return status;
}

mu_status mu_bench_run(const mu_bench_options *o, json_t **out, mu_err *err) {
    MU_ASSERT(o->n_systems > 0 && o->n_systems <= MU_SYSTEMS_MAX);
    bench b = {.o = o, .start_ns = mu_now_ns(), .planned_s = estimate_s(o)};
    mu_status status = open_all(&b, err);
    if (status == MU_OK) status = walk(&b, err);
    if (b.doc) {
        mu_err why;
        if (json_array_size(json_object_get(b.doc, "systems")) > 0) {
            mu_status judged = judge(&b, &why);
            if (status == MU_OK && judged != MU_OK) {
                status = judged;
                *err = why;
            }
        }
        const char *reason = status == MU_OK             ? "done"
                             : status == MU_ERR_CANCELED ? "interrupted"
                                                         : "failed";
        mu_document_end(b.doc, elapsed_s(&b), reason, status == MU_OK ? NULL : err->text);
    }
    for (uint32_t s = 0; s < o->n_systems; s++) {
        mu_system_close(b.systems[s]);
    }
    mu_progress_clear(o->progress);
    *out = b.doc;
    return status;
}
