#include "text/lattice.h"

#include <math.h>

#include "base/alloc.h"
#include "text/utf8.h"

struct mu_path { /* the best way to here */
    double score;
    uint32_t from;  /* where its last token begins */
    mu_token token; /* MU_TOKEN_NONE: a character that is no token */
};

static const mu_path no_way = {-INFINITY, 0, MU_TOKEN_NONE};

void mu_lattice_deinit(mu_lattice *lattice) {
    mu_free(lattice->paths);
    *lattice = (mu_lattice){0};
}

static mu_status no_memory(mu_err *err) {
    return mu_fail(err, MU_ERR_NOMEM, "cutting a text into tokens");
}

/* Later ones must be better, not as good. */
static void offer(mu_path *path, double score, uint32_t from, mu_token token) {
    if (score > path->score) *path = (mu_path){score, from, token};
}

/* All that begins at `at`. */
static void step(const mu_lattice *l, const mu_tokenizer *t, const char *text, size_t n, size_t at,
                 size_t n_char) {
    double before = l->paths[at].score;
    bool has_character = false;
    mu_prefix_range range = mu_prefix_all(&t->prefixes);
    for (size_t i = at; i < n && mu_prefix_step(&t->prefixes, &range, (uint8_t)text[i]); i++) {
        mu_token token = mu_prefix_token(&t->prefixes, &range);
        if (token == MU_TOKEN_NONE) continue;
        double score = t->kinds[token] == MU_TOKEN_ADDED ? 0.0 : (double)t->scores[token];
        offer(&l->paths[i + 1], before + score, (uint32_t)at, token);
        has_character = has_character || i + 1 == at + n_char;
    }
    if (!has_character) {
        offer(&l->paths[at + n_char], before + t->unknown_score, (uint32_t)at, MU_TOKEN_NONE);
    }
}

/* The bytes of unknown characters [from, end), or the unknown token. */
static mu_status emit_unknown(const mu_tokenizer *t, const char *text, size_t from, size_t end,
                              mu_token_list *out, mu_err *err) {
    bool has_bytes = t->has_byte_fallback;
    for (size_t i = from; i < end && has_bytes; i++) {
        has_bytes = t->byte_tokens[(uint8_t)text[i]] != MU_TOKEN_NONE;
    }
    if (!has_bytes && t->unknown == MU_TOKEN_NONE) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "the vocabulary has no token for byte 0x%02x",
                       (uint8_t)text[from]);
    }
    if (!has_bytes) return mu_token_list_add(out, &t->unknown, 1) ? MU_OK : no_memory(err);
    for (size_t i = from; i < end; i++) {
        if (!mu_token_list_add(out, &t->byte_tokens[(uint8_t)text[i]], 1)) return no_memory(err);
    }
    return MU_OK;
}

/* Ways are known by where they end: turned round, paths[i].from is where the token after i ends. */
static mu_status emit(mu_lattice *l, const mu_tokenizer *t, const char *text, size_t n,
                      mu_token_list *out, mu_err *err) {
    uint32_t next_end = (uint32_t)n;
    mu_path carried = l->paths[n];
    for (size_t at = n; at > 0;) {
        size_t from = carried.from;
        mu_path before = l->paths[from];
        l->paths[from] = (mu_path){0, next_end, carried.token};
        next_end = (uint32_t)from;
        carried = before;
        at = from;
    }
    for (size_t at = 0; at < n;) {
        size_t end = l->paths[at].from;
        mu_token token = l->paths[at].token;
        mu_status status = MU_OK;
        if (token == MU_TOKEN_NONE) {
            while (t->fuses_unknown && end < n && l->paths[end].token == MU_TOKEN_NONE) {
                end = l->paths[end].from;
            }
            status = emit_unknown(t, text, at, end, out, err);
        } else if (!mu_token_list_add(out, &token, 1)) {
            status = no_memory(err);
        }
        if (status != MU_OK) return status;
        at = end;
    }
    return MU_OK;
}

mu_status mu_lattice_encode(mu_lattice *l, const mu_tokenizer *t, const char *text, size_t n,
                            mu_token_list *out, mu_err *err) {
    if (n >= UINT32_MAX) return mu_fail(err, MU_ERR_LIMIT, "a piece of %zu bytes", n);
    if (l->paths_cap < n + 1) {
        void *grown = l->paths;
        if (!mu_grow(&grown, &l->paths_cap, n + 1, sizeof(*l->paths))) return no_memory(err);
        l->paths = grown;
    }
    for (size_t i = 1; i <= n; i++) {
        l->paths[i] = no_way;
    }
    l->paths[0] = (mu_path){0, 0, MU_TOKEN_NONE};
    for (size_t at = 0, n_char; at < n; at += n_char) {
        mu_utf8_step(text + at, n - at, &n_char);
        step(l, t, text, n, at, n_char);
    }
    return emit(l, t, text, n, out, err);
}
