/* Each built-in target is a row with a function that finds its figure; what to think of the figure
 * is decided in judgement.c alone. Reliability is the exception: failures count wherever they
 * happened, also in cells that they made INVALID, and no failure in n requests says only that at
 * least 1 - 3/n succeed (the rule of three), so a pass needs RELIABLE_REQUESTS.
 */
#include "bench/judge/targets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/intervals.h"
#include "bench/judge/judgement.h"
#include "bench/judge/targets_file.h"

enum { RELIABLE_REQUESTS = 3000, LEAK_DETECTION_MB_H = 5 };

typedef struct court {
    const json_t *doc;
    const mu_view *view; /* of it */
    const char *system;  /* the one that is judged */
    json_t *rows;
    bool failed; /* no memory */
} court;

static double load_of(const json_t *cell, const char *key) {
    return mu_document_number(mu_document_at(cell, "load"), key);
}

static bool is_phase(const json_t *cell, const char *phase) {
    return strcmp(mu_document_text(cell, "phase"), phase) == 0;
}

/* How far a cell is from what a target asks for; infinite: not one of them. */
typedef double (*distance_fn)(const json_t *cell);

static double far_from_one_client(const json_t *cell) {
    bool is_closed = strcmp(mu_document_text(cell, "load.kind"), "closed") == 0;
    if (!is_closed || load_of(cell, "clients") != 1.0) return INFINITY;
    return is_phase(cell, "latency") ? 0.0 : 1e-3; /* among equals the phase that is meant for it */
}

static double far_from_ttft(const json_t *cell) {
    if (load_of(cell, "prompt_tokens") != 128.0) return INFINITY;
    return far_from_one_client(cell);
}

static double far_from_decode(const json_t *cell) {
    double prompt = load_of(cell, "prompt_tokens"), output = load_of(cell, "output_tokens");
    if (!(prompt > 0.0) || !(output > 1.0)) return INFINITY;
    return far_from_one_client(cell) + fabs(log(prompt / 128.0)) + fabs(log(output / 128.0));
}

static double far_from_tiny(const json_t *cell) {
    static const double shapes[][2] = {{6, 30}, {16, 8}};
    for (size_t i = 0; i < MU_COUNTOF(shapes); i++) {
        if (load_of(cell, "prompt_tokens") != shapes[i][0]) continue;
        if (load_of(cell, "output_tokens") == shapes[i][1]) return 0.0;
    }
    return INFINITY;
}

static bool is_of(const court *c, const mu_view_cell *cell, const char *system) {
    return cell->doc == c->doc && strcmp(mu_document_text(cell->json, "system"), system) == 0;
}

/* The nearest cell of the system; a valid one before any that is not. NULL: none. */
static const mu_view_cell *nearest(const court *c, distance_fn distance) {
    const mu_view_cell *best = NULL;
    double least = INFINITY;
    for (size_t i = 0; i < c->view->n_cells; i++) {
        const mu_view_cell *cell = &c->view->cells[i];
        if (!is_of(c, cell, c->system)) continue;
        double far = distance(cell->json) + (mu_cell_is_sound(cell->json) ? 0.0 : 1e6);
        if (far >= least) continue;
        least = far;
        best = cell;
    }
    return best;
}

static void judge_ttft(const court *c, mu_judgement *j) {
    const mu_view_cell *cell = nearest(c, far_from_ttft);
    if (!cell) {
        mu_judgement_leave(j, "no cell has a prompt of 128 tokens and 1 client: run muai bench "
                              "latency");
        return;
    }
    mu_judgement_settle_cell(j, cell, j->metric);
}

static void judge_decode(const court *c, mu_judgement *j) {
    const mu_view_cell *cell = nearest(c, far_from_decode);
    if (!cell) {
        mu_judgement_leave(j, "no cell decodes for 1 client: run muai bench latency");
        return;
    }
    mu_judgement_settle_cell(j, cell, j->metric);
    mu_buf_printf(&j->why, "; measured at %.0f/%.0f", load_of(cell->json, "prompt_tokens"),
                  load_of(cell->json, "output_tokens"));
}

