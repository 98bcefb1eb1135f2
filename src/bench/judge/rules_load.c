/* Rules about how much to ask of the server at once: clients, batches, rate, prompt length,
 * instances.
 */
#include <math.h>
#include <string.h>

#include "bench/judge/finding.h"

static bool has_curve(const mu_case *c) {
    return c->curve.n >= 3;
}

/* Intervals that do not touch: the first is lower whatever is true within them. */
static bool is_clearly_below(const mu_figure *a, const mu_figure *b) {
    return !isnan(a->high) && !isnan(b->low) ? a->high < b->low : a->value < 0.9 * b->value;
}

/* The most clients measured are the best ones by far, so that the curve says nothing about more. */
static bool is_still_rising(const mu_case *c) {
    if (!has_curve(c) || c->curve.best != c->curve.n - 1) return false;
    const mu_load_point *last = &c->curve.points[c->curve.n - 1], *before = last - 1;
    return is_clearly_below(&before->tok_s, &last->tok_s) &&
           last->tok_s.value > 1.1 * before->tok_s.value;
}

/* The share of requests within the SLO; NAN when the cell does not say. */
static mu_figure attainment(const mu_load_point *point) {
    return mu_cell_figure(point->cell, "goodput.attainment");
}

/* The most clients that keep the SLO, and the next ones, which do not; NULL: there are none. */
static const mu_load_point *slo_limit(const mu_case *c, const mu_load_point **out_next) {
    const mu_load_point *most = NULL;
    *out_next = NULL;
    for (size_t i = 0; i < c->curve.n; i++) {
        mu_figure share = attainment(&c->curve.points[i]);
        if (isnan(share.value)) continue;
        if (share.value < c->slo_attain) {
            *out_next = &c->curve.points[i];
            break;
        }
        most = &c->curve.points[i];
    }
    return most;
}

/* What more clients than one bring. */
static void say_gain(const mu_load_curve *curve, mu_finding *out) {
    const mu_load_point *one = &curve->points[0], *knee = &curve->points[curve->knee];
    if (knee == one || one->clients != 1.0 || !(one->tok_s.value > 0.0)) return;
    double gain = knee->tok_s.value / one->tok_s.value;
    mu_buf_printf(&out->finding,
                  "; that is %.2f times the throughput of one, a scaling efficiency of %.0f%%",
                  gain, 100.0 * gain / knee->clients);
    mu_finding_cite_cell(out, one->cell);
}

static bool knee_of_throughput(const mu_case *c, mu_finding *out) {
    if (!has_curve(c) || is_still_rising(c)) return false;
    const mu_load_point *knee = &c->curve.points[c->curve.knee],
                        *best = &c->curve.points[c->curve.best], *next;
    const mu_load_point *most = slo_limit(c, &next);
    mu_buf_printf(&out->finding, "at %.0f/%.0f tokens, %.0f clients reach ", c->curve.prompt_tokens,
                  c->curve.output_tokens, knee->clients);
    mu_buf_figure(&out->finding, &knee->tok_s);
    if (knee != best) {
        mu_buf_printf(&out->finding, ", %.0f%% of the highest throughput, ",
                      100.0 * knee->tok_s.value / best->tok_s.value);
        mu_buf_figure(&out->finding, &best->tok_s);
        mu_buf_printf(&out->finding, " with %.0f", best->clients);
    } else {
        mu_buf_append_str(&out->finding, ", the highest throughput measured");
    }
    say_gain(&c->curve, out);
    if (most && next && most->clients < knee->clients) {
        mu_buf_append_str(&out->action, "the SLO allows fewer, and sets the limit");
    } else {
        mu_buf_printf(&out->action, "serve with --parallel %.0f; more clients mostly wait",
                      knee->clients);
    }
    mu_buf_figure(&out->expected, &knee->tok_s);
    mu_figure tpot = mu_cell_figure(knee->cell, "tpot_ms.p50");
    if (!isnan(tpot.value)) {
        mu_buf_append_str(&out->expected, ", time per output token (p50) ");
        mu_buf_figure(&out->expected, &tpot);
    }
    mu_finding_cite_cell(out, knee->cell);
    if (knee != best) mu_finding_cite_cell(out, best->cell);
    return true;
}

