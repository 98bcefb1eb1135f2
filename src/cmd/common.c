#include "cmd/common.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "hub/builtin.h"

int mu_report(const char *command, const mu_err *err) {
    if (err->status == MU_ERR_CANCELED) {
        fprintf(stderr, "muai %s: %s\n", command, err->text);
        return MU_EXIT_INTERRUPTED;
    }
    fprintf(stderr, "muai %s: %s\n", command, err->text);
    return MU_EXIT_FAILURE;
}

mu_status mu_print_json(json_t *json, size_t flags, mu_err *err) {
    char *text = json ? json_dumps(json, flags) : NULL;
    json_decref(json);
    if (!text) return mu_fail(err, MU_ERR_NOMEM, "JSON output");
    puts(text);
    mu_free(text); /* jansson uses our allocator */
    return MU_OK;
}

mu_hub_env mu_hub_env_read(void) {
    return (mu_hub_env){
        .hf_hub_cache = getenv("HF_HUB_CACHE"),
        .hf_home = getenv("HF_HOME"),
        .xdg_cache = getenv("XDG_CACHE_HOME"),
        .home = getenv("HOME"),
    };
}

mu_status mu_open_model(const char *reference, mu_ref *out_ref, mu_model **out, mu_err *err) {
    mu_hub_env env = mu_hub_env_read();
    mu_status status = mu_ref_resolve(reference, &env, out_ref, err);
    return status == MU_OK ? mu_model_open(out_ref, &env, out, err) : status;
}

mu_status mu_open_generator(const char *reference, mu_ref *out_ref, mu_model **out, mu_err *err) {
    mu_status status = mu_open_model(reference, out_ref, out, err);
    if (status != MU_OK || mu_model_pooling(*out) == MU_POOLING_NONE) return status;
    mu_model_close(*out);
    *out = NULL;
    return mu_fail(err, MU_ERR_UNSUPPORTED, "%s gives embeddings, not text: `muai embed` has them",
                   out_ref->name);
}

const char *mu_take_model(const mu_command_line *line, const char *option, uint32_t n_own,
                          const char **positional, uint32_t *n_positional) {
    uint32_t n = *n_positional;
    bool is_option = option && option != getenv("MUAI_MODEL"); /* which an argument overrides */
    bool has_argument = !is_option && n > n_own;
    const char *model = has_argument ? positional[0] : option ? option : mu_builtin_default();
    if (has_argument) {
        memmove(positional, positional + 1, --n * sizeof(*positional));
        positional[n] = NULL;
    }
    *n_positional = n;
    if (n < line->n_positional_max) return model;
    fprintf(stderr, "muai %s: \"%.60s\": one argument too many\n", line->command,
            positional[n - 1]);
    return NULL;
}

mu_status mu_isa_read(const mu_cpu_level **out, mu_err *err) {
    const char *name = getenv("MUAI_ISA");
    char names[128] = "";
    *out = NULL;
    if (!name || name[0] == '\0') return MU_OK;
    for (uint32_t i = 0; i < mu_cpu_n_levels(); i++) {
        const char *level = mu_cpu_level_name(mu_cpu_level_at(i));
        size_t n = strlen(names);
        snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "", level);
        if (strcmp(name, level) != 0) continue;
        *out = mu_cpu_level_at(i);
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_INVALID, "MUAI_ISA: \"%.40s\" is not one of %s", name, names);
}

mu_status mu_settle_placement(const mu_model *model, const mu_ref *ref,
                              const mu_placement_options *options, mu_placement *out, mu_err *err) {
    mu_placement_options o = *options;
    mu_status status = mu_isa_read(&o.isa_max, err);
    return status == MU_OK ? mu_placement_settle(model, ref, &o, out, err) : status;
}

void mu_show_progress(void *ctx, uint32_t n_done, uint32_t n_total, const char *what) {
    (void)ctx;
    enum { WIDTH = 30 };
    uint32_t filled = n_total > 0 ? (uint32_t)((uint64_t)n_done * WIDTH / n_total) : 0;
    fprintf(stderr, "\r[%.*s%*s] %u/%u %-16s", (int)filled, "##############################",
            (int)(WIDTH - filled), "", n_done, n_total, what);
}

void mu_clear_progress(void) {
    fputs("\r\033[K", stderr);
}

