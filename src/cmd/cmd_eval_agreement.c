#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"
#include "eval/agreement.h"

typedef struct eval_options {
    const char *model, *device, *dtype, *kv, *reference, *text, *tokens;
    uint32_t n_tokens, window, threads, seed;
    bool json;
} eval_options;

typedef struct evaluation {
    const eval_options *o;
    mu_ref ref;
    mu_model *model, *reference; /* reference NULL: the model itself */
    mu_token *tokens;
    uint32_t n_tokens;
} evaluation;

static mu_status read_tokens(evaluation *e, mu_err *err) {
    const eval_options *o = e->o;
    mu_buf text = {0};
    mu_status status = mu_read_all(o->text ? o->text : o->tokens, &text, err);
    const char *data = text.data ? text.data : "";
    if (status == MU_OK && o->text) {
        status = mu_encode_text(e->model, data, text.n, 0, &e->tokens, &e->n_tokens, err);
    } else if (status == MU_OK) {
        status = mu_parse_tokens(data, &e->tokens, &e->n_tokens, err);
    }
    mu_buf_deinit(&text);
    if (status != MU_OK) return status;
    if (e->n_tokens > o->n_tokens) e->n_tokens = o->n_tokens;
    uint32_t vocab_size = mu_model_spec(e->model)->vocab_size;
    for (uint32_t i = 0; i < e->n_tokens; i++) {
        if ((uint32_t)e->tokens[i] < vocab_size) continue;
        return mu_fail(err, MU_ERR_INVALID, "%s: token %d, the vocabulary has %u",
                       o->text ? o->text : o->tokens, e->tokens[i], vocab_size);
    }
    if (e->n_tokens > 0) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "%s: no tokens", o->text ? o->text : o->tokens);
}

static mu_status draw_tokens(evaluation *e, mu_err *err) {
    e->n_tokens = e->o->n_tokens;
    e->tokens = MU_ALLOC(mu_token, e->n_tokens);
    if (!e->tokens) return mu_fail(err, MU_ERR_NOMEM, "tokens");
    mu_random_tokens(e->model, e->o->seed, e->tokens, e->n_tokens);
    return MU_OK;
}

static void print_table(const evaluation *e, const mu_agreement_options *o, const mu_agreement *a) {
    printf("%s as %s with %s KV against f32, %u positions in %u windows of %s\n\n",
           mu_model_name(e->model), mu_weight_type_name(o->weight_type),
           mu_dtype_get(o->kv_type)->name, a->n_positions, a->n_windows,
           e->o->text     ? "text"
           : e->o->tokens ? "tokens"
                          : "random tokens");
    double part = 100.0 / a->n_positions;
    printf("%-24s %12s   %s\n", "", "value", "95% interval");
    printf("%-24s %11.2f%%   %.2f%% to %.2f%%\n", "greedy agreement", part * a->n_agreeing,
           100.0 * a->agreement.low, 100.0 * a->agreement.high);
    printf("%-24s %12.3g   %.3g to %.3g\n", "KL divergence, nats", a->kl_mean, a->kl.low,
           a->kl.high);
    printf("%-24s %12.3g\n", "  largest", a->kl_max);
    printf("%-24s %12.3g   %.3g to %.3g\n", "logit error, mean", a->error_mean, a->error.low,
           a->error.high);
    printf("%-24s %12.3g\n", "  largest", a->error_max);
    printf("%-24s %11.3f%%\n", "  of the largest logit", 100.0 * a->error_max / a->largest_logit);
}

static mu_status report(const evaluation *e, const mu_agreement_options *o, const mu_agreement *a,
                        mu_err *err) {
    if (!e->o->json) {
        print_table(e, o, a);
        return MU_OK;
    }
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o}", "schema", "muai.agreement/1", "version",
        MUAI_VERSION, "model", mu_model_name(e->model), "reference", mu_model_name(o->reference),
        "dtype", mu_weight_type_name(o->weight_type), "kv_dtype", mu_dtype_get(o->kv_type)->name,
        "window", (int)o->window, "agreement", mu_agreement_json(a));
    return mu_print_json(json, JSON_INDENT(2), err);
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static mu_status measure(evaluation *e, mu_err *err) {
    const mu_model *reference = e->reference ? e->reference : e->model;
    uint32_t n_ctx = least(mu_model_spec(e->model)->n_ctx, mu_model_spec(reference)->n_ctx);
    mu_agreement_options o = {
        .reference = reference,
        .n_threads = e->o->threads,
        .tokens = e->tokens,
        .n_tokens = e->n_tokens,
        .window = least(e->o->window, n_ctx),
        .is_canceled = mu_is_interrupted,
    };
    if (isatty(STDERR_FILENO)) o.progress = mu_show_progress;
    mu_agreement agreement;
    const mu_placement_options where = {
        .device = e->o->device, .dtype = e->o->dtype, .kv = e->o->kv};
    mu_placement placement;
    mu_status status = mu_settle_placement(e->model, &e->ref, &where, &placement, err);
    if (status == MU_OK) {
        o.device = placement.device;
        o.weight_type = placement.weight_type;
        o.kv_type = placement.kv_type;
        o.isa_max = placement.isa_max;
        status = mu_agreement_measure(e->model, &o, &agreement, err);
        if (o.progress) mu_clear_progress();
    }
    return status == MU_OK ? report(e, &o, &agreement, err) : status;
}

