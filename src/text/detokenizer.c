#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/vocab.h"

void mu_detokenizer_init(mu_detokenizer *detok, const mu_tokenizer *tokenizer, bool show_special) {
    *detok = (mu_detokenizer){.tokenizer = tokenizer, .show_special = show_special};
}

static bool is_shown(const mu_tokenizer *tokenizer, mu_token token, bool show_special) {
    return show_special || mu_tokenizer_kind(tokenizer, token) != MU_TOKEN_SPECIAL;
}

/* Take one byte. What is held is always the start of a character that is not whole yet. */
static void push_byte(mu_detokenizer *detok, char byte, mu_buf *out) {
    size_t n_bytes;
    detok->held[detok->n_held++] = (uint8_t)byte;
    const char *held = (const char *)detok->held;
    switch (mu_utf8_step(held, detok->n_held, &n_bytes)) {
    case MU_UTF8_CUT:
        return;
    case MU_UTF8_WHOLE:
        mu_buf_append(out, held, detok->n_held);
        break;
    case MU_UTF8_BROKEN:
        mu_buf_append_str(out, MU_UTF8_REPLACEMENT);
        break;
    }
    bool is_left = n_bytes < detok->n_held; /* the byte broke what was held: it starts anew */
    detok->n_held = 0;
    if (is_left) push_byte(detok, byte, out);
}

void mu_detokenizer_push(mu_detokenizer *detok, mu_token token, mu_buf *out) {
    if (!is_shown(detok->tokenizer, token, detok->show_special)) return;
    mu_bytes piece = mu_tokenizer_piece(detok->tokenizer, token);
    for (size_t i = 0; i < piece.n; i++) {
        push_byte(detok, piece.data[i], out);
    }
}

void mu_detokenizer_finish(mu_detokenizer *detok, mu_buf *out) {
    if (detok->n_held > 0) mu_buf_append_str(out, MU_UTF8_REPLACEMENT);
    detok->n_held = 0;
}

void mu_decode_bytes(const mu_tokenizer *tokenizer, const mu_token *tokens, size_t n,
                     bool show_special, mu_buf *out) {
    bool is_first = tokenizer->strips_first_space;
    for (size_t i = 0; i < n; i++) {
        if (!is_shown(tokenizer, tokens[i], show_special)) continue;
        mu_bytes piece = mu_tokenizer_piece(tokenizer, tokens[i]);
        if (piece.n == 0) continue;
        size_t skip = is_first && piece.data[0] == ' ' ? 1 : 0;
        mu_buf_append(out, piece.data + skip, piece.n - skip);
        is_first = false;
    }
}
