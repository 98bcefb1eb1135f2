#include "bench/suite/stress.h"

#include <math.h>
#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/result/path.h"
#include "bench/stats/percentiles.h"

typedef struct step_result {
    uint64_t n_offered, n_ok, n_refused, n_failed; /* refused: HTTP 429 or 503 */
    uint64_t n_left;                               /* by us, in mid-stream */
    uint64_t by_class[MU_N_FAILURES];
    char first[MU_CHUNK_MESSAGE_MAX];
    double ttft_ms; /* median of those that succeeded */
} step_result;

typedef struct step_load {
    mu_arrivals arrivals;
    mu_shape shape;
    uint32_t clients;
    double rate_per_s, seconds;
    uint32_t n_requests;
    double cancel_after_s; /* 0: no */
} step_load;

typedef struct stress {
    const mu_stress_options *o;
    uint64_t n_steps;
    double idle_ttft_ms, idle_rss_mb;
} stress;

typedef struct step_watch {
    const mu_stress_options *o;
    double cancel_after_s;
} step_watch;

static bool look(void *ctx, const mu_load_snapshot *s, const mu_records *records) {
    const step_watch *w = ctx;
    (void)records;
    mu_progress_show_load(w->o->progress, w->o->view, s, NAN);
    return w->o->is_canceled && w->o->is_canceled();
}

static bool is_refusal(const mu_record *r) {
    return r->http_status == 429 || r->http_status == 503;
}

static void count(const mu_load_result *load, step_result *out) {
    const mu_records *all = &load->records;
    double ttft[1024];
    size_t n = 0;
    for (size_t i = 0; i < all->n_records; i++) {
        const mu_record *r = &all->records[i];
        out->n_left += r->failure == MU_FAILURE_CANCELED && r->first_token_ns;
        if (r->failure == MU_FAILURE_CANCELED) continue;
        out->n_offered++;
        if (r->failure == MU_FAILURE_NONE) {
            out->n_ok++;
            if (n < MU_COUNTOF(ttft) && r->first_token_ns) {
                ttft[n++] = (double)(r->first_token_ns - r->dispatch_ns) * 1e-6;
            }
        } else if (is_refusal(r)) {
            out->n_refused++;
        } else {
            out->n_failed++;
            if (out->first[0] == '\0') {
                memcpy(out->first, all->first_message[r->failure], sizeof(out->first));
            }
            out->by_class[r->failure]++;
        }
    }
    out->n_offered += load->n_unsent;
    out->ttft_ms = n > 0 ? mu_values_median(ttft, n) : NAN;
}

static mu_status start_load(stress *s, const step_load *l, mu_schedule *schedule, step_watch *watch,
                            mu_load **out, mu_err *err) {
    const mu_target *target = mu_system_target(s->o->system);
    mu_prompts prompts = mu_target_prompts(target, s->o->seed, 3000 + s->n_steps);
    bool is_long = l->cancel_after_s > 0;
    const mu_load_options options = {.target = target,
                                     .schedule = schedule,
                                     .prompts = &prompts,
                                     .n_clients = l->clients,
                                     .n_requests = l->n_requests,
                                     .duration_s = is_long ? l->cancel_after_s : l->seconds,
                                     .timeout_s = 120,
                                     .drain_s = is_long ? 0.001 : 120,
                                     .poll_ms = 50,
                                     .stop = look,
                                     .stop_ctx = watch};
    return mu_load_start(&options, out, err);
}

static mu_status send(stress *s, const step_load *l, step_result *out, mu_err *err) {
    bool is_open = l->arrivals.kind != MU_ARRIVAL_CLOSED;
    const mu_schedule_options options = {.arrivals = l->arrivals,
                                         .rate_per_s = l->rate_per_s,
                                         .duration_s = is_open ? l->seconds : 0,
                                         .seed = s->o->seed + s->n_steps,
                                         .shapes = &l->shape,
                                         .n_shapes = 1};
    mu_schedule *schedule = NULL;
    mu_load *load = NULL;
    mu_load_result result = {0};
    step_watch watch = {s->o, l->cancel_after_s};
    *out = (step_result){.ttft_ms = NAN};
    s->n_steps++;
    mu_status status = mu_schedule_open(&options, &schedule, err);
    if (status == MU_OK) status = start_load(s, l, schedule, &watch, &load, err);
    if (status == MU_OK) status = mu_load_wait(load, &result, err);
    if (status == MU_OK) count(&result, out);
    mu_load_result_deinit(&result);
    mu_load_close(load);
    mu_schedule_close(schedule);
    if (status == MU_OK && s->o->is_canceled && s->o->is_canceled()) {
        status = mu_fail(err, MU_ERR_CANCELED, "stopped under stress");
    }
    return status;
}

static double rss_mb(const stress *s) {
    mu_process_tree tree;
    mu_process_memory memory;
    pid_t pid = mu_system_pid(s->o->system);
    if (pid == 0 || mu_process_tree_read(pid, &tree, NULL) != MU_OK) return NAN;
    mu_process_memory_read(&tree, &memory);
    return memory.rss.is_known ? memory.rss.value * 1e-6 : NAN;
}

static json_t *step_json(const stress *s, const char *id, const char *rule, bool is_passed,
                         const step_result *r) {
    json_t *classes = json_array();
    for (int c = 0; c < MU_N_FAILURES; c++) {
        if (r->by_class[c] == 0) continue;
        json_array_append_new(classes,
                              json_pack("{s:s, s:I}", "class", mu_failure_name((mu_failure)c), "n",
                                        (json_int_t)r->by_class[c]));
    }
    json_t *first = json_string(r->first);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "id", id, "rule",
                     rule, "verdict", is_passed ? "pass" : "fail", "offered",
                     (json_int_t)r->n_offered, "ok", (json_int_t)r->n_ok, "refused",
                     (json_int_t)r->n_refused, "failed", (json_int_t)r->n_failed, "classes",
                     classes, "first", first ? first : json_null(), "ttft_p50_ms",
                     mu_document_real(r->ttft_ms), "rss_mb", mu_document_real(rss_mb(s)));
}

