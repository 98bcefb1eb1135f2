#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "bench/result/document.h"
#include "bench/result/escape.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/history_file.h"
#include "cmd/options.h"
#include "format/json.h"

typedef struct history_options {
    const char *history;
    mu_history_filter filter;
    bool json;
} history_options;

typedef struct history_call {
    const history_options *options;
    mu_history *history;
    const char *const *words; /* after the name of the action */
    uint32_t n_words;
    mu_err *err;
} history_call;

/* Texts come from files: cleaned, and cut to a column. */
static void print_text(const char *text, int width) {
    mu_buf clean = {0};
    mu_escape_plain(&clean, text, (size_t)width);
    const char *shown = clean.data ? clean.data : "";
    size_t columns = mu_text_columns(shown);
    printf("%s%*s  ", shown, columns < (size_t)width ? (int)((size_t)width - columns) : 0, "");
    mu_buf_deinit(&clean);
}

static void print_number(double value, int width) {
    if (isnan(value)) {
        printf("%*s", width, "-");
    } else {
        printf("%*.4g", width, value);
    }
}

static void print_run(const json_t *row) {
    static const char *const numbers[] = {"ttft_p50_ms", "decode_tok_s", "output_tok_s",
                                          "requests_s", "peak_mb"};
    const json_t *names = json_object_get(row, "names");
    print_text(mu_document_text(row, "id"), 25);
    print_text(mu_document_text(row, "start"), 20);
    print_text(mu_document_text(row, "suite"), 10);
    print_text(mu_document_text(row, "model"), 22);
    print_text(mu_document_text(row, "host"), 20);
    print_text(mu_document_text(row, "verdict"), 12);
    for (size_t i = 0; i < MU_COUNTOF(numbers); i++) {
        print_number(mu_document_number(row, numbers[i]), 9);
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        printf("%s%s", i == 0 ? "  " : ", ", json_string_value(json_array_get(names, i)));
    }
    putchar('\n');
}

static mu_status list_runs(const history_call *c) {
    json_t *rows = NULL;
    mu_status status = mu_history_list(c->history, &c->options->filter, &rows, c->err);
    if (status != MU_OK) return status;
    if (c->options->json) return mu_print_json(rows, JSON_INDENT(1), c->err);
    if (json_array_size(rows) == 0) {
        puts("no runs yet");
    } else {
        printf("%-25s  %-20s  %-10s  %-22s  %-20s  %-12s  %9s%9s%9s%9s%9s  names\n", "id", "start",
               "suite", "model", "host", "verdict", "TTFT ms", "decode/s", "tok/s", "req/s",
               "peak MB");
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        print_run(json_array_get(rows, i));
    }
    json_decref(rows);
    return MU_OK;
}

static mu_status show_run(const history_call *c) {
    json_t *doc = NULL;
    mu_status status = mu_history_find(c->history, c->words[0], &doc, c->err);
    return status == MU_OK ? mu_print_json(doc, JSON_INDENT(1), c->err) : status;
}

static void print_sparkline(const json_t *points) {
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < json_array_size(points); i++) {
        double value = mu_document_number(json_array_get(points, i), "value");
        low = fmin(low, value);
        high = fmax(high, value);
    }
    for (size_t i = 0; i < json_array_size(points); i++) {
        double value = mu_document_number(json_array_get(points, i), "value");
        double at = high > low ? (value - low) / (high - low) : 0.5;
        fputs(bars[(size_t)(at * (MU_COUNTOF(bars) - 1) + 0.5)], stdout);
    }
    printf("  %.4g to %.4g\n", low, high);
}

static void print_series(const json_t *series) {
    const json_t *points = json_object_get(series, "points");
    print_text(mu_document_text(series, "cell"), 30);
    print_text(mu_document_text(series, "model"), 30);
    print_text(mu_document_text(series, "system"), 12);
    print_text(mu_document_text(series, "host"), 40);
    putchar('\n');
    print_sparkline(points);
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        double low = mu_document_number(point, "low"), high = mu_document_number(point, "high");
        fputs("  ", stdout);
        print_text(mu_document_text(point, "start"), 20);
        print_text(mu_document_text(point, "id"), 25);
        print_number(mu_document_number(point, "value"), 9);
        printf(" %s", mu_document_text(series, "unit"));
        if (!isnan(low)) printf(" (%.4g to %.4g)", low, high);
        putchar('\n');
    }
    putchar('\n');
}

