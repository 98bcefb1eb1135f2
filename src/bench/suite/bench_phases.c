/* The phases that are not made of cells: systems started and the instrument checked, memory, soak,
 * stress.
 */
#include <math.h>
#include <string.h>

#include "bench/result/path.h"
#include "bench/suite/bench_state.h"
#include "bench/suite/frame.h"
#include "bench/suite/instrument.h"
#include "bench/suite/stress.h"

enum { SOAK_SECONDS_MIN = 22 }; /* however small the budget is */

static mu_status measure_instrument(mu_bench *b, mu_err *err) {
    static const uint32_t streams[] = {1, 8, 32};
    json_t *rows = json_object_get(json_object_get(b->doc, "instrument"), "rows");
    for (size_t i = 0; i < MU_COUNTOF(streams); i++) {
        mu_instrument_error error;
        mu_bench_show(b, "the instrument against a server of known truth", (uint32_t)i + 1,
                      MU_COUNTOF(streams));
        if (mu_bench_is_canceled(b)) return mu_fail(err, MU_ERR_CANCELED, "stopped");
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

static mu_status start_systems(mu_bench *b, mu_err *err) {
    for (uint32_t s = 0; s < b->o->n_systems; s++) {
        mu_bench_show(b, "starting and asking what the server can", s + 1, b->o->n_systems);
        mu_status status = mu_system_start(b->systems[s], err);
        if (status != MU_OK) return status;
        const mu_target_info *info = mu_target_info_of(mu_system_target(b->systems[s]));
        const mu_own_model *own = mu_system_own(b->systems[s]);
        uint32_t n_ctx = own ? own->n_ctx : info->n_ctx;
        if (n_ctx > 0 && (b->n_ctx == 0 || n_ctx < b->n_ctx)) b->n_ctx = n_ctx;
        json_array_append_new(json_object_get(b->doc, "systems"), mu_system_json(b->systems[s]));
        mu_progress_say(b->o->progress, "  %s: %s, model %s, tokens counted by %s",
                        mu_system_id(b->systems[s]), info->name, info->model,
                        mu_token_source_name(info->token_source));
        if (!info->can.stream) {
            mu_document_add_note(b->doc,
                                 "%s answers a request for a stream whole: when its tokens come, "
                                 "and so TTFT, TPOT and goodput, is not known",
                                 info->url);
        }
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

static mu_status measure_fidelity(mu_bench *b, mu_err *err) {
    const mu_bench_inside *inside = &b->o->inside;
    for (uint32_t s = 0; s < b->o->n_systems && b->o->n_agreement > 0; s++) {
        const mu_own_model *own = mu_system_own(b->systems[s]);
        json_t *fidelity = NULL;
        mu_err why;
        if (!own) continue;
        mu_bench_show(b, "how close its weights are to f32", s + 1, b->o->n_systems);
        mu_status status = inside->fidelity(inside->ctx, b->o->n_agreement, &fidelity, &why);
        if (status == MU_ERR_CANCELED) return mu_fail(err, status, "%s", why.text);
        if (status != MU_OK) { /* what is measured does not depend on it */
            mu_document_add_note(b->doc, "%s: how close its weights are to f32 is not known: %s",
                                 own->reference, why.text);
        }
        if (!fidelity) continue;
        json_t *system = json_array_get(json_object_get(b->doc, "systems"), s);
        json_object_set_new(system, "fidelity", fidelity);
    }
    return MU_OK;
}

static mu_status measure_rates(mu_bench *b, mu_err *err) {
    json_t *rates = NULL;
    mu_bench_show(b, "peak rates of the machine", 0, 0);
    mu_status status = b->o->inside.rates(b->o->inside.ctx, &rates, err);
    if (status == MU_OK) json_object_set_new(json_object_get(b->doc, "host"), "rates", rates);
    return status;
}

mu_status mu_bench_run_validate(mu_bench *b, mu_err *err) {
    mu_status status = start_systems(b, err);
    if (status != MU_OK) return status;
    status = measure_rates(b, err);
    if (status == MU_OK) status = measure_fidelity(b, err);
    if (status != MU_OK) return status;
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

static void sum_up_memory(mu_bench *b, const json_t *memory) {
    const char *why = mu_document_text(memory, "why");
    if (isnan(mu_document_number(memory, "footprint.rss_mb"))) {
        snprintf(b->summary, sizeof(b->summary), "%.190s", why[0] ? why : "not measured");
        return;
    }
    snprintf(b->summary, sizeof(b->summary), "%s MB idle, %s MB under load; leak: %s",
             mu_progress_number_of(mu_document_number(memory, "footprint.rss_mb"), 0).text,
             mu_progress_number_of(mu_document_number(memory, "inference.peak_mb"), 0).text,
             mu_document_text(memory, "leak.verdict"));
}

mu_status mu_bench_run_memory(mu_bench *b, mu_err *err) {
    mu_status first = MU_OK;
    for (uint32_t s = 0; s < b->o->n_systems; s++) {
        const mu_memory_options options = {.system = b->systems[s],
                                           .is_quick = b->o->plan.is_quick,
                                           .n_ctx = b->n_ctx,
                                           .budget_s = b->phase_budget_s / b->o->n_systems,
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
            sum_up_memory(b, memory);
            json_array_append_new(json_object_get(b->doc, "memory"), memory);
            /* What comes next must not find memory and caches as this phase left them. */
            if (mu_system_is_own(b->systems[s])) status = mu_bench_restart(b, b->systems[s], &why);
        }
        if (status != MU_OK && first == MU_OK) {
            first = status;
            *err = why;
        }
        if (status == MU_ERR_CANCELED) break;
    }
    return first;
}

static double soak_seconds(const mu_bench *b) {
    if (b->o->seconds > 0) return b->o->seconds;
    double seconds = b->o->plan.is_quick ? 60 : 3600;
    double budget = b->phase_budget_s / b->o->n_systems;
    return budget > 0 ? fmin(fmax(budget, SOAK_SECONDS_MIN), seconds) : seconds;
}

mu_status mu_bench_run_soak(mu_bench *b, mu_err *err) {
    mu_status status = MU_OK;
    for (uint32_t s = 0; s < b->o->n_systems && status == MU_OK; s++) {
        const mu_leak_watch_options options = {
            .system = b->systems[s],
            .shape = b->o->plan.n_shapes > 0 ? b->o->plan.shapes[0] : mu_shape_short,
            .clients = b->o->plan.n_clients > 0 ? b->o->plan.clients[0] : 16,
            .seconds = soak_seconds(b),
            .cycle_seconds = b->o->plan.is_quick ? 2 : 30,
            .seed = b->o->seed,
            .progress = b->o->progress,
            .view = &b->view,
            .is_canceled = b->o->is_canceled};
        json_t *leak = NULL;
        mu_bench_show(b, "requests, checkpoints, requests, ...", s + 1, b->o->n_systems);
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

mu_status mu_bench_run_stress(mu_bench *b, mu_err *err) {
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
