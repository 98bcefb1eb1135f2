#include "bench/suite/memory_suite.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/probe/page_cache.h"
#include "bench/result/path.h"
#include "bench/stats/trend.h"

enum { CLIENTS = 32, KV_POINTS = 6, LEAK_CLIENTS = 16, KV_GROWTH_MIN = 16 << 20 };

static const double leak_seconds_full = 900, leak_seconds_quick = 22;
static const double beside_leak_s = 60; /* roughly, of a full run */
static const double load_seconds_full = 20, load_seconds_quick = 4;

static json_t *mb(const mu_fact *fact) {
    return fact->is_known ? json_real(fact->value * 1e-6) : json_null();
}

static void say(const mu_memory_options *o, const char *what) {
    o->view->what = what;
    o->view->has_load = false;
    mu_progress_show(o->progress, o->view, true);
}

static mu_status read_tree(const mu_memory_options *o, mu_process_tree *tree, mu_err *err) {
    return mu_process_tree_read(mu_system_pid(o->system), tree, err);
}

/* One load: the process is left running. */
static mu_status load_once(const mu_memory_options *o, const char *kind, double page_cache_percent,
                           json_t *loads, mu_err *err) {
    double first_token_s;
    mu_process_tree tree;
    mu_process_memory settled;
    mu_process_activity activity;
    mu_status status = mu_system_start_timed(o->system, &first_token_s, err);
    if (status == MU_OK) status = read_tree(o, &tree, err);
    if (status != MU_OK) return status;
    mu_fact peak = mu_process_peak(&tree);
    mu_process_memory_read(&tree, &settled);
    mu_process_activity_read(&tree, &activity);
    double ready_s = mu_system_process_facts(o->system).ready_s;
    json_array_append_new(loads,
                          json_pack("{s:s, s:o, s:f, s:o, s:o, s:o, s:{s:f, s:f}}", "kind", kind,
                                    "page_cache_percent", mu_document_real(page_cache_percent),
                                    "seconds", ready_s, "peak_mb", mb(&peak), "settled_mb",
                                    mb(&settled.rss), "read_mb", mb(&activity.read_bytes), "split",
                                    "ready_s", ready_s, "first_token_s", first_token_s));
    return MU_OK;
}

static mu_status measure_loads(const mu_memory_options *o, json_t *to, mu_err *err) {
    const char *path = mu_system_own(o->system)->path;
    json_t *loads = json_array();
    mu_page_cache cache;
    mu_status status = MU_OK;
    json_object_set_new(to, "loads", loads);
    if (!path) {
        json_object_set_new(to, "loads_why",
                            json_string("the weights are computed, there is no file to be cold"));
        say(o, "loading");
        return load_once(o, "warm", NAN, loads, err);
    }
    say(o, "loading, file not in page cache");
    if (mu_page_cache_drop(path, &cache, NULL) == MU_OK) {
        status = load_once(o, "cold", cache.percent, loads, err);
        mu_system_stop(o->system);
    } else {
        json_object_set_new(
            to, "loads_why",
            json_string("no cold load: the file's pages could not be dropped from the page cache"));
    }
    say(o, "loading, file in page cache");
    if (status == MU_OK) status = mu_page_cache_warm(path, &cache, err);
    if (status == MU_OK) status = load_once(o, "warm", cache.percent, loads, err);
    return status;
}

/* The highest resident memory of a phase, and of all so far. */
static void add_peak(json_t *to, const char *phase, mu_fact peak) {
    json_t *phases = json_object_get(to, "phases"), *footprint = json_object_get(to, "footprint");
    if (!phases) json_object_set_new(to, "phases", phases = json_array());
    json_array_append_new(phases, json_pack("{s:s, s:o}", "phase", phase, "peak_mb", mb(&peak)));
    double so_far = json_number_value(json_object_get(footprint, "peak_mb"));
    if (footprint && peak.is_known && peak.value * 1e-6 > so_far) {
        json_object_set_new(footprint, "peak_mb", mb(&peak));
    }
}

static mu_status measure_footprint(const mu_memory_options *o, json_t *to, mu_err *err) {
    mu_process_tree tree;
    mu_process_memory m;
    mu_status status = read_tree(o, &tree, err);
    if (status != MU_OK) return status;
    mu_process_memory_read(&tree, &m);
    mu_fact peak = mu_process_peak(&tree);
    json_object_set_new(
        to, "footprint",
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "rss_mb", mb(&m.rss), "pss_mb",
                  mb(&m.pss), "uss_mb", mb(&m.uss), "unreclaimable_mb", mb(&m.unreclaimable),
                  "mapped_mb", mb(&m.pss_file), "swap_mb", mb(&m.swap), "huge_pages_mb",
                  mb(&m.anon_huge), "peak_mb", mb(&peak), "processes", (int)tree.n));
    add_peak(to, "load", peak);
    return MU_OK;
}

static const char *const arenas[] = {"muai-weights", "muai-kv", "muai-scratch"};