static mu_status say_metrics(const history_call *c) {
    json_t *names = NULL;
    mu_status status = mu_history_metrics(c->history, &names, c->err);
    if (status != MU_OK) return status;
    mu_fail(c->err, MU_ERR_NOT_FOUND, "no figure \"%.60s\"; there are%s", c->words[0],
            json_array_size(names) == 0 ? " none yet" : ":");
    for (size_t i = 0; i < json_array_size(names); i++) {
        size_t n = strlen(c->err->text);
        snprintf(c->err->text + n, sizeof(c->err->text) - n, " %s",
                 json_string_value(json_array_get(names, i)));
    }
    json_decref(names);
    return MU_ERR_NOT_FOUND;
}

static mu_status show_trend(const history_call *c) {
    json_t *series = NULL;
    mu_status status =
        mu_history_trend(c->history, c->words[0], &c->options->filter, &series, c->err);
    if (status != MU_OK) return status;
    if (json_array_size(series) == 0) {
        json_decref(series);
        return say_metrics(c);
    }
    if (c->options->json) return mu_print_json(series, JSON_INDENT(1), c->err);
    for (size_t i = 0; i < json_array_size(series); i++) {
        print_series(json_array_get(series, i));
    }
    json_decref(series);
    return MU_OK;
}

static mu_status name_run(const history_call *c) {
    return mu_history_name(c->history, c->words[0], c->n_words > 1 ? c->words[1] : "last", c->err);
}

static mu_status remove_run(const history_call *c) {
    return mu_history_remove(c->history, c->words[0], c->err);
}

static mu_status add_file(const history_call *c) {
    json_t *doc = NULL;
    mu_status status = mu_json_load(c->words[0], &doc, c->err);
    if (status == MU_OK) status = mu_history_add(c->history, doc, c->err);
    json_decref(doc);
    return status;
}

static const struct {
    const char *name;
    uint32_t n_min, n_max; /* words after it */
    const char *needs;
    mu_status (*run)(const history_call *c);
} actions[] = {
    {"list", 0, 0, "", list_runs},         {"show", 1, 1, "ID", show_run},
    {"trend", 1, 1, "METRIC", show_trend}, {"baseline", 1, 2, "NAME [ID]", name_run},
    {"add", 1, 1, "FILE", add_file},       {"rm", 1, 1, "ID", remove_run},
};

static int act(const history_options *o, const char *const *words, uint32_t n_words) {
    const char *name = n_words > 0 ? words[0] : "list";
    for (size_t i = 0; i < MU_COUNTOF(actions); i++) {
        if (strcmp(name, actions[i].name) != 0) continue;
        mu_err err;
        history_call c = {.options = o, .words = words + 1, .err = &err};
        c.n_words = n_words > 0 ? n_words - 1 : 0;
        if (c.n_words < actions[i].n_min || c.n_words > actions[i].n_max) {
            fprintf(stderr, "muai bench history: usage: %s %s\n", name, actions[i].needs);
            return MU_EXIT_USAGE;
        }
        mu_status status = mu_history_open_at(o->history, &c.history, &err);
        if (status == MU_OK) status = actions[i].run(&c);
        mu_history_close(c.history);
        return status == MU_OK ? MU_EXIT_OK : mu_report("bench history", &err);
    }
    fprintf(stderr,
            "muai bench history: \"%.60s\" is none of list, show, trend, baseline, add, rm\n",
            name);
    return MU_EXIT_USAGE;
}

int mu_cmd_bench_history(int argc, char **argv) {
    history_options o = {.history = NULL};
    const mu_option options[] = {
        {"history", 0, MU_OPTION_TEXT, &o.history, 0, 0, "FILE",
         "else $XDG_DATA_HOME/muai/bench.db"},
        {"model", 'm', MU_OPTION_TEXT, &o.filter.model, 0, 0, "TEXT", "models whose name has it"},
        {"cell", 0, MU_OPTION_TEXT, &o.filter.cell, 0, 0, "TEXT", "cells of a trend that have it"},
        {"limit", 'n', MU_OPTION_U32, &o.filter.limit, 0, 1e9, "N", "newest runs; 0: all"},
        {"json", 0, MU_OPTION_FLAG, &o.json, 0, 0, NULL, "rows as JSON"},
    };
    const mu_command_line line = {
        .command = "bench history",
        .usage = "[list | show ID | trend METRIC | baseline NAME [ID] | add FILE | rm ID]",
        .about = "The runs that were kept. ID is a run's id or its start, a name, or \"last\".",
        .examples = "  muai bench history --model gpt2 --limit 10\n"
                    "  muai bench history trend ttft_ms.p50 --cell latency\n"
                    "  muai bench history baseline main last\n"
                    "  muai report new.json --baseline main\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 3,
    };
    const char *positional[3] = {NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    return act(&o, positional, n_positional);
}
