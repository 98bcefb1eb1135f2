#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/machine.h"
#include "base/base.h"
#include "cmd/cmd.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", mu_cmd_run, "generate text, streaming; interactive without a prompt"},
    {"serve", mu_cmd_serve, "serve a model over an OpenAI-compatible HTTP API"},
    {"ps", mu_cmd_ps, "the models of a running server: which are loaded, what they do"},
    {"load", mu_cmd_load, "load a model of a running server"},
    {"unload", mu_cmd_unload, "unload one"},
    {"list", mu_cmd_list, "the models that can be named: built-in, cached, synthetic"},
    {"show", mu_cmd_show, "what a model is: shape, bytes by type, memory it needs"},
    {"tokenize", mu_cmd_tokenize, "text to token ids and back"},
    {"embed", mu_cmd_embed, "texts to vectors"},
    {"bench", mu_cmd_bench, "measure the engine, its kernels and servers; the history of runs"},
    {"report", mu_cmd_report, "show, judge and compare results of muai bench"},
    {"quantize", mu_cmd_quantize, "write a model as GGUF with 8-bit or 4-bit weights"},
    {"eval", mu_cmd_eval, "measure perplexity, and what a weight type costs in fidelity"},
    {"doctor", mu_cmd_doctor, "what this machine can do and what the program will use"},
    {"version", mu_cmd_version, "print the version"},
};

int mu_cmd_version(int argc, char **argv) {
    (void)argc, (void)argv;
    puts("muai " MUAI_VERSION);
    return MU_EXIT_OK;
}

static int usage(FILE *out) {
    fputs("usage: muai <command> [options]\n\n", out);
    for (size_t i = 0; i < MU_COUNTOF(commands); i++) {
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    }
    fputs("\n'muai <command> --help' lists the options of a command.\n", out);
    return out == stderr ? MU_EXIT_USAGE : MU_EXIT_OK;
}

int main(int argc, char **argv) {
    if (argc < 2) return usage(stderr);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        return usage(stdout);
    }
    if (strcmp(name, "--version") == 0) name = "version";
    mu_gpu_use_library(getenv("MUAI_CUDA_LIBRARY"));
    for (size_t i = 0; i < MU_COUNTOF(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "muai: \"%.60s\" is not a command\n\n", name);
    return usage(stderr);
}
