/* Rules about weights and hardware: narrower types, what they cost in fidelity, and whether a GPU
 * is what is missing.
 */
#include <math.h>
#include <string.h>

#include "bench/judge/finding.h"

/* Bytes a weight takes; q8 and q4 are groups of 32 with a 16-bit scale. */
static double weight_width(const char *dtype) {
    static const struct {
        const char *name;
        double bytes;
    } widths[] = {
        {"f32", 4.0}, {"bf16", 2.0}, {"f16", 2.0}, {"q8", 34.0 / 32.0}, {"q4", 18.0 / 32.0}};
    for (size_t i = 0; i < MU_COUNTOF(widths); i++) {
        if (strcmp(dtype, widths[i].name) == 0) return widths[i].bytes;
    }
    return NAN;
}

static const char *dtype_of(const mu_case *c) {
    return mu_document_text(c->system, "model.dtype");
}

static bool is_quantized(const mu_case *c) {
    return weight_width(dtype_of(c)) < 2.0;
}

/* The valid cell of one client whose decode is closest to the limit of the machine. */
static const json_t *busiest_decode(const mu_case *c, double *out_mbu) {
    const json_t *cell, *best = NULL;
    *out_mbu = NAN;
    for (size_t i = 0; (cell = mu_case_next(c, NULL, &i));) {
        double mbu = mu_document_number(cell, "efficiency.mbu");
        if (mu_document_number(cell, "load.clients") != 1.0 || isnan(mbu) || mbu <= *out_mbu) {
            continue;
        }
        best = cell;
        *out_mbu = mbu;
    }
    return best;
}

/* A comparison of this system with one of the same document whose weights are narrower. */
static const json_t *narrower_comparison(const mu_case *c) {
    const json_t *rows = mu_document_at(c->doc, "comparisons");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(mu_document_text(row, "a"), c->system_id) != 0) continue;
        if (strncmp(mu_document_text(row, "metric"), "tpot_ms", 7) != 0) continue;
        const json_t *other = mu_document_system(c->doc, mu_document_text(row, "b"));
        if (weight_width(mu_document_text(other, "model.dtype")) < weight_width(dtype_of(c))) {
            return row;
        }
    }
    return NULL;
}

static bool weights_are_wide(const mu_case *c, mu_finding *out) {
    double width = weight_width(dtype_of(c)), q8 = weight_width("q8"), mbu;
    double bytes = mu_document_number(c->system, "model.weight_bytes");
    bool is_ours = strcmp(mu_document_text(c->system, "name"), "muai") == 0;
    const json_t *cell = busiest_decode(c, &mbu);
    if (!is_ours || !(width >= 2.0) || !cell) return false;
    mu_buf_printf(&out->finding, "%s weights are %.2g times as wide as q8", dtype_of(c),
                  width / q8);
    if (bytes > 0.0) {
        mu_buf_printf(&out->finding, " (%.0f MB instead of about %.0f)", bytes * 1e-6,
                      bytes * 1e-6 * q8 / width);
    }
    mu_buf_printf(&out->finding, "; decode uses %.0f%% of the memory bandwidth", 100.0 * mbu);
    mu_buf_append_str(&out->action,
                      "serve with --dtype q8, after muai eval quant MODEL TEXT has said what "
                      "each weight type costs in perplexity and gives in speed");
    const json_t *measured = narrower_comparison(c);
    if (measured) {
        mu_buf_printf(&out->expected,
                      "time per token here over that of narrower weights: %.3g (%.3g to %.3g), "
                      "measured",
                      mu_document_number(measured, "ratio"), mu_document_number(measured, "low"),
                      mu_document_number(measured, "high"));
    } else {
        mu_buf_printf(&out->expected,
                      "at most %.2g times the decode speed, where memory bandwidth bounds it; "
                      "unmeasured",
                      width / q8);
    }
    mu_finding_cite_cell(out, cell);
    mu_finding_cite(out, "system", c->system_id);
    return true;
}

typedef struct fidelity {
    double agreement, low, high;
} fidelity;

static fidelity fidelity_of(const mu_case *c) {
    const json_t *triple = mu_document_at(c->system, "fidelity.greedy_agreement");
    double values[3] = {NAN, NAN, NAN};
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(triple, i);
        if (json_is_number(value)) values[i] = json_number_value(value);
    }
    return (fidelity){values[0], values[1], values[2]};
}

