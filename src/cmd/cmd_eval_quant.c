/* Fidelity is measured in this process, one weight type after the other; speed and memory by `muai
 * bench engine` in a fresh process for each, so that what one type left behind does not count for
 * the next.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/child.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/eval_text.h"
#include "eval/quant.h"

typedef struct eval_options {
    const char *model, *reference;
    mu_eval_text_options text;
    uint32_t repeat;
    bool json;
} eval_options;

typedef struct evaluation {
    const eval_options *o;
    mu_ref ref, reference_ref;
    mu_model *model, *reference; /* reference NULL: the model itself */
    mu_eval_text text;
    mu_perplexity_options options;
    mu_quant_row rows[MU_QUANT_ROWS_MAX];
    uint32_t n_rows, n_prompt, n_gen; /* tokens of the speed cells */
} evaluation;

static double cell_median(const json_t *bench, const char *kind) {
    const json_t *cells = json_object_get(bench, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        const char *is = json_string_value(json_object_get(cell, "kind"));
        if (!is || strcmp(is, kind) != 0) continue;
        const json_t *rate = json_object_get(cell, "tokens_per_second");
        return json_number_value(json_object_get(rate, "median"));
    }
    return 0.0;
}

static mu_status measure_speed(const evaluation *e, mu_quant_row *row, mu_err *err) {
    bool is_reference = e->reference && row->model == e->reference;
    const mu_ref *ref = is_reference ? &e->reference_ref : &e->ref;
    char prompt[16], gen[16], repeat[16], threads[16];
    snprintf(prompt, sizeof(prompt), "%u", e->n_prompt);
    snprintf(gen, sizeof(gen), "%u", e->n_gen);
    snprintf(repeat, sizeof(repeat), "%u", e->o->repeat);
    snprintf(threads, sizeof(threads), "%u", e->o->text.threads);
    const char *argv[] = {"muai",     "bench",       "engine",   "--model", ref->name,
                          "--dtype",  NULL,          "--kv",     NULL,      "--prompt",
                          prompt,     "--gen",       gen,        "--batch", "1",
                          "--repeat", repeat,        "--warmup", "1",       "--threads",
                          threads,    "--agreement", "0",        "--json",  NULL};
    argv[6] = mu_weight_type_name(row->weight_type);
    argv[8] = mu_dtype_get(row->kv_type)->name;
    json_t *bench = NULL;
    mu_status status = mu_child_json(argv, &bench, err);
    if (status != MU_OK) return status;
    json_int_t resident =
        json_integer_value(json_object_get(json_object_get(bench, "model"), "loaded_memory_bytes"));
    row->speed = (mu_quant_speed){(uint64_t)resident, cell_median(bench, "prefill"),
                                  cell_median(bench, "decode")};
    json_decref(bench);
    return MU_OK;
}

typedef enum figure {
    WEIGHTS,
    RESIDENT,
    PREFILL,
    DECODE,
    PERPLEXITY,
    CHANGE,
    CHANGE_LOW,
    CHANGE_HIGH,
    KL,
    KL_LOW,
    KL_HIGH,
    GREEDY,
    GREEDY_LOW,
    GREEDY_HIGH,
} figure;

/* NaN: not measured, or not for this row. */
static double value_of(const mu_quant_row *row, figure f) {
    const mu_agreement *a = &row->agreement;
    bool has_speed = row->speed.resident_bytes > 0, is_compared = a->n_positions > 0;
    if ((f >= RESIDENT && f <= DECODE && !has_speed) || (f >= CHANGE && !is_compared)) return NAN;
    switch (f) {
    case WEIGHTS:
        return (double)row->perplexity.weight_bytes / 1e6;
    case RESIDENT:
        return (double)row->speed.resident_bytes / 1e6;
    case PREFILL:
        return row->speed.prefill_tokens_per_second;
    case DECODE:
        return row->speed.decode_tokens_per_second;
    case PERPLEXITY:
        return row->perplexity.value;
    case CHANGE:
        return 100.0 * (row->change.ratio - 1.0);
    case CHANGE_LOW:
        return 100.0 * (row->change.interval.low - 1.0);
    case CHANGE_HIGH:
        return 100.0 * (row->change.interval.high - 1.0);
    case KL:
        return a->kl_mean;
    case KL_LOW:
        return a->kl.low;
    case KL_HIGH:
        return a->kl.high;
    case GREEDY:
        return 100.0 * a->n_agreeing / a->n_positions;
    case GREEDY_LOW:
        return 100.0 * a->agreement.low;
    default:
        return 100.0 * a->agreement.high;
    }
}