static int eval_agreement(const eval_options *o, const char *reference) {
    evaluation e = {.o = o};
    mu_ref unused;
    mu_err err;
    mu_interrupts_install();
    mu_status status = mu_open_generator(reference, &e.ref, &e.model, &err);
    if (status == MU_OK && o->reference) {
        status = mu_open_generator(o->reference, &unused, &e.reference, &err);
    }
    if (status == MU_OK) {
        status = o->text || o->tokens ? read_tokens(&e, &err) : draw_tokens(&e, &err);
    }
    if (status == MU_OK) status = measure(&e, &err);
    mu_free(e.tokens);
    mu_model_close(e.reference);
    mu_model_close(e.model);
    return status == MU_OK ? MU_EXIT_OK : mu_report("eval agreement", &err);
}

int mu_cmd_eval_agreement(int argc, char **argv) {
    eval_options o = {
        .device = "cpu", .dtype = "auto", .kv = "auto", .n_tokens = 4096, .window = 256, .seed = 1};
    const mu_option options[] = {
        MU_MODEL_OPTION(&o.model),
        MU_DEVICE_OPTION(&o.device),
        {"dtype", 0, MU_OPTION_TEXT, &o.dtype, 0, 0, "TYPE",
         "f32, bf16, q8, q6_k, q4 or q4_k weights; auto: as the file, on a GPU bf16"},
        {"kv", 0, MU_OPTION_TEXT, &o.kv, 0, 0, "TYPE",
         "KV cache as f32, bf16 or f16; auto: f32 beside f32 weights, else 16 bits"},
        {"reference", 0, MU_OPTION_TEXT, &o.reference, 0, 0, "MODEL",
         "what to run as f32; MODEL itself when not given"},
        {"text", 0, MU_OPTION_TEXT, &o.text, 0, 0, "FILE", "a text file; - is standard input"},
        {"tokens", 0, MU_OPTION_TEXT, &o.tokens, 0, 0, "FILE", "a file of token ids"},
        {"n-tokens", 'n', MU_OPTION_U32, &o.n_tokens, 1, 1 << 24, "N",
         "at most so many; random ones when no file is given"},
        {"window", 0, MU_OPTION_U32, &o.window, 1, 1 << 20, "N",
         "tokens that share a context, at most the model's"},
        {"seed", 0, MU_OPTION_U32, &o.seed, 0, UINT32_MAX, "N", "of the random tokens"},
        {"threads", 't', MU_OPTION_U32, &o.threads, 0, 1024, "N",
         "0: what affinity and quota allow"},
        {"json", 0, MU_OPTION_FLAG, &o.json, 0, 0, NULL,
         "one JSON object, schema muai.agreement/1"},
    };
    const mu_command_line line = {
        .command = "eval agreement",
        .usage = "[MODEL]",
        .about =
            "Compare the logits of a weight type with f32 at every position: greedy agreement,\n"
            "KL divergence and logit error, with 95% intervals.",
        .examples = "  muai eval agreement synthetic:gpt2 --dtype q8\n"
                    "  muai eval agreement ./gpt2 --dtype q4 --text book.txt -n 16384\n"
                    "  muai eval agreement ./gpt2-q4.gguf --reference ./gpt2 --json\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 1,
    };
    const char *positional[1] = {NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    const char *model = mu_take_model(&line, o.model, 0, positional, &n_positional);
    if (!model) return MU_EXIT_USAGE;
    if (o.text && o.tokens) {
        fputs("muai eval agreement: --text and --tokens: give one of them\n", stderr);
        return MU_EXIT_USAGE;
    }
    return eval_agreement(&o, model);
}
