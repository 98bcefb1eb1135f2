/* Rules about what users and the measurement suffered: failures, stalls, tails, a cache or a client
 * that disturbed the figures, too few runs.
 */
#include <math.h>
#include <string.h>

#include "bench/judge/finding.h"

static bool requests_fail(const mu_case *c, mu_finding *out) {
    const json_t *cell;
    double n_failed = 0.0, n_offered = 0.0;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double n = mu_document_number(cell, "reliability.failed");
        if (strcmp(mu_document_text(cell, "phase"), "stress") == 0 || mu_cell_is_saturated(cell)) {
            continue;
        }
        n_offered += fmax(0.0, mu_document_number(cell, "reliability.offered"));
        if (!(n > 0.0)) continue;
        const json_t *first = json_array_get(mu_document_at(cell, "reliability.classes"), 0);
        if (n_failed == 0.0 && first) {
            mu_buf_printf(&out->finding, "%s: \"%s\"; ", mu_document_text(first, "class"),
                          mu_document_text(first, "first"));
        }
        n_failed += n;
        mu_finding_cite_cell(out, cell);
    }
    if (n_failed == 0.0) return false;
    mu_buf_printf(&out->finding, "%.0f of %.0f requests failed, outside overload", n_failed,
                  n_offered);
    mu_buf_append_str(&out->action,
                      "look at the server's log at these times; a figure of the others is "
                      "that of survivors");
    return true;
}

/* The valid cell where something is worst. */
typedef struct worst {
    const json_t *cell;
    double value;
} worst;

static bool generation_stalls(const mu_case *c, mu_finding *out) {
    worst w = {NULL, 0.01};
    const json_t *cell;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double rate = mu_document_number(cell, "stalls.rate");
        double gap = mu_cell_figure(cell, "gap_max_ms.p50").value;
        double tpot = mu_cell_figure(cell, "tpot_ms.p50").value;
        if (rate > w.value && gap > 5.0 * tpot) w = (worst){cell, rate};
    }
    if (!w.cell) return false;
    mu_buf_printf(
        &out->finding,
        "%.3g%% of requests stall: half of them wait %.4g ms or more for a token, while one "
        "takes %.4g ms in the middle",
        100.0 * w.value, mu_cell_figure(w.cell, "gap_max_ms.p50").value,
        mu_cell_figure(w.cell, "tpot_ms.p50").value);
    mu_buf_append_str(&out->action,
                      "a smaller --prefill-beside, so that prompts of others hold running "
                      "streams up less");
    mu_finding_cite_cell(out, w.cell);
    return true;
}

static bool tail_is_long(const mu_case *c, mu_finding *out) {
    worst w = {NULL, 3.0};
    const json_t *cell;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double p50 = mu_cell_figure(cell, "ttft_service_ms.p50").value;
        double p95 = mu_cell_figure(cell, "ttft_service_ms.p95").value;
        if (mu_document_number(cell, "load.clients") != 1.0 || !(p50 > 0.0)) continue;
        if (p95 / p50 > w.value) w = (worst){cell, p95 / p50};
    }
    if (!w.cell) return false;
    mu_figure p95 = mu_cell_figure(w.cell, "ttft_service_ms.p95");
    mu_buf_printf(&out->finding, "with a single client p95 of TTFT is %.3g times p50: ", w.value);
    mu_buf_figure(&out->finding, &p95);
    mu_buf_append_str(&out->action, "nothing queues here, so it is the machine: look at steal, "
                                    "frequency and other processes (muai doctor)");
    mu_finding_cite_cell(out, w.cell);
    return true;
}

static bool cache_was_hit(const mu_case *c, mu_finding *out) {
    worst w = {NULL, 0.0};
    const json_t *cell;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double cached = mu_document_number(cell, "tokens.cached");
        double prompt = mu_document_number(cell, "tokens.prompt_mean") *
                        mu_document_number(cell, "reliability.ok");
        if (cached > 0.0 && prompt > 0.0 && cached / prompt > w.value) {
            w = (worst){cell, cached / prompt};
        }
    }
    if (!w.cell) return false;
    mu_buf_printf(&out->finding,
                  "%.3g%% of prompt tokens came out of the prefix cache in a cell meant to be cold",
                  100.0 * w.value);
    mu_buf_append_str(&out->action, "serve with --no-prefix-cache while measuring, or raise the "
                                    "variety of prompts; TTFT is lower than users will see");
    mu_finding_cite_cell(out, w.cell);
    return true;
}

