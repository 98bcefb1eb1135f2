#include "bench/suite/bench.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "bench/judge/document_comparison.h"
#include "bench/judge/recommendations.h"
#include "bench/suite/bench_state.h"
#include "bench/suite/frame.h"

double mu_bench_elapsed_s(const mu_bench *b) {
    return (double)(mu_now_ns() - b->start_ns) * 1e-9;
}

void mu_bench_show(mu_bench *b, const char *what, uint32_t i, uint32_t n) {
    mu_progress_view *v = &b->view;
    v->what = what;
    v->i_part = i;
    v->n_parts = n;
    v->has_load = false;
    v->fraction = b->planned_s > 0 ? mu_bench_elapsed_s(b) / b->planned_s : 0;
    v->seconds_left =
        b->planned_s > mu_bench_elapsed_s(b) ? b->planned_s - mu_bench_elapsed_s(b) : -1;
    mu_progress_show(b->o->progress, v, true);
}

bool mu_bench_is_canceled(const mu_bench *b) {
    return b->o->is_canceled && b->o->is_canceled();
}

mu_status mu_bench_restart(mu_bench *b, mu_system *system, mu_err *err) {
    if (mu_system_is_own(system)) mu_system_stop(system);
    mu_bench_show(b, "starting the server", 0, 0);
    return mu_system_start(system, err);
}

static const struct {
    const char *id;
    mu_status (*run)(mu_bench *b, mu_err *err);
    uint32_t suites;                    /* that it is a part of */
    double seconds_quick, seconds_full; /* roughly, for the time left; full: a run */
} phases[] = {
    {"validate", mu_bench_run_validate, ~0u, 9, 20},
    {"latency", mu_bench_run_latency, MU_SUITE_LATENCY | MU_SUITE_ALL, 55, 500},
    {"memory", mu_bench_run_memory, MU_SUITE_MEMORY | MU_SUITE_ALL, 38, 960},
    {"throughput", mu_bench_run_throughput, MU_SUITE_THROUGHPUT | MU_SUITE_ALL, 40, 400},
    {"rate", mu_bench_run_rate, MU_SUITE_RATE | MU_SUITE_ALL, 32, 420},
    {"soak", mu_bench_run_soak, MU_SUITE_SOAK, 62, 3600},
    {"stress", mu_bench_run_stress, MU_SUITE_STRESS, 40, 180},
};

/* Roughly; 0 when the suite has no such phase. */
static double phase_seconds(const mu_bench_options *o, size_t i) {
    if (!(phases[i].suites & o->suite)) return 0;
    double rounds = (double)mu_bench_n_rounds(o) * o->n_systems;
    bool is_repeated =
        phases[i].run == mu_bench_run_latency || phases[i].run == mu_bench_run_throughput;
    double seconds = o->plan.is_quick ? phases[i].seconds_quick : phases[i].seconds_full;
    return seconds * (is_repeated ? rounds : 1);
}

/* Of this phase and those behind it. */
static double seconds_from(const mu_bench_options *o, size_t i) {
    double sum = 0;
    for (; i < MU_COUNTOF(phases); i++) {
        sum += phase_seconds(o, i);
    }
    return sum;
}

/* What is left, shared as the phases would without a budget. */
static double phase_budget_s(const mu_bench *b, size_t i) {
    if (b->o->budget_s <= 0) return 0;
    double left = fmax(b->o->budget_s - mu_bench_elapsed_s(b), 1);
    return left * phase_seconds(b->o, i) / seconds_from(b->o, i);
}

static void add_phase(mu_bench *b, const char *id, mu_status status, double seconds,
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

/* A budget shortens cells, but each keeps the time and the requests without which it says nothing.
 */
static void note_overrun(const mu_bench *b) {
    double taken = mu_bench_elapsed_s(b);
    if (b->o->budget_s <= 0 || taken <= 1.1 * b->o->budget_s) return;
    mu_document_add_note(b->doc,
                         "The budget of %.0f s was too small for these cells and runs, which took "
                         "%.0f s; fewer --runs or a part of the suites take less.",
                         b->o->budget_s, taken);
}

/* The first error that ended the run, or that a phase met. */
static mu_status walk(mu_bench *b, mu_err *err) {
    mu_status first = MU_OK;
    for (size_t i = 0; i < MU_COUNTOF(phases); i++) {
        if (!(phases[i].suites & b->o->suite)) continue;
        mu_err why = {0};
        uint64_t start = mu_now_ns();
        b->view.phase = phases[i].id;
        b->phase_budget_s = phase_budget_s(b, i);
        b->summary[0] = '\0';
        mu_status status = phases[i].run(b, &why);
        add_phase(b, phases[i].id, status, (double)(mu_now_ns() - start) * 1e-9, &why);
        if (status == MU_OK) continue;
        if (first == MU_OK) {
            first = status;
            *err = why;
        }
        if (mu_bench_is_canceled(b)) return MU_ERR_CANCELED;
        if (b->is_lost) return status;
        if (phases[i].run == mu_bench_run_validate) return status;
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

static mu_status judge(mu_bench *b, mu_err *err) {
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

static mu_status open_all(mu_bench *b, mu_err *err) {
    const mu_bench_options *o = b->o;
    char title[200], url[MU_URL_TEXT_MAX] = "";
    const mu_system_options *first = &o->systems[0];
    if (first->url) mu_url_without_secrets(first->url, url);
    const char *what = first->name ? first->name : first->own ? first->own->reference : url;
    snprintf(title, sizeof(title), "%.120s%s", what, o->n_systems > 1 ? " and others" : "");
    const mu_document_options document = {.suite = o->suite_name,
                                          .title = title,
                                          .is_quick = o->plan.is_quick,
                                          .runs = mu_bench_n_rounds(o),
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
    mu_bench b = {.o = o, .start_ns = mu_now_ns(), .planned_s = seconds_from(o, 0)};
    if (o->budget_s > 0) b.planned_s = fmin(b.planned_s, o->budget_s);
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
        note_overrun(&b);
        const char *reason = status == MU_OK             ? "done"
                             : status == MU_ERR_CANCELED ? "interrupted"
                                                         : "failed";
        mu_document_end(b.doc, mu_bench_elapsed_s(&b), reason, status == MU_OK ? NULL : err->text);
    }
    for (uint32_t s = 0; s < o->n_systems; s++) {
        mu_system_close(b.systems[s]);
    }
    mu_progress_clear(o->progress);
    *out = b.doc;
    return status;
}
