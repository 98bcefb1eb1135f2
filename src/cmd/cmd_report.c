/* Results are read from JSON, from the JSON inside an HTML report, or from the history. One is
 * shown with its verdicts; several are compared first, which gives one document again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench/judge/document_comparison.h"
#include "bench/judge/recommendations.h"
#include "bench/judge/targets.h"
#include "bench/report/report.h"
#include "bench/result/document.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/history_file.h"
#include "cmd/options.h"
#include "format/json.h"

enum { DOCS_MAX = 16, WIDTH_DEFAULT = 100 };

typedef struct report_options {
    const char *format, *output, *baseline, *history, *targets;
    mu_texts label;
    float delta_percent;
    bool any_precision;
} report_options;

typedef struct results {
    json_t *docs[DOCS_MAX];
    const char *names[DOCS_MAX];
    const char *labels[DOCS_MAX]; /* NULL: none was given */
    size_t n;
} results;

static void results_deinit(results *r) {
    for (size_t i = 0; i < r->n; i++) {
        json_decref(r->docs[i]);
    }
}

/* Takes over the reference. */
static mu_status results_add(results *r, json_t *doc, const char *name, mu_err *err) {
    mu_err inner;
    mu_status status = mu_document_check(doc, &inner);
    if (status != MU_OK) {
        mu_fail(err, status, "%.80s: %s", name, inner.text);
    } else if (r->n == DOCS_MAX) {
        status = mu_fail(err, MU_ERR_LIMIT, "%.80s: more than %d results", name, DOCS_MAX);
    }
    if (status != MU_OK) {
        json_decref(doc);
        return status;
    }
    r->docs[r->n] = doc;
    r->names[r->n++] = name;
    return MU_OK;
}

/* A document, or the array of several that an HTML report may hold. */
static mu_status results_add_all(results *r, json_t *json, const char *name, mu_err *err) {
    if (!json_is_array(json)) return results_add(r, json, name, err);
    mu_status status = MU_OK;
    for (size_t i = 0; i < json_array_size(json) && status == MU_OK; i++) {
        status = results_add(r, json_incref(json_array_get(json, i)), name, err);
    }
    json_decref(json);
    return status;
}

/* A whole word to call a file by: report.json is what every run writes, so that its folder tells
 * more. */
static const char *short_name(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return path;
    if (strncmp(slash + 1, "report.", 7) != 0) return slash + 1;
    const char *folder = slash;
    while (folder > path && folder[-1] != '/') {
        folder--;
    }
    return folder;
}

static mu_status read_file(const char *path, results *out, mu_err *err) {
    mu_buf text = {0};
    mu_err inner;
    json_t *json = NULL;
    mu_status status = mu_read_all(path, &text, err);
    if (status == MU_OK) {
        size_t blanks = text.data ? strspn(text.data, " \t\r\n\xef\xbb\xbf") : 0;
        bool is_html = text.n > blanks && text.data[blanks] == '<';
        status = is_html ? mu_report_extract_json(text.data, text.n, &json, &inner)
                         : mu_json_parse(text.data ? text.data : "", text.n, &json, &inner);
        if (status != MU_OK) mu_fail(err, status, "%.80s: %s", path, inner.text);
    }
    mu_buf_deinit(&text);
    return status == MU_OK ? results_add_all(out, json, short_name(path), err) : status;
}

static mu_status read_baseline(const report_options *o, results *out, mu_err *err) {
    mu_history *history = NULL;
    json_t *doc = NULL;
    mu_status status = mu_history_open_at(o->history, &history, err);
    if (status == MU_OK) status = mu_history_find(history, o->baseline, &doc, err);
    mu_history_close(history);
    return status == MU_OK ? results_add(out, doc, o->baseline, err) : status;
}

/* Sets what a document does not say yet, and targets again when there is a file of them. */
static mu_status judge(const report_options *o, json_t *doc, mu_err *err) {
    mu_targets *targets = NULL;
    mu_status status = o->targets ? mu_targets_load(o->targets, &targets, err) : MU_OK;
    if (status != MU_OK) return status;
    bool is_ok = true;
    if (targets || json_array_size(json_object_get(doc, "targets")) == 0) {
        is_ok = json_object_set_new(doc, "targets", mu_targets_judge(doc, targets)) == 0 &&
                json_object_set_new(doc, "recommendations", mu_recommend(doc)) == 0;
    } else if (!json_object_get(doc, "recommendations")) {
        is_ok = json_object_set_new(doc, "recommendations", mu_recommend(doc)) == 0;
    }
    mu_targets_close(targets);
    return is_ok ? MU_OK : mu_fail(err, MU_ERR_NOMEM, "report");
}

/* The one document that is shown; its exit code. The caller owns *out. */
static mu_status settle(const report_options *o, results *r, json_t **out, int *out_code,
                        mu_err *err) {
    if (r->n == 1) {
        mu_status status = judge(o, r->docs[0], err);
        if (status != MU_OK) return status;
        *out = json_incref(r->docs[0]);
        *out_code = mu_targets_exit_code(*out, json_object_get(*out, "targets"));
        return MU_OK;
    }
    mu_compare_options options = {
        .delta = o->delta_percent / 100.0, .any_precision = o->any_precision, .seed = 1};
    for (uint32_t i = 0; i < o->label.n && i < r->n; i++) {
        r->labels[i] = o->label.items[i];
    }
    options.labels = r->labels;
    json_t *doc = NULL;
    mu_status status =
        mu_compare_documents((const json_t *const *)r->docs, r->names, r->n, &options, &doc, err);
    if (status != MU_OK) return status;
    bool is_ok = json_object_set_new(doc, "recommendations", mu_recommend(doc)) == 0;
    if (!is_ok) {
        json_decref(doc);
        return mu_fail(err, MU_ERR_NOMEM, "report");
    }
    *out = doc;
    *out_code = mu_compare_exit_code(json_object_get(doc, "comparisons"));
    return MU_OK;
}

