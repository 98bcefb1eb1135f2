#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"
#include "format/hf_config.h"
#include "hub/builtin.h"
#include "hub/cache.h"

typedef struct row {
    const char *name, *kind;
    uint64_t bytes, n_parameters;              /* 0: unknown, or none */
    char architecture[64];                     /* "" when nothing says it */
    char why_not[sizeof(((mu_err *)0)->text)]; /* "" when it can be used */
} row;

typedef struct list {
    json_t *rows; /* NULL: a table */
    int width;    /* of the longest name */
} list;

static void print_size(uint64_t bytes) {
    if (bytes == 0) {
        printf(" %11s", "-");
    } else if (bytes < 1000000000) {
        printf(" %8.1f MB", (double)bytes / 1e6);
    } else {
        printf(" %8.1f GB", (double)bytes / 1e9);
    }
}

static void add_row(list *l, const row *r) {
    bool is_usable = r->why_not[0] == '\0';
    if (l->rows) {
        json_t *json = json_pack(
            "{s:s, s:s, s:I, s:I, s:s?, s:b}", "name", r->name, "kind", r->kind, "bytes",
            (json_int_t)r->bytes, "parameters", (json_int_t)r->n_parameters, "architecture",
            r->architecture[0] ? r->architecture : NULL, "supported", (int)is_usable);
        if (json && !is_usable) json_object_set_new(json, "reason", json_string(r->why_not));
        json_array_append_new(l->rows, json);
        return;
    }
    printf("%-*s  %-9s", l->width, r->name, r->kind);
    print_size(r->bytes);
    if (r->n_parameters > 0) {
        printf(" %10.1f M", (double)r->n_parameters / 1e6);
    } else {
        printf(" %12s", "-");
    }
    printf("  %-12s %s%s\n", r->architecture[0] ? r->architecture : "-",
           is_usable ? "yes" : "no: ", r->why_not);
}

/* config.json may name an architecture that is not known here. */
static void read_architecture(const char *folder, row *r) {
    char path[MU_REF_TEXT_MAX + 16];
    mu_hf_config *config = NULL;
    mu_meta_string type;
    snprintf(path, sizeof(path), "%s/config.json", folder);
    if (mu_hf_config_open(path, &config, NULL) != MU_OK) return;
    if (mu_metadata_string(mu_hf_config_metadata(config), "model_type", &type)) {
        int n = type.n < sizeof(r->architecture) ? (int)type.n : (int)sizeof(r->architecture) - 1;
        snprintf(r->architecture, sizeof(r->architecture), "%.*s", n, type.data);
    }
    mu_hf_config_close(config);
}

/* Whether a model can be used is found by opening it, which reads headers. */
static void list_model(list *l, const char *name, const char *kind, const mu_cached_model *cached) {
    row r = {.name = name, .kind = kind, .bytes = cached ? cached->bytes : 0};
    mu_ref ref;
    mu_model *model = NULL;
    mu_err err;
    if (mu_open_model(name, &ref, &model, &err) == MU_OK) {
        r.n_parameters = mu_model_n_parameters(model);
        if (!cached) r.bytes = mu_model_file_bytes(model);
        snprintf(r.architecture, sizeof(r.architecture), "%s", mu_model_architecture(model));
    } else {
        const char *text = err.text;
        size_t n = cached ? strlen(cached->folder) : 0; /* the name says where */
        if (n > 0 && strncmp(text, cached->folder, n) == 0) text += n + strspn(text + n, "/: ");
        snprintf(r.why_not, sizeof(r.why_not), "%s", text);
        if (cached) read_architecture(cached->folder, &r);
    }
    add_row(l, &r);
    mu_model_close(model);
}

static int width_of(const mu_cached_model *cached, uint32_t n) {
    size_t width = strlen("name");
    for (uint32_t i = 0; mu_model_synthetic_at(i); i++) {
        size_t length = strlen("synthetic:") + strlen(mu_model_synthetic_at(i));
        if (length > width) width = length;
    }
    for (uint32_t i = 0; i < n; i++) {
        size_t length = strlen(cached[i].reference);
        if (length > width) width = length;
    }
    return (int)width;
}

static mu_status list_all(bool json, mu_err *err) {
    mu_hub_env env = mu_hub_env_read();
    mu_cached_model *cached = NULL;
    uint32_t n = 0;
    mu_status status = mu_hub_cache_list(&env, &cached, &n, err);
    if (status != MU_OK) return status;
    list l = {.rows = json ? json_array() : NULL, .width = width_of(cached, n)};
    if (!json) {
        printf("%-*s  %-9s %11s %12s  %-12s %s\n", l.width, "name", "kind", "size", "parameters",
               "architecture", "supported");
    }
    char name[64];
    for (uint32_t i = 0; mu_builtin_at(i); i++) {
        list_model(&l, mu_builtin_at(i)->name, "built-in", NULL);
    }
    for (uint32_t i = 0; i < n; i++) {
        list_model(&l, cached[i].reference, "cache", &cached[i]);
    }
    for (uint32_t i = 0; mu_model_synthetic_at(i); i++) {
        snprintf(name, sizeof(name), "synthetic:%s", mu_model_synthetic_at(i));
        list_model(&l, name, "synthetic", NULL);
    }
    mu_free(cached);
    if (!json) return MU_OK;
    return mu_print_json(json_pack("{s:s, s:o}", "schema", "muai.list/1", "models", l.rows),
                         JSON_INDENT(2), err);
}

int mu_cmd_list(int argc, char **argv) {
    bool json = false;
    const mu_option options[] = {
        {"json", 0, MU_OPTION_FLAG, &json, 0, 0, NULL, "one JSON object, schema muai.list/1"},
    };
    const mu_command_line line = {
        .command = "list",
        .usage = "",
        .about = "List the models that can be named now: the built-in one, what the Hugging Face\n"
                 "cache holds, and shapes with random weights. Folders and .gguf files are named\n"
                 "by their path.",
        .examples = "  muai list\n  muai list --json\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
    };
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, NULL, &n_positional, &code)) return code;
    mu_err err;
    return list_all(json, &err) == MU_OK ? MU_EXIT_OK : mu_report("list", &err);
}