static void say_fidelity(const mu_case *c, const fidelity *f, mu_finding *out) {
    double kl = mu_document_number(c->system, "fidelity.kl_nats");
    mu_buf_printf(&out->finding, "%s weights choose the same token as f32 in %.4g%% of positions",
                  dtype_of(c), 100.0 * f->agreement);
    if (!isnan(f->low)) {
        mu_buf_printf(&out->finding, " (%.4g%% to %.4g%%)", 100.0 * f->low, 100.0 * f->high);
    }
    if (!isnan(kl)) mu_buf_printf(&out->finding, ", KL divergence %.3g nats", kl);
    mu_finding_cite(out, "system", c->system_id);
}

/* Where best tokens are near ties, as with random weights, few of them agree although the
 * distributions do. */
static const double agreement_needed = 0.98, kl_allowed = 1e-3;

static bool is_close(const mu_case *c, const fidelity *f) {
    return f->high >= agreement_needed ||
           mu_document_number(c->system, "fidelity.kl_nats") <= kl_allowed;
}

static bool fidelity_is_good(const mu_case *c, mu_finding *out) {
    fidelity f = fidelity_of(c);
    if (!is_quantized(c) || isnan(f.agreement) || !is_close(c, &f)) return false;
    say_fidelity(c, &f, out);
    mu_buf_append_str(&out->action, "keep it; muai eval quant MODEL TEXT has perplexity, size and "
                                    "speed of every weight type on your own text");
    return true;
}

static bool fidelity_is_poor(const mu_case *c, mu_finding *out) {
    fidelity f = fidelity_of(c);
    if (!is_quantized(c) || isnan(f.agreement) || is_close(c, &f)) return false;
    bool is_q4 = strcmp(dtype_of(c), "q4") == 0;
    say_fidelity(c, &f, out);
    mu_buf_printf(&out->action, "weigh speed against it; --dtype %s is closer to f32",
                  is_q4 ? "q8" : "bf16");
    return true;
}

static bool fidelity_is_unknown(const mu_case *c, mu_finding *out) {
    if (!is_quantized(c) || !isnan(fidelity_of(c).agreement)) return false;
    mu_buf_printf(&out->finding, "%s weights, and what they cost in fidelity was not measured",
                  dtype_of(c));
    mu_buf_printf(&out->action, "muai eval quant %s TEXT, with --reference for what it was made of",
                  mu_document_text(c->system, "model.id"));
    mu_finding_cite(out, "system", c->system_id);
    return true;
}

/* The speed targets: how far the hardware could go at most. */
static const struct {
    const char *target;
    bool is_higher_better, is_compute; /* prefill is bound by arithmetic, decode by memory */
} speeds[] = {{"decode", true, false}, {"ttft", false, true}, {"requests", true, true}};

typedef struct speed {
    const json_t *target, *cell;
    double used;      /* part of the machine's limit, 0 to 1; NAN: not known */
    double best_case; /* the figure if all of the limit were used */
    bool is_failed, is_out_of_reach;
} speed;

static speed speed_of(const mu_case *c, size_t i) {
    speed s = {.used = NAN, .best_case = NAN};
    const json_t *targets = mu_document_at(c->doc, "targets");
    for (size_t k = 0; k < json_array_size(targets); k++) {
        const json_t *row = json_array_get(targets, k);
        if (strcmp(mu_document_text(row, "id"), speeds[i].target) == 0) s.target = row;
    }
    s.cell = mu_document_cell(c->doc, mu_document_text(s.target, "cell"));
    if (!mu_cell_is_sound(s.cell)) return (speed){.used = NAN, .best_case = NAN};
    double mbu = mu_document_number(s.cell, "efficiency.mbu");
    double mfu = mu_document_number(s.cell, "efficiency.mfu");
    double value = mu_document_number(s.target, "value");
    double limit = mu_document_number(s.target, "limit");
    s.used = speeds[i].is_compute ? fmax(mfu, speeds[i].is_higher_better ? mbu : NAN) : mbu;
    s.best_case = speeds[i].is_higher_better ? value / s.used : value * s.used;
    s.is_failed = strcmp(mu_document_text(s.target, "verdict"), "fail") == 0;
    s.is_out_of_reach = s.is_failed && s.used > 0.0 &&
                        (speeds[i].is_higher_better ? s.best_case < limit : s.best_case > limit);
    return s;
}