static int append_text(const char *text, size_t n, void *ctx) {
    mu_buf *buf = ctx;
    mu_buf_append(buf, text, n);
    return buf->failed ? -1 : 0;
}

static mu_status render_json(const json_t *const *docs, size_t n, mu_buf *out, mu_err *err) {
    (void)n;
    json_dump_callback(docs[0], append_text, out, JSON_INDENT(1));
    mu_buf_append_str(out, "\n");
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "report") : MU_OK;
}

static mu_status render_text(const json_t *const *docs, size_t n, mu_buf *out, mu_err *err) {
    (void)n;
    struct winsize size = {0};
    bool is_terminal = isatty(STDOUT_FILENO);
    bool has_size = is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    const char *no_color = getenv("NO_COLOR");
    bool has_color = is_terminal && !(no_color && no_color[0] != '\0');
    return mu_report_text(docs[0], has_size ? size.ws_col : WIDTH_DEFAULT, has_color, out, err);
}

static const struct {
    const char *name, *ending; /* of a file that is written in it without being told */
    mu_status (*render)(const json_t *const *docs, size_t n, mu_buf *out, mu_err *err);
} formats[] = {
    {"text", ".txt", render_text},        {"html", ".html", mu_report_html},
    {"md", ".md", mu_report_markdown},    {"csv", ".csv", mu_report_csv},
    {"csv-wide", "", mu_report_csv_wide}, {"json", ".json", render_json},
};

static mu_status find_format(const report_options *o, size_t *out, mu_err *err) {
    const char *dot = o->output ? strrchr(o->output, '.') : NULL;
    *out = 0;
    for (size_t i = 0; i < MU_COUNTOF(formats); i++) {
        bool is_it = o->format ? strcmp(o->format, formats[i].name) == 0
                               : dot && strcmp(dot, formats[i].ending) == 0;
        if (!is_it) continue;
        *out = i;
        return MU_OK;
    }
    if (!o->format) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID,
                   "--format: \"%.40s\" is not one of text, html, md, csv, csv-wide, json",
                   o->format);
}

static mu_status show(const report_options *o, const json_t *doc, mu_err *err) {
    size_t format;
    mu_buf text = {0};
    mu_status status = find_format(o, &format, err);
    if (status == MU_OK) status = formats[format].render(&doc, 1, &text, err);
    if (status == MU_OK && o->output) {
        status = mu_write_whole(o->output, &text, err);
    } else if (status == MU_OK) {
        fwrite(text.data, 1, text.n, stdout);
    }
    mu_buf_deinit(&text);
    return status;
}

static int report(const report_options *o, const char *const *paths, uint32_t n_paths) {
    results r = {.n = 0};
    json_t *doc = NULL;
    size_t format;
    int code = MU_JUDGED_TOOL_ERROR;
    mu_err err;
    mu_status status = find_format(o, &format, &err);
    for (uint32_t i = 0; i < n_paths && status == MU_OK; i++) {
        status = read_file(paths[i], &r, &err);
    }
    if (status == MU_OK && o->baseline) status = read_baseline(o, &r, &err);
    if (status == MU_OK) status = settle(o, &r, &doc, &code, &err);
    if (status == MU_OK) status = show(o, doc, &err);
    if (status != MU_OK) {
        mu_report("report", &err);
        code = MU_JUDGED_TOOL_ERROR;
    }
    json_decref(doc);
    results_deinit(&r);
    return code;
}

int mu_cmd_report(int argc, char **argv) {
    report_options o = {.delta_percent = 2.0f};
    const mu_option options[] = {
        {"format", 'f', MU_OPTION_TEXT, &o.format, 0, 0, "NAME",
         "text, html, md, csv, csv-wide or json; else as the file of -o ends"},
        {"output", 'o', MU_OPTION_TEXT, &o.output, 0, 0, "FILE", "else standard output"},
        {"baseline", 0, MU_OPTION_TEXT, &o.baseline, 0, 0, "NAME",
         "compare with this run of the history"},
        {"history", 0, MU_OPTION_TEXT, &o.history, 0, 0, "FILE", "history to look in"},
        {"targets", 0, MU_OPTION_TEXT, &o.targets, 0, 0, "FILE",
         "judge again, with these targets (JSON)"},
        {"label", 0, MU_OPTION_TEXTS, &o.label, 0, 0, "NAME",
         "call the systems of a file so; once for each file, in their order"},
        {"delta", 0, MU_OPTION_F32, &o.delta_percent, 0.01, 50, "PERCENT",
         "differences within it do not matter"},
        {"any-precision", 0, MU_OPTION_FLAG, &o.any_precision, 0, 0, NULL,
         "compare speed across weight types"},
    };
    const mu_command_line line = {
        .command = "report",
        .usage = "FILE [FILE ...]",
        .about =
            "Show results of muai bench (JSON, or an HTML report) with verdicts, or compare the\n"
            "first with each of the others. Exit codes: 0 passed, 1 a target failed or something\n"
            "is slower, 2 invalid run or nothing comparable, 3 inconclusive, 4 an error.",
        .examples = "  muai report result.json\n"
                    "  muai report result.json -o report.html\n"
                    "  muai report new.json old.json --label new --label old\n"
                    "  muai report new.json --baseline main\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = DOCS_MAX,
        .needs = "no FILE; a result is what muai bench writes",
    };
    const char *positional[DOCS_MAX] = {NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) {
        return code == MU_EXIT_OK ? MU_EXIT_OK : MU_JUDGED_TOOL_ERROR;
    }
    return report(&o, positional, n_positional);
}
