#include "bench/report/prose.h"

#include <math.h>
#include <string.h>

#include "bench/report/number.h"
#include "bench/result/escape.h"
#include "text/utf8.h"

enum { RUNS_OF_A_RESULT = 5 };

static bool is(const json_t *json, const char *key, const char *word) {
    const char *text = mu_document_string(json, key);
    return text && strcmp(text, word) == 0;
}

static void tally_document(const json_t *doc, mu_tally *y) {
    const json_t *targets = mu_document_at(doc, "targets"),
                 *pairs = mu_document_at(doc, "comparisons");
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        bool pass = is(target, "verdict", "pass"), fail = is(target, "verdict", "fail");
        y->n_pass += pass;
        y->n_fail += fail;
        y->n_open += !pass && !fail;
    }
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        y->n_better += is(pair, "verdict", "faster");
        y->n_worse += is(pair, "verdict", "slower");
        y->n_same += is(pair, "verdict", "equivalent");
    }
    double runs = mu_document_number(doc, "run.runs");
    y->is_exploratory = y->is_exploratory || !(runs >= RUNS_OF_A_RESULT);
}

mu_tally mu_tally_of(const mu_view *view) {
    mu_tally y = {0};
    for (size_t d = 0; d < view->n_docs; d++)
        tally_document(view->docs[d], &y);
    for (size_t i = 0; i < view->n_runs; i++) {
        const json_t *cell = view->runs[i].json;
        bool saturated = is(cell, "validity.status", "SATURATED");
        y.n_valid += mu_cell_is_stamped_valid(cell);
        y.n_saturated += saturated;
        y.n_invalid += !mu_cell_is_stamped_valid(cell) && !saturated;
        double n_offered = mu_document_number(cell, "reliability.offered");
        double n_failed = mu_document_number(cell, "reliability.failed");
        if (!isfinite(n_offered + n_failed)) continue;
        y.n_offered += n_offered;
        y.n_failed += n_failed;
    }
    return y;
}

const char *mu_tally_verdict(const mu_tally *y) {
    if (y->n_fail > 0) return "FAIL";
    if (y->n_open > 0) return "INCONCLUSIVE";
    return y->n_pass > 0 ? "PASS" : "NO TARGETS";
}

const char *mu_tally_validity(const mu_tally *y) {
    if (y->n_invalid > 0) return "INVALID";
    if (y->n_saturated > 0) return "SATURATED";
    return y->n_valid > 0 ? "VALID" : "NO CELLS";
}

static void targets_sentence(const mu_view *view, const mu_tally *y, mu_buf *out) {
    size_t n = y->n_pass + y->n_fail + y->n_open;
    if (n > 0) {
        mu_buf_printf(out, "%zu of %zu targets %s met", y->n_pass, n,
                      y->n_pass == 1 ? "is" : "are");
        if (y->n_fail > 0) {
            mu_buf_printf(out, ", %zu %s not", y->n_fail, y->n_fail == 1 ? "is" : "are");
        }
        if (y->n_open > 0) {
            mu_buf_printf(out, "%s %zu could not be decided", y->n_fail > 0 ? " and" : ",",
                          y->n_open);
        }
        mu_buf_append_str(out, ". ");
    }
    size_t n_pairs = 0;
    for (size_t d = 0; d < view->n_docs; d++)
        n_pairs += mu_document_n(view->docs[d], "comparisons");
    if (n_pairs > 0 && view->n_systems >= 2) {
        mu_buf_printf(out,
                      "Against %s, %s is better in %zu, worse in %zu and equivalent in %zu of %zu "
                      "comparisons. ",
                      view->systems[1].name, view->systems[0].name, y->n_better, y->n_worse,
                      y->n_same, n_pairs);
    }
}

/* The valid latency cell of one client whose prompt is nearest to 128 tokens. */
static const mu_view_cell *typical_cell(const mu_view *view) {
    const mu_view_cell *best = NULL;
    double best_distance = INFINITY;
    for (size_t i = 0; i < view->n_cells; i++) {
        const json_t *cell = view->cells[i].json;
        double tokens = mu_document_number(cell, "load.prompt_tokens");
        double ttft = mu_cell_stat(cell, mu_cell_ttft(cell), "p50").value;
        if (!mu_cell_is_phase(cell, "latency") || !mu_cell_is_stamped_valid(cell) ||
            !isfinite(ttft))
            continue;
        double distance = isfinite(tokens) ? fabs(tokens - 128.0) : 1e9;
        if (distance < best_distance) {
            best = &view->cells[i];
            best_distance = distance;
        }
    }
    return best;
}

