/* options.h - one table per command parses, validates, documents and sets defaults.
 *
 * A row's target holds the default before parsing. The command line wins over the environment
 * (MUAI_<NAME>, upper case, '-' as '_'), the environment over the default.
 */
#ifndef MU_CMD_OPTIONS_H
#define MU_CMD_OPTIONS_H

#include "base/status.h"

enum { MU_TEXTS_MAX = 64 };

typedef enum mu_option_kind {
    MU_OPTION_FLAG,  /* bool */
    MU_OPTION_U32,   /* uint32_t; UINT32_MAX as default: not given */
    MU_OPTION_U64,   /* uint64_t */
    MU_OPTION_F32,   /* float; NaN as default: not given */
    MU_OPTION_TEXT,  /* const char *; borrowed from argv or the environment */
    MU_OPTION_TEXTS, /* mu_texts; may be given several times */
    MU_OPTION_LIST,  /* mu_list; comma-separated whole numbers */
} mu_option_kind;

typedef struct mu_texts {
    const char *items[MU_TEXTS_MAX];
    uint32_t n;
} mu_texts;

typedef struct mu_list {
    uint32_t items[16];
    uint32_t n;
} mu_list;

typedef struct mu_option {
    const char *name; /* without "--" */
    char letter;      /* 0: none */
    mu_option_kind kind;
    void *target;
    double min, max;   /* of numbers */
    const char *value; /* what help calls the value: "N", "FILE" */
    const char *help;
} mu_option;

typedef struct mu_command_line {
    const char *command;  /* "run" */
    const char *usage;    /* "MODEL [PROMPT]" */
    const char *about;    /* one sentence */
    const char *examples; /* lines */
    const mu_option *options;
    size_t n_options;
    uint32_t n_positional_max;
    const char *needs; /* what to say when there is no positional; NULL: none is needed */
} mu_command_line;

/* Fills targets and positional [n_positional_max]. MU_ERR_INVALID names the option and the value.
 * *help is set when --help was given; nothing else is then checked. */
mu_status mu_options_parse(const mu_command_line *line, int argc, char **argv,
                           const char **positional, uint32_t *n_positional, bool *help,
                           mu_err *err) MU_MUST_USE;

void mu_options_print_help(const mu_command_line *line);

/* The usual start of a command: parse, or print help or the error. False: return *exit_code. */
bool mu_options_start(const mu_command_line *line, int argc, char **argv, const char **positional,
                      uint32_t *n_positional, int *exit_code);

#endif
