#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"

/* Memory of a model with one sequence of the whole context. */
static mu_backend_bytes plan(const mu_model *model, mu_dtype weight_type) {
    const mu_decoder_spec *spec = mu_model_spec(model);
    mu_engine_options o = mu_engine_options_default();
    return mu_backend_plan(model,
                           &(mu_backend_options){
                               .weight_type = weight_type,
                               .kv_type = o.kv_type,
                               .isa_max = o.isa_max,
                               .n_ctx = spec->n_ctx,
                               .block_tokens = o.block_tokens,
                               .n_kv_blocks = (spec->n_ctx + o.block_tokens - 1) / o.block_tokens,
                               .step_tokens_max = o.step_tokens_max,
                               .step_rows_max = 1,
                           });
}

static uint64_t kv_token_bytes(const mu_decoder_spec *spec, mu_dtype type) {
    return mu_decoder_kv_values(spec) * mu_dtype_get(type)->block_bytes;
}

static mu_status print_json(const mu_model *model, mu_err *err) {
    const mu_decoder_spec *spec = mu_model_spec(model);
    const mu_layer_kind *kind = &spec->kinds[0];
    uint64_t n_tensors[MU_N_DTYPES], bytes[MU_N_DTYPES];
    mu_model_bytes_by_type(model, n_tensors, bytes);
    json_t *types = json_object();
    for (int i = 0; i < MU_N_DTYPES; i++) {
        if (n_tensors[i] == 0) continue;
        json_object_set_new(types, mu_dtype_get((mu_dtype)i)->name,
                            json_pack("{s:I, s:I}", "tensors", (json_int_t)n_tensors[i], "bytes",
                                      (json_int_t)bytes[i]));
    }
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:s, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}, s:o, "
        "s:{s:I, "
        "s:I, s:I, s:I, s:I}}",
        "name", mu_model_name(model), "source", mu_model_source(model), "architecture",
        mu_model_architecture(model), "parameters", (json_int_t)mu_model_n_parameters(model),
        "file_bytes", (json_int_t)mu_model_file_bytes(model), "tied_output", (int)spec->is_tied,
        "pooling", mu_pooling_name(mu_model_pooling(model)), "tokenizer",
        mu_model_has_own_tokenizer(model) ? "own" : "bytes", "shape", "n_layers",
        (int)spec->n_layers, "n_heads", (int)kind->n_heads, "n_kv_heads", (int)kind->n_kv_heads,
        "head_dim", (int)kind->head_dim, "hidden_dim", (int)spec->hidden_dim, "ffn_dim",
        (int)kind->ffn_dim, "vocab_size", (int)spec->vocab_size, "n_ctx", (int)spec->n_ctx,
        "file_types", types, "memory_bytes", "f32_weights", (json_int_t)plan(model, MU_F32).weights,
        "bf16_weights", (json_int_t)plan(model, MU_BF16).weights, "q8_weights",
        (json_int_t)plan(model, MU_Q8_0).weights, "q4_weights",
        (json_int_t)plan(model, MU_Q4_0).weights, "kv_per_token_f32",
        (json_int_t)kv_token_bytes(spec, MU_F32));
    return mu_print_json(json, JSON_INDENT(2), err);
}

static void print_heads(const mu_layer_kind *kind) {
    printf("%u heads of %u", kind->n_heads, kind->head_dim);
    if (kind->n_kv_heads != kind->n_heads) printf(" on %u of K and V", kind->n_kv_heads);
    if (kind->window > 0) printf(", window %u", kind->window);
}

static void print_shape(const mu_decoder_spec *spec) {
    const mu_layer_kind *kind = spec->kinds;
    printf("shape         %u layers, ", spec->n_layers);
    if (spec->n_kinds == 1) print_heads(kind);
    printf("%swidth %u", spec->n_kinds == 1 ? ", " : "", spec->hidden_dim);
    if (spec->n_kinds == 1) printf(", FFN %u", kind->ffn_dim);
    printf("\n");
    for (uint32_t i = 0; spec->n_kinds > 1 && i < spec->n_kinds; i++, kind++) {
        uint32_t n = 0;
        for (uint32_t layer = 0; layer < spec->n_layers; layer++) {
            n += spec->kind_of[layer] == i;
        }
        printf("              %u of them ", n);
        print_heads(kind);
        printf(", FFN %u\n", kind->ffn_dim);
    }
}

