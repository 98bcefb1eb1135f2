#include "text/normalizer.h"

#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "text/charsmap.h"
#include "text/white_space.h"

static const char *copy_text(const char *text, char **to) {
    if (!text) return NULL;
    size_t n = strlen(text) + 1;
    char *copy = memcpy(*to, text, n);
    *to += n;
    return copy;
}

static size_t text_bytes(const mu_normalizer *step) {
    return (step->text ? strlen(step->text) : 0) + (step->with ? strlen(step->with) : 0) +
           step->charsmap.n + 2;
}

static bool has_charsmap(const mu_normalizer *step) {
    return step->kind == MU_NORMALIZE_CHARSMAP || step->kind == MU_NORMALIZE_CHARSMAP_GRAPHEMES;
}

mu_status mu_normalizers_copy(mu_normalizers *out, const mu_tokenizer_spec *spec, mu_err *err) {
    size_t n_bytes = 1;
    for (uint32_t i = 0; i < spec->n_normalizers; i++) {
        n_bytes += text_bytes(&spec->normalizers[i]);
    }
    out->steps = MU_ALLOC(mu_normalizer, spec->n_normalizers);
    out->patterns = MU_ALLOC(mu_pattern *, spec->n_normalizers);
    out->texts = mu_alloc(n_bytes);
    if (!out->steps || !out->patterns || !out->texts) {
        return mu_fail(err, MU_ERR_NOMEM, "normalizers");
    }
    char *to = out->texts;
    out->n = spec->n_normalizers;
    for (uint32_t i = 0; i < spec->n_normalizers; i++) {
        mu_normalizer *step = &out->steps[i];
        *step = spec->normalizers[i];
        if (has_charsmap(step) && !mu_charsmap_is_valid(step->charsmap)) {
            return mu_fail(err, MU_ERR_FORMAT, "precompiled_charsmap: not a character map");
        }
        step->text = copy_text(step->text, &to);
        step->with = copy_text(step->with, &to);
        if (step->charsmap.n > 0) memcpy(to, step->charsmap.data, step->charsmap.n);
        step->charsmap.data = to;
        to += step->charsmap.n;
        if (step->kind != MU_NORMALIZE_REPLACE_PATTERN) continue;
        mu_status status = mu_pattern_open(step->text, &out->patterns[i], err);
        if (status != MU_OK) return status;
    }
    return MU_OK;
}

void mu_normalizers_deinit(mu_normalizers *normalizers) {
    for (uint32_t i = 0; i < normalizers->n; i++) {
        mu_pattern_close(normalizers->patterns[i]);
    }
    mu_free(normalizers->patterns);
    mu_free(normalizers->steps);
    mu_free(normalizers->texts);
    *normalizers = (mu_normalizers){0};
}

void mu_normal_text_deinit(mu_normal_text *normal) {
    mu_buf_deinit(&normal->bufs[0]);
    mu_buf_deinit(&normal->bufs[1]);
}

/* Bytes at the start of text that any normalization form leaves alone whatever follows: ASCII, up
 * to the last character before another, which may combine with what follows. */
static size_t plain_prefix(mu_bytes text) {
    size_t n = 0;
    while (n < text.n && (uint8_t)text.data[n] < 0x80) {
        n++;
    }
    return n == text.n || n == 0 ? n : n - 1;
}

/* False: nothing changed, and out is not to be used. utf8proc works in place on code points, which
 * stand in out after the plain prefix until they are bytes again. */
static bool normal_form(utf8proc_option_t options, mu_bytes in, mu_buf *out) {
    size_t n_plain = plain_prefix(in);
    if (n_plain == in.n) return false;
    const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)in.data + n_plain;
    utf8proc_ssize_t n_from = (utf8proc_ssize_t)(in.n - n_plain);
    options |= UTF8PROC_STABLE;
    utf8proc_ssize_t n = utf8proc_decompose(from, n_from, NULL, 0, options);
    int32_t *points = n < 0 ? NULL : MU_ALLOC(int32_t, (size_t)n + 1);
    if (!points) {
        out->failed = true;
        return true;
    }
    n = utf8proc_decompose(from, n_from, points, n, options);
    n = utf8proc_reencode(points, n, options);
    mu_buf_append(out, in.data, n_plain);
    mu_buf_append(out, points, n < 0 ? 0 : (size_t)n);
    mu_free(points);
    return true;
}

static bool replace(const mu_normalizer *step, mu_bytes in, mu_buf *out) {
    size_t n_text = strlen(step->text), n_with = strlen(step->with), from = 0;
    for (;;) {
        const char *at = n_text > 0 && in.n - from > 0
                             ? memmem(in.data + from, in.n - from, step->text, n_text)
                             : NULL;
        if (!at) break;
        mu_buf_append(out, in.data + from, (size_t)(at - in.data) - from);
        mu_buf_append(out, step->with, n_with);
        from = (size_t)(at - in.data) + n_text;
    }
    if (from == 0) return false;
    mu_buf_append(out, in.data + from, in.n - from);
    return true;
}

static mu_status replace_pattern(const mu_pattern *pattern, mu_matcher *matcher, const char *with,
                                 mu_bytes in, mu_buf *out, mu_err *err) {
    for (size_t at = 0, end; at < in.n; at = end) {
        bool is_match;
        mu_status status =
            mu_pattern_part(pattern, matcher, in.data, in.n, at, &end, &is_match, err);
        if (status != MU_OK) return status;
        mu_buf_append(out, is_match ? with : in.data + at, is_match ? strlen(with) : end - at);
    }
    return MU_OK;
}