static bool client_is_busy(const mu_case *c, mu_finding *out) {
    worst w = {NULL, 0.0};
    const json_t *cell;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double share = mu_document_number(cell, "client.cpu_share");
        bool disturbs = share > 0.6 || share > 0.1 * c->n_cores;
        if (disturbs && share > w.value) w = (worst){cell, share};
    }
    if (!w.cell) return false;
    mu_buf_printf(&out->finding, "the load generator took %.2g cores", w.value);
    if (!isnan(c->n_cores)) mu_buf_printf(&out->finding, " of %.0f", c->n_cores);
    mu_buf_append_str(&out->finding, ", which the server did not have");
    mu_buf_append_str(&out->action,
                      "measure from another machine, or keep cores for the client; this "
                      "throughput is a lower bound");
    mu_finding_cite_cell(out, w.cell);
    return true;
}

static bool chunks_are_coalesced(const mu_case *c, mu_finding *out) {
    worst w = {NULL, 0.01};
    const json_t *cell;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double share = mu_document_number(cell, "client.chunks_coalesced") /
                       mu_document_number(cell, "client.chunks");
        if (share > w.value) w = (worst){cell, share};
    }
    if (!w.cell) return false;
    mu_buf_printf(&out->finding, "%.3g%% of chunks arrived together with another", 100.0 * w.value);
    mu_buf_append_str(&out->action,
                      "read gaps between tokens (ICL, ITL) as censored; TPOT and TTFT are "
                      "not touched");
    mu_finding_cite_cell(out, w.cell);
    return true;
}

static bool runs_are_few(const mu_case *c, mu_finding *out) {
    double n = mu_document_number(c->doc, "run.runs");
    if (!(n < 5.0)) return false;
    mu_buf_printf(&out->finding,
                  "%.0f run%s of a fresh server: how much runs differ is not known well", n,
                  n == 1.0 ? "" : "s");
    mu_buf_append_str(&out->action, "--runs 5 before anything is published or compared");
    mu_finding_cite(out, "run", "");
    return true;
}

static bool is_slower(const mu_case *c, mu_finding *out) {
    const json_t *rows = mu_document_at(c->doc, "comparisons"), *least = NULL;
    double size = 0.0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        double ratio = mu_document_number(row, "ratio");
        if (strcmp(mu_document_text(row, "verdict"), "slower") != 0 || !(ratio > 0.0)) continue;
        if (strcmp(mu_document_text(row, "a"), c->system_id) != 0) continue;
        const char *id = mu_document_text(row, "cell");
        const json_t *cell = mu_document_cell(c->doc, id);
        if (cell && !mu_cell_is_sound(cell)) continue;
        if (fabs(log(ratio)) > size) {
            size = fabs(log(ratio));
            least = row;
        }
    }
    if (!least) return false;
    const json_t *other = mu_document_system(c->doc, mu_document_text(least, "b"));
    mu_buf_printf(&out->finding, "%s of %s is %.3g times that of %s (%.3g to %.3g)",
                  mu_document_text(least, "metric"), mu_document_text(least, "cell"),
                  mu_document_number(least, "ratio"), mu_document_text(other, "name"),
                  mu_document_number(least, "low"), mu_document_number(least, "high"));
    mu_buf_append_str(&out->action,
                      "compare settings and weight types first, then where the time goes: "
                      "muai bench engine, muai bench kernels");
    mu_finding_cite(out, "comparison", mu_document_text(least, "metric"));
    mu_finding_cite(out, "cell", mu_document_text(least, "cell"));
    return true;
}

const mu_rule_row mu_rules_service[] = {
    {{"R-ERR-01", "reliability",
      "A request failed in a valid cell that is not overload on purpose."},
     "warning",
     "Requests fail",
     "measured",
     requests_fail},
    {{"R-CACHE-01", "measurement", "Prompt tokens of a cell came out of the prefix cache."},
     "warning",
     "The prefix cache was not cold",
     "measured",
     cache_was_hit},
    {{"R-STALL-01", "streaming",
      "More than 1% of requests stall, and half of all requests have a gap "
      "of 5 times the time per output token."},
     "advice",
     "Streams stall",
     "measured",
     generation_stalls},
    {{"R-TAIL-01", "latency", "p95 of TTFT with one client is more than 3 times p50."},
     "advice",
     "The tail is long without load",
     "measured",
     tail_is_long},
    {{"R-CLIENT-01", "measurement",
      "The load generator uses more than 0.6 of a core, or 10% of the "
      "usable cores."},
     "advice",
     "The client takes part of the machine",
     "measured",
     client_is_busy},
    {{"R-CMP-01", "comparison", "A comparison says slower: names the one that is furthest apart."},
     "advice",
     "Something else is faster",
     "measured",
     is_slower},
    {{"R-CLIENT-02", "measurement",
      "More than 1% of chunks of a cell arrived together with another."},
     "info",
     "Gaps are censored",
     "measured",
     chunks_are_coalesced},
    {{"R-RUN-01", "measurement", "There are fewer than 5 runs of a fresh server."},
     "info",
     "These figures are exploratory",
     "rule of thumb",
     runs_are_few},
};
const size_t mu_n_rules_service = MU_COUNTOF(mu_rules_service);