static void print_text(const mu_model *model) {
    const mu_decoder_spec *spec = mu_model_spec(model);
    uint64_t n_tensors[MU_N_DTYPES], bytes[MU_N_DTYPES];
    mu_model_bytes_by_type(model, n_tensors, bytes);
    printf("name          %s\n", mu_model_name(model));
    printf("source        %s", mu_model_source(model));
    if (mu_model_file_bytes(model) > 0) {
        printf(", %.1f MB", (double)mu_model_file_bytes(model) / 1e6);
    }
    printf("\narchitecture  %s, %.1f million parameters, ", mu_model_architecture(model),
           (double)mu_model_n_parameters(model) / 1e6);
    if (spec->has_output) {
        printf("output %s\n", spec->is_tied ? "tied to the embedding" : "its own matrix");
    } else if (spec->n_labels > 0) {
        printf("scores of pairs, %u label%s\n", spec->n_labels, spec->n_labels > 1 ? "s" : "");
    } else {
        printf("embeddings of %u dimensions (%s)\n", spec->hidden_dim,
               mu_pooling_name(mu_model_pooling(model)));
    }
    print_shape(spec);
    printf("              vocabulary %u, context %u tokens\n", spec->vocab_size, spec->n_ctx);
    printf("tokenizer     %s, %u tokens\n",
           mu_model_has_own_tokenizer(model) ? "the model's own" : "built-in bytes",
           mu_tokenizer_vocab_size(mu_model_tokenizer(model)));
    for (int i = 0; i < MU_N_DTYPES; i++) {
        if (n_tensors[i] == 0) continue;
        printf("in the file   %-5s %4llu tensors, %10.1f MB\n", mu_dtype_get((mu_dtype)i)->name,
               (unsigned long long)n_tensors[i], (double)bytes[i] / 1e6);
    }
    for (uint32_t i = 0; i < MU_N_WEIGHT_TYPES; i++) {
        mu_dtype type = mu_weight_type_at(i);
        mu_backend_bytes need = plan(model, type);
        printf("as %-5s      %8.1f MB weights, %.1f MB scratch\n", mu_weight_type_name(type),
               (double)need.weights / 1e6, (double)need.scratch / 1e6);
    }
    printf("KV cache      %.1f kB a token in f32, %.1f kB in bf16 or f16\n",
           (double)kv_token_bytes(spec, MU_F32) / 1e3, (double)kv_token_bytes(spec, MU_BF16) / 1e3);
}

int mu_cmd_show(int argc, char **argv) {
    bool json = false;
    const char *option = NULL;
    const mu_option options[] = {
        MU_MODEL_OPTION(&option),
        {"json", 0, MU_OPTION_FLAG, &json, 0, 0, NULL, "one JSON object"},
    };
    const mu_command_line line = {
        .command = "show",
        .usage = "[MODEL]",
        .about = "Print what a model is, without loading its weights. Without MODEL, muai-tiny.",
        .examples = "  muai show gpt2\n  muai show ./model.gguf --json\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 1,
    };
    const char *positional[1] = {NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    mu_err err;
    mu_ref ref;
    mu_model *model = NULL;
    const char *reference = mu_take_model(&line, option, 0, positional, &n_positional);
    if (!reference) return MU_EXIT_USAGE;
    if (mu_open_model(reference, &ref, &model, &err) != MU_OK) return mu_report("show", &err);
    mu_status status = MU_OK;
    if (json) {
        status = print_json(model, &err);
    } else {
        print_text(model);
    }
    mu_model_close(model);
    return status == MU_OK ? MU_EXIT_OK : mu_report("show", &err);
}