/* One limit is named: the SLO's where it is lower than the knee, else the knee's. */
static void say_limit(const mu_case *c, const mu_load_point *most, mu_finding *out) {
    const mu_load_point *knee = &c->curve.points[c->curve.knee];
    if (is_still_rising(c) || most->clients <= knee->clients) {
        mu_buf_printf(&out->action, "admit at most %.0f requests at once: --parallel %.0f",
                      most->clients, most->clients);
    } else {
        mu_buf_printf(&out->action, "--parallel %.0f keeps it: more gains no throughput",
                      knee->clients);
    }
}

static bool most_clients_within_slo(const mu_case *c, mu_finding *out) {
    const mu_load_point *next, *most = slo_limit(c, &next);
    if (!has_curve(c) || !most) return false;
    mu_figure share = attainment(most);
    mu_buf_printf(&out->finding,
                  "up to %.0f clients, %.4g%% of requests keep TTFT %.4g ms and TPOT %.4g ms",
                  most->clients, 100.0 * share.value, c->slo_ttft_ms, c->slo_tpot_ms);
    if (!isnan(share.low)) mu_buf_printf(&out->finding, " (at least %.4g%%)", 100.0 * share.low);
    mu_finding_cite_cell(out, most->cell);
    if (next) {
        mu_figure less = attainment(next);
        mu_buf_printf(&out->finding, "; with %.0f it is %.4g%%", next->clients, 100.0 * less.value);
        mu_finding_cite_cell(out, next->cell);
        say_limit(c, most, out);
    } else {
        mu_buf_append_str(&out->finding, "; more were not measured");
        mu_buf_append_str(&out->action, "none for its sake: the throughput decides how many");
    }
    mu_buf_figure(&out->expected, &most->tok_s);
    return true;
}

static bool no_clients_within_slo(const mu_case *c, mu_finding *out) {
    if (c->curve.n == 0) return false;
    const mu_load_point *fewest = &c->curve.points[0];
    mu_figure share = attainment(fewest);
    /* Wholly below: a few slow requests of a small sample do not say so. */
    if (!(share.value < c->slo_attain) || !(share.high < c->slo_attain)) return false;
    mu_buf_printf(&out->finding,
                  "even %.0f client%s: %.4g%% (at most %.4g%%) of requests keep TTFT %.4g ms and "
                  "TPOT %.4g ms; %.4g%% are asked for",
                  fewest->clients, fewest->clients == 1.0 ? "" : "s", 100.0 * share.value,
                  100.0 * share.high, c->slo_ttft_ms, c->slo_tpot_ms, 100.0 * c->slo_attain);
    mu_buf_append_str(&out->action, "shorter prompts, narrower weights (--dtype q8) or a faster "
                                    "machine; fewer clients do not help");
    mu_finding_cite_cell(out, fewest->cell);
    return true;
}

static bool still_rising(const mu_case *c, mu_finding *out) {
    if (!is_still_rising(c)) return false;
    const mu_load_point *last = &c->curve.points[c->curve.n - 1], *before = last - 1;
    mu_buf_printf(&out->finding,
                  "throughput still grows from %.0f to %.0f clients: ", before->clients,
                  last->clients);
    mu_buf_figure(&out->finding, &before->tok_s);
    mu_buf_append_str(&out->finding, " to ");
    mu_buf_figure(&out->finding, &last->tok_s);
    mu_buf_printf(&out->action, "measure more: muai bench throughput --clients %.0f,%.0f",
                  2.0 * last->clients, 4.0 * last->clients);
    mu_finding_cite_cell(out, before->cell);
    mu_finding_cite_cell(out, last->cell);
    return true;
}

static bool falls_with_load(const mu_case *c, mu_finding *out) {
    if (!has_curve(c) || c->curve.best == c->curve.n - 1) return false;
    const mu_load_point *best = &c->curve.points[c->curve.best];
    const mu_load_point *last = &c->curve.points[c->curve.n - 1];
    if (!is_clearly_below(&last->tok_s, &best->tok_s)) return false;
    if (!(last->tok_s.value < 0.95 * best->tok_s.value)) return false;
    mu_buf_printf(&out->finding, "throughput falls from ");
    mu_buf_figure(&out->finding, &best->tok_s);
    mu_buf_printf(&out->finding, " at %.0f clients to ", best->clients);
    mu_buf_figure(&out->finding, &last->tok_s);
    mu_buf_printf(&out->finding, " at %.0f", last->clients);
    mu_buf_printf(&out->action, "limit what runs at once with --parallel %.0f; the rest waits",
                  c->curve.points[c->curve.knee].clients);
    mu_buf_figure(&out->expected, &best->tok_s);
    mu_finding_cite_cell(out, best->cell);
    mu_finding_cite_cell(out, last->cell);
    return true;
}

