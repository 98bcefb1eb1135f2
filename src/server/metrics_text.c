/* One table of what is told of each model. Every row has a name of ours and, where vLLM has the
 * same thing, its name too, which is told with --metrics-compat vllm. A row is one metric: its head
 * comes once, then a line for each model.
 */
#include "server/metrics_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "server/routes.h"

typedef struct facts {
    char label[600], vllm_label[600]; /* model="gpt2", model_name="gpt2" */
    mu_resident_stats of;
    double kv_usage, kv_blocks_used, load_s;
    uint32_t is_loaded, is_pinned;
    uint64_t loaded_bytes;
} facts;

/* Of all models. */
typedef struct facts_list {
    facts *items; /* [n] */
    uint32_t n;
} facts_list;

typedef enum kind { GAUGE_U32, GAUGE_F64, GAUGE_U64, COUNTER, COUNTER_F64, HISTOGRAM } kind;

static const struct {
    const char *name, *vllm; /* vllm NULL: has none */
    kind kind;
    size_t offset;
    const char *help;
} rows[] = {
#define AT(member) offsetof(facts, member)
    {"muai_time_to_first_token_seconds", "vllm:time_to_first_token_seconds", HISTOGRAM,
     AT(of.requests.ttft), "From the request's arrival to its first token."},
    {"muai_inter_token_latency_seconds", "vllm:inter_token_latency_seconds", HISTOGRAM,
     AT(of.requests.inter_token), "Between tokens of a sequence."},
    {"muai_e2e_request_latency_seconds", "vllm:e2e_request_latency_seconds", HISTOGRAM,
     AT(of.requests.end_to_end), "From the request's arrival to its last token."},
    {"muai_request_queue_time_seconds", "vllm:request_queue_time_seconds", HISTOGRAM,
     AT(of.requests.queue), "From the request's arrival to its admission."},
    {"muai_request_prompt_tokens", "vllm:request_prompt_tokens", HISTOGRAM,
     AT(of.requests.prompt_tokens), "Prompt tokens of a request."},
    {"muai_request_generation_tokens", "vllm:request_generation_tokens", HISTOGRAM,
     AT(of.requests.output_tokens), "Output tokens of a request."},
    {"muai_batch_sequences", NULL, HISTOGRAM, AT(of.batch), "Sequences running in a step."},
    {"muai_requests_running", "vllm:num_requests_running", GAUGE_U32, AT(of.n_running),
     "Requests being generated."},
    {"muai_requests_waiting", "vllm:num_requests_waiting", GAUGE_U32, AT(of.n_waiting),
     "Requests in the queue."},
    {"muai_queued_prompt_tokens", NULL, GAUGE_U64, AT(of.n_waiting_tokens),
     "Prompt tokens of the requests in the queue."},
    {"muai_kv_cache_usage_ratio", "vllm:kv_cache_usage_perc", GAUGE_F64, AT(kv_usage),
     "KV blocks in use, 0 to 1."},
    {"muai_kv_blocks", NULL, GAUGE_U32, AT(of.engine.n_kv_blocks), "KV blocks there are."},
    {"muai_kv_blocks_used", NULL, GAUGE_F64, AT(kv_blocks_used), "KV blocks in use."},
    {"muai_prefill_allowance_tokens", NULL, GAUGE_U32, AT(of.prefill_beside),
     "Prefill tokens that the last step might take beside running streams."},
    {"muai_prompt_tokens_total", "vllm:prompt_tokens_total", COUNTER,
     AT(of.requests.n_prompt_tokens), "Prompt tokens of ended requests."},
    {"muai_cached_tokens_total", "vllm:prefix_cache_hits_total", COUNTER,
     AT(of.requests.n_cached_tokens), "Prompt tokens found in the prefix cache."},
    {"muai_generation_tokens_total", "vllm:generation_tokens_total", COUNTER,
     AT(of.requests.n_output_tokens), "Output tokens of ended requests."},
    {"muai_prefill_tokens_computed_total", NULL, COUNTER, AT(of.engine.n_prefill_tokens),
     "Prompt tokens computed."},
    {"muai_decode_tokens_computed_total", NULL, COUNTER, AT(of.engine.n_decode_tokens),
     "Output tokens computed after the first of a sequence."},
    {"muai_preemptions_total", "vllm:num_preemptions_total", COUNTER, AT(of.engine.n_preemptions),
     "Sequences that gave their KV blocks back."},
    {"muai_steps_total", NULL, COUNTER, AT(of.engine.n_steps), "Steps of the engine."},
    {"muai_step_seconds_total", NULL, COUNTER_F64, AT(of.step_s),
     "Time that the engine's steps took: the model's share of the device."},
    {"muai_draft_tokens_total", "vllm:spec_decode_num_draft_tokens_total", COUNTER,
     AT(of.engine.n_draft_tokens), "Tokens drafted by prompt lookup."},
    {"muai_accepted_tokens_total", "vllm:spec_decode_num_accepted_tokens_total", COUNTER,
     AT(of.engine.n_accepted_tokens), "Drafted tokens that were right."},
    {"muai_requests_refused_total", NULL, COUNTER, AT(of.n_refused),
     "Requests refused because the queue was full."},
    {"muai_model_loaded", NULL, GAUGE_U32, AT(is_loaded), "1 while requests may run on it."},
    {"muai_model_pinned", NULL, GAUGE_U32, AT(is_pinned), "1: once loaded it stays."},
    {"muai_model_loaded_bytes", NULL, GAUGE_U64, AT(loaded_bytes),
     "Weights, KV cache and own scratch of a model that is loaded."},
    {"muai_model_loads_total", NULL, COUNTER, AT(of.residency.n_loads),
     "Loads since the start, that one left out."},
    {"muai_model_load_failures_total", NULL, COUNTER, AT(of.residency.n_failures),
     "Loads that failed, or that pinned models left no room for."},
    {"muai_model_load_seconds", NULL, GAUGE_F64, AT(load_s),
     "What its last load took of the computing time."},
#undef AT
};