static void judge_memory(const court *c, mu_judgement *j) {
    j->system = c->system;
    j->figure = mu_memory_figure(mu_document_memory(c->doc, c->system), "peak_mb");
    mu_judgement_settle(j);
}

/* The best concurrency is that of the highest median over runs. */
static void judge_requests(const court *c, mu_judgement *j) {
    const mu_view_cell *best = nearest(c, far_from_tiny);
    if (!best) {
        mu_judgement_leave(j, "no cell has the shape 6/30 or 16/8: run muai bench throughput");
        return;
    }
    double most = mu_cell_figure(best->json, j->metric).value;
    for (size_t i = 0; i < c->view->n_cells; i++) {
        const mu_view_cell *cell = &c->view->cells[i];
        bool fits = is_of(c, cell, c->system) && !isinf(far_from_tiny(cell->json));
        if (!fits || !mu_cell_is_sound(cell->json)) continue;
        double value = mu_cell_figure(cell->json, j->metric).value;
        if (!(value > most) && !(isnan(most) && !isnan(value))) continue;
        most = value;
        best = cell;
    }
    mu_judgement_settle_cell(j, best, j->metric);
    mu_buf_printf(&j->why, "; shape %.0f/%.0f, %.0f clients", load_of(best->json, "prompt_tokens"),
                  load_of(best->json, "output_tokens"), load_of(best->json, "clients"));
}

static void judge_leak(const court *c, mu_judgement *j) {
    const json_t *memory = mu_document_memory(c->doc, c->system);
    const json_t *leak = mu_document_at(memory, "leak");
    const char *verdict = mu_document_text(leak, "verdict"), *why = mu_document_text(leak, "why");
    double detection = mu_document_number(leak, "detection_limit_mb_h");
    j->system = c->system;
    if (!leak) {
        mu_judgement_leave(j, "growth of memory was not measured: run muai bench memory or soak");
        return;
    }
    j->figure = mu_memory_figure(memory, "leak.slope_mb_h");
    if (strcmp(verdict, "LEAK") == 0 || strcmp(verdict, "NO LEAK") == 0) {
        mu_judgement_settle(j);
        bool agrees = (j->verdict == MU_TARGET_FAIL) == (verdict[0] == 'L');
        if (j->verdict == MU_TARGET_INCONCLUSIVE || !agrees) {
            mu_judgement_leave(j,
                               "the verdict is %s (%s), but the slope of %.4g (%.4g to %.4g) "
                               "MB/h does not decide about %.4g MB/h",
                               verdict, why, j->figure.value, j->figure.low, j->figure.high,
                               j->limit);
        } else if (j->verdict == MU_TARGET_PASS && !(detection <= LEAK_DETECTION_MB_H)) {
            mu_judgement_leave(j,
                               "no leak was seen, but less than %.3g MB/h could not have been: a "
                               "pass needs %d MB/h; measure for longer",
                               detection, LEAK_DETECTION_MB_H);
        }
        return;
    }
    double needs_s = mu_document_number(leak, "needs_s");
    mu_judgement_leave(j, "%s: %s", verdict[0] != '\0' ? verdict : "no verdict", why);
    if (!isnan(needs_s)) mu_buf_printf(&j->why, "; it takes %.0f s more", needs_s);
}

/* Cells that offer more than can be done on purpose: there a refusal is the right answer. */
static bool is_overload(const json_t *cell) {
    return is_phase(cell, "stress") || (is_phase(cell, "rate") && mu_cell_is_saturated(cell));
}

/* 0 when it is not known, or no count. */
static double count_of(const json_t *json, const char *path) {
    double n = mu_document_number(json, path);
    return n > 0.0 && n < 1e15 ? floor(n) : 0.0;
}

typedef struct failures {
    double n_offered, n_failed;
    const json_t *first; /* cell */
    mu_buf what;         /* "; 3 timeout in latency-c1" */
} failures;

