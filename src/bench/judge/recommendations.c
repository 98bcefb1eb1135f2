#include "bench/judge/recommendations.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/judge/finding.h"

enum { TABLES = 5 };

static const struct {
    const mu_rule_row *rows;
    const size_t *n;
} tables[TABLES] = {
    {mu_rules_service, &mu_n_rules_service}, {mu_rules_load, &mu_n_rules_load},
    {mu_rules_model, &mu_n_rules_model},     {mu_rules_memory, &mu_n_rules_memory},
    {mu_rules_host, &mu_n_rules_host},
};

const mu_rule *mu_rule_at(size_t i) {
    for (size_t t = 0; t < TABLES; t++) {
        if (i < *tables[t].n) return &tables[t].rows[i].rule;
        i -= *tables[t].n;
    }
    return NULL;
}

const json_t *mu_case_next(const mu_case *c, const char *phase, size_t *i) {
    while (*i < c->view->n_cells) {
        const json_t *cell = c->view->cells[(*i)++].json;
        if (!mu_cell_is_sound(cell)) continue;
        if (strcmp(mu_document_text(cell, "system"), c->system_id) != 0) continue;
        if (!phase || strcmp(mu_document_text(cell, "phase"), phase) == 0) return cell;
    }
    return NULL;
}

void mu_buf_figure(mu_buf *buf, const mu_figure *f) {
    mu_buf_printf(buf, "%.4g%s%s", f->value, f->unit[0] ? " " : "", f->unit);
    if (!isnan(f->low) && !f->is_exact) mu_buf_printf(buf, " (%.4g to %.4g)", f->low, f->high);
}

void mu_finding_cite(mu_finding *f, const char *kind, const char *id) {
    json_t *reference = id[0] != '\0' ? json_sprintf("%s:%s", kind, id) : json_string(kind);
    if (json_array_append_new(f->evidence, reference) != 0) {
        json_decref(f->evidence);
        f->evidence = NULL;
    }
}

void mu_finding_cite_cell(mu_finding *f, const json_t *cell) {
    mu_finding_cite(f, "cell", mu_document_text(cell, "id"));
}

static void finding_deinit(mu_finding *f) {
    mu_buf_deinit(&f->finding);
    mu_buf_deinit(&f->action);
    mu_buf_deinit(&f->expected);
    json_decref(f->evidence);
}

static double first_known(double a, double b, double otherwise) {
    return !isnan(a) ? a : !isnan(b) ? b : otherwise;
}

static void case_init(mu_case *c, const mu_view *view) {
    const json_t *doc = view->docs[0];
    *c = (mu_case){.view = view, .doc = doc};
    c->system = json_array_get(mu_document_at(doc, "systems"), 0);
    c->system_id = mu_document_text(c->system, "id");
    c->memory = mu_document_memory(doc, c->system_id);
    c->capacity = mu_document_capacity(doc, c->system_id);
    c->host = mu_document_at(doc, "host");
    c->n_cores = mu_document_number(c->host, "cores_usable");
    const json_t *cell, *slo = NULL, *asked = mu_document_at(c->capacity, "slo");
    for (size_t i = 0; !slo && (cell = mu_case_next(c, NULL, &i));) {
        slo = mu_document_at(cell, "goodput.slo");
    }
    c->slo_ttft_ms = first_known(mu_document_number(asked, "ttft_ms"),
                                 mu_document_number(slo, "ttft_ms"), 300.0);
    c->slo_tpot_ms = first_known(mu_document_number(asked, "tpot_ms"),
                                 mu_document_number(slo, "tpot_ms"), 1000.0 / 30.0);
    c->slo_attain =
        first_known(mu_document_number(asked, "attain"), mu_document_number(slo, "attain"), 0.99);
    mu_load_curve_of(view, 0, &c->curve);
}

static json_t *finding_json(const mu_rule_row *row, const mu_finding *f) {
    if (f->finding.failed || f->action.failed || f->expected.failed || !f->evidence) return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "id", row->rule.id,
                     "severity", row->severity, "topic", row->rule.topic, "title", row->title,
                     "finding", f->finding.data ? f->finding.data : "", "action",
                     f->action.data ? f->action.data : "", "expected",
                     f->expected.data ? f->expected.data : "unmeasured", "confidence",
                     row->confidence, "evidence", f->evidence);
}

/* All findings of one severity; false: no memory. */
static bool add_findings(const mu_case *c, const char *severity, json_t *out) {
    bool is_ok = true;
    for (size_t t = 0; t < TABLES; t++) {
        for (size_t i = 0; i < *tables[t].n && is_ok; i++) {
            const mu_rule_row *row = &tables[t].rows[i];
            if (strcmp(row->severity, severity) != 0) continue;
            mu_finding f = {.evidence = json_array()};
            if (row->fires(c, &f)) is_ok = json_array_append_new(out, finding_json(row, &f)) == 0;
            finding_deinit(&f);
        }
    }
    return is_ok;
}

json_t *mu_recommend(const json_t *doc) {
    static const char *const severities[] = {"warning", "advice", "info"};
    mu_view view;
    if (mu_view_init(&view, &doc, 1, NULL) != MU_OK) return NULL;
    json_t *out = json_array();
    mu_case *c = MU_ALLOC(mu_case, 1);
    bool is_ok = out && c;
    if (is_ok) case_init(c, &view);
    for (size_t i = 0; i < MU_COUNTOF(severities) && is_ok && !mu_document_is_invalid(doc); i++) {
        is_ok = add_findings(c, severities[i], out);
    }
    mu_free(c);
    mu_view_deinit(&view);
    if (is_ok) return out;
    json_decref(out);
    return NULL;
}