static const struct {
    figure figure;
    const char *name;
    int decimals;
    char form; /* f: fixed, +: with its sign, e: three digits */
} lines[] = {
    {WEIGHTS, "weights, MB", 1, 'f'},    {RESIDENT, "resident when loaded, MB", 1, 'f'},
    {PREFILL, "prefill, tok/s", 0, 'f'}, {DECODE, "decode, tok/s", 0, 'f'},
    {PERPLEXITY, "perplexity", 4, 'f'},  {CHANGE, "  change, %", 3, '+'},
    {CHANGE_LOW, "  95% from", 3, '+'},  {CHANGE_HIGH, "      to", 3, '+'},
    {KL, "KL divergence, nats", 0, 'e'}, {KL_LOW, "  95% from", 0, 'e'},
    {KL_HIGH, "      to", 0, 'e'},       {GREEDY, "greedy agreement, %", 2, 'f'},
    {GREEDY_LOW, "  95% from", 2, 'f'},  {GREEDY_HIGH, "      to", 2, 'f'},
};

static void print_value(double value, int decimals, char form) {
    if (!isfinite(value)) {
        printf(" %11s", "-");
    } else if (form == 'e') {
        printf(" %11.2e", value);
    } else if (form == '+') {
        printf(" %+11.*f", decimals, value);
    } else {
        printf(" %11.*f", decimals, value);
    }
}

static void print_table(const evaluation *e) {
    const mu_perplexity *p = &e->rows[0].perplexity;
    printf("%s, %llu tokens (%llu bytes) in %u windows of %u, stride %u; reference: %s as f32\n\n",
           mu_model_name(e->model), (unsigned long long)p->n_tokens_all,
           (unsigned long long)p->n_bytes_all, p->n_windows, e->options.window, e->options.stride,
           mu_model_name(e->rows[0].model));
    printf("%-25s", "");
    for (uint32_t i = 0; i < e->n_rows; i++) {
        bool is_apart = i == 0 && e->reference;
        printf(" %11s", is_apart ? "reference" : mu_weight_type_name(e->rows[i].weight_type));
    }
    putchar('\n');
    for (size_t l = 0; l < MU_COUNTOF(lines); l++) {
        printf("%-25s", lines[l].name);
        for (uint32_t i = 0; i < e->n_rows; i++) {
            print_value(value_of(&e->rows[i], lines[l].figure), lines[l].decimals, lines[l].form);
        }
        putchar('\n');
    }
    if (e->o->repeat == 0) return;
    printf(
        "\nspeed: medians of %u runs, prefill of %u tokens, decode of %u by one sequence; memory "
        "and speed\neach in a fresh process\n",
        e->o->repeat, e->n_prompt, e->n_gen);
}

static mu_status report(const evaluation *e, mu_err *err) {
    if (!e->o->json) {
        print_table(e);
        return MU_OK;
    }
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:b, s:{s:i, s:i, s:i}, s:o}", "schema",
                  "muai.quant/1", "version", MUAI_VERSION, "model", mu_model_name(e->model),
                  "reference", mu_model_name(e->rows[0].model), "window", (int)e->options.window,
                  "stride", (int)e->options.stride, "special_tokens", (int)!e->o->text.plain,
                  "start_token", (int)e->text.has_start, "speed_options", "prompt_tokens",
                  (int)e->n_prompt, "generated_tokens", (int)e->n_gen, "repeat", (int)e->o->repeat,
                  "types", mu_quant_json(e->rows, e->n_rows));
    return mu_print_json(json, JSON_INDENT(2), err);
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static mu_status prepare(evaluation *e, const char *path, mu_err *err) {
    const mu_model *reference = e->reference ? e->reference : e->model;
    uint32_t n_ctx = least(mu_model_spec(e->model)->n_ctx, mu_model_spec(reference)->n_ctx);
    mu_status status = mu_eval_windows_settle(n_ctx, &e->options.window, &e->options.stride, err);
    if (status == MU_OK) status = mu_isa_read(&e->options.isa_max, err);
    if (status == MU_OK) {
        status =
            mu_eval_text_read(e->model, path, e->o->text.n_tokens, e->o->text.plain, &e->text, err);
    }
    if (status != MU_OK) return status;
    if (mu_model_spec(reference)->vocab_size != mu_model_spec(e->model)->vocab_size) {
        return mu_fail(err, MU_ERR_INVALID, "--reference: a vocabulary of %u, the model has %u",
                       mu_model_spec(reference)->vocab_size, mu_model_spec(e->model)->vocab_size);
    }
    e->options.tokens = e->text.tokens;
    e->options.n_tokens = e->text.n;
    e->n_prompt = least(256, n_ctx / 2);
    e->n_gen = least(64, n_ctx / 2);
    e->n_rows = mu_quant_rows(e->model, reference, e->rows);
    for (uint32_t i = 0; i < e->n_rows && status == MU_OK; i++) {
        mu_quant_row *row = &e->rows[i];
        status = mu_settle_kv_type(row->weight_type, e->options.isa_max, e->o->text.kv,
                                   &row->kv_type, err);
    }
    return status;
}