static bool is_ideograph(int32_t c) {
    static const int32_t runs[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                      {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                      {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < MU_COUNTOF(runs); i++) {
        if (c >= runs[i][0] && c <= runs[i][1]) return true;
    }
    return false;
}

/* Cc, Cf, Co, but for the three that are white space. Hugging Face keeps what is not assigned. */
static bool is_control(int32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_CC;
}

static void append_character(mu_buf *out, int32_t c) {
    uint8_t bytes[4];
    mu_buf_append(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

/* What one character becomes, by the steps that look at each alone. */
static void map_character(mu_normalizer_kind kind, int32_t c, mu_buf *out) {
    if (kind == MU_NORMALIZE_LOWERCASE) {
        append_character(out, c == 0x130 ? 'i' : utf8proc_tolower(c));
        if (c == 0x130) append_character(out, 0x307); /* the one letter that becomes two */
    } else if (kind == MU_NORMALIZE_STRIP_ACCENTS) {
        if (utf8proc_category(c) != UTF8PROC_CATEGORY_MN) append_character(out, c);
    } else if (kind == MU_NORMALIZE_CLEAN) {
        if (c != 0 && c != 0xFFFD && !is_control(c))
            append_character(out, mu_is_space(c) ? ' ' : c);
    } else {
        bool is_alone = is_ideograph(c);
        if (is_alone) mu_buf_append(out, " ", 1);
        append_character(out, c);
        if (is_alone) mu_buf_append(out, " ", 1);
    }
}

static void map_characters(mu_normalizer_kind kind, mu_bytes in, mu_buf *out) {
    for (size_t at = 0; at < in.n;) {
        int32_t c;
        utf8proc_ssize_t n =
            utf8proc_iterate((const uint8_t *)in.data + at, (utf8proc_ssize_t)(in.n - at), &c);
        MU_ASSERT(n > 0); /* the text is valid */
        map_character(kind, c, out);
        at += (size_t)n;
    }
}

/* Without the white space at one end: part of the text itself. */
static mu_bytes strip(mu_bytes in, bool left) {
    size_t at = 0, n_bytes, end = 0;
    for (; at < in.n; at += n_bytes) {
        int32_t c;
        n_bytes = (size_t)utf8proc_iterate((const uint8_t *)in.data + at,
                                           (utf8proc_ssize_t)(in.n - at), &c);
        if (mu_is_space(c)) continue;
        if (left) return (mu_bytes){in.data + at, in.n - at};
        end = at + n_bytes;
    }
    return (mu_bytes){in.data, end};
}

/* False: nothing changed. */
static bool apply(const mu_normalizer *step, mu_bytes in, mu_buf *out) {
    switch (step->kind) {
    case MU_NORMALIZE_NFC:
        return normal_form(UTF8PROC_COMPOSE, in, out);
    case MU_NORMALIZE_NFD:
        return normal_form(UTF8PROC_DECOMPOSE, in, out);
    case MU_NORMALIZE_NFKC:
        return normal_form(UTF8PROC_COMPOSE | UTF8PROC_COMPAT, in, out);
    case MU_NORMALIZE_NFKD:
        return normal_form(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, in, out);
    case MU_NORMALIZE_PREPEND:
        if (in.n == 0) return false;
        mu_buf_append_str(out, step->text);
        mu_buf_append(out, in.data, in.n);
        return true;
    case MU_NORMALIZE_REPLACE:
        return replace(step, in, out);
    case MU_NORMALIZE_CHARSMAP:
    case MU_NORMALIZE_CHARSMAP_GRAPHEMES:
        mu_charsmap_apply(step->charsmap, in, step->kind == MU_NORMALIZE_CHARSMAP_GRAPHEMES, out);
        return true;
    default:
        map_characters(step->kind, in, out);
        return true;
    }
}

mu_status mu_normalize(const mu_normalizers *normalizers, mu_matcher *matcher,
                       mu_normal_text *normal, mu_bytes text, mu_bytes *out, mu_err *err) {
    uint32_t to = 0;
    for (uint32_t i = 0; i < normalizers->n; i++) {
        const mu_normalizer *step = &normalizers->steps[i];
        mu_buf *buf = &normal->bufs[to];
        mu_status status = MU_OK;
        bool changed = true;
        mu_buf_clear(buf);
        if (step->kind == MU_NORMALIZE_STRIP_LEFT || step->kind == MU_NORMALIZE_STRIP_RIGHT) {
            text = strip(text, step->kind == MU_NORMALIZE_STRIP_LEFT);
            continue;
        }
        if (step->kind == MU_NORMALIZE_REPLACE_PATTERN) {
            status = replace_pattern(normalizers->patterns[i], matcher, step->with, text, buf, err);
        } else {
            changed = apply(step, text, buf);
        }
        if (status == MU_OK && buf->failed) {
            status = mu_fail(err, MU_ERR_NOMEM, "normalizing text");
        }
        if (status != MU_OK) return status;
        if (!changed) continue;
        text = (mu_bytes){buf->data ? buf->data : "", buf->n};
        to ^= 1;
    }
    *out = text;
    return MU_OK;
}
