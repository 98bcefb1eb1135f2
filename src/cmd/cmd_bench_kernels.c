#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "backend/machine.h"
#include "base/cpu.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"
#include "eval/limits.h"
#include "eval/machine_rates.h"

typedef struct kernels_bench {
    mu_machine_rates peak; /* of one thread */
    json_t *rows;          /* NULL: a table */
} kernels_bench;

/* What bounds the kernel on one thread, in the unit of its figure: arithmetic, or memory. */
static double limit_of(const kernels_bench *b, const mu_kernel_rate *r) {
    if (r->ops == 0.0) return b->peak.dram_gb_s;
    return mu_peak_gops(&b->peak, r->peak);
}

static bool add_row(void *ctx, const mu_kernel_rate *r) {
    kernels_bench *b = ctx;
    double gop_s = r->ops / r->seconds * 1e-9, gb_s = r->bytes / r->seconds * 1e-9;
    double of_limit = (r->ops > 0.0 ? gop_s : gb_s) / limit_of(b, r);
    if (b->rows) {
        json_array_append_new(
            b->rows, json_pack("{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:f}", "kernel", r->kernel,
                               "isa", r->isa, "rows", (int)r->n_rows, "in", (int)r->n_in, "out",
                               (int)r->n_out, "microseconds", r->seconds * 1e6, "gop_s", gop_s,
                               "gb_s", gb_s, "of_limit", of_limit));
        return !mu_is_interrupted();
    }
    printf("%-16s %-10s %5u %6u %6u %12.2f ", r->kernel, r->isa, r->n_rows, r->n_in, r->n_out,
           r->seconds * 1e6);
    if (r->ops > 0.0) {
        printf("%9.1f %9.1f %8.0f%%\n", gop_s, gb_s, 100.0 * of_limit);
    } else {
        printf("%9s %9.1f %8.0f%%\n", "-", gb_s, 100.0 * of_limit);
    }
    return !mu_is_interrupted();
}

static mu_status measure_levels(kernels_bench *b, const mu_model *model, const mu_list *rows,
                                mu_err *err) {
    const mu_cpu_level *max;
    mu_status status = mu_isa_read(&max, err);
    const char *last = "";
    for (uint32_t at = 0; at < mu_cpu_n_levels() && status == MU_OK; at++) {
        const mu_cpu_level *level = mu_cpu_level_at(at);
        if (strcmp(mu_isa_best(level), last) == 0) continue; /* the CPU has no more */
        last = mu_isa_best(level);
        for (uint32_t i = 0; i < rows->n && status == MU_OK; i++) {
            status = mu_kernel_rates_measure(mu_model_spec(model), level, rows->items[i], add_row,
                                             b, err);
        }
        if (level == max) break;
    }
    return status;
}

static mu_status bench_kernels(const char *reference, const mu_list *rows, bool json, mu_err *err) {
    mu_ref ref;
    mu_model *model = NULL;
    kernels_bench b = {.rows = json ? json_array() : NULL};
    mu_status status = mu_open_model(reference, &ref, &model, err);
    if (status == MU_OK)
        status = mu_machine_rates_measure((mu_device_id){0}, 1, NULL, &b.peak, err);
    if (status == MU_OK && !json) {
        char rates[MU_RATES_TEXT_MAX];
        mu_rates_text(&b.peak, rates);
        printf("one thread; limits measured in this run: %s\n\n", rates);
        printf("%-16s %-10s %5s %6s %6s %12s %9s %9s %9s\n", "kernel", "isa", "rows", "in", "out",
               "us", "GOP/s", "GB/s", "of limit");
    }
    if (status == MU_OK) status = measure_levels(&b, model, rows, err);
    if (status == MU_OK && json) {
        mu_cpu_facts facts;
        mu_cpu_facts_read(&facts);
        json_t *host = json_pack("{s:s}", "cpu", facts.name);
        mu_rates_json(&b.peak, host);
        status = mu_print_json(json_pack("{s:s, s:s, s:o, s:s, s:O}", "schema", "muai.kernels/1",
                                         "version", MUAI_VERSION, "host", host, "model",
                                         mu_model_name(model), "kernels", b.rows),
                               JSON_INDENT(2), err);
    }
    json_decref(b.rows);
    mu_model_close(model);
    return status;
}

int mu_cmd_bench_kernels(int argc, char **argv) {
    const char *model = "synthetic:gpt2";
    mu_list rows = {{1, 8, 32, 192}, 4};
    bool json = false;
    const mu_option options[] = {
        {"model", 'm', MU_OPTION_TEXT, &model, 0, 0, "MODEL", "whose shapes"},
        {"rows", 0, MU_OPTION_LIST, &rows, 1, 4096, "N,...",
         "rows of activations; queries of attention, at most 16"},
        {"json", 0, MU_OPTION_FLAG, &json, 0, 0, NULL, "one JSON object, schema muai.kernels/1"},
    };
    const mu_command_line line = {
        .command = "bench kernels",
        .usage = "",
        .about = "Measure every kernel alone on one thread, data in cache, from the reference to\n"
                 "the best level of this CPU (MUAI_ISA sets the highest).",
        .examples = "  muai bench kernels\n"
                    "  muai bench kernels --rows 1,32 --json\n",
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
    mu_status status = bench_kernels(model, &rows, json, &err);
    return status == MU_OK ? MU_EXIT_OK : mu_report("bench kernels", &err);
}