static void count_failures(const court *c, failures *out) {
    const json_t *cells = json_object_get(c->doc, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        double n_failed = count_of(cell, "reliability.failed");
        if (strcmp(mu_document_text(cell, "system"), c->system) != 0 || is_overload(cell)) continue;
        out->n_offered += fmax(count_of(cell, "reliability.offered"), n_failed);
        out->n_failed += n_failed;
        if (n_failed == 0.0) continue;
        if (!out->first) out->first = cell;
        const json_t *classes = mu_document_at(cell, "reliability.classes");
        for (size_t k = 0; k < json_array_size(classes) && out->what.n < 200; k++) {
            const json_t *item = json_array_get(classes, k);
            if (count_of(item, "n") == 0.0) continue;
            mu_buf_printf(&out->what, "; %.0f %s in %s", count_of(item, "n"),
                          mu_document_text(item, "class"), mu_document_text(cell, "id"));
        }
    }
}

static void judge_reliability(const court *c, mu_judgement *j) {
    failures f = {0};
    count_failures(c, &f);
    j->system = c->system;
    j->cell = f.first;
    if (f.n_offered == 0.0) {
        mu_judgement_leave(j, "no cell counted its requests");
    } else if (f.n_failed > 0.0) {
        double n_ok = f.n_offered - f.n_failed;
        mu_interval i = mu_interval_proportion((uint64_t)n_ok, (uint64_t)f.n_offered);
        j->figure.value = n_ok / f.n_offered;
        j->figure.low = i.low;
        j->figure.high = i.high;
        j->verdict = MU_TARGET_FAIL;
        mu_buf_printf(&j->why, "%.0f of %.0f requests failed%s", f.n_failed, f.n_offered,
                      f.what.data ? f.what.data : "");
    } else {
        double least = fmax(0.0, 1.0 - 3.0 / f.n_offered);
        bool is_enough = f.n_offered >= RELIABLE_REQUESTS;
        j->figure.value = j->figure.high = 1.0;
        j->figure.low = least;
        j->verdict = is_enough ? MU_TARGET_PASS : MU_TARGET_INCONCLUSIVE;
        mu_buf_printf(&j->why, "0 of %.0f failed, at least %.4g%% succeed (95%%)", f.n_offered,
                      floor(1e4 * least) / 100.0);
        if (!is_enough) mu_buf_printf(&j->why, "; 99.9%% takes %d requests", RELIABLE_REQUESTS);
    }
    if (f.what.failed) j->why.failed = true;
    mu_buf_deinit(&f.what);
}

static const struct {
    const char *id, *name, *statement, *metric, *unit;
    double limit;
    bool is_higher_better;
    void (*judge)(const court *c, mu_judgement *j);
} builtin[] = {
    {"ttft", "Time to first token",
     "p95 of the time to first token, 128-token prompts, 1 client, under 300 ms",
     "ttft_service_ms.p95", "ms", 300.0, false, judge_ttft},
    {"decode", "Decode speed",
     "median decode speed that 1 client sees, 128/128 tokens or the nearest shape measured, over "
     "30 tok/s",
     "rate_user_tok_s.p50", "tok/s", 30.0, true, judge_decode},
    {"memory", "Memory", "peak memory of the whole process tree under 2 GB (2000 MB)", "peak_mb",
     "MB", 2000.0, false, judge_memory},
    {"requests", "Requests per second",
     "requests of the tiny shape (6/30 or 16/8 tokens) at the best concurrency, over 50 req/s",
     "throughput.requests_s", "req/s", 50.0, true, judge_requests},
    {"leak", "Memory growth", "memory grows by less than 10 MB/h under load", "leak.slope_mb_h",
     "MB/h", 10.0, false, judge_leak},
    {"reliability", "No failed request",
     "no request fails, and at least 99.9% succeed (95%), outside overload on purpose",
     "reliability.success", "", 0.999, true, judge_reliability},
};

static void add_row(court *c, mu_judgement *j) {
    if (json_array_append_new(c->rows, mu_judgement_json(j)) != 0) c->failed = true;
    mu_judgement_deinit(j);
}