static void speed_sentence(const mu_view *view, mu_buf *out) {
    const mu_view_cell *typical = typical_cell(view), *busiest = NULL;
    double most = 0.0;
    for (size_t i = 0; i < view->n_cells; i++) {
        double tokens = mu_document_number(view->cells[i].json, "throughput.output_tok_s.value");
        if (mu_cell_is_stamped_valid(view->cells[i].json) && tokens > most) {
            most = tokens;
            busiest = &view->cells[i];
        }
    }
    if (typical) {
        double tokens = mu_document_number(typical->json, "load.prompt_tokens");
        double rate = mu_cell_stat(typical->json, "rate_user_tok_s", "p50").value;
        mu_buf_printf(
            out, "With %s, half of the prompts of %s tokens have their first token within %s ms",
            mu_view_name(view, typical->i_system), mu_number_count(tokens).text,
            mu_number_of(mu_cell_stat(typical->json, mu_cell_ttft(typical->json), "p50").value)
                .text);
        if (isfinite(rate)) mu_buf_printf(out, ", then %s tok/s", mu_number_of(rate).text);
        mu_buf_append_str(out, busiest ? "; " : ". ");
    }
    if (busiest) {
        double clients = mu_document_number(busiest->json, "load.clients");
        mu_buf_printf(out, "%s most tokens a second in total %s %s", typical ? "the" : "The",
                      typical ? "are" : "were", mu_number_of(most).text);
        if (isfinite(clients))
            mu_buf_printf(out, ", at %.0f client%s", clients, clients == 1.0 ? "" : "s");
        if (view->n_systems > 1)
            mu_buf_printf(out, " of %s", mu_view_name(view, busiest->i_system));
        mu_buf_append_str(out, ". ");
    }
}

static void trust_sentence(const mu_view *view, const mu_tally *y, mu_buf *out) {
    size_t n_bad = y->n_invalid + y->n_saturated;
    if (view->n_runs == 0) {
        mu_buf_append_str(out, "No cell was measured");
    } else if (n_bad == 0) {
        mu_buf_printf(out, "All %zu cells are valid", view->n_runs);
    } else {
        mu_buf_printf(out, "%zu of %zu cells %s not valid", n_bad, view->n_runs,
                      n_bad == 1 ? "is" : "are");
    }
    if (y->n_offered > 0.0) {
        mu_buf_printf(out, ", %.0f of %.0f requests failed", y->n_failed, y->n_offered);
    }
    mu_buf_append_str(
        out, y->is_exploratory ? "; fewer than 5 runs, so the figures are exploratory." : ".");
    if (view->n_cells < view->n_runs) {
        mu_buf_append_str(out, " The runs of a cell are shown as one.");
    }
}

void mu_prose_summary(const mu_view *view, mu_buf *out) {
    mu_tally tally = mu_tally_of(view);
    targets_sentence(view, &tally, out);
    speed_sentence(view, out);
    trust_sentence(view, &tally, out);
}

void mu_prose_command(const json_t *words, mu_buf *out) {
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-_./:=,+@%";
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (!word) continue;
        if (i > 0) mu_buf_append_str(out, " ");
        if (*word && word[strspn(word, safe)] == '\0') {
            mu_buf_append_str(out, word);
            continue;
        }
        mu_buf clean = {0};
        mu_escape_plain(&clean, word, 0);
        mu_buf_append_str(out, "'");
        for (const char *c = clean.data; c && *c; c++) {
            if (*c == '\'') {
                mu_buf_append_str(out, "'\\''");
            } else {
                mu_buf_append(out, c, 1);
            }
        }
        mu_buf_append_str(out, "'");
        out->failed = out->failed || clean.failed;
        mu_buf_deinit(&clean);
    }
}

/* Bytes at the start of text that fit into `columns` once escaped, cut at a blank if there is one.
 */
static size_t line_length(const char *text, size_t columns, mu_escape escape, mu_buf *scratch,
                          bool *failed) {
    size_t n = strlen(text), at = 0, last_blank = 0, width = 0;
    while (at < n) {
        size_t n_bytes;
        char character[8] = {0};
        mu_utf8_step(text + at, n - at, &n_bytes);
        memcpy(character, text + at, n_bytes);
        mu_buf_clear(scratch);
        if (character[0] != ' ') {
            escape(scratch, character);
            *failed = *failed || scratch->failed;
            width += scratch->data ? mu_text_columns(scratch->data) : 0;
        } else {
            width++;
            last_blank = at;
        }
        if (width > columns && at > 0) return last_blank > 0 ? last_blank : at;
        at += n_bytes;
    }
    return n;
}

void mu_prose_wrap(const char *str, size_t columns, const char *first, const char *next,
                   mu_escape escape, mu_buf *out) {
    mu_buf clean = {0}, scratch = {0};
    mu_escape_plain(&clean, str, 0);
    const char *rest = clean.data ? clean.data : "", *lead = first;
    do {
        size_t room = columns - mu_text_columns(lead);
        size_t n = line_length(rest, room, escape, &scratch, &out->failed);
        mu_buf_clear(&scratch);
        mu_buf_append(&scratch, rest, n);
        mu_buf_append_str(out, lead);
        out->failed = out->failed || scratch.failed;
        if (scratch.data) escape(out, scratch.data);
        mu_buf_append_str(out, "\n");
        rest += n;
        rest += strspn(rest, " ");
        lead = next;
    } while (*rest);
    out->failed = out->failed || clean.failed || scratch.failed;
    mu_buf_deinit(&clean);
    mu_buf_deinit(&scratch);
}
