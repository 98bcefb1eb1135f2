#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"
#include "eval/embedding_suite.h"
#include "eval/machine_rates.h"

typedef struct bench_options {
    const char *model, *device, *dtype;
    uint32_t threads, texts, repeat, warmup;
    mu_list lengths, batches;
    bool json;
} bench_options;

static void print_table(const mu_model *model, const mu_embedding_suite_options *o,
                        const mu_embedding_result *r) {
    char rates[MU_RATES_TEXT_MAX];
    printf("%s, %s weights, %s kernels, %u threads\n", mu_model_name(model),
           mu_weight_type_name(o->engine.weight_type), r->isa, r->n_threads);
    mu_rates_text(&r->rates, rates);
    printf("limits measured in this run: %s\n\n", rates);
    printf("%8s %8s %10s %10s %10s %10s %9s\n", "tokens", "batch", "texts/s", "min", "max", "limit",
           "of limit");
    for (uint32_t i = 0; i < r->n_cells; i++) {
        const mu_embedding_cell *cell = &r->cells[i];
        mu_summary s = mu_samples_summary(&cell->texts_per_second);
        double limit = cell->limit_texts_per_second;
        printf("%8u %8u %10.1f %10.1f %10.1f %10.1f %8.0f%%\n", cell->n_tokens, cell->batch,
               s.median, s.min, s.max, limit, limit > 0.0 ? 100.0 * s.median / limit : 0.0);
    }
    printf("\nmedian of %u runs of about %u texts\n", o->n_repeat, o->n_texts);
}

static mu_status bench_model(const bench_options *b, mu_err *err) {
    mu_ref ref;
    mu_model *model = NULL;
    mu_placement p;
    mu_embedding_suite_options o = {.engine = mu_engine_options_default(),
                                    .n_texts = b->texts,
                                    .n_repeat = b->repeat,
                                    .n_warmup = b->warmup,
                                    .n_lengths = b->lengths.n,
                                    .n_batches = b->batches.n,
                                    .is_canceled = mu_is_interrupted};
    const mu_placement_options where = {.device = b->device, .dtype = b->dtype, .kv = "auto"};
    mu_embedding_result *result = mu_alloc(sizeof(*result));
    if (!result) return mu_fail(err, MU_ERR_NOMEM, "bench");
    o.engine.n_threads = b->threads;
    o.engine.n_seqs_max = 64;
    memcpy(o.lengths, b->lengths.items, o.n_lengths * sizeof(*o.lengths));
    memcpy(o.batches, b->batches.items, o.n_batches * sizeof(*o.batches));
    if (isatty(STDERR_FILENO)) o.progress = mu_show_progress;
    mu_status status = mu_open_model(b->model, &ref, &model, err);
    if (status == MU_OK) status = mu_settle_placement(model, &ref, &where, &p, err);
    if (status == MU_OK) {
        mu_placement_apply(&p, &o.engine);
        status = mu_embedding_suite_run(model, &o, result, err);
        if (o.progress) mu_clear_progress();
    }
    if (status == MU_OK && b->json) {
        status = mu_print_json(mu_embedding_suite_json(model, &o, result), JSON_INDENT(2), err);
    } else if (status == MU_OK) {
        print_table(model, &o, result);
    }
    mu_model_close(model);
    mu_free(result);
    return status;
}

int mu_cmd_bench_embeddings(int argc, char **argv) {
    bench_options b = {
        .model = "synthetic:all-minilm-l6-v2",
        .device = "cpu",
        .dtype = "auto",
        .texts = 256,
        .repeat = 5,
        .warmup = 1,
        .lengths = {{16, 128, 256}, 3},
        .batches = {{1, 64}, 2},
    };
    const mu_option options[] = {
        {"model", 'm', MU_OPTION_TEXT, &b.model, 0, 0, "MODEL", "model reference"},
        MU_DEVICE_OPTION(&b.device),
        {"dtype", 0, MU_OPTION_TEXT, &b.dtype, 0, 0, "TYPE",
         "f32, bf16, q8, q6_k, q4 or q4_k weights; auto: as the file"},
        {"threads", 't', MU_OPTION_U32, &b.threads, 0, 1024, "N",
         "0: what affinity and quota allow"},
        {"tokens", 0, MU_OPTION_LIST, &b.lengths, 1, 1 << 20, "N,...", "lengths of the texts"},
        {"batch", 0, MU_OPTION_LIST, &b.batches, 1, 1 << 16, "N,...", "texts given at once"},
        {"texts", 0, MU_OPTION_U32, &b.texts, 1, 1 << 24, "N", "texts of a run, about"},
        {"repeat", 'r', MU_OPTION_U32, &b.repeat, 1, MU_SAMPLES_MAX, "N",
         "measured runs of a cell"},
        {"warmup", 0, MU_OPTION_U32, &b.warmup, 0, 100, "N", "runs before them, not measured"},
        {"json", 0, MU_OPTION_FLAG, &b.json, 0, 0, NULL, "one JSON object, muai.embeddings/1"},
    };
    const mu_command_line line = {
        .command = "bench embeddings",
        .usage = "",
        .about =
            "Measure how many texts a second become vectors in this process, beside the limits\n"
            "of the machine measured in the same run.",
        .examples =
            "  muai bench embeddings\n"
            "  muai bench embeddings -m ./bge-small --dtype q8 --tokens 16,512 --batch 1,32\n",
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
    return bench_model(&b, &err) == MU_OK ? MU_EXIT_OK : mu_report("bench embeddings", &err);
}