static double rate_of(const json_t *cell) {
    return mu_document_number(cell, "load.rate_per_s");
}

/* A queue of n requests is gone after n / rate: what waits longer than the SLO is too much. */
static bool capacity_is_known(const mu_case *c, mu_finding *out) {
    mu_figure rate = mu_capacity_figure(c->capacity, "max_rate_per_s");
    const json_t *ids = mu_document_at(c->capacity, "cells");
    const json_t *cell = NULL; /* of the search, nearest to the rate and not above it */
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        const json_t *found = id ? mu_document_cell(c->doc, id) : NULL;
        if (!mu_cell_is_sound(found) || mu_cell_is_saturated(found)) continue;
        if (!(rate_of(found) <= rate.value * 1.001)) continue;
        if (!cell || rate_of(found) > rate_of(cell)) cell = found;
    }
    if (!(rate.value > 0.0) || !cell) return false;
    double n_queued = fmax(1.0, floor(rate.value * c->slo_ttft_ms * 1e-3));
    mu_buf_printf(&out->finding, "%.4g requests a second of %s tokens %s the SLO", rate.value,
                  mu_document_text(c->capacity, "shape"),
                  mu_document_is_true(c->capacity, "is_shown") ? "keep" : "seem to keep");
    if (!isnan(rate.low)) mu_buf_printf(&out->finding, "; %.4g do not", rate.high);
    mu_buf_printf(
        &out->action,
        "admit no more than that; with --max-num-queued-reqs %.0f nobody waits longer than "
        "%.4g ms for a place",
        n_queued, c->slo_ttft_ms);
    mu_buf_figure(&out->expected, &rate);
    mu_figure e2e = mu_cell_figure(cell, "e2e_ms.mean");
    if (!isnan(e2e.value)) {
        mu_buf_printf(&out->expected, ", about %.3g in flight (Little)",
                      rate.value * e2e.value * 1e-3);
    }
    mu_finding_cite(out, "capacity", c->system_id);
    mu_finding_cite_cell(out, cell);
    return true;
}

static bool is_saturated(const mu_case *c, mu_finding *out) {
    const json_t *cell, *least = NULL;
    double rate = INFINITY;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double offered = mu_document_number(cell, "load.rate_per_s");
        if (!mu_cell_is_saturated(cell) || !(offered < rate)) continue;
        rate = offered;
        least = cell;
    }
    if (!least) return false;
    mu_figure served = mu_cell_figure(least, "throughput.requests_s");
    mu_buf_printf(&out->finding,
                  "at %.4g requests a second more come than are answered; the queue grows", rate);
    if (!isnan(served.value)) {
        mu_buf_append_str(&out->finding, ", served are ");
        mu_buf_figure(&out->finding, &served);
    }
    mu_buf_append_str(&out->action, "stay below with a limit at the front, or refuse early with a "
                                    "small --max-num-queued-reqs");
    mu_finding_cite_cell(out, least);
    return true;
}

static bool cores_are_full(const mu_case *c, mu_finding *out) {
    if (!has_curve(c)) return false;
    const mu_load_point *best = &c->curve.points[c->curve.best];
    double used = mu_document_number(best->cell, "server.cpu_share");
    if (!(used >= 0.9 * c->n_cores)) return false;
    mu_buf_printf(&out->finding, "one process uses %.3g of %.0f cores at %.0f clients, and gives ",
                  used, c->n_cores, best->clients);
    mu_buf_figure(&out->finding, &best->tok_s);
    mu_buf_append_str(&out->action,
                      "run one instance here: a second on the same cores shares them and holds the "
                      "weights twice. For a rate R, ceil(R / measured rate) machines");
    mu_figure requests = mu_cell_figure(best->cell, "throughput.requests_s");
    double in_flight = mu_document_number(best->cell, "throughput.in_flight_mean");
    if (!isnan(requests.value)) {
        mu_buf_figure(&out->expected, &requests);
        mu_buf_append_str(&out->expected, " each");
        if (in_flight > 0.0 && requests.value > 0.0) {
            mu_buf_printf(&out->expected, ", a request in %.3g s (Little: %.3g in flight)",
                          in_flight / requests.value, in_flight);
        }
    }
    mu_finding_cite_cell(out, best->cell);
    return true;
}

