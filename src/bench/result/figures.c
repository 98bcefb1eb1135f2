#include "bench/result/figures.h"

#include <math.h>
#include <string.h>

const mu_figure_stat mu_figure_stats[MU_N_FIGURE_STATS] = {
    {MU_STAT_MEAN, "mean", NAN},   {MU_STAT_MIN, "min", NAN},  {MU_STAT_P50, "p50", 0.5},
    {MU_STAT_P90, "p90", 0.9},     {MU_STAT_P95, "p95", 0.95}, {MU_STAT_P99, "p99", 0.99},
    {MU_STAT_P999, "p999", 0.999}, {MU_STAT_MAX, "max", NAN},
};

/* Place, better, path, name (NULL: as the path), label, unit; then what is not as usual. */
// clang-format off
const mu_figure_row mu_figure_rows[] = {
    [MU_METRIC_TTFT] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "ttft_ms", NULL, "TTFT (user)", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY, .followed = MU_STAT_P50 | MU_STAT_P95,
     .compared = MU_STAT_P50 | MU_STAT_P95, .lengths = MU_LENGTHS_PROMPT, .formula = "a1 - s",
     .remark = "first token, from the moment the request should have been sent; headline in an "
                "open loop"},
    [MU_METRIC_TTFT_SERVICE] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "ttft_service_ms", NULL,
     "TTFT (service)", "ms", .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY,
     .followed = MU_STAT_P50 | MU_STAT_P95, .formula = "a1 - d",
     .remark = "first token, from the first write; headline in a closed loop; what vLLM, AIPerf "
                "and guidellm call TTFT"},
    [MU_METRIC_TTFB] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "ttfb_ms", NULL, "TTFB", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_LATENCY, .formula = "h - d",
     .remark = "first byte of the answer; headers may come before a token"},
    [MU_METRIC_TTFC] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "ttfc_ms", NULL, "TTFC", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_LATENCY, .formula = "first chunk with visible text - s",
     .remark = "reasoning and tool calls do not count"},
    [MU_METRIC_TTST] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "ttst_ms", NULL, "TTST", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_LATENCY, .formula = "a2 - a1",
     .remark = "second chunk after the first"},
    [MU_METRIC_TPOT] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "tpot_ms", NULL, "TPOT", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY, .followed = MU_STAT_P50 | MU_STAT_P95,
     .compared = MU_STAT_P50, .formula = "(aK - a1) / (N - 1)",
     .remark = "time per output token after the first, of one request; N of 2 or more"},
    [MU_METRIC_TPOT_ADJUSTED] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "tpot_adjusted_ms", NULL,
     "TPOT (adjusted)", "ms", .formula = "(aK - a1) / (N - tokens of the first chunk)",
     .remark = "where first chunks bring several tokens"},
    [MU_METRIC_ICL] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "icl_ms", NULL, "ICL", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY, .followed = MU_STAT_P50,
     .formula = "a(k) - a(k-1)",
     .remark = "gap between chunks, one sample a gap; what vLLM calls ITL"},
    [MU_METRIC_ITL] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "itl_ms", NULL, "ITL", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_LATENCY, .followed = MU_STAT_P50,
     .formula = "gap / tokens of the chunk",
     .remark = "only where the server says how many tokens a chunk has"},
    [MU_METRIC_E2E] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "e2e_ms", NULL, "E2E (user)", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY, .followed = MU_STAT_P50 | MU_STAT_P95,
     .formula = "aK - s", .remark = "last token, not [DONE]"},
    [MU_METRIC_E2E_SERVICE] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "e2e_service_ms", NULL,
     "E2E (service)", "ms", .shown = MU_SHOW_CSV | MU_SHOW_LATENCY, .formula = "aK - d",
     .remark = "the same from the first write"},
    [MU_METRIC_TTLB] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "ttlb_ms", NULL, "TTLB", "ms",
     .shown = MU_SHOW_CSV, .formula = "z - s", .remark = "last byte"},
    [MU_METRIC_GAP_MAX] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "gap_max_ms", NULL, "Worst gap", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY, .followed = MU_STAT_P50,
     .formula = "max of a(k) - a(k-1)", .remark = "of one request"},
    [MU_METRIC_LAG] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "lag_ms", NULL, "Client lag", "ms",
     .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY, .formula = "d - s",
     .remark = "health of the instrument"},
    [MU_METRIC_CONNECT] = {MU_PLACE_METRIC, MU_BETTER_LOWER, "connect_ms", NULL, "Connecting", "ms",
     .shown = MU_SHOW_CSV},
    [MU_METRIC_RATE_USER] = {MU_PLACE_METRIC, MU_BETTER_HIGHER, "rate_user_tok_s", NULL,
     "tok/s for one user", "tok/s", .shown = MU_SHOW_CSV | MU_SHOW_WIDE | MU_SHOW_LATENCY,
     .followed = MU_STAT_P50, .formula = "1 / TPOT", .remark = "decode speed of one stream"},
    [MU_METRIC_PREFILL] = {MU_PLACE_METRIC, MU_BETTER_HIGHER, "prefill_tok_s", NULL,
     "Prefill tok/s", "tok/s", .shown = MU_SHOW_CSV | MU_SHOW_LATENCY, .followed = MU_STAT_P50,
     .formula = "(P - C) / TTFT (service)", .remark = "apparent: queueing is inside"},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "throughput.output_tok_s", "output_tok_s", "Output tok/s",
     "tok/s", .shown = MU_SHOW_CSV, .followed = MU_STAT_VALUE, .compared = MU_STAT_VALUE,
     .lengths = MU_LENGTHS_BOTH, .formula = "tokens that arrived in the window / its length",
     .remark = "the steady window, without warm-up and drain"},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "throughput.input_tok_s", "input_tok_s", "Input tok/s",
     "tok/s", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "throughput.requests_s", "requests_s", "Requests/s", "req/s",
     .shown = MU_SHOW_CSV, .followed = MU_STAT_VALUE, .compared = MU_STAT_VALUE,
     .lengths = MU_LENGTHS_BOTH, .formula = "completions in the window / its length",
     .remark = "achieved"},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "throughput.in_flight_mean", "in_flight_mean", "In flight",
     "requests", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "throughput.efficiency", "scaling_efficiency",
     "Scaling efficiency", "", .shown = MU_SHOW_CSV, .formula = "X(c) / (c X(1))",
     .remark = "output tok/s at c clients against c times one client"},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "goodput.requests_s", "goodput", "Goodput", "req/s",
     .shown = MU_SHOW_CSV, .followed = MU_STAT_VALUE, .compared = MU_STAT_VALUE,
     .lengths = MU_LENGTHS_BOTH, .formula = "requests that met every limit / window",
     .remark = "failed requests are in the denominator of attainment"},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "goodput.attainment", "attainment", "Attainment", "",
     .shown = MU_SHOW_CSV, .followed = MU_STAT_VALUE, .formula = "good / offered",
     .remark = "Wilson's 95 % interval"},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "reliability.offered", "offered", "Offered", "requests",
     .merge = MU_MERGE_SUM, .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "reliability.ok", "ok", "Succeeded", "requests",
     .merge = MU_MERGE_SUM},
    {MU_PLACE_CELL, MU_BETTER_LOWER, "reliability.failed", "failed", "Failed", "requests",
     .merge = MU_MERGE_SUM, .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "reliability.success", "success", "Success", "",
     .shown = MU_SHOW_CSV, .followed = MU_STAT_VALUE,
     .formula = "2xx, no error event, ended properly, tokens as asked",
     .remark = "with 0 failures in n: at least 1 - 3/n (95 %)"},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "tokens.prompt_mean", "prompt_tokens", "Prompt tokens",
     "tokens", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "tokens.output_mean", "output_tokens", "Output tokens",
     "tokens", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "tokens.cached", "cached", "Cached tokens", "tokens",
     .merge = MU_MERGE_SUM},
    {MU_PLACE_CELL, MU_BETTER_LOWER, "stalls.rate", "stall_rate", "Stall rate", "",
     .shown = MU_SHOW_CSV, .formula = "share of requests with a gap above 5 medians",
     .remark = "what TPOT hides"},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "client.cpu_share", "client_cpu_share", "Client CPU",
     "cores", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "client.cpu_s_per_1000_tokens",
     "client_cpu_s_per_1000_tokens", "Client CPU-s per 1000 tokens", "s", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "client.chunks", "chunks", "Chunks", "chunks",
     .merge = MU_MERGE_SUM},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "client.chunks_coalesced", "chunks_coalesced",
     "Chunks of one receive", "chunks", .merge = MU_MERGE_SUM},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "server.cpu_share", "server_cpu_share", "Server CPU",
     "cores", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_LOWER, "server.cpu_s_per_1000_tokens", "server_cpu_s_per_1000_tokens",
     "Server CPU-s per 1000 tokens", "s", .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_LOWER, "server.rss_peak_mb", "server_rss_peak",
     "Server memory at most", "MB", .merge = MU_MERGE_MOST, .shown = MU_SHOW_CSV},
    {MU_PLACE_CELL, MU_BETTER_LOWER, "server.gpu_memory_peak_mb", "gpu_memory_peak",
     "GPU memory at most", "MB", .merge = MU_MERGE_MOST},
    {MU_PLACE_CELL, MU_BETTER_LOWER, "server.gpu_process_peak_mb", "gpu_process_peak",
     "GPU memory of the server at most", "MB", .merge = MU_MERGE_MOST},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "efficiency.mbu", "mbu", "MBU", "", .shown = MU_SHOW_CSV,
     .followed = MU_STAT_VALUE, .formula = "(weights + KV read) / TPOT / bandwidth",
     .remark = "bandwidth measured on this machine, not from a data sheet"},
    {MU_PLACE_CELL, MU_BETTER_HIGHER, "efficiency.mfu", "mfu", "MFU", "", .shown = MU_SHOW_CSV,
     .followed = MU_STAT_VALUE, .formula = "prefill FLOP / (TTFT x peak)",
     .remark = "peak measured on this machine"},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "window.requests", "requests", "Requests", "requests",
     .merge = MU_MERGE_SUM},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "window.warmup_requests", "warmup_requests",
     "Requests of the warm-up", "requests", .merge = MU_MERGE_SUM},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "window.truncated_requests", "truncated_requests",
     "Requests cut off", "requests", .merge = MU_MERGE_SUM},
    {MU_PLACE_CELL, MU_BETTER_NEITHER, "window.duration_s", "duration_s", "Window", "s",
     .merge = MU_MERGE_SUM},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "peak_mb", "peak", "Peak of all phases", "MB",
     .shown = MU_SHOW_CSV | MU_SHOW_MEMORY, .followed = MU_STAT_VALUE, .compared = MU_STAT_VALUE,
     .key = "memory.peak_mb"},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "footprint.peak_mb", "footprint_peak",
     "Peak of the process tree", "MB"},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "footprint.rss_mb", "rss", "Resident (RSS)", "MB",
     .shown = MU_SHOW_CSV | MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "footprint.pss_mb", "pss", "Proportional (PSS)", "MB",
     .shown = MU_SHOW_CSV | MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "footprint.uss_mb", "uss", "Private (USS)", "MB",
     .shown = MU_SHOW_CSV | MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "footprint.unreclaimable_mb", "unreclaimable",
     "Unreclaimable", "MB", .shown = MU_SHOW_CSV | MU_SHOW_MEMORY, .followed = MU_STAT_VALUE,
     .key = "memory.unreclaimable_mb", .formula = "anonymous + dirty private + swap",
     .remark = "what the process needs and cannot be taken from it"},
    {MU_PLACE_MEMORY, MU_BETTER_NEITHER, "footprint.mapped_mb", "mapped", "Mapped files", "MB",
     .shown = MU_SHOW_CSV | MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "footprint.swap_mb", "swap", "Swap", "MB",
     .shown = MU_SHOW_CSV | MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "inference.before_mb", "inference_before",
     "Before inference", "MB", .shown = MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "inference.peak_mb", "inference_peak", "Peak under load",
     "MB", .shown = MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "inference.delta_mb", "inference_delta", "Inference adds",
     "MB", .shown = MU_SHOW_CSV | MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_NEITHER, "kv.analytic_bytes_per_token", "kv_analytic",
     "KV per token, by arithmetic", "B/token", .shown = MU_SHOW_CSV | MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "kv.measured_bytes_per_token", "kv_measured",
     "KV per token, measured", "B/token", .shown = MU_SHOW_CSV | MU_SHOW_MEMORY,
     .followed = MU_STAT_VALUE, .key = "memory.kv_bytes_per_token"},
    {MU_PLACE_MEMORY, MU_BETTER_NEITHER, "kv.ratio", "kv_ratio", "KV measured / arithmetic", "",
     .shown = MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "leak.slope_mb_h", "leak_slope", "Growth", "MB/h",
     .followed = MU_STAT_VALUE, .key = "memory.leak_mb_h"},
    {MU_PLACE_MEMORY, MU_BETTER_NEITHER, "leak.threshold_mb_h", "leak_threshold", "Leak threshold",
     "MB/h", .shown = MU_SHOW_MEMORY},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "leak.detection_limit_mb_h", "leak_detection_limit",
     "Leak detection limit", "MB/h", .shown = MU_SHOW_CSV | MU_SHOW_MEMORY,
     .formula = "smallest slope the leak test would have seen", .remark = "95 %"},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "loads.cold.seconds", "load_cold", "Cold load", "s",
     .followed = MU_STAT_VALUE, .key = "memory.load_cold_s"},
    {MU_PLACE_MEMORY, MU_BETTER_LOWER, "loads.warm.seconds", "load_warm", "Warm load", "s",
     .followed = MU_STAT_VALUE, .key = "memory.load_warm_s"},
    {MU_PLACE_CAPACITY, MU_BETTER_HIGHER, "max_rate_per_s", "capacity", "Capacity", "req/s",
     .followed = MU_STAT_VALUE, .key = "capacity.max_rate_per_s",
     .formula = "highest rate whose lower bound of attainment meets the goal",
     .remark = "found by bisection"},
};
// clang-format on
const uint32_t mu_n_figure_rows = MU_COUNTOF(mu_figure_rows);

