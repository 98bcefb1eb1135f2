#include "bench/suite/leak_watch.h"

#include <math.h>
#include <poll.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/result/path.h"
#include "bench/stats/leak.h"

enum { CHECKPOINTS_MAX = 4096, QUIET_MS = 250, ROWS_MAX = 300 };

typedef struct leak_run {
    const mu_leak_watch_options *options;
    mu_checkpoint *checkpoints; /* [n] */
    size_t n;
    uint64_t start_ns;
    double n_requests;
} leak_run;

static double known_or_nan(const mu_fact *fact) {
    return fact->is_known ? fact->value : NAN;
}

static mu_status take_checkpoint(leak_run *run, mu_err *err) {
    mu_process_tree tree;
    mu_process_memory memory;
    poll(NULL, 0, QUIET_MS);
    mu_status status = mu_process_tree_read(mu_system_pid(run->options->system), &tree, err);
    if (status != MU_OK) return status;
    mu_fact heap = mu_system_metric(run->options->system, "muai_heap_live_bytes");
    mu_process_memory_read(&tree, &memory);
    if (!memory.unreclaimable.is_known) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "memory of process %d: %s", (int)tree.pids[0],
                       memory.unreclaimable.why);
    }
    run->checkpoints[run->n++] =
        (mu_checkpoint){.time_s = (double)(mu_now_ns() - run->start_ns) * 1e-9,
                        .n_requests = run->n_requests,
                        .live_heap_bytes = known_or_nan(&heap),
                        .unreclaimable_bytes = memory.unreclaimable.value};
    return MU_OK;
}

static bool look(void *ctx, const mu_load_snapshot *s, const mu_records *records) {
    const leak_run *run = ctx;
    const mu_leak_watch_options *o = run->options;
    (void)records;
    mu_load_snapshot so_far = *s; /* with the cycles before */
    so_far.n_done += (uint64_t)run->n_requests;
    mu_progress_show_load(o->progress, o->view, &so_far, NAN);
    return o->is_canceled && o->is_canceled();
}

static mu_status run_cycle(leak_run *run, const mu_schedule *schedule, mu_err *err) {
    const mu_leak_watch_options *o = run->options;
    const mu_target *target = mu_system_target(o->system);
    mu_prompts prompts = mu_target_prompts(target, o->seed, 1000 + run->n);
    const mu_load_options options = {.target = target,
                                     .schedule = schedule,
                                     .prompts = &prompts,
                                     .n_clients = o->clients,
                                     .duration_s = o->cycle_seconds,
                                     .poll_ms = 100,
                                     .stop = look,
                                     .stop_ctx = run};
    mu_load_result load = {0};
    mu_status status = mu_load_run(&options, &load, err);
    if (status == MU_OK) run->n_requests += (double)load.records.n_records;
    mu_load_result_deinit(&load);
    return status;
}

static mu_status run_cycles(leak_run *run, mu_err *err) {
    const mu_leak_watch_options *o = run->options;
    const mu_schedule_options options = {.arrivals = {.kind = MU_ARRIVAL_CLOSED},
                                         .seed = o->seed,
                                         .shapes = &o->shape,
                                         .n_shapes = 1};
    mu_schedule *schedule = NULL;
    mu_status status = mu_schedule_open(&options, &schedule, err);
    while (status == MU_OK && run->n < CHECKPOINTS_MAX) {
        double elapsed = (double)(mu_now_ns() - run->start_ns) * 1e-9;
        if (elapsed >= o->seconds) break;
        status = run_cycle(run, schedule, err);
        if (status == MU_OK && o->is_canceled && o->is_canceled()) {
            status = mu_fail(err, MU_ERR_CANCELED, "stopped while looking for leaks");
        }
        if (status == MU_OK) status = take_checkpoint(run, err);
    }
    mu_schedule_close(schedule);
    return status;
}

static json_t *signal_json(const char *name, const mu_leak_signal *s) {
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", name, "slope_mb_h",
                     mu_document_real(s->mb_per_hour), "low",
                     mu_document_real(s->mb_per_hour_ci.low), "high",
                     mu_document_real(s->mb_per_hour_ci.high), "bytes_per_request",
                     mu_document_real(s->bytes_per_request), "detection_limit_mb_h",
                     mu_document_real(s->limit_mb_per_hour));
}