static bool cores_are_idle(const mu_case *c, mu_finding *out) {
    if (!has_curve(c)) return false;
    const mu_load_point *best = &c->curve.points[c->curve.best];
    double used = mu_document_number(best->cell, "server.cpu_share");
    double client = mu_document_number(best->cell, "client.cpu_share");
    double left = c->n_cores - used - (client > 0.0 ? client : 0.0);
    if (!(used > 0.0) || !(left >= 1.0) || !(left >= 0.25 * c->n_cores)) return false;
    mu_buf_printf(&out->finding,
                  "at the highest throughput (%.0f clients) the server uses %.3g of %.0f cores",
                  best->clients, used, c->n_cores);
    mu_buf_append_str(&out->action,
                      "raise --threads; else pin a second instance to the idle cores");
    mu_finding_cite_cell(out, best->cell);
    return true;
}

/* Valid cells of one client and one output length, shortest and longest prompt. */
typedef struct lengths {
    const json_t *shortest, *longest;
    const json_t *last_good, *first_bad; /* by p95 of TTFT against the SLO */
} lengths;

static double prompt_of(const json_t *cell) {
    return mu_document_number(cell, "load.prompt_tokens");
}

static mu_figure ttft(const json_t *cell, bool is_tail) {
    mu_figure f = mu_cell_figure(cell, is_tail ? "ttft_service_ms.p95" : "ttft_service_ms.p50");
    if (!isnan(f.value)) return f;
    return mu_cell_figure(cell, is_tail ? "ttft_ms.p95" : "ttft_ms.p50");
}

static lengths lengths_of(const mu_case *c) {
    lengths l = {0};
    const json_t *cell;
    for (size_t i = 0; (cell = mu_case_next(c, "latency", &i));) {
        if (mu_document_number(cell, "load.clients") != 1.0 || !(prompt_of(cell) > 0.0)) continue;
        if (isnan(ttft(cell, false).value)) continue;
        if (!l.shortest || prompt_of(cell) < prompt_of(l.shortest)) l.shortest = cell;
        if (!l.longest || prompt_of(cell) > prompt_of(l.longest)) l.longest = cell;
        mu_figure tail = ttft(cell, true);
        if (tail.value <= c->slo_ttft_ms &&
            (!l.last_good || prompt_of(cell) > prompt_of(l.last_good))) {
            l.last_good = cell;
        }
        bool is_bad = tail.value > c->slo_ttft_ms && !(tail.low <= c->slo_ttft_ms);
        if (is_bad && (!l.first_bad || prompt_of(cell) < prompt_of(l.first_bad))) {
            l.first_bad = cell;
        }
    }
    return l;
}

static bool grows_with_prompt(const mu_case *c, mu_finding *out) {
    lengths l = lengths_of(c);
    if (!l.shortest || prompt_of(l.longest) <= prompt_of(l.shortest)) return false;
    mu_figure from = ttft(l.shortest, false), to = ttft(l.longest, false);
    double slope = 100.0 * (to.value - from.value) / (prompt_of(l.longest) - prompt_of(l.shortest));
    mu_buf_printf(&out->finding, "TTFT (p50) is ");
    mu_buf_figure(&out->finding, &from);
    mu_buf_printf(&out->finding, " at %.0f prompt tokens and ", prompt_of(l.shortest));
    mu_buf_figure(&out->finding, &to);
    mu_buf_printf(&out->finding, " at %.0f: %.3g ms for every 100 tokens", prompt_of(l.longest),
                  slope);
    mu_figure e2e_from = mu_cell_figure(l.shortest, "e2e_ms.p50");
    mu_figure e2e_to = mu_cell_figure(l.longest, "e2e_ms.p50");
    bool is_same_output = mu_document_number(l.shortest, "load.output_tokens") ==
                          mu_document_number(l.longest, "load.output_tokens");
    if (is_same_output && !isnan(e2e_from.value) && !isnan(e2e_to.value)) {
        mu_buf_printf(&out->finding, "; the whole request takes %.4g ms and %.4g ms",
                      e2e_from.value, e2e_to.value);
    }
    mu_buf_append_str(&out->action, "shorten prompts; put what they share at their start, so that "
                                    "the prefix cache holds it");
    mu_buf_printf(&out->expected, "%.3g ms less for every 100 tokens", slope);
    mu_finding_cite_cell(out, l.shortest);
    mu_finding_cite_cell(out, l.longest);
    return true;
}

