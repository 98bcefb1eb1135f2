/* ps, load, unload: the models of a running server. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "cmd/admin_client.h"
#include "cmd/cmd.h"
#include "cmd/common.h"

#define URL_DEFAULT "http://127.0.0.1:8686"

#define TARGET_OPTIONS(target)                                                    \
    {"url", 0, MU_OPTION_TEXT, &(target).url, 0, 0, "URL", "of the server"}, {    \
        "api-key", 0, MU_OPTION_TEXT, &(target).key, 0, 0, "KEY", "an operator's" \
    }

static const char *text_at(const json_t *model, const char *key) {
    const char *text = json_string_value(json_object_get(model, key));
    return text ? text : "-";
}

static double number_at(const json_t *model, const char *key) {
    return json_number_value(json_object_get(model, key));
}

static int name_width(const json_t *models) {
    size_t i, width = strlen("model");
    json_t *model;
    json_array_foreach(models, i, model) {
        size_t n = strlen(text_at(model, "id"));
        if (n > width) width = n;
    }
    return (int)width;
}

static const char *in_mib(double bytes, char *out, size_t cap) {
    snprintf(out, cap, "%.0f MiB", bytes / (1 << 20));
    return out;
}

static void print_model(const json_t *model, int width) {
    char idle[32] = "-", bytes[32];
    const json_t *idle_s = json_object_get(model, "idle_seconds");
    if (json_is_number(idle_s)) snprintf(idle, sizeof(idle), "%.0f s", json_number_value(idle_s));
    printf("%-*s  %-8s %-6s %10s %8.0f %8.0f %8s %6.0f\n", width, text_at(model, "id"),
           text_at(model, "status"), json_is_true(json_object_get(model, "pinned")) ? "yes" : "no",
           in_mib(number_at(model, "needs_bytes"), bytes, sizeof(bytes)),
           number_at(model, "requests_running"), number_at(model, "requests_waiting"), idle,
           number_at(model, "loads"));
}

static void print_models(const json_t *answer) {
    const json_t *models = json_object_get(answer, "data");
    const json_t *limit = json_object_get(answer, "loaded_bytes_max");
    int width = name_width(models);
    size_t i;
    json_t *model;
    char now[32], most[32];
    printf("%-*s  %-8s %-6s %10s %8s %8s %8s %6s\n", width, "model", "status", "pinned", "needs",
           "running", "waiting", "idle", "loads");
    json_array_foreach(models, i, model) {
        print_model(model, width);
    }
    printf("loaded: %s of %s\n", in_mib(number_at(answer, "loaded_bytes"), now, sizeof(now)),
           json_is_number(limit) ? in_mib(json_number_value(limit), most, sizeof(most))
                                 : "no limit");
}

int mu_cmd_ps(int argc, char **argv) {
    mu_admin_target target = {.url = URL_DEFAULT};
    bool json = false;
    const mu_option options[] = {
        TARGET_OPTIONS(target),
        {"json", 0, MU_OPTION_FLAG, &json, 0, 0, NULL, "the server's answer, one JSON object"},
    };
    const mu_command_line line = {
        .command = "ps",
        .usage = "",
        .about = "List the models of a running server: which are loaded, what they take and do.",
        .examples = "  muai ps\n  muai ps --url http://10.0.0.5:8686 --api-key $KEY\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
    };
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, NULL, &n_positional, &code)) return code;
    json_t *answer = NULL;
    mu_err err;
    if (mu_admin_ask(&target, "/admin/models", NULL, &answer, &err) != MU_OK) {
        return mu_report("ps", &err);
    }
    if (json) {
        mu_status status = mu_print_json(answer, JSON_INDENT(2), &err);
        return status == MU_OK ? MU_EXIT_OK : mu_report("ps", &err);
    }
    print_models(answer);
    json_decref(answer);
    return fflush(stdout) == 0 ? MU_EXIT_OK : MU_EXIT_FAILURE;
}

/* The model as it is now; the caller's. MU_ERR_NOT_FOUND: it is gone. */
static mu_status look(const mu_admin_target *target, const char *id, json_t **out, mu_err *err) {
    json_t *answer = NULL, *model;
    size_t i;
    mu_status status = mu_admin_ask(target, "/admin/models", NULL, &answer, err);
    if (status != MU_OK) return status;
    status = mu_fail(err, MU_ERR_NOT_FOUND, "%.100s is served no more", id);
    json_array_foreach(json_object_get(answer, "data"), i, model) {
        if (strcmp(text_at(model, "id"), id) != 0) continue;
        *out = json_incref(model);
        status = MU_OK;
    }
    json_decref(answer);
    return status;
}

