/* Rules about memory: how much to allocate, whether it grows, how loading goes. */
#include <math.h>
#include <string.h>

#include "bench/judge/finding.h"

enum { SOAK_SECONDS = 600 };

static const double margin = 1.2; /* on top of a measured peak */

static double host_mb(const mu_case *c) {
    return mu_document_number(c->host, "memory_total_bytes") * 1e-6;
}

/* What a token takes, measured or else computed; NAN: neither is known. */
static double kv_bytes(const mu_case *c) {
    static const char *const paths[] = {"kv.measured_bytes_per_token",
                                        "kv.analytic_bytes_per_token"};
    for (size_t i = 0; i < MU_COUNTOF(paths); i++) {
        double bytes = mu_document_number(c->memory, paths[i]);
        if (bytes > 0.0) return bytes;
    }
    return mu_document_number(c->system, "model.kv_bytes_per_token");
}

static void cite_memory(const mu_case *c, mu_finding *out) {
    mu_finding_cite(out, "memory", c->system_id);
}

static bool memory_to_allocate(const mu_case *c, mu_finding *out) {
    mu_figure peak = mu_memory_peak(c->memory);
    if (!(peak.value > 0.0)) return false;
    double bytes = kv_bytes(c), n_ctx = mu_document_number(c->system, "model.n_ctx");
    mu_buf_printf(&out->finding, "the process tree takes %.4g MB at its peak", peak.value);
    if (bytes > 0.0 && n_ctx > 0.0) {
        mu_buf_printf(&out->finding,
                      "; a sequence of %.0f tokens takes %.3g MB of KV cache (%.0f bytes a token)",
                      n_ctx, bytes * n_ctx * 1e-6, bytes);
    }
    mu_buf_printf(&out->action, "give it %.0f MB (the peak and 20%%)", ceil(peak.value * margin));
    if (bytes > 0.0) {
        mu_buf_append_str(&out->action,
                          "; --parallel, --ctx and --kv-cache-bytes set the part of the "
                          "KV cache");
    }
    mu_buf_printf(&out->expected, "%.4g MB, measured", peak.value);
    cite_memory(c, out);
    return true;
}

static bool memory_is_short(const mu_case *c, mu_finding *out) {
    double peak = mu_memory_peak(c->memory).value;
    if (!(peak > 0.8 * host_mb(c))) return false;
    mu_buf_printf(&out->finding, "the peak of %.4g MB is %.0f%% of this machine's %.4g MB", peak,
                  100.0 * peak / host_mb(c), host_mb(c));
    mu_buf_append_str(&out->action,
                      "narrower weights (--dtype q8) or KV cache (--kv bf16), less --parallel or "
                      "--ctx, or a machine with more memory");
    cite_memory(c, out);
    mu_finding_cite(out, "host", "");
    return true;
}

static bool memory_is_swapped(const mu_case *c, mu_finding *out) {
    double swap = mu_document_number(c->memory, "footprint.swap_mb");
    if (!(swap >= 1.0)) return false;
    mu_buf_printf(&out->finding, "%.4g MB of the process are in swap", swap);
    mu_buf_append_str(&out->action,
                      "free memory or turn swap off for it: a token that waits for a disk "
                      "takes a thousand times as long");
    cite_memory(c, out);
    return true;
}

static bool kv_is_not_as_computed(const mu_case *c, mu_finding *out) {
    mu_figure measured = mu_memory_figure(c->memory, "kv.measured_bytes_per_token");
    double analytic = mu_document_number(c->memory, "kv.analytic_bytes_per_token");
    double low = isnan(measured.low) ? measured.value : measured.low;
    double high = isnan(measured.high) ? measured.value : measured.high;
    bool is_off = low > 1.1 * analytic || high < 0.9 * analytic;
    if (!(analytic > 0.0) || !is_off) return false;
    mu_buf_printf(&out->finding, "a token of KV cache takes ");
    mu_buf_figure(&out->finding, &measured);
    mu_buf_printf(&out->finding, ", computed are %.0f bytes", analytic);
    mu_buf_append_str(&out->action,
                      "size memory by the measured figure; look for padding or another "
                      "type of KV cache than configured");
    cite_memory(c, out);
    return true;
}

static bool has_leak_verdict(const mu_case *c, const char *verdict) {
    return strcmp(mu_document_text(c->memory, "leak.verdict"), verdict) == 0;
}

