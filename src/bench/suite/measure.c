#include "bench/suite/measure.h"

#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { POLL_MS = 100, FAILURES_MAX = 200, LOOKS_GROWTH_PERCENT = 150 };

/* A load that runs, and what decides when it has run for long enough. */
typedef struct watch {
    const mu_measure_options *options;
    uint64_t next_look; /* requests */
    uint64_t shown_ns;
} watch;

static double memory_now_mb(const mu_system *system) {
    mu_sampler *sampler = mu_system_sampler(system);
    if (!sampler) return NAN;
    uint32_t n = mu_sampler_get_facts(sampler).n_samples;
    mu_load_sample last;
    if (n == 0 || mu_sampler_copy(sampler, n - 1, &last, 1) != 1) return NAN;
    return last.rss.is_known ? last.rss.value * 1e-6 : NAN;
}

static bool look(void *ctx, const mu_load_snapshot *s, const mu_records *records) {
    watch *w = ctx;
    const mu_measure_options *o = w->options;
    const mu_cell_plan *plan = o->plan;
    mu_progress_show_load(o->progress, o->view, s, memory_now_mb(o->system));
    if (o->is_canceled && o->is_canceled()) return true;
    if (!plan->is_precise || s->measured_ns == 0) return false;
    if ((double)s->measured_ns * 1e-9 < plan->seconds_min) return false;
    if (s->n_done_measured < w->next_look) return false;
    w->next_look = s->n_done_measured * LOOKS_GROWTH_PERCENT / 100 + 1;
    uint64_t now = mu_now_ns();
    const mu_load_result so_far = {.records = *records,
                                   .start_ns = now - s->elapsed_ns,
                                   .boundary_ns = now - s->measured_ns,
                                   .window_end_ns = now,
                                   .drained_ns = now};
    return mu_cell_is_precise(&so_far, o->seed);
}

static mu_status open_schedule(const mu_measure_options *o, mu_schedule **out, mu_err *err) {
    const mu_cell_plan *p = o->plan;
    bool is_open = p->arrivals.kind != MU_ARRIVAL_CLOSED;
    const mu_schedule_options options = {
        .arrivals = p->arrivals,
        .rate_per_s = p->rate_per_s,
        .duration_s = is_open ? p->warmup_s + p->seconds_max : 0,
        .n_requests = 0,
        .seed = o->seed * 1000003 + o->cell_number,
        .shapes = &p->shape,
        .n_shapes = 1,
    };
    return mu_schedule_open(&options, out, err);
}

static mu_status run_load(const mu_measure_options *o, const mu_schedule *schedule,
                          mu_load_result *out, mu_err *err) {
    const mu_cell_plan *p = o->plan;
    const mu_target *target = mu_system_target(o->system);
    mu_prompts prompts = mu_target_prompts(target, o->seed, o->cell_number);
    watch w = {.options = o, .next_look = p->n_requests_min};
    bool is_open = p->arrivals.kind != MU_ARRIVAL_CLOSED;
    const mu_load_options options = {
        .target = target,
        .schedule = schedule,
        .prompts = &prompts,
        .n_clients = p->clients,
        .no_stream = p->no_stream,
        .keep_cache = p->keep_cache,
        .warmup_s = p->warmup_s,
        .n_warmup = is_open ? 0 : p->n_warmup,
        .duration_s = p->seconds_max,
        .n_requests = p->n_requests_max,
        .n_failures_max = FAILURES_MAX,
        .poll_ms = POLL_MS,
        .stop = look,
        .stop_ctx = &w,
    };
    return mu_load_run(&options, out, err);
}

/* The samples from the boundary to the end of the window. */
static mu_load_sample *copy_samples(const mu_system *system, const mu_load_result *load,
                                    uint32_t *out_n) {
    mu_sampler *sampler = mu_system_sampler(system);
    *out_n = 0;
    if (!sampler) return NULL;
    uint32_t n = mu_sampler_get_facts(sampler).n_samples;
    mu_load_sample *all = MU_ALLOC(mu_load_sample, n + 1u);
    if (!all) return NULL;
    n = mu_sampler_copy(sampler, 0, all, n);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (all[i].at_ns < load->boundary_ns || all[i].at_ns > load->window_end_ns) continue;
        all[kept++] = all[i];
    }
    *out_n = kept;
    return all;
}

/* CPU time between the first and the last sample, stretched to the window. */
static mu_fact server_cpu(const mu_load_sample *samples, uint32_t n, const mu_load_result *load) {
    if (n < 2) return mu_fact_unknown("the server's process is not known");
    mu_fact used = mu_fact_subtract(samples[n - 1].cpu_s, samples[0].cpu_s);
    double span = (double)(samples[n - 1].at_ns - samples[0].at_ns);
    if (!used.is_known || span <= 0) return used;
    return mu_fact_of(used.value * (double)(load->window_end_ns - load->boundary_ns) / span);
}

static mu_status make_cell(const mu_measure_options *o, const mu_schedule *schedule,
                           const mu_load_result *load, const mu_load_state *machine,
                           int64_t pid_before, json_t **out, mu_err *err) {
    const mu_target_info *info = mu_target_info_of(mu_system_target(o->system));
    uint32_t n_samples;
    mu_load_sample *samples = copy_samples(o->system, load, &n_samples);
    mu_server_process_facts process = mu_system_process_facts(o->system);
    bool is_gone = mu_system_is_own(o->system) && !process.is_running;
    const mu_cell_facts facts = {
        .plan = o->plan,
        .system = mu_system_id(o->system),
        .run = o->run,
        .block = o->block,
        .load = load,
        .count_source = mu_token_source_name(info->token_source),
        .is_chat = info->chat,
        .arrivals = mu_schedule_measure(schedule),
        .slo = o->slo,
        .samples = {samples, n_samples},
        .server_cpu_s = server_cpu(samples, n_samples, load),
        .machine_steal = machine->steal,
        .steal_limit = o->steal_limit,
        .throttled = machine->throttled,
        .pid_before = pid_before,
        .pid_after = is_gone ? -1 : pid_before,
        .limits = o->limits,
        .pooled = o->pooled,
        .seed = o->seed,
    };
    mu_status status = mu_cell_json(&facts, out, err);
    mu_free(samples);
    return status;
}

mu_status mu_measure_cell(const mu_measure_options *o, json_t **out, mu_err *err) {
    mu_schedule *schedule = NULL;
    mu_load_result load = {0};
    mu_load_counters before, after;
    int64_t pid = mu_system_pid(o->system);
    mu_status status = open_schedule(o, &schedule, err);
    if (status != MU_OK) return status;
    mu_load_counters_read(&before);
    status = run_load(o, schedule, &load, err);
    mu_load_counters_read(&after);
    if (status == MU_OK && o->is_canceled && o->is_canceled()) {
        status = mu_fail(err, MU_ERR_CANCELED, "stopped in %s", o->plan->id);
    }
    if (status == MU_OK) {
        mu_load_state machine = mu_load_between(&before, &after);
        status = make_cell(o, schedule, &load, &machine, pid, out, err);
    }
    if (status == MU_OK && o->raw) {
        const char *id = json_string_value(json_object_get(*out, "id"));
        status = mu_records_write_jsonl(&load.records, load.start_ns, id, o->raw, err);
        if (status != MU_OK) {
            json_decref(*out);
            *out = NULL;
        }
    }
    mu_load_result_deinit(&load);
    mu_schedule_close(schedule);
    return status;
}