static mu_status measure(evaluation *e, mu_err *err) {
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < e->n_rows && status == MU_OK && e->o->repeat > 0; i++) {
        status = measure_speed(e, &e->rows[i], err);
    }
    for (uint32_t i = 0; i < e->n_rows && status == MU_OK; i++) {
        status = mu_quant_measure(e->rows, i, &e->options, err);
    }
    if (e->options.progress) mu_clear_progress();
    return status;
}

static mu_status evaluate(const eval_options *o, const char *reference, const char *path,
                          mu_err *err) {
    evaluation e = {.o = o,
                    .options = {.n_threads = o->text.threads,
                                .window = o->text.window,
                                .stride = o->text.stride,
                                .is_canceled = mu_is_interrupted}};
    if (isatty(STDERR_FILENO)) e.options.progress = mu_show_progress;
    mu_status status = mu_open_generator(reference, &e.ref, &e.model, err);
    if (status == MU_OK && o->reference) {
        status = mu_open_generator(o->reference, &e.reference_ref, &e.reference, err);
    }
    if (status == MU_OK) status = prepare(&e, path, err);
    if (status == MU_OK) status = measure(&e, err);
    if (status == MU_OK) status = report(&e, err);
    mu_quant_deinit(e.rows, e.n_rows);
    mu_eval_text_deinit(&e.text);
    mu_model_close(e.reference);
    mu_model_close(e.model);
    return status;
}

int mu_cmd_eval_quant(int argc, char **argv) {
    eval_options o = {.text.kv = "auto", .repeat = 5};
    const mu_option options[] = {
        MU_MODEL_OPTION(&o.model),
        {"reference", 0, MU_OPTION_TEXT, &o.reference, 0, 0, "MODEL",
         "what to compare with, as f32; MODEL itself when not given"},
        MU_EVAL_TEXT_OPTIONS(&o.text),
        {"repeat", 'r', MU_OPTION_U32, &o.repeat, 0, 1000, "N",
         "runs of each speed; 0: do not measure speed and memory"},
        {"json", 0, MU_OPTION_FLAG, &o.json, 0, 0, NULL, "one JSON object, schema muai.quant/1"},
    };
    const mu_command_line line = {
        .command = "eval quant",
        .usage = "[MODEL] FILE",
        .about =
            "Compare the weight types of a model over a text (\"-\": standard input): memory, "
            "speed,\n"
            "perplexity and its change, KL divergence and greedy agreement, with 95% intervals.",
        .examples = "  muai eval quant book.txt\n"
                    "  muai eval quant ./gpt2 book.txt -n 16384\n"
                    "  muai eval quant ./gpt2-q8.gguf book.txt --reference ./gpt2 --json\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 2,
        .needs = "no FILE given, the text to predict",
    };
    const char *positional[2] = {NULL, NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    const char *model = mu_take_model(&line, o.model, 1, positional, &n_positional);
    if (!model) return MU_EXIT_USAGE;
    mu_interrupts_install();
    mu_err err;
    mu_status status = evaluate(&o, model, positional[0], &err);
    return status == MU_OK ? MU_EXIT_OK : mu_report("eval quant", &err);
}