static void say_slope(const mu_case *c, mu_finding *out) {
    mu_figure slope = mu_memory_figure(c->memory, "leak.slope_mb_h");
    mu_buf_append_str(&out->finding, mu_document_text(c->memory, "leak.why"));
    if (isnan(slope.value)) return;
    if (out->finding.n > 0) mu_buf_append_str(&out->finding, "; ");
    mu_buf_figure(&out->finding, &slope);
}

static bool memory_leaks(const mu_case *c, mu_finding *out) {
    if (!has_leak_verdict(c, "LEAK")) return false;
    say_slope(c, out);
    mu_buf_append_str(&out->action,
                      "restart it before memory runs out, and report it with this file; "
                      "muai bench soak says which signal grows");
    cite_memory(c, out);
    return true;
}

static bool memory_is_retained(const mu_case *c, mu_finding *out) {
    if (!has_leak_verdict(c, "RETENTION")) return false;
    say_slope(c, out);
    mu_buf_append_str(&out->action,
                      "not a leak: the allocator keeps freed memory. MALLOC_ARENA_MAX=2 or "
                      "MALLOC_TRIM_THRESHOLD_ keep it smaller");
    cite_memory(c, out);
    return true;
}

static bool leak_is_undecided(const mu_case *c, mu_finding *out) {
    if (!has_leak_verdict(c, "INCONCLUSIVE")) return false;
    double needs_s = mu_document_number(c->memory, "leak.needs_s");
    double limit = mu_document_number(c->memory, "leak.detection_limit_mb_h");
    mu_buf_append_str(&out->finding, "whether memory grows is not decided");
    if (!isnan(limit)) {
        mu_buf_printf(&out->finding, ": below %.3g MB/h nothing could be seen", limit);
    }
    /* What is missing is guessed from noise: less than ten minutes is not worth a second try. */
    double seconds = needs_s > SOAK_SECONDS / 2.0 ? ceil(needs_s / 30.0) * 60.0 : SOAK_SECONDS;
    mu_buf_printf(&out->action, "muai bench soak --seconds %.0f", seconds);
    cite_memory(c, out);
    return true;
}

static bool cold_start_is_slow(const mu_case *c, mu_finding *out) {
    double cold = mu_document_number(c->memory, "loads.cold.seconds");
    double warm = mu_document_number(c->memory, "loads.warm.seconds");
    double read = mu_document_number(c->memory, "loads.cold.read_mb");
    if (!(warm > 0.0) || !(cold > 1.5 * warm) || !(cold - warm > 0.2)) return false;
    mu_buf_printf(&out->finding,
                  "loading takes %.3g s from the disk and %.3g s from the page cache", cold, warm);
    if (read > 0.0) mu_buf_printf(&out->finding, " (%.0f MB read)", read);
    mu_buf_append_str(&out->action, "read the file before starting (cat MODEL >/dev/null), and let "
                                    "/readyz decide when requests are sent");
    mu_buf_printf(&out->expected, "%.3g s less until the first token", cold - warm);
    cite_memory(c, out);
    return true;
}

const mu_rule_row mu_rules_memory[] = {
    {{"R-LEAK-01", "memory", "The verdict about memory growth is LEAK."},
     "warning",
     "Memory leaks",
     "measured",
     memory_leaks},
    {{"R-MEM-02", "memory", "The peak is above 80% of the machine's memory."},
     "warning",
     "Memory is short",
     "measured",
     memory_is_short},
    {{"R-MEM-03", "memory", "1 MB or more of the process is in swap."},
     "warning",
     "The process is swapped out",
     "measured",
     memory_is_swapped},
    {{"R-LEAK-02", "memory", "The verdict about memory growth is RETENTION."},
     "advice",
     "Freed memory is kept",
     "measured",
     memory_is_retained},
    {{"R-LEAK-03", "memory", "The verdict about memory growth is INCONCLUSIVE."},
     "advice",
     "Memory growth is not decided",
     "measured",
     leak_is_undecided},
    {{"R-KV-01", "memory",
      "Measured and computed bytes of a token of KV cache differ by more than "
      "10%, by the whole interval."},
     "advice",
     "The KV cache is not as computed",
     "measured",
     kv_is_not_as_computed},
    {{"R-LOAD-01", "start", "A cold load takes more than 1.5 times a warm one, and 0.2 s more."},
     "advice",
     "A cold start is slow",
     "measured",
     cold_start_is_slow},
    {{"R-MEM-01", "memory",
      "The peak is known: names what to allocate, and what a sequence takes."},
     "info",
     "Memory to allocate",
     "measured",
     memory_to_allocate},
};
const size_t mu_n_rules_memory = MU_COUNTOF(mu_rules_memory);