const mu_figure_row *mu_figure_row_of(mu_place place, const char *path) {
    if (strncmp(path, "metrics.", 8) == 0) path += 8;
    size_t n = place == MU_PLACE_METRIC ? strcspn(path, ".") : strlen(path);
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const mu_figure_row *row = &mu_figure_rows[i];
        if (row->place != place || strncmp(row->path, path, n) != 0) continue;
        if (row->path[n] == '\0') return row;
    }
    return NULL;
}

mu_merge mu_merge_of(const char *key) {
    /* What stands around a figure: its interval, its gate, its samples. */
    static const struct {
        const char *key;
        mu_merge merge;
    } parts[] = {{"low", MU_MERGE_LEAST}, {"min", MU_MERGE_LEAST},   {"high", MU_MERGE_MOST},
                 {"max", MU_MERGE_MOST},  {"need", MU_MERGE_FEWEST}, {"have", MU_MERGE_FEWEST},
                 {"n", MU_MERGE_SUM},     {"n_eff", MU_MERGE_SUM}};
    for (size_t i = 0; i < MU_COUNTOF(parts); i++) {
        if (strcmp(parts[i].key, key) == 0) return parts[i].merge;
    }
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const char *path = mu_figure_rows[i].path, *dot = strrchr(path, '.');
        if (strcmp(dot ? dot + 1 : path, key) == 0 && mu_figure_rows[i].place <= MU_PLACE_CELL) {
            return mu_figure_rows[i].merge;
        }
    }
    return MU_MERGE_MEDIAN;
}