/* Loads, or unloads that were asked for, so far: beside clients of the model its status may be
 * another one again before it is looked at. */
static double n_moves(const json_t *model, bool is_load) {
    return is_load ? number_at(model, "loads")
                   : number_at(json_object_get(model, "evictions"), "asked");
}

/* Until the model is as it was wanted, or has been. */
static mu_status wait_for(const mu_admin_target *target, const json_t *asked, bool is_load,
                          mu_err *err) {
    const char *wanted = is_load ? "loaded" : "unloaded";
    static const struct timespec pause = {.tv_nsec = 50000000};
    bool is_over = false;
    mu_status status = MU_OK;
    while (status == MU_OK && !is_over) {
        json_t *model = NULL;
        status = look(target, text_at(asked, "id"), &model, err);
        if (status != MU_OK) break;
        is_over = strcmp(text_at(model, "status"), wanted) == 0 ||
                  n_moves(model, is_load) > n_moves(asked, is_load);
        bool has_failed = number_at(model, "load_failures") > number_at(asked, "load_failures");
        if (is_load && !is_over && has_failed) {
            status = mu_fail(err, MU_ERR_DEVICE, "%s", text_at(model, "load_error"));
        }
        json_decref(model);
        if (status == MU_OK && !is_over) nanosleep(&pause, NULL);
    }
    return status;
}

typedef struct move {
    const char *command, *path, *about, *examples;
    bool is_load; /* else an unload, which may be forced */
} move;

static int run_move(const move *m, int argc, char **argv) {
    mu_admin_target target = {.url = URL_DEFAULT};
    bool no_wait = false, force = false;
    const mu_option options[] = {
        TARGET_OPTIONS(target),
        {"no-wait", 0, MU_OPTION_FLAG, &no_wait, 0, 0, NULL, "return at once"},
        {"force", 'f', MU_OPTION_FLAG, &force, 0, 0, NULL, "end the model's requests"},
    };
    const mu_command_line line = {
        .command = m->command,
        .usage = "MODEL",
        .about = m->about,
        .examples = m->examples,
        .options = options,
        .n_options = MU_COUNTOF(options) - (m->is_load ? 1 : 0),
        .n_positional_max = 1,
        .needs = "a model: muai ps lists them",
    };
    const char *name = NULL;
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, &name, &n_positional, &code)) return code;
    json_t *body = json_pack("{s:s}", "model", name), *asked = NULL;
    if (body && force) json_object_set_new(body, "force", json_true());
    mu_err err;
    mu_status status = body ? mu_admin_ask(&target, m->path, body, &asked, &err)
                            : mu_fail(&err, MU_ERR_INVALID, "\"%.60s\" is not UTF-8", name);
    if (status == MU_OK && !no_wait) status = wait_for(&target, asked, m->is_load, &err);
    json_decref(asked);
    return status == MU_OK ? MU_EXIT_OK : mu_report(m->command, &err);
}

int mu_cmd_load(int argc, char **argv) {
    const move load = {
        .command = "load",
        .path = "/admin/models/load",
        .about =
            "Load a model of a running server before anybody asks for it; idle ones make room.",
        .examples = "  muai load gpt2-medium\n",
        .is_load = true,
    };
    return run_move(&load, argc, argv);
}

int mu_cmd_unload(int argc, char **argv) {
    const move unload = {
        .command = "unload",
        .path = "/admin/models/unload",
        .about = "Unload a model of a running server, when what runs on it has finished. The next\n"
                 "request for it loads it again.",
        .examples = "  muai unload gpt2-medium\n  muai unload --force gpt2-medium\n",
    };
    return run_move(&unload, argc, argv);
}