static void measure_arenas(const mu_memory_options *o, json_t *to) {
    mu_process_tree tree;
    json_t *list = json_array();
    if (read_tree(o, &tree, NULL) == MU_OK) {
        for (size_t i = 0; i < MU_COUNTOF(arenas); i++) {
            char name[64];
            mu_process_region region;
            snprintf(name, sizeof(name), "[anon:%s]", arenas[i]);
            mu_process_region_read(&tree, name, &region);
            if (region.n == 0 || !region.rss.is_known) continue;
            json_array_append_new(
                list, json_pack("{s:s, s:f}", "name", arenas[i], "mb", region.rss.value * 1e-6));
        }
        mu_process_region heap;
        mu_process_region_read(&tree, "[heap]", &heap);
        if (json_array_size(list) > 0 && heap.n > 0 && heap.rss.is_known) {
            json_array_append_new(
                list, json_pack("{s:s, s:f}", "name", "heap", "mb", heap.rss.value * 1e-6));
        }
    }
    bool is_named = json_array_size(list) > 0;
    json_object_set_new(to, "arenas", list);
    if (!is_named) {
        json_object_set_new(to, "arenas_why",
                            json_string("the kernel or the server gives no names to memory"));
    }
}

/* A load of n requests, or of so many seconds, whose records are not looked at. */
static mu_status send_requests(const mu_memory_options *o, const mu_shape *shape, uint32_t clients,
                               uint32_t n, double seconds, bool keep_cache, mu_err *err) {
    const mu_schedule_options schedule_options = {
        .arrivals = {.kind = MU_ARRIVAL_CLOSED}, .seed = o->seed, .shapes = shape, .n_shapes = 1};
    mu_schedule *schedule = NULL;
    mu_status status = mu_schedule_open(&schedule_options, &schedule, err);
    if (status != MU_OK) return status;
    const mu_target *target = mu_system_target(o->system);
    mu_prompts prompts =
        mu_target_prompts(target, o->seed, 2000 + shape->prompt_tokens * 64ull + clients);
    const mu_load_options options = {.target = target,
                                     .schedule = schedule,
                                     .prompts = &prompts,
                                     .n_clients = clients,
                                     .keep_cache = keep_cache,
                                     .n_requests = n,
                                     .duration_s = seconds};
    mu_load_result load = {0};
    status = mu_load_run(&options, &load, err);
    if (status == MU_OK && load.records.n_by_failure[MU_FAILURE_NONE] == 0) {
        status = mu_fail(err, MU_ERR_IO, "memory: no request succeeded");
    }
    mu_load_result_deinit(&load);
    return status;
}

/* What grows with cached tokens: the KV region where the kernel names it, else the whole process,
 * which between requests of one client changes by little else. */
static double kv_resident(const mu_memory_options *o, const char **out_source) {
    mu_process_tree tree;
    mu_process_region region;
    mu_process_memory memory;
    if (read_tree(o, &tree, NULL) != MU_OK) return NAN;
    mu_process_region_read(&tree, "[anon:muai-kv]", &region);
    *out_source = "the KV region";
    if (region.n > 0 && region.rss.is_known) return region.rss.value;
    mu_process_memory_read(&tree, &memory);
    *out_source = "the process: the kernel gives no names to memory";
    return memory.unreclaimable.is_known ? memory.unreclaimable.value : NAN;
}

static json_t *kv_json(const mu_memory_options *o, const double *tokens, const double *bytes,
                       size_t n, const char *source, const char *why) {
    const mu_own_model *own = mu_system_own(o->system);
    double analytic = (double)own->kv_bytes_per_token;
    mu_trend trend = {.line = {NAN, NAN}, .slope = {NAN, NAN}};
    const mu_trend_options options = {.seed = o->seed};
    if (n >= MU_TREND_POINTS_MIN && mu_trend_fit(tokens, bytes, n, &options, &trend, NULL) != MU_OK)
        why = "no memory";
    json_t *points = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(points, json_pack("[f, f]", tokens[i], bytes[i]));
    }
    return json_pack("{s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "source", source,
                     "analytic_bytes_per_token", analytic, "measured_bytes_per_token",
                     mu_document_real(trend.line.slope), "low", mu_document_real(trend.slope.low),
                     "high", mu_document_real(trend.slope.high), "ratio",
                     mu_document_real(trend.line.slope / analytic), "points", points, "why",
                     why ? json_string(why) : json_null());
}

/* In a fresh process: a cache that was full does not grow any more. Prompts that the prefix cache
 * keeps: every one takes blocks that were never touched. One client and whole blocks of 16 tokens,
 * so that every prompt token is kept. */
