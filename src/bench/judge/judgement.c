#include "bench/judge/judgement.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/utf8.h"

const char *mu_target_verdict_name(mu_target_verdict verdict) {
    static const char *const names[] = {"inconclusive", "pass", "fail"};
    return names[verdict];
}

void mu_judgement_deinit(mu_judgement *j) {
    mu_buf_deinit(&j->why);
}

void mu_judgement_leave(mu_judgement *j, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    j->verdict = MU_TARGET_INCONCLUSIVE;
    mu_buf_clear(&j->why);
    mu_buf_append(&j->why, text, mu_utf8_valid(text, strlen(text))); /* cut between characters */
}

void mu_judgement_settle(mu_judgement *j) {
    mu_figure *f = &j->figure;
    const char *unit = f->unit[0] != '\0' ? f->unit : j->unit;
    if (isnan(f->value)) {
        mu_judgement_leave(j, "%s", f->why[0] != '\0' ? f->why : "not measured");
        f->value = f->observed;
        return;
    }
    if (f->is_exact) f->low = f->high = f->value;
    if (isnan(f->low)) {
        mu_judgement_leave(j, "%.4g %s, and how sure that is is not known: %s", f->value, unit,
                           f->why[0] != '\0' ? f->why : "no interval");
        return;
    }
    bool is_right = j->is_higher_better ? f->low >= j->limit : f->high <= j->limit;
    bool is_wrong = j->is_higher_better ? f->high < j->limit : f->low > j->limit;
    bool is_above = f->low >= j->limit;
    j->verdict = is_right ? MU_TARGET_PASS : is_wrong ? MU_TARGET_FAIL : MU_TARGET_INCONCLUSIVE;
    mu_buf_clear(&j->why);
    const char *where = is_above ? "above" : "below";
    if (f->is_exact) {
        mu_buf_printf(&j->why, "%.4g %s is %s the limit of %.4g %s", f->value, unit, where,
                      j->limit, unit);
    } else if (is_right || is_wrong) {
        mu_buf_printf(&j->why, "the whole 95%% interval, %.4g to %.4g %s, is %s %.4g %s", f->low,
                      f->high, unit, where, j->limit, unit);
    } else {
        mu_buf_printf(&j->why,
                      "the 95%% interval, %.4g to %.4g %s, holds the limit of %.4g %s: measure for "
                      "longer or with more runs",
                      f->low, f->high, unit, j->limit, unit);
    }
}

/* "INVALID: client_bound, errors" of the flags of a cell. */
static void say_flags(mu_buf *why, const json_t *cell) {
    const json_t *flags = mu_document_at(cell, "validity.flags");
    for (size_t i = 0; i < json_array_size(flags); i++) {
        const json_t *flag = json_array_get(flags, i);
        mu_buf_printf(why, "%s%s (%s)", i == 0 ? ": " : ", ", mu_document_text(flag, "id"),
                      mu_document_text(flag, "why"));
    }
}

void mu_judgement_settle_cell(mu_judgement *j, const mu_view_cell *of, const char *path) {
    const json_t *cell = j->cell = of->json;
    j->system = mu_document_text(cell, "system");
    j->figure = mu_cell_figure(cell, path);
    if (!mu_cell_is_sound(cell)) {
        j->figure.value = j->figure.low = j->figure.high = j->figure.observed = NAN;
        mu_judgement_leave(j, "the cell is INVALID");
        say_flags(&j->why, cell);
        return;
    }
    if (mu_cell_is_saturated(cell) && strcmp(j->figure.unit, "ms") == 0) {
        mu_judgement_leave(j, "the cell is SATURATED: its latency grows with the length of the "
                              "test; judge a lower load");
        return;
    }
    mu_judgement_settle(j);
    if (of->n_left_out > 0) {
        mu_buf_printf(&j->why, " (%zu runs that are not VALID are left out)", of->n_left_out);
    }
}

json_t *mu_judgement_json(const mu_judgement *j) {
    const char *cell = mu_document_text(j->cell, "id");
    if (j->why.failed) return NULL;
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:f, s:s, s:s, s:o, s:o, s:o, s:s, s:s}", "id", j->id,
        "name", j->name, "statement", j->statement[0] != '\0' ? j->statement : j->name, "metric",
        j->metric, "cell", j->cell ? json_string(cell) : json_null(), "system",
        j->system && j->system[0] != '\0' ? json_string(j->system) : json_null(), "limit", j->limit,
        "unit", j->unit[0] != '\0' ? j->unit : j->figure.unit, "better",
        j->is_higher_better ? "higher" : "lower", "value", mu_document_real(j->figure.value), "low",
        mu_document_real(j->figure.low), "high", mu_document_real(j->figure.high), "verdict",
        mu_target_verdict_name(j->verdict), "why", j->why.data ? j->why.data : "");
}
