/* The served models as Ollama lists and shows them. A digest is left out: nothing here has one. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "server/ollama.h"

static json_t *time_json(int64_t unix_s) {
    char text[MU_UTC_MAX];
    const struct timespec at = {.tv_sec = (time_t)unix_s};
    mu_utc_write(&at, 0, text);
    return json_string(text);
}

/* "124.4M", "8.0B" */
static void parameter_size(uint64_t n, char *out, size_t cap) {
    bool is_billion = n >= 1000000000;
    snprintf(out, cap, "%.1f%c", (double)n / (is_billion ? 1e9 : 1e6), is_billion ? 'B' : 'M');
}

static json_t *details_json(const mu_served *served) {
    const char *family = mu_model_architecture(served->model);
    char size[32], level[32];
    parameter_size(mu_model_n_parameters(served->model), size, sizeof(size));
    snprintf(level, sizeof(level), "%s", mu_dtype_get(mu_model_weight_type(served->model))->name);
    for (char *c = level; *c; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s}", "parent_model", "", "format", "gguf",
                     "family", family, "families", family, "parameter_size", size,
                     "quantization_level", level);
}

void mu_ollama_get_tags(mu_call *call) {
    const mu_server *server = call->server;
    json_t *list = json_array();
    for (uint32_t i = 0; i < server->n_served; i++) {
        const mu_served *served = &server->served[i];
        for (uint32_t j = 0; j < served->of.n_listed; j++) {
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:o, s:I, s:o}", "name", served->of.names[j], "model",
                                served->of.names[j], "modified_at", time_json(server->opened_at),
                                "size", (json_int_t)mu_model_file_bytes(served->model), "details",
                                details_json(served)));
        }
    }
    mu_call_json(call, 200, json_pack("{s:o}", "models", list));
}

void mu_ollama_get_ps(mu_call *call) {
    const mu_server *server = call->server;
    json_t *list = json_array();
    for (uint32_t i = 0; i < server->n_served; i++) {
        const mu_served *served = &server->served[i];
        mu_resident_stats stats;
        mu_resident_get_stats(served->of.resident, &stats);
        bool is_there = stats.residency.phase == MU_READY || stats.residency.phase == MU_CLOSING;
        bool is_gpu = server->options.gpu_pci_bus_id != NULL;
        json_int_t bytes = (json_int_t)stats.residency.bytes;
        if (!is_there) continue;
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I, s:i, s:o}", "name", served->of.names[0], "model",
                            served->of.names[0], "size", bytes, "size_vram",
                            is_gpu ? bytes : (json_int_t)0, "context_length",
                            (int)mu_engine_n_ctx(served->engine), "details", details_json(served)));
    }
    mu_call_json(call, 200, json_pack("{s:o}", "models", list));
}

/* A key of the model's architecture, "llama.context_length". */
static void set_of(json_t *info, const char *architecture, const char *key, uint64_t value) {
    char name[128];
    snprintf(name, sizeof(name), "%s.%s", architecture, key);
    json_object_set_new(info, name, json_integer((json_int_t)value));
}

static json_t *info_json(const mu_served *served) {
    const mu_decoder_spec *spec = mu_model_spec(served->model);
    const char *architecture = mu_model_architecture(served->model);
    json_t *info =
        json_pack("{s:s, s:I}", "general.architecture", architecture, "general.parameter_count",
                  (json_int_t)mu_model_n_parameters(served->model));
    set_of(info, architecture, "context_length", mu_engine_n_ctx(served->engine));
    set_of(info, architecture, "embedding_length", spec->hidden_dim);
    set_of(info, architecture, "block_count", spec->n_layers);
    set_of(info, architecture, "vocab_size", spec->vocab_size);
    return info;
}

static json_t *abilities_json(const mu_served *served) {
    const char *source = mu_conversation_format_source(served->of.conversation);
    if (mu_model_pooling(served->model) != MU_POOLING_NONE) return json_pack("[s]", "embedding");
    json_t *list = json_pack("[s]", "completion");
    if (mu_conversation_format_abilities(served->of.conversation).tools) {
        json_array_append_new(list, json_string("tools"));
    }
    if (mu_answer_parts_are_told(source, strlen(source), false)) {
        json_array_append_new(list, json_string("thinking"));
    }
    return list;
}

void mu_ollama_post_show(mu_call *call) {
    json_t *body;
    mu_api_error error;
    if (!mu_call_body(call, &body)) return;
    const json_t *name = json_object_get(body, "model");
    if (!name) name = json_object_get(body, "name"); /* of older clients */
    if (mu_call_choose_model(call, json_string_value(name), &error)) {
        const mu_served *served = call->served;
        mu_call_json(
            call, 200,
            json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "modelfile", "", "parameters", "",
                      "template", mu_conversation_format_source(served->of.conversation), "details",
                      details_json(served), "model_info", info_json(served), "capabilities",
                      abilities_json(served), "modified_at", time_json(call->server->opened_at)));
    } else {
        mu_call_fail(call, &error);
    }
    mu_call_body_free(call, body);
}
