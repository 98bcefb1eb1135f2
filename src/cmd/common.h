/* common.h - what several commands do: open a model by reference, settle where it runs, read
 * prompts from the command line, notice Ctrl-C, report an error. */
#ifndef MU_CMD_COMMON_H
#define MU_CMD_COMMON_H

#include <jansson.h>

#include "base/buf.h"
#include "cmd/options.h"
#include "engine/engine.h"
#include "model/model.h"
#include "router/placement.h"

/* Print "muai COMMAND: text" and return the exit code for it. */
int mu_report(const char *command, const mu_err *err);

/* One JSON value and a newline on standard output; takes over the reference. NULL: no memory, which
 * is then the error. */
mu_status mu_print_json(json_t *json, size_t flags, mu_err *err);

mu_hub_env mu_hub_env_read(void);

/* Find and open a model; *out_ref tells the weight type the reference asked for. */
mu_status mu_open_model(const char *reference, mu_ref *out_ref, mu_model **out, mu_err *err);
/* The same of one that generates text: MU_ERR_UNSUPPORTED for one that gives embeddings. */
mu_status mu_open_generator(const char *reference, mu_ref *out_ref, mu_model **out, mu_err *err);

/* The model that a command line names: --model, else its first argument, else MUAI_MODEL, else the
 * built-in one. The command needs n_own arguments behind MODEL. MODEL is taken out of positional
 * [*n_positional]. NULL: an argument too many, which was said; the exit code is MU_EXIT_USAGE. */
const char *mu_take_model(const mu_command_line *line, const char *option, uint32_t n_own,
                          const char **positional, uint32_t *n_positional);
#define MU_MODEL_OPTION(target) \
    { "model", 'm', MU_OPTION_TEXT, (target), 0, 0, "MODEL", "instead of the argument MODEL" }

/* MUAI_ISA, or the best level. */
mu_status mu_isa_read(const mu_cpu_level **out, mu_err *err);

/* One of a command's options; target: the member `device`. */
#define MU_DEVICE_OPTION(target)                                      \
    {                                                                 \
        "device", 0, MU_OPTION_TEXT, (target), 0, 0, "DEVICE",        \
            "cpu, cuda, cuda:N, or auto: the first GPU, else the CPU" \
    }
/* mu_placement_settle() with MUAI_ISA as the highest level. */
mu_status mu_settle_placement(const mu_model *model, const mu_ref *ref,
                              const mu_placement_options *options, mu_placement *out, mu_err *err);

/* "1,2,3" to tokens. Memory: *out_tokens is the caller's, mu_free(). */
mu_status mu_parse_tokens(const char *text, mu_token **out_tokens, uint32_t *out_n, mu_err *err);

/* A whole file, or standard input for "-". */
mu_status mu_read_all(const char *path, mu_buf *out, mu_err *err);

/* The file appears under its name when it is whole and on disk. */
mu_status mu_write_whole(const char *path, const mu_buf *text, mu_err *err) MU_MUST_USE;

/* Text to tokens with the model's tokenizer; the caller's, mu_free(). */
mu_status mu_encode_text(const mu_model *model, const char *text, size_t n, uint32_t flags,
                         mu_token **out_tokens, uint32_t *out_n, mu_err *err);

/* A progress bar on standard error, redrawn in place; for callbacks of long work. */
void mu_show_progress(void *ctx, uint32_t n_done, uint32_t n_total, const char *what);
void mu_clear_progress(void);

/* From the first Ctrl-C on mu_is_interrupted() is true; a second one ends the process at once. */
void mu_interrupts_install(void);
bool mu_is_interrupted(void);
void mu_interrupt_clear(void);

#endif