static mu_status measure_kv(const mu_memory_options *o, json_t *to, mu_err *err) {
    mu_system_stop(o->system);
    mu_status status = mu_system_start(o->system, err);
    if (status != MU_OK) return status;
    const char *source = "";
    double tokens[KV_POINTS + 1] = {0}, bytes[KV_POINTS + 1] = {kv_resident(o, &source)};
    uint32_t n_ctx = o->n_ctx > 0 ? o->n_ctx : 1024, n = 0;
    const char *why = isnan(bytes[0]) ? "the server's memory cannot be read" : NULL;
    if (n_ctx < 16 * (KV_POINTS + 1)) why = "the context is too short";
    say(o, "KV cache per token");
    for (uint32_t i = 1; i <= KV_POINTS && !why && status == MU_OK; i++) {
        mu_shape shape = {"", n_ctx * i / (KV_POINTS + 1) / 16 * 16, 1};
        status = send_requests(o, &shape, 1, 1, 0, true, err);
        tokens[i] = tokens[i - 1] + shape.prompt_tokens;
        bytes[i] = kv_resident(o, &source);
        n = i + 1;
    }
    if (n > 0 && bytes[n - 1] - bytes[0] < KV_GROWTH_MIN) {
        why = "the cache of so few tokens is too small beside pages of 2 MiB";
        n = 0;
    }
    if (status == MU_OK) {
        json_object_set_new(to, "kv", kv_json(o, tokens, bytes, n, source, why));
    }
    return status;
}

static mu_status measure_inference(const mu_memory_options *o, json_t *to, mu_err *err) {
    mu_process_tree tree;
    mu_process_memory before;
    mu_shape shape = {"", 128, 64};
    if (o->n_ctx > 0 && o->n_ctx < 192) shape = (mu_shape){"", o->n_ctx / 2, o->n_ctx / 4};
    say(o, "under load, 32 clients");
    mu_status status = read_tree(o, &tree, err);
    if (status != MU_OK) return status;
    mu_process_memory_read(&tree, &before);
    mu_err why = {0};
    bool is_reset = mu_process_peak_reset(&tree, &why) == MU_OK;
    status = send_requests(o, &shape, CLIENTS, 0,
                           o->is_quick ? load_seconds_quick : load_seconds_full, false, err);
    if (status != MU_OK) return status;
    mu_fact peak = mu_process_peak(&tree);
    mu_fact delta = mu_fact_subtract(peak, before.rss);
    char load[48];
    snprintf(load, sizeof(load), "%d clients, %u/%u", CLIENTS, shape.prompt_tokens,
             shape.output_tokens);
    json_t *inference = json_pack("{s:o, s:o, s:o, s:s}", "before_mb", mb(&before.rss), "peak_mb",
                                  is_reset ? mb(&peak) : json_null(), "delta_mb",
                                  is_reset ? mb(&delta) : json_null(), "load", load);
    if (!is_reset) json_object_set_new(inference, "why", json_string(why.text));
    json_object_set_new(to, "inference", inference);
    add_peak(to, "inference", peak);
    return MU_OK;
}

static double leak_seconds(const mu_memory_options *o) {
    if (o->is_quick) return leak_seconds_quick;
    if (o->budget_s <= 0) return leak_seconds_full;
    return fmin(fmax(o->budget_s - beside_leak_s, leak_seconds_quick), leak_seconds_full);
}

static mu_status measure_leak(const mu_memory_options *o, json_t *to, mu_err *err) {
    double seconds = leak_seconds(o);
    say(o, "looking for leaks");
    const mu_leak_watch_options options = {.system = o->system,
                                           .shape = mu_shape_short,
                                           .clients = LEAK_CLIENTS,
                                           .seconds = seconds,
                                           .cycle_seconds = seconds < 60 ? 1.0 : seconds / 60,
                                           .seed = o->seed,
                                           .progress = o->progress,
                                           .view = o->view,
                                           .is_canceled = o->is_canceled};
    json_t *leak = NULL;
    mu_status status = mu_leak_watch(&options, &leak, err);
    if (status == MU_OK) json_object_set_new(to, "leak", leak);
    return status;
}

static mu_status measure(const mu_memory_options *o, json_t *to, mu_err *err) {
    bool is_own = mu_system_is_own(o->system);
    mu_status status = is_own ? measure_loads(o, to, err) : MU_OK;
    if (status == MU_OK) status = mu_system_start(o->system, err);
    if (status != MU_OK) return status;
    if (mu_system_pid(o->system) == 0) {
        json_object_set_new(to, "why",
                            json_string("the server's process is not known: give its "
                                        "id with --target-pid"));
        return MU_OK;
    }
    status = measure_footprint(o, to, err);
    if (status == MU_OK) status = measure_inference(o, to, err);
    if (status == MU_OK) status = measure_leak(o, to, err);
    if (status == MU_OK) measure_arenas(o, to);
    if (status == MU_OK && is_own) status = measure_kv(o, to, err);
    return status;
}

mu_status mu_memory_measure(const mu_memory_options *options, json_t **out, mu_err *err) {
    json_t *to = json_pack("{s:s}", "system", mu_system_id(options->system));
    if (!to) return mu_fail(err, MU_ERR_NOMEM, "memory");
    mu_status status = measure(options, to, err);
    if (status == MU_OK) {
        *out = to;
    } else {
        json_decref(to);
    }
    return status;
}
