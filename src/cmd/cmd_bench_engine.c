#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"
#include "eval/engine_suite.h"
#include "eval/machine_rates.h"

static void print_table(const mu_model *model, const mu_bench_engine_options *o,
                        const mu_bench_engine_result *r) {
    char rates[MU_RATES_TEXT_MAX];
    printf("%s, %s weights, %s KV, %s kernels, %u threads, loaded in %.2f s\n",
           mu_model_name(model), mu_weight_type_name(o->engine.weight_type),
           mu_dtype_get(o->engine.kv_type)->name, r->isa, r->n_threads, r->load_seconds);
    mu_rates_text(&r->rates, rates);
    printf("limits measured in this run: %s\n\n", rates);
    printf("%-14s %10s %10s %10s %10s %9s %10s\n", "cell", "tok/s", "min", "max", "limit",
           "of limit", "peak MB");
    for (uint32_t i = 0; i < r->n_cells; i++) {
        const mu_bench_cell *cell = &r->cells[i];
        mu_summary s = mu_samples_summary(&cell->tokens_per_second);
        double limit = cell->limit_tokens_per_second;
        printf("%-14s %10.1f %10.1f %10.1f %10.1f %8.0f%% %10.1f\n", cell->id, s.median, s.min,
               s.max, limit, limit > 0.0 ? 100.0 * s.median / limit : 0.0,
               (double)cell->peak_memory_bytes / 1e6);
    }
    const mu_agreement *a = &r->agreement;
    if (a->n_positions > 0) {
        printf(
            "\nagreement with f32 on %u positions of random tokens: greedy %.1f%% (%.1f to %.1f), "
            "KL %.2g nats, logit error %.2g of %.2g at most\n",
            a->n_positions, 100.0 * a->n_agreeing / a->n_positions, 100.0 * a->agreement.low,
            100.0 * a->agreement.high, a->kl_mean, a->error_max, a->largest_logit);
    }
    printf("\nmedian of %u runs; decode counts the tokens of all sequences together\n",
           o->n_repeat);
}

typedef struct bench_options {
    const char *model, *device, *dtype, *kv;
    uint32_t threads, gen, repeat, warmup, agreement;
    mu_list prompts, batches;
    bool json;
} bench_options;

static mu_status settle(const bench_options *b, const mu_model *model, const mu_ref *ref,
                        mu_bench_engine_options *out, mu_err *err) {
    mu_bench_engine_options o = {
        .n_gen = b->gen, .n_repeat = b->repeat, .n_warmup = b->warmup, .n_agreement = b->agreement};
    o.engine = mu_engine_options_default();
    o.engine.n_threads = b->threads;
    o.engine.step_tokens_max = 1024;
    o.is_canceled = mu_is_interrupted;
    if (isatty(STDERR_FILENO)) o.progress = mu_show_progress;
    o.n_prompts = b->prompts.n;
    o.n_batches = b->batches.n;
    memcpy(o.prompts, b->prompts.items, sizeof(o.prompts));
    memcpy(o.batches, b->batches.items, sizeof(o.batches));
    const mu_placement_options where = {.device = b->device, .dtype = b->dtype, .kv = b->kv};
    mu_placement p;
    mu_status status = mu_settle_placement(model, ref, &where, &p, err);
    if (status != MU_OK) return status;
    mu_placement_apply(&p, &o.engine);
    *out = o;
    return MU_OK;
}

static mu_status bench_model(const bench_options *b, mu_err *err) {
    mu_ref ref;
    mu_model *model = NULL;
    mu_bench_engine_options o;
    mu_bench_engine_result *result = mu_alloc(sizeof(*result));
    if (!result) return mu_fail(err, MU_ERR_NOMEM, "bench");
    mu_status status = mu_open_generator(b->model, &ref, &model, err);
    if (status == MU_OK) status = settle(b, model, &ref, &o, err);
    if (status == MU_OK) {
        status = mu_bench_engine(model, &o, result, err);
        if (o.progress) mu_clear_progress();
    }
    if (status == MU_OK && b->json) {
        status = mu_print_json(mu_bench_engine_json(model, &o, result), JSON_INDENT(2), err);
    } else if (status == MU_OK) {
        print_table(model, &o, result);
    }
    mu_model_close(model);
    mu_free(result);
    return status;
}

int mu_cmd_bench_engine(int argc, char **argv) {
    bench_options b = {
        .model = "synthetic:gpt2",
        .device = "cpu",
        .dtype = "auto",
        .kv = "auto",
        .gen = 64,
        .repeat = 5,
        .warmup = 1,
        .agreement = 512,
        .prompts = {{128, 512}, 2},
        .batches = {{1, 8, 32}, 3},
    };
    const mu_option options[] = {
        {"model", 'm', MU_OPTION_TEXT, &b.model, 0, 0, "MODEL", "model reference"},
        MU_DEVICE_OPTION(&b.device),
        {"dtype", 0, MU_OPTION_TEXT, &b.dtype, 0, 0, "TYPE",
         "f32, bf16, q8, q6_k, q4 or q4_k weights; auto: as the file, on a GPU bf16"},
        {"kv", 0, MU_OPTION_TEXT, &b.kv, 0, 0, "TYPE",
         "KV cache as f32, bf16 or f16; auto: f32 beside f32 weights, else 16 bits"},
        {"threads", 't', MU_OPTION_U32, &b.threads, 0, 1024, "N",
         "0: what affinity and quota allow"},
        {"prompt", 0, MU_OPTION_LIST, &b.prompts, 1, 1 << 20, "N,...", "prompt lengths of prefill"},
        {"gen", 0, MU_OPTION_U32, &b.gen, 1, 1 << 20, "N", "tokens each sequence decodes"},
        {"batch", 0, MU_OPTION_LIST, &b.batches, 1, 1024, "N,...",
         "sequences that decode together"},
        {"repeat", 'r', MU_OPTION_U32, &b.repeat, 1, MU_SAMPLES_MAX, "N",
         "measured runs of a cell"},
        {"warmup", 0, MU_OPTION_U32, &b.warmup, 0, 100, "N", "runs before them, not measured"},
        {"agreement", 0, MU_OPTION_U32, &b.agreement, 0, 1 << 20, "N",
         "positions compared with f32; 0: none"},
        {"json", 0, MU_OPTION_FLAG, &b.json, 0, 0, NULL, "one JSON object, schema muai.engine/1"},
    };
    const mu_command_line line = {
        .command = "bench engine",
        .usage = "",
        .about = "Measure prefill and decode in this process, beside the limits of the machine\n"
                 "measured in the same run.",
        .examples =
            "  muai bench engine\n"
            "  muai bench engine -m synthetic:gpt2 --dtype bf16 --threads 2 --json\n"
            "  muai bench engine -m ./model.gguf --prompt 128,512 --gen 64 --batch 1,8,32\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 0,
    };
    const char *positional[1] = {NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    mu_interrupts_install();
    mu_err err;
    return bench_model(&b, &err) == MU_OK ? MU_EXIT_OK : mu_report("bench engine", &err);
}