static void head(mu_buf *out, const char *name, kind k, const char *help) {
    const char *type = k == COUNTER || k == COUNTER_F64 ? "counter"
                       : k == HISTOGRAM                 ? "histogram"
                                                        : "gauge";
    mu_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_histogram(mu_buf *out, const char *name, const char *label,
                            const mu_histogram *h) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < h->n_bounds; i++) {
        n += h->counts[i];
        mu_buf_printf(out, "%s_bucket{%s,le=\"%g\"} %llu\n", name, label, h->bounds[i],
                      (unsigned long long)n);
    }
    n += h->counts[h->n_bounds];
    mu_buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_sum{%s} %.9g\n%s_count{%s} %llu\n", name,
                  label, (unsigned long long)n, name, label, h->sum, name, label,
                  (unsigned long long)n);
}

static void write_value(mu_buf *out, size_t i, const char *name, const char *label,
                        const facts *f) {
    const void *at = (const char *)f + rows[i].offset;
    if (rows[i].kind == HISTOGRAM) {
        write_histogram(out, name, label, at);
    } else if (rows[i].kind == GAUGE_U32) {
        mu_buf_printf(out, "%s{%s} %u\n", name, label, *(const uint32_t *)at);
    } else if (rows[i].kind == GAUGE_F64 || rows[i].kind == COUNTER_F64) {
        mu_buf_printf(out, "%s{%s} %.9g\n", name, label, *(const double *)at);
    } else {
        mu_buf_printf(out, "%s{%s} %llu\n", name, label, (unsigned long long)*(const uint64_t *)at);
    }
}

static void write_row(mu_buf *out, size_t i, bool is_vllm, const facts_list *models) {
    const char *name = is_vllm ? rows[i].vllm : rows[i].name;
    head(out, name, rows[i].kind, rows[i].help);
    for (uint32_t m = 0; m < models->n; m++) {
        const facts *f = &models->items[m];
        write_value(out, i, name, is_vllm ? f->vllm_label : f->label, f);
    }
}

static void write_outcomes(mu_buf *out, bool is_vllm, const facts_list *models) {
    const char *name = is_vllm ? "vllm:request_success_total" : "muai_requests_total";
    head(out, name, COUNTER, "Ended requests.");
    for (uint32_t m = 0; m < models->n; m++) {
        const facts *f = &models->items[m];
        for (int i = 0; i < MU_N_OUTCOMES; i++) {
            mu_buf_printf(out, "%s{%s,%s=\"%s\"} %llu\n", name, is_vllm ? f->vllm_label : f->label,
                          is_vllm ? "finished_reason" : "outcome", mu_outcome_name((mu_outcome)i),
                          (unsigned long long)f->of.requests.n_requests[i]);
        }
    }
}

static void write_evictions(mu_buf *out, const facts_list *models) {
    head(out, "muai_model_evictions_total", COUNTER, "Unloads of a model, by what led to them.");
    for (uint32_t m = 0; m < models->n; m++) {
        const facts *f = &models->items[m];
        for (uint32_t i = 0; i < MU_N_EVICTIONS; i++) {
            mu_buf_printf(out, "muai_model_evictions_total{%s,reason=\"%s\"} %llu\n", f->label,
                          mu_eviction_name((mu_eviction)i),
                          (unsigned long long)f->of.residency.n_evictions[i]);
        }
    }
}