static void judge_builtin(court *c) {
    for (size_t i = 0; i < MU_COUNTOF(builtin); i++) {
        mu_judgement j = {
            .id = builtin[i].id,
            .name = builtin[i].name,
            .statement = builtin[i].statement,
            .metric = builtin[i].metric,
            .unit = builtin[i].unit,
            .limit = builtin[i].limit,
            .is_higher_better = builtin[i].is_higher_better,
            .figure = {.value = NAN, .low = NAN, .high = NAN, .unit = builtin[i].unit},
        };
        builtin[i].judge(c, &j);
        add_row(c, &j);
    }
}

/* Asked for by phase and shape: the valid cell that fits first. */
static const mu_view_cell *fitting_cell(const court *c, const mu_target *target) {
    const mu_view_cell *best = NULL;
    for (size_t i = 0; i < c->view->n_cells; i++) {
        const mu_view_cell *at = &c->view->cells[i];
        const json_t *cell = at->json;
        if (target->system[0] != '\0' && !is_of(c, at, target->system)) continue;
        if (target->phase[0] != '\0' && !is_phase(cell, target->phase)) continue;
        bool fits =
            (isnan(target->prompt_tokens) ||
             load_of(cell, "prompt_tokens") == target->prompt_tokens) &&
            (isnan(target->output_tokens) ||
             load_of(cell, "output_tokens") == target->output_tokens) &&
            (isnan(target->clients) || load_of(cell, "clients") == target->clients) &&
            (isnan(target->rate_per_s) || load_of(cell, "rate_per_s") == target->rate_per_s);
        if (!fits) continue;
        if (mu_cell_is_sound(cell)) return at;
        if (!best) best = at;
    }
    return best;
}

static void judge_own(court *c, const mu_target *target) {
    mu_judgement j = {
        .id = target->id,
        .name = target->name,
        .statement = "",
        .metric = target->metric,
        .unit = target->unit,
        .limit = target->limit,
        .is_higher_better = target->is_higher_better,
        .figure = {.value = NAN, .low = NAN, .high = NAN, .unit = ""},
    };
    static const char prefix[] = "cell:";
    const char *path = target->metric;
    const mu_view_cell *cell = NULL;
    if (!target->is_reference) {
        cell = fitting_cell(c, target);
    } else if (strncmp(path, prefix, sizeof(prefix) - 1) == 0) {
        path += sizeof(prefix) - 1;
        cell = mu_view_cell_of(c->view, &path);
    }
    if (cell) {
        mu_judgement_settle_cell(&j, cell, path);
    } else if (!target->is_reference) {
        mu_judgement_leave(&j, "no cell of this run fits the target");
    } else {
        j.figure = mu_document_figure(c->doc, target->metric);
        mu_judgement_settle(&j);
    }
    add_row(c, &j);
}

json_t *mu_targets_judge(const json_t *doc, const mu_targets *targets) {
    mu_view view;
    if (mu_view_init(&view, &doc, 1, NULL) != MU_OK) return NULL;
    court c = {.doc = doc, .view = &view, .rows = json_array()};
    c.system = mu_document_text(json_array_get(json_object_get(doc, "systems"), 0), "id");
    c.failed = !c.rows;
    if (!targets || targets->has_builtin) judge_builtin(&c);
    for (uint32_t i = 0; targets && i < targets->n; i++) {
        judge_own(&c, &targets->items[i]);
    }
    mu_view_deinit(&view);
    if (!c.failed) return c.rows;
    json_decref(c.rows);
    return NULL;
}

int mu_targets_exit_code(const json_t *doc, const json_t *judged) {
    bool any_failed = false, any_open = false;
    for (size_t i = 0; i < json_array_size(judged); i++) {
        const char *verdict = mu_document_text(json_array_get(judged, i), "verdict");
        if (strcmp(verdict, "fail") == 0) {
            any_failed = true;
        } else if (strcmp(verdict, "pass") != 0) {
            any_open = true;
        }
    }
    if (mu_document_is_invalid(doc)) return MU_JUDGED_INVALID;
    return any_failed ? MU_JUDGED_FAIL : any_open ? MU_JUDGED_INCONCLUSIVE : MU_JUDGED_PASS;
}
