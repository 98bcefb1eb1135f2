/* client - what the load generator itself costs: a closed loop against a server that is up.
 *
 *     client_speed URL CLIENTS REQUESTS SHAPE [no-stream|rate=N]
 *
 * Prints requests/s, latencies and the CPU time of the load thread a request and 1000 tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/load/load.h"

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, const mu_records *r,
                        uint64_t (*span_ns)(const mu_record *)) {
    double *us = MU_ALLOC(double, r->n_records);
    size_t n = 0;
    for (size_t i = 0; us && i < r->n_records; i++) {
        uint64_t ns = span_ns(&r->records[i]);
        if (ns > 0) us[n++] = (double)ns * 1e-3;
    }
    if (n > 0) {
        qsort(us, n, sizeof(*us), by_value);
        printf("%-10s p50 %9.1f  p90 %9.1f  p99 %9.1f  max %9.1f us (n %zu)\n", name, us[n / 2],
               us[n * 9 / 10], us[n * 99 / 100], us[n - 1], n);
    }
    mu_free(us);
}

static uint64_t since(uint64_t from, uint64_t to) {
    return from > 0 && to > from ? to - from : 0;
}

static uint64_t lag(const mu_record *r) {
    return since(r->intended_ns, r->dispatch_ns);
}

static uint64_t ttft(const mu_record *r) {
    return since(r->dispatch_ns, r->first_token_ns);
}

static uint64_t whole(const mu_record *r) {
    return since(r->dispatch_ns, r->end_ns);
}

static void print_result(const mu_load_result *r) {
    uint64_t tokens = 0, failed = 0;
    for (size_t i = 0; i < r->records.n_records; i++) {
        const mu_record *record = &r->records.records[i];
        if (record->output_tokens != MU_TOKENS_UNKNOWN) tokens += record->output_tokens;
        failed += record->failure != MU_FAILURE_NONE;
    }
    double s = (double)(r->drained_ns - r->start_ns) * 1e-9, n = (double)r->records.n_records;
    printf("%s: %zu requests, %lu failed, %.1f requests/s, %.0f tokens/s, %lu connections\n",
           mu_load_end_name(r->end), r->records.n_records, (unsigned long)failed, n / s,
           (double)tokens / s, (unsigned long)r->n_connections);
    printf("client CPU %.3f of a core, %.1f us a request, %.3f ms per 1000 tokens, %lu receives, "
           "%lu of %lu chunks coalesced\n",
           r->cpu_total_s / s, r->cpu_total_s / n * 1e6, r->cpu_total_s / (double)tokens * 1e6,
           (unsigned long)r->n_receives, (unsigned long)r->n_coalesced, (unsigned long)r->n_chunks);
    print_times("lag", &r->records, lag);
    print_times("ttft", &r->records, ttft);
    print_times("e2e", &r->records, whole);
    for (int f = 1; f < MU_N_FAILURES; f++) {
        if (r->records.n_by_failure[f] == 0) continue;
        printf("%s: %lu: %s\n", mu_failure_name((mu_failure)f),
               (unsigned long)r->records.n_by_failure[f], r->records.first_message[f]);
    }
}

static mu_status run(char **argv, const char *mode, mu_load_result *out, mu_err *err) {
    mu_target *target = NULL;
    mu_schedule *schedule = NULL;
    mu_shape shape;
    mu_status status = mu_shape_parse(argv[4], &shape, err);
    mu_target_options options = {.url = argv[1]};
    if (status == MU_OK) status = mu_target_open(&options, &target, err);
    if (status == MU_OK) status = mu_target_probe(target, err);
    if (status == MU_OK) {
        const mu_target_info *i = mu_target_info_of(target);
        printf("%s, model %s, ids below %u, tokens by %s, %u requests of probing\n", i->name,
               i->model, i->vocab_size, mu_token_source_name(i->token_source), i->n_requests);
        mu_schedule_options s = {.shapes = &shape,
                                 .n_shapes = 1,
                                 .n_requests = (uint32_t)strtoul(argv[3], NULL, 10),
                                 .seed = 1};
        if (strncmp(mode, "rate=", 5) == 0) {
            s.arrivals.kind = MU_ARRIVAL_POISSON;
            s.rate_per_s = strtod(mode + 5, NULL);
        }
        status = mu_schedule_open(&s, &schedule, err);
    }
    if (status == MU_OK) {
        mu_prompts prompts = mu_target_prompts(target, 1, 1);
        mu_load_options load = {.target = target,
                                .schedule = schedule,
                                .prompts = &prompts,
                                .n_clients = (uint32_t)strtoul(argv[2], NULL, 10),
                                .no_stream = strcmp(mode, "no-stream") == 0};
        status = mu_load_run(&load, out, err);
    }
    mu_schedule_close(schedule);
    mu_target_close(target);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fputs("usage: client_speed URL CLIENTS REQUESTS SHAPE [no-stream|rate=N]\n", stderr);
        return 2;
    }
    mu_err err = {0};
    mu_load_result result = {0};
    if (run(argv, argc > 5 ? argv[5] : "", &result, &err) != MU_OK) {
        fprintf(stderr, "client_speed: %s\n", err.text);
        return 1;
    }
    print_result(&result);
    mu_load_result_deinit(&result);
    return 0;
}
