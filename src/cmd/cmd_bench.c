#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cmd/cmd.h"

/* In the order of help. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} suites[] = {
    {"all", mu_cmd_bench_suite, "five phases: validate, latency, memory, throughput, report"},
    {"latency", mu_cmd_bench_suite, "TTFT, time per token, end to end, by prompt and output"},
    {"throughput", mu_cmd_bench_suite, "tokens and requests a second by number of clients"},
    {"rate", mu_cmd_bench_suite, "open loop: given rates, or the highest that meets an objective"},
    {"memory", mu_cmd_bench_suite, "loading, footprint, KV cache, what load adds, leaks"},
    {"soak", mu_cmd_bench_suite, "hours of requests: does memory grow?"},
    {"stress", mu_cmd_bench_suite, "far too many requests: refused politely, alive, as before?"},
    {"mock", mu_cmd_bench_mock, "a server of known truth, to check any benchmark with"},
    {"engine", mu_cmd_bench_engine,
     "prefill and decode in this process, beside the machine's limits"},
    {"embeddings", mu_cmd_bench_embeddings, "texts a second to vectors, beside the same limits"},
    {"kernels", mu_cmd_bench_kernels, "every kernel alone, beside the peak of one core"},
    {"history", mu_cmd_bench_history, "runs that were kept: list, show, trend, baseline, rm"},
};

static const char examples[] = "  muai bench all --quick -m synthetic:gpt2:q8\n"
                               "  muai bench latency -m gpt2 --target http://127.0.0.1:8000\n"
                               "  muai bench engine -m synthetic:gpt2:q8\n"
                               "  muai bench kernels --rows 1,32\n"
                               "  muai bench history trend ttft_ms.p50\n";

static int usage(FILE *out) {
    fputs("usage: muai bench <suite> [options]\n\n", out);
    for (size_t i = 0; i < MU_COUNTOF(suites); i++) {
        fprintf(out, "  %-11s %s\n", suites[i].name, suites[i].help);
    }
    fprintf(out,
            "\n'muai bench <suite> --help' lists the options of a suite; 'muai report' shows "
            "results.\n\nexamples:\n%s",
            examples);
    return out == stderr ? MU_EXIT_USAGE : MU_EXIT_OK;
}

int mu_cmd_bench(int argc, char **argv) {
    if (argc < 2) return usage(stderr);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return usage(stdout);
    for (size_t i = 0; i < MU_COUNTOF(suites); i++) {
        if (strcmp(name, suites[i].name) == 0) return suites[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "muai bench: \"%.60s\" is not a suite\n\n", name);
    return usage(stderr);
}