mu_status mu_parse_tokens(const char *text, mu_token **out_tokens, uint32_t *out_n, mu_err *err) {
    size_t cap = 1;
    for (const char *c = text; *c; c++) {
        cap += *c == ',' || isspace((unsigned char)*c);
    }
    mu_token *tokens = MU_ALLOC(mu_token, cap);
    if (!tokens) return mu_fail(err, MU_ERR_NOMEM, "tokens");
    uint32_t n = 0;
    for (const char *at = text; *at;) {
        if (*at == ',' || isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        char *end;
        errno = 0;
        long token = strtol(at, &end, 10);
        bool ends_well = *end == '\0' || *end == ',' || isspace((unsigned char)*end);
        if (!isdigit((unsigned char)*at) || !ends_well || errno || token > INT32_MAX) {
            mu_free(tokens);
            return mu_fail(err, MU_ERR_INVALID, "\"%.40s\": not a list of token ids", at);
        }
        tokens[n++] = (mu_token)token;
        at = end;
    }
    *out_tokens = tokens;
    *out_n = n;
    return MU_OK;
}

mu_status mu_read_all(const char *path, mu_buf *out, mu_err *err) {
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (!file) return mu_fail_os(err, MU_ERR_IO, "%s", path);
    char chunk[1 << 16];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        mu_buf_append(out, chunk, n);
    }
    mu_status status = MU_OK;
    if (ferror(file)) status = mu_fail_os(err, MU_ERR_IO, "%s: read", path);
    if (out->failed) status = mu_fail(err, MU_ERR_NOMEM, "%s", path);
    if (!is_stdin) fclose(file);
    return status;
}

mu_status mu_write_whole(const char *path, const mu_buf *text, mu_err *err) {
    char part[PATH_MAX];
    if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part)) {
        return mu_fail(err, MU_ERR_INVALID, "%.120s...: the path is too long", path);
    }
    FILE *file = fopen(part, "we");
    if (!file) return mu_fail_os(err, MU_ERR_IO, "%.120s", part);
    bool is_ok = text->n == 0 || fwrite(text->data, 1, text->n, file) == text->n;
    is_ok = fflush(file) == 0 && fsync(fileno(file)) == 0 && is_ok;
    mu_status status = is_ok ? MU_OK : mu_fail_os(err, MU_ERR_IO, "%.120s: write", part);
    if (fclose(file) != 0 && status == MU_OK) {
        status = mu_fail_os(err, MU_ERR_IO, "%.120s: write", part);
    }
    if (status == MU_OK && rename(part, path) != 0) {
        status = mu_fail_os(err, MU_ERR_IO, "%.120s", path);
    }
    if (status != MU_OK) unlink(part);
    return status;
}

mu_status mu_encode_text(const mu_model *model, const char *text, size_t n, uint32_t flags,
                         mu_token **out_tokens, uint32_t *out_n, mu_err *err) {
    mu_encoder *encoder = NULL;
    const mu_token *tokens = NULL;
    size_t n_tokens = 0;
    mu_status status = mu_encoder_open(mu_model_tokenizer(model), &encoder, err);
    if (status == MU_OK) status = mu_encode(encoder, text, n, flags, &tokens, &n_tokens, err);
    if (status == MU_OK && n_tokens > UINT32_MAX) {
        status = mu_fail(err, MU_ERR_LIMIT, "%zu tokens of text", n_tokens);
    }
    if (status == MU_OK) {
        mu_token *copy = MU_ALLOC(mu_token, n_tokens);
        if (copy) {
            if (n_tokens > 0) memcpy(copy, tokens, n_tokens * sizeof(*copy));
            *out_tokens = copy;
            *out_n = (uint32_t)n_tokens;
        } else {
            status = mu_fail(err, MU_ERR_NOMEM, "%zu tokens", n_tokens);
        }
    }
    mu_encoder_close(encoder);
    return status;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    if (interrupted) _exit(MU_EXIT_INTERRUPTED);
    interrupted = 1;
}

/* A mapped model file that shrinks raises SIGBUS: say so instead of dying silently. */
static void on_bus_error(int signal_number) {
    static const char text[] = "muai: a model file was cut short while it was being read\n";
    (void)signal_number;
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
    _exit(MU_EXIT_FAILURE);
}

void mu_interrupts_install(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = on_bus_error;
    sigaction(SIGBUS, &action, NULL);
}

bool mu_is_interrupted(void) {
    return interrupted != 0;
}

void mu_interrupt_clear(void) {
    interrupted = 0;
}