static void write_http(mu_buf *out, mu_server *server) {
    head(out, "http_requests_total", COUNTER, "HTTP requests by route and class of status.");
    for (uint32_t i = 0;; i++) {
        const mu_route *route = mu_route_at(i);
        pthread_mutex_lock(&server->lock);
        for (uint32_t class = 0; class < MU_STATUS_CLASSES; class ++) {
            uint64_t n = server->n_http[i][class];
            if (n == 0) continue;
            mu_buf_printf(out, "http_requests_total{path=\"%s\",status=\"%uxx\"} %llu\n",
                          route ? route->path : "other", class, (unsigned long long)n);
        }
        pthread_mutex_unlock(&server->lock);
        if (!route) return;
    }
}

/* The text of a label's value. */
static void escape(const char *text, char *out, size_t cap) {
    size_t n = 0;
    for (; *text && n + 3 < cap; text++) {
        if (*text == '"' || *text == '\\') out[n++] = '\\';
        out[n++] = *text == '\n' ? ' ' : *text;
    }
    out[n] = '\0';
}

static void read_model(const mu_served *served, facts *out) {
    char name[512];
    escape(served->of.names[0], name, sizeof(name));
    snprintf(out->label, sizeof(out->label), "model=\"%s\"", name);
    snprintf(out->vllm_label, sizeof(out->vllm_label), "model_name=\"%s\"", name);
    mu_resident_get_stats(served->of.resident, &out->of);
    const mu_engine_stats *e = &out->of.engine;
    out->kv_blocks_used = (double)e->n_kv_blocks - e->n_kv_blocks_free;
    const mu_residency_model *r = &out->of.residency;
    out->is_loaded = r->phase == MU_READY || r->phase == MU_CLOSING;
    out->is_pinned = r->is_pinned;
    out->loaded_bytes = r->phase == MU_ABSENT ? 0 : r->bytes;
    out->load_s = r->n_loads > 0 ? (double)r->load_ns * 1e-9 : 0.0;
    out->kv_usage = e->n_kv_blocks > 0 ? out->kv_blocks_used / e->n_kv_blocks : 0.0;
}

static void write_models(mu_buf *out, mu_server *server) {
    facts_list models = {.items = MU_ALLOC(facts, server->n_served), .n = server->n_served};
    if (!models.items) {
        out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < models.n; i++) {
        read_model(&server->served[i], &models.items[i]);
    }
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        write_row(out, i, false, &models);
        if (server->options.metrics_vllm && rows[i].vllm) write_row(out, i, true, &models);
    }
    write_outcomes(out, false, &models);
    if (server->options.metrics_vllm) write_outcomes(out, true, &models);
    write_evictions(out, &models);
    mu_loaded_bytes bytes = mu_resident_loaded_bytes(server->served[0].of.resident);
    head(out, "muai_loaded_bytes", GAUGE_U64, "Of the models that are loaded, together.");
    mu_buf_printf(out, "muai_loaded_bytes %llu\n", (unsigned long long)bytes.now);
    head(out, "muai_loaded_bytes_max", GAUGE_U64, "What they may have; 0: no limit.");
    mu_buf_printf(out, "muai_loaded_bytes_max %llu\n", (unsigned long long)bytes.max);
    mu_free(models.items);
}

/* What is the server's, whatever the models. */
static void write_server(mu_buf *out, mu_server *server) {
    mu_http_facts http = mu_http_get_facts(server->http);
    const struct {
        const char *name, *help;
        kind kind;
        uint64_t value;
    } numbers[] = {
        {"muai_http_connections", "Open connections.", GAUGE_U64, http.n_connections},
        {"muai_http_connections_refused_total",
         "Connections closed at once: too many, or too many of their address.", COUNTER,
         http.n_refused},
        {"muai_http_connections_replaced_total",
         "Waiting connections closed for one of an address with fewer.", COUNTER, http.n_replaced},
        {"muai_http_connections_late_total",
         "Connections closed because they were silent or slow for too long.", COUNTER, http.n_late},
        {"muai_request_memory_bytes", "Memory that all requests together may need.", GAUGE_U64,
         mu_budget_total(server->budget)},
        {"muai_request_memory_used_bytes", "Memory that the requests of this moment may need.",
         GAUGE_U64, mu_budget_used(server->budget)},
        {"muai_log_lines_lost_total", "Access log lines that could not be written.", COUNTER,
         server->log ? mu_log_writer_n_lost(server->log) : 0},
    };
    for (size_t i = 0; i < MU_COUNTOF(numbers); i++) {
        head(out, numbers[i].name, numbers[i].kind, numbers[i].help);
        mu_buf_printf(out, "%s %llu\n", numbers[i].name, (unsigned long long)numbers[i].value);
    }
}