static bool hardware_is_too_slow(const mu_case *c, mu_finding *out) {
    for (size_t i = 0; i < MU_COUNTOF(speeds); i++) {
        speed s = speed_of(c, i);
        if (!s.is_out_of_reach) continue;
        double limit = mu_document_number(s.target, "limit");
        const char *unit = mu_document_text(s.target, "unit");
        double factor = speeds[i].is_higher_better ? limit / s.best_case : s.best_case / limit;
        mu_buf_printf(&out->finding,
                      "%s is %.4g %s at %.0f%% of what this machine's %s allows; all of it would "
                      "give %.4g, the target is %.4g %s",
                      mu_document_text(s.target, "name"), mu_document_number(s.target, "value"),
                      unit, 100.0 * s.used, speeds[i].is_compute ? "arithmetic" : "memory",
                      s.best_case, limit, unit);
        mu_buf_append_str(&out->action,
                          "narrower weights (--dtype q8, q4) first; else faster memory, "
                          "more cores or a GPU: no setting is enough");
        mu_buf_printf(&out->expected, "at least %.2g times this machine's %s is needed", factor,
                      speeds[i].is_compute ? "arithmetic" : "memory bandwidth");
        mu_finding_cite(out, "target", speeds[i].target);
        mu_finding_cite_cell(out, s.cell);
        return true;
    }
    return false;
}

static bool hardware_has_room(const mu_case *c, mu_finding *out) {
    for (size_t i = 0; i < MU_COUNTOF(speeds); i++) {
        speed s = speed_of(c, i);
        if (!s.is_failed || s.is_out_of_reach || !(s.used > 0.0)) continue;
        mu_buf_printf(&out->finding,
                      "%s misses its target at %.0f%% of what this machine allows; all of it would "
                      "give %.4g %s, which is enough",
                      mu_document_text(s.target, "name"), 100.0 * s.used, s.best_case,
                      mu_document_text(s.target, "unit"));
        mu_buf_append_str(&out->action,
                          "before hardware: --threads, an idle machine, and muai bench "
                          "kernels to see what is slow");
        mu_finding_cite(out, "target", speeds[i].target);
        mu_finding_cite_cell(out, s.cell);
        return true;
    }
    return false;
}

static bool gpu_is_not_needed(const mu_case *c, mu_finding *out) {
    for (size_t i = 0; i < MU_COUNTOF(speeds); i++) {
        speed s = speed_of(c, i);
        if (!s.cell || strcmp(mu_document_text(s.target, "verdict"), "pass") != 0) return false;
    }
    mu_buf_append_str(&out->finding, "every speed target passes on the CPU");
    mu_buf_append_str(&out->action, "no GPU is needed for these targets");
    for (size_t i = 0; i < MU_COUNTOF(speeds); i++) {
        mu_finding_cite(out, "target", speeds[i].target);
        mu_finding_cite_cell(out, speed_of(c, i).cell);
    }
    return true;
}

const mu_rule_row mu_rules_model[] = {
    {{"R-GPU-01", "GPU",
      "A speed target fails and would fail with all of the memory bandwidth or "
      "arithmetic measured on this machine."},
     "warning",
     "The hardware is the limit",
     "derived",
     hardware_is_too_slow},
    {{"R-GPU-03", "GPU",
      "A speed target fails although the machine's measured limits would allow it."},
     "advice",
     "The hardware would do",
     "derived",
     hardware_has_room},
    {{"R-QUANT-01", "quantization",
      "Weights are f32, bf16 or f16 and the memory bandwidth that "
      "decode uses is known."},
     "advice",
     "Narrower weights",
     "derived",
     weights_are_wide},
    {{"R-QUANT-03", "quantization",
      "Greedy agreement with f32 is below 98%, by its whole interval, and KL divergence above "
      "0.001 nats."},
     "advice",
     "The weight type costs fidelity",
     "measured",
     fidelity_is_poor},
    {{"R-QUANT-04", "quantization", "Weights are q8 or q4 and fidelity was not measured."},
     "advice",
     "Fidelity is not known",
     "rule of thumb",
     fidelity_is_unknown},
    {{"R-QUANT-02", "quantization",
      "Weights are q8 or q4 and greedy agreement with f32 is not below "
      "98%, or KL divergence at most 0.001 nats."},
     "info",
     "What the weight type costs",
     "measured",
     fidelity_is_good},
    {{"R-GPU-02", "GPU", "The targets of TTFT, decode and requests all pass."},
     "info",
     "No GPU is needed",
     "measured",
     gpu_is_not_needed},
};
const size_t mu_n_rules_model = MU_COUNTOF(mu_rules_model);