/* Shapes, as initializers. */
#define SMALL \
    { "", 6, 30 }
#define TINY \
    { "", 16, 8 }

static bool only_refusals(const stress *s, const step_result *r) {
    (void)s;
    return r->n_failed == 0 && r->n_ok > 0;
}

static bool all_ok(const stress *s, const step_result *r) {
    (void)s;
    return r->n_failed + r->n_refused == 0 && r->n_ok > 0;
}

/* Of those that were left in mid-stream. */
static bool nothing_left(const stress *s, const step_result *r) {
    if (r->n_left == 0 || r->n_failed > 0) return false;
    for (int i = 0; i < 40; i++) {
        mu_fact running = mu_system_metric(s->o->system, "muai_requests_running");
        if (!running.is_known || running.value == 0) return true;
        poll(NULL, 0, 50);
    }
    return false;
}

/* Twice as slow could be noise of few requests; memory may keep what the allocator keeps. */
static bool as_before(const stress *s, const step_result *r) {
    double rss = rss_mb(s);
    bool is_fast = !(r->ttft_ms > 2 * s->idle_ttft_ms + 5);
    return all_ok(s, r) && is_fast && !(rss > 2 * s->idle_rss_mb + 64);
}

/* Of a server that takes 8 at a time of the tiny shape in a second, an open loop of 2000 is far
 * above: the flood is the same for all, so that servers can be compared. */
static const struct {
    const char *id, *what, *rule;
    step_load load;
    double seconds_full;
    bool (*passes)(const stress *s, const step_result *r);
} steps[] = {
    {"before",
     "small requests before",
     "every request succeeds",
     {.shape = SMALL, .clients = 1, .n_requests = 20, .seconds = 60},
     60,
     all_ok},
    {"many",
     "256 clients",
     "every request succeeds or is refused with 429 or 503",
     {.shape = SMALL, .clients = 256, .seconds = 6},
     30,
     only_refusals},
    {"flood",
     "2000 requests a second",
     "every request succeeds or is refused with 429 or 503",
     {.arrivals = {.kind = MU_ARRIVAL_POISSON}, .shape = TINY, .rate_per_s = 2000, .seconds = 4},
     20,
     only_refusals},
    {"leave",
     "64 clients that leave in mid-stream",
     "nothing is left running within 2 s",
     {.shape = {"", 64, 400}, .clients = 64, .cancel_after_s = 2, .seconds = 2},
     2,
     nothing_left},
    {"long",
     "16 clients with 512-token prompts",
     "every request succeeds or is refused",
     {.shape = {"", 512, 16}, .clients = 16, .seconds = 6},
     30,
     only_refusals},
    {"after",
     "small requests after",
     "every request succeeds, TTFT and memory are at most about twice those of before",
     {.shape = SMALL, .clients = 1, .n_requests = 20, .seconds = 60},
     60,
     as_before},
};

/* Shorter where the model cannot hold as much. */
static void fit_context(mu_shape *shape, uint32_t n_ctx) {
    uint32_t n = shape->prompt_tokens + shape->output_tokens;
    if (n_ctx == 0 || n <= n_ctx) return;
    shape->output_tokens = (uint32_t)((uint64_t)shape->output_tokens * n_ctx / n);
    if (shape->output_tokens == 0) shape->output_tokens = 1;
    shape->prompt_tokens = n_ctx - shape->output_tokens;
}

mu_status mu_stress_run(const mu_stress_options *options, json_t **out, mu_err *err) {
    stress s = {.o = options, .idle_ttft_ms = NAN, .idle_rss_mb = NAN};
    json_t *list = json_array();
    mu_status status = MU_OK;
    uint32_t n_passed = 0, n = 0;
    for (size_t i = 0; i < MU_COUNTOF(steps) && status == MU_OK; i++) {
        step_load load = steps[i].load;
        step_result result;
        fit_context(&load.shape, options->n_ctx);
        if (!options->is_quick) load.seconds = steps[i].seconds_full;
        options->view->what = steps[i].what;
        options->view->i_part = (uint32_t)i + 1;
        options->view->n_parts = MU_COUNTOF(steps);
        mu_progress_show(options->progress, options->view, true);
        status = send(&s, &load, &result, err);
        if (status != MU_OK) break;
        bool is_passed = steps[i].passes(&s, &result);
        if (i == 0) {
            s.idle_ttft_ms = result.ttft_ms;
            s.idle_rss_mb = rss_mb(&s);
        }
        n++;
        n_passed += is_passed;
        json_array_append_new(list, step_json(&s, steps[i].id, steps[i].rule, is_passed, &result));
        mu_progress_say(options->progress, "  %-8s %s: %llu ok, %llu refused, %llu failed",
                        steps[i].id, is_passed ? "pass" : "FAIL", (unsigned long long)result.n_ok,
                        (unsigned long long)result.n_refused, (unsigned long long)result.n_failed);
    }
    if (status != MU_OK) {
        json_decref(list);
        return status;
    }
    char summary[64];
    snprintf(summary, sizeof(summary), "%u of %u steps passed", n_passed, n);
    *out = json_pack("{s:s, s:s, s:s, s:o}", "system", mu_system_id(options->system), "summary",
                     summary, "verdict", n_passed == n ? "pass" : "fail", "steps", list);
    return *out ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "stress");
}