/* What the process holds, whatever the models do: nothing of it is told that is not known. */
static void write_memory(mu_buf *out) {
    head(out, "process_resident_memory_bytes", GAUGE_U64, "Memory of the process.");
    mu_buf_printf(out, "process_resident_memory_bytes %llu\n",
                  (unsigned long long)mu_memory_resident_bytes());
    mu_heap_facts heap = mu_heap_facts_read();
    if (heap.is_known) {
        head(out, "muai_heap_live_bytes", GAUGE_U64, "Heap handed out and not freed.");
        mu_buf_printf(out, "muai_heap_live_bytes %llu\n", (unsigned long long)heap.live_bytes);
        head(out, "muai_heap_retained_bytes", GAUGE_U64, "Heap freed and kept by the allocator.");
        mu_buf_printf(out, "muai_heap_retained_bytes %llu\n",
                      (unsigned long long)heap.retained_bytes);
    }
    head(out, "muai_allocated_bytes", GAUGE_U64, "Heap held by the program's own allocations.");
    mu_buf_printf(out, "muai_allocated_bytes %lld\n", (long long)mu_alloc_bytes_alive());
    head(out, "muai_allocations", GAUGE_U64, "The program's own allocations, pages included.");
    mu_buf_printf(out, "muai_allocations %lld\n", (long long)mu_alloc_n_alive());
    mu_pages_fact pages[MU_PAGES_NAMES_MAX];
    uint32_t n = mu_pages_facts(pages);
    if (n > 0) head(out, "muai_pages_bytes", GAUGE_U64, "Pages mapped, touched or not, by name.");
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_printf(out, "muai_pages_bytes{name=\"%s\"} %llu\n", pages[i].name,
                      (unsigned long long)pages[i].bytes);
    }
}

/* The GPU that the models are on: what of it is told. A comment says why when nothing is. */
static void write_gpu(mu_buf *out, mu_server *server) {
    const mu_server_options *o = &server->options;
    mu_gpu_usage u;
    mu_err err;
    char device[64], name[256];
    if (!server->gpu) return;
    if (mu_gpu_watch_get(server->gpu, &u, &err) != MU_OK) {
        mu_buf_printf(out, "# no GPU metrics: %s\n", err.text);
        return;
    }
    const struct {
        const char *name, *help;
        bool is_known;
        double value;
    } gauges[] = {
        {"muai_gpu_memory_used_bytes", "Memory of the GPU in use by everybody.",
         u.memory_total_bytes > 0, (double)u.memory_used_bytes},
        {"muai_gpu_memory_total_bytes", "Memory of the GPU.", u.memory_total_bytes > 0,
         (double)u.memory_total_bytes},
        {"muai_gpu_utilization_ratio",
         "Time in which a kernel ran, 0 to 1, in the driver's last sample period.",
         !isnan(u.utilization_percent), u.utilization_percent / 100.0},
        {"muai_gpu_power_watts", "Power drawn by the GPU.", !isnan(u.power_w), u.power_w},
        {"muai_gpu_temperature_celsius", "Temperature of the GPU.", !isnan(u.temperature_c),
         u.temperature_c},
    };
    escape(o->gpu_device, device, sizeof(device));
    escape(o->gpu_name, name, sizeof(name));
    for (size_t i = 0; i < MU_COUNTOF(gauges); i++) {
        if (!gauges[i].is_known) continue;
        head(out, gauges[i].name, GAUGE_F64, gauges[i].help);
        mu_buf_printf(out, "%s{device=\"%s\",name=\"%s\"} %.15g\n", gauges[i].name, device, name,
                      gauges[i].value);
    }
}

void mu_metrics_write(mu_server *server, mu_buf *out) {
    if (atomic_load(&server->is_ready)) {
        write_models(out, server);
        write_gpu(out, server);
    }
    write_server(out, server);
    write_http(out, server);
    write_memory(out);
    head(out, "muai_info", GAUGE_U32, "The program's version.");
    mu_buf_printf(out, "muai_info{version=\"%s\"} 1\n", MUAI_VERSION);
}
