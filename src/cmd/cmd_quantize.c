#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"
#include "model/export.h"

static mu_status quantize(const char *reference, const char *dtype, const char *output,
                          mu_err *err) {
    mu_ref ref;
    mu_model *model = NULL;
    mu_export_options o = {.is_canceled = mu_is_interrupted};
    mu_export_report report;
    if (isatty(STDERR_FILENO)) o.progress = mu_show_progress;
    mu_status status = mu_parse_weight_type("--dtype", dtype, &o.dtype, err);
    if (status == MU_OK && (o.dtype == MU_F32 || o.dtype == MU_BF16)) {
        status = mu_fail(err, MU_ERR_INVALID, "--dtype: q8, q6_k, q4 or q4_k, not %s", dtype);
    }
    if (status == MU_OK) status = mu_open_model(reference, &ref, &model, err);
    if (status == MU_OK) {
        status = mu_model_export_gguf(model, output, &o, &report, err);
        if (o.progress) mu_clear_progress();
    }
    if (status == MU_OK) {
        fprintf(stderr, "%s: %u tensors, %u of them %s, %.1f MB\n", output, report.n_tensors,
                report.n_quantized, mu_dtype_get(o.dtype)->name, (double)report.bytes / 1e6);
    }
    mu_model_close(model);
    return status;
}

int mu_cmd_quantize(int argc, char **argv) {
    const char *dtype = "q8", *output = NULL;
    const mu_option options[] = {
        {"dtype", 0, MU_OPTION_TEXT, &dtype, 0, 0, "TYPE",
         "q8 (GGUF Q8_0), q4 (Q4_0), q6_k or q4_k"},
        {"output", 'o', MU_OPTION_TEXT, &output, 0, 0, "FILE", "the .gguf file to write"},
    };
    const mu_command_line line = {
        .command = "quantize",
        .usage = "MODEL -o FILE.gguf",
        .about = "Write a model as GGUF with its matrices in 8, 6 or 4 bits. Vectors and position\n"
                 "embeddings stay f32. An existing file is replaced when the new one is whole.",
        .examples = "  muai quantize gpt2 --dtype q8 -o gpt2-q8.gguf\n"
                    "  muai quantize ./gpt2-f16.gguf --dtype q4 -o gpt2-q4.gguf\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 1,
        .needs = "no MODEL given, such as gpt2 or ./model.gguf",
    };
    const char *positional[1];
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    size_t n = output ? strlen(output) : 0;
    if (n < 6 || strcmp(output + n - 5, ".gguf") != 0) {
        fputs("muai quantize: -o FILE.gguf: the file to write is missing or not called .gguf\n",
              stderr);
        return MU_EXIT_USAGE;
    }
    mu_interrupts_install();
    mu_err err;
    mu_status status = quantize(positional[0], dtype, output, &err);
    return status == MU_OK ? MU_EXIT_OK : mu_report("quantize", &err);
}
