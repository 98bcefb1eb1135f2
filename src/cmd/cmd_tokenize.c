#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/options.h"

/* Bytes of a token so that they can be read: printable ASCII and whole UTF-8 as they are, the rest
 * as \xNN. */
static void append_escaped(mu_buf *out, mu_bytes piece) {
    for (size_t i = 0; i < piece.n; i++) {
        unsigned char c = (unsigned char)piece.data[i];
        if (c == '\n') {
            mu_buf_append_str(out, "\\n");
        } else if (c == '\\') {
            mu_buf_append_str(out, "\\\\");
        } else if (isprint(c)) {
            mu_buf_append(out, &c, 1);
        } else {
            mu_buf_printf(out, "\\x%02x", c);
        }
    }
}

static void print_tokens(const mu_model *model, const mu_token *tokens, uint32_t n) {
    mu_buf piece = {0};
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_clear(&piece);
        append_escaped(&piece, mu_tokenizer_piece(mu_model_tokenizer(model), tokens[i]));
        printf("%7d  \"%s\"\n", tokens[i], piece.data ? piece.data : "");
    }
    mu_buf_deinit(&piece);
}

static mu_status print_json(const mu_model *model, const mu_token *tokens, uint32_t n,
                            mu_err *err) {
    mu_buf piece = {0};
    json_t *ids = json_array(), *pieces = json_array();
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_clear(&piece);
        append_escaped(&piece, mu_tokenizer_piece(mu_model_tokenizer(model), tokens[i]));
        json_array_append_new(ids, json_integer(tokens[i]));
        json_array_append_new(pieces, json_string(piece.data ? piece.data : ""));
    }
    json_t *json = json_pack("{s:i, s:o, s:o}", "count", (int)n, "tokens", ids, "pieces", pieces);
    mu_buf_deinit(&piece);
    return mu_print_json(json, JSON_COMPACT, err);
}

static mu_status decode(const mu_model *model, const char *ids, mu_err *err) {
    mu_token *tokens = NULL;
    uint32_t n = 0;
    mu_status status = mu_parse_tokens(ids, &tokens, &n, err);
    if (status != MU_OK) return status;
    mu_buf text = {0};
    mu_decode_bytes(mu_model_tokenizer(model), tokens, n, true, &text);
    if (text.failed) {
        status = mu_fail(err, MU_ERR_NOMEM, "text of %u tokens", n);
    } else if (text.n > 0) {
        fwrite(text.data, 1, text.n, stdout);
    }
    mu_buf_deinit(&text);
    mu_free(tokens);
    return status;
}

int mu_cmd_tokenize(int argc, char **argv) {
    bool json = false, special = false, is_decode = false, bare = false;
    const char *option = NULL;
    const mu_option options[] = {
        MU_MODEL_OPTION(&option),
        {"decode", 0, MU_OPTION_FLAG, &is_decode, 0, 0, NULL,
         "TEXT is token ids; print their bytes"},
        {"special", 0, MU_OPTION_FLAG, &special, 0, 0, NULL,
         "special tokens in the text become their ids"},
        {"bare", 0, MU_OPTION_FLAG, &bare, 0, 0, NULL,
         "without the tokens that the model wants around a prompt"},
        {"json", 0, MU_OPTION_FLAG, &json, 0, 0, NULL, "one JSON object"},
    };
    const mu_command_line line = {
        .command = "tokenize",
        .usage = "[MODEL [TEXT]]",
        .about =
            "Print the token ids of a text and the piece each stands for. Without TEXT, reads\n"
            "standard input. Without MODEL, muai-tiny; a text alone goes with -m.",
        .examples = "  muai tokenize gpt2 \"Hello, world\"\n"
                    "  muai tokenize gpt2 --decode \"15496 11 995\"\n"
                    "  muai tokenize gpt2 --json < book.txt\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 2,
    };
    const char *positional[2] = {NULL, NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    const char *reference = mu_take_model(&line, option, 0, positional, &n_positional);
    if (!reference) return MU_EXIT_USAGE;
    mu_err err;
    mu_ref ref;
    mu_model *model = NULL;
    mu_buf text = {0};
    mu_token *tokens = NULL;
    uint32_t n = 0;
    mu_status status = mu_open_model(reference, &ref, &model, &err);
    if (status == MU_OK && n_positional > 0) {
        mu_buf_append_str(&text, positional[0]);
    } else if (status == MU_OK) {
        status = mu_read_all("-", &text, &err);
    }
    const char *data = text.data ? text.data : "";
    if (status == MU_OK && is_decode) {
        status = decode(model, data, &err);
    } else if (status == MU_OK) {
        uint32_t flags = (special ? MU_ENCODE_SPECIAL : 0) | (bare ? 0 : MU_ENCODE_BOS);
        status = mu_encode_text(model, data, text.n, flags, &tokens, &n, &err);
        if (status == MU_OK && json) status = print_json(model, tokens, n, &err);
        if (status == MU_OK && !json) print_tokens(model, tokens, n);
    }
    mu_free(tokens);
    mu_buf_deinit(&text);
    mu_model_close(model);
    return status == MU_OK ? MU_EXIT_OK : mu_report("tokenize", &err);
}
