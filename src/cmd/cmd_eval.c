#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cmd/cmd.h"

static const struct {
    const char *name, *arguments;
    int (*run)(int argc, char **argv);
    const char *help;
} evaluations[] = {
    {"perplexity", "[MODEL] FILE", mu_cmd_eval_perplexity, "how well a model predicts a text"},
    {"quant", "[MODEL] FILE", mu_cmd_eval_quant,
     "all weight types in one table: size, speed, perplexity, agreement"},
    {"agreement", "[MODEL]", mu_cmd_eval_agreement, "logits of a weight type against f32"},
};

static int usage(FILE *out) {
    fputs("usage: muai eval <what> [options] ...\n\n", out);
    for (size_t i = 0; i < MU_COUNTOF(evaluations); i++) {
        fprintf(out, "  %-10s %-14s %s\n", evaluations[i].name, evaluations[i].arguments,
                evaluations[i].help);
    }
    fputs("\n'muai eval <what> --help' lists the options.\n\nexamples:\n"
          "  muai eval perplexity book.txt\n"
          "  muai eval quant ./gpt2 book.txt\n"
          "  muai eval agreement ./gpt2-q4.gguf --reference ./gpt2 --json\n",
          out);
    return out == stderr ? MU_EXIT_USAGE : MU_EXIT_OK;
}

int mu_cmd_eval(int argc, char **argv) {
    if (argc < 2) return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return usage(stdout);
    for (size_t i = 0; i < MU_COUNTOF(evaluations); i++) {
        if (strcmp(argv[1], evaluations[i].name) == 0)
            return evaluations[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "muai eval: \"%.60s\" is not something to measure\n\n", argv[1]);
    return usage(stderr);
}
