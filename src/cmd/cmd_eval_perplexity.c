#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/eval_text.h"
#include "eval/perplexity.h"

typedef struct eval_options {
    const char *model, *device, *dtype;
    mu_eval_text_options text;
    bool json;
} eval_options;

static void print_line(const char *name, double value, mu_interval i) {
    printf("%-16s %10.4f", name, value);
    if (isfinite(i.low) && isfinite(i.high)) {
        printf("   %.4f to %.4f\n", i.low, i.high);
    } else {
        printf("   not known from one window\n");
    }
}

static void print_table(const mu_model *model, const mu_perplexity_options *o,
                        const mu_perplexity *p) {
    printf("%s as %s with %s KV, %llu tokens (%llu bytes) in %u windows of %u, stride %u\n\n",
           mu_model_name(model), mu_weight_type_name(o->weight_type),
           mu_dtype_get(o->kv_type)->name, (unsigned long long)p->n_tokens_all,
           (unsigned long long)p->n_bytes_all, p->n_windows, o->window, o->stride);
    printf("%-16s %10s   %s\n", "", "value", "95% interval");
    print_line("perplexity", p->value, p->interval);
    print_line("bits per byte", p->bits_per_byte, p->bits_interval);
    print_line("nats per token", p->nats_per_token, p->nats_interval);
    printf("%-16s %10.0f\n", "tokens a second", (double)p->n_tokens_all / p->seconds);
}

static mu_status report(const eval_options *o, const mu_model *model, bool has_start,
                        const mu_perplexity_options *options, const mu_perplexity *p, mu_err *err) {
    if (!o->json) {
        print_table(model, options, p);
        return MU_OK;
    }
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:b, s:o}", "schema", "muai.perplexity/1",
        "version", MUAI_VERSION, "model", mu_model_name(model), "dtype",
        mu_weight_type_name(options->weight_type), "kv_dtype", mu_dtype_get(options->kv_type)->name,
        "window", (int)options->window, "stride", (int)options->stride, "special_tokens",
        (int)!o->text.plain, "start_token", (int)has_start, "result", mu_perplexity_json(p));
    return mu_print_json(json, JSON_INDENT(2), err);
}

static mu_status evaluate(const eval_options *o, const char *reference, const char *path,
                          mu_err *err) {
    mu_ref ref;
    mu_model *model = NULL;
    mu_eval_text text = {0};
    mu_perplexity p = {0};
    mu_perplexity_options options = {.n_threads = o->text.threads,
                                     .window = o->text.window,
                                     .stride = o->text.stride,
                                     .is_canceled = mu_is_interrupted};
    if (isatty(STDERR_FILENO)) options.progress = mu_show_progress;
    mu_status status = mu_open_generator(reference, &ref, &model, err);
    if (status == MU_OK) {
        status = mu_eval_windows_settle(mu_model_spec(model)->n_ctx, &options.window,
                                        &options.stride, err);
    }
    const mu_placement_options where = {.device = o->device, .dtype = o->dtype, .kv = o->text.kv};
    mu_placement placement;
    if (status == MU_OK) status = mu_settle_placement(model, &ref, &where, &placement, err);
    if (status == MU_OK) {
        options.device = placement.device;
        options.weight_type = placement.weight_type;
        options.kv_type = placement.kv_type;
        options.isa_max = placement.isa_max;
    }
    if (status == MU_OK) {
        status = mu_eval_text_read(model, path, o->text.n_tokens, o->text.plain, &text, err);
    }
    if (status == MU_OK) {
        options.tokens = text.tokens;
        options.n_tokens = text.n;
        status = mu_perplexity_measure(model, &options, &p, err);
        if (options.progress) mu_clear_progress();
    }
    if (status == MU_OK) status = report(o, model, text.has_start, &options, &p, err);
    mu_perplexity_deinit(&p);
    mu_eval_text_deinit(&text);
    mu_model_close(model);
    return status;
}

int mu_cmd_eval_perplexity(int argc, char **argv) {
    eval_options o = {.device = "cpu", .dtype = "auto", .text.kv = "auto"};
    const mu_option options[] = {
        MU_MODEL_OPTION(&o.model),
        MU_DEVICE_OPTION(&o.device),
        {"dtype", 0, MU_OPTION_TEXT, &o.dtype, 0, 0, "TYPE",
         "f32, bf16, q8, q6_k, q4 or q4_k weights; auto: as the file, on a GPU bf16"},
        MU_EVAL_TEXT_OPTIONS(&o.text),
        {"json", 0, MU_OPTION_FLAG, &o.json, 0, 0, NULL,
         "one JSON object, schema muai.perplexity/1"},
    };
    const mu_command_line line = {
        .command = "eval perplexity",
        .usage = "[MODEL] FILE",
        .about = "Measure how well a model predicts a text (\"-\": standard input), with 95%\n"
                 "intervals. A window slides over the text; every token is predicted once.",
        .examples = "  muai eval perplexity book.txt\n"
                    "  muai eval perplexity gpt2 book.txt --dtype q8 --stride 512\n",
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
    return status == MU_OK ? MU_EXIT_OK : mu_report("eval perplexity", &err);
}