static bool prompts_break_slo(const mu_case *c, mu_finding *out) {
    lengths l = lengths_of(c);
    if (!l.first_bad) return false;
    mu_figure bad = ttft(l.first_bad, true);
    mu_buf_printf(&out->finding, "with %.0f prompt tokens p95 of TTFT is ", prompt_of(l.first_bad));
    mu_buf_figure(&out->finding, &bad);
    mu_buf_printf(&out->finding, ", above %.4g ms", c->slo_ttft_ms);
    mu_finding_cite_cell(out, l.first_bad);
    if (l.last_good && prompt_of(l.last_good) < prompt_of(l.first_bad)) {
        mu_figure good = ttft(l.last_good, true);
        mu_buf_printf(&out->action, "limit prompts to %.0f tokens, the longest measured within it",
                      prompt_of(l.last_good));
        mu_buf_figure(&out->expected, &good);
        mu_finding_cite_cell(out, l.last_good);
    } else {
        mu_buf_append_str(&out->action, "measure shorter prompts: no length measured keeps it");
    }
    return true;
}

const mu_rule_row mu_rules_load[] = {
    {{"R-CONC-03", "concurrency",
      "Even the fewest clients measured miss the SLO, by the whole "
      "interval of the attainment."},
     "warning",
     "The SLO is missed without any load",
     "measured",
     no_clients_within_slo},
    {{"R-SAT-01", "saturation", "A cell is SATURATED: more requests come than are answered."},
     "warning",
     "The queue grows without end",
     "measured",
     is_saturated},
    {{"R-CONC-01", "concurrency",
      "Three or more numbers of clients were measured, and throughput does not "
      "rise any more: names the fewest with 95% of the highest."},
     "info",
     "How many requests at once",
     "measured",
     knee_of_throughput},
    {{"R-CONC-02", "concurrency",
      "Three or more numbers of clients were measured, and the share of requests "
      "within the SLO is known: names the most clients that keep it."},
     "info",
     "How many clients keep the SLO",
     "measured",
     most_clients_within_slo},
    {{"R-BATCH-02", "batching",
      "The most clients measured give more than 1.1 times the throughput of "
      "the step before, intervals apart."},
     "advice",
     "The highest throughput was not reached",
     "measured",
     still_rising},
    {{"R-BATCH-03", "batching",
      "The most clients measured give less than 0.95 times the highest "
      "throughput, intervals apart."},
     "advice",
     "Too many at once cost throughput",
     "measured",
     falls_with_load},
    {{"R-CAP-01", "capacity", "The highest rate within the SLO was found."},
     "info",
     "What the server can be offered",
     "derived",
     capacity_is_known},
    {{"R-INST-01", "instances",
      "The server uses 90% of the usable cores at the highest throughput."},
     "info",
     "One instance fills these cores",
     "derived",
     cores_are_full},
    {{"R-INST-02", "instances",
      "At the highest throughput one core and a quarter of all are idle, "
      "the client's share counted as used."},
     "advice",
     "Cores are idle at the highest throughput",
     "rule of thumb",
     cores_are_idle},
    {{"R-LEN-01", "input length", "Two or more prompt lengths were measured with 1 client."},
     "info",
     "What prompt tokens cost",
     "measured",
     grows_with_prompt},
    {{"R-LEN-02", "input length",
      "p95 of TTFT of a prompt length measured with 1 client is above "
      "the SLO, its whole interval where there is one."},
     "advice",
     "Long prompts break the SLO",
     "measured",
     prompts_break_slo},
};
const size_t mu_n_rules_load = MU_COUNTOF(mu_rules_load);