static json_t *checkpoints_json(const leak_run *run) {
    json_t *rows = json_array();
    size_t step = run->n / ROWS_MAX + 1;
    for (size_t i = 0; i < run->n; i += step) {
        const mu_checkpoint *c = &run->checkpoints[i];
        json_array_append_new(rows, json_pack("[f, f, o, f]", c->time_s, c->n_requests,
                                              mu_document_real(c->live_heap_bytes * 1e-6),
                                              c->unreclaimable_bytes * 1e-6));
    }
    return json_pack("{s:[s, s, s, s], s:o}", "columns", "t_s", "requests", "live_heap_mb",
                     "unreclaimable_mb", "rows", rows);
}

/* The words of the document's contract. */
static const char *verdict_word(mu_leak_verdict verdict) {
    static const char *const words[] = {[MU_LEAK_INCONCLUSIVE] = "INCONCLUSIVE",
                                        [MU_LEAK_FOUND] = "LEAK",
                                        [MU_LEAK_RETENTION] = "RETENTION",
                                        [MU_LEAK_NONE] = "NO LEAK"};
    return words[verdict];
}

static void explain(const mu_leak *leak, const leak_run *run, char *out, size_t cap) {
    const mu_leak_signal *s = leak->live_heap.is_present ? &leak->live_heap : &leak->unreclaimable;
    const char *what = leak->live_heap.is_present ? "live heap" : "unreclaimable memory";
    if (run->n < leak->n_discarded + MU_LEAK_CHECKPOINTS_MIN) {
        snprintf(out, cap, "%zu checkpoints are too few for a verdict", run->n);
        return;
    }
    snprintf(out, cap,
             "%s: %+.2f MB/h, 95%% from %+.2f to %+.2f, against %.0f MB/h; unreclaimable memory: "
             "%+.2f MB/h, 95%% from %+.2f to %+.2f",
             what, s->mb_per_hour, s->mb_per_hour_ci.low, s->mb_per_hour_ci.high,
             leak->threshold_mb_per_hour, leak->unreclaimable.mb_per_hour,
             leak->unreclaimable.mb_per_hour_ci.low, leak->unreclaimable.mb_per_hour_ci.high);
}

static json_t *leak_json(const leak_run *run, const mu_leak *leak) {
    char why[320];
    explain(leak, run, why, sizeof(why));
    bool has_heap = leak->live_heap.is_present;
    const mu_leak_signal *s = has_heap ? &leak->live_heap : &leak->unreclaimable;
    const mu_level_step *step = &leak->unreclaimable.step;
    json_t *signals = json_array();
    if (has_heap) json_array_append_new(signals, signal_json("live_heap", &leak->live_heap));
    if (leak->unreclaimable.is_present) {
        json_array_append_new(signals, signal_json("unreclaimable", &leak->unreclaimable));
    }
    /* When both must agree the coarser one bounds what can be seen. */
    double limit = fmax(s->limit_mb_per_hour, leak->unreclaimable.limit_mb_per_hour);
    if (!s->is_present) limit = NAN;
    double needs = leak->extra_hours > 0 ? leak->extra_hours * 3600 : NAN;
    return json_pack("{s:s, s:f, s:o, s:f, s:f, s:o, s:o, s:s, s:o, s:o}", "verdict",
                     verdict_word(leak->verdict), "threshold_mb_h", leak->threshold_mb_per_hour,
                     "detection_limit_mb_h", mu_document_real(limit), "duration_s",
                     run->n > 0 ? run->checkpoints[run->n - 1].time_s : 0.0, "requests",
                     run->n_requests, "step_mb",
                     mu_document_real(step->is_step ? step->bytes * 1e-6 : NAN), "needs_s",
                     mu_document_real(needs), "why", why, "signals", signals, "checkpoints",
                     checkpoints_json(run));
}

mu_status mu_leak_watch(const mu_leak_watch_options *options, json_t **out, mu_err *err) {
    leak_run run = {.options = options,
                    .checkpoints = MU_ALLOC(mu_checkpoint, CHECKPOINTS_MAX),
                    .start_ns = mu_now_ns()};
    if (!run.checkpoints) return mu_fail(err, MU_ERR_NOMEM, "leak checkpoints");
    mu_status status = run_cycles(&run, err);
    const mu_leak_options judge = {.threshold_mb_per_hour = options->threshold_mb_h,
                                   .seed = options->seed};
    mu_leak leak = {0};
    if (status == MU_OK) status = mu_leak_judge(run.checkpoints, run.n, &judge, &leak, err);
    if (status == MU_OK) {
        *out = leak_json(&run, &leak);
        if (!*out) status = mu_fail(err, MU_ERR_NOMEM, "leak verdict");
    }
    mu_free(run.checkpoints);
    return status;
}
