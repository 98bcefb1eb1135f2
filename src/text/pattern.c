/* GPT-2's pattern on ASCII text is most of the work in practice, and a table scan does it five
 * times as fast as compiled PCRE2. The scanner gives up at the first byte above 7F that could
 * matter, and PCRE2 decides that word; pattern_test.c compares the two over random text.
 *
 * PCRE2's depth on the machine stack is bounded by the matcher's own stack. A match that needs more
 * is repeated by the interpreter, which uses the heap: slower, never wrong. Backtracking is limited
 * in proportion to the text, so a hostile pattern costs time but ends.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "text/pattern_source.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

enum {
    JIT_STACK_BYTES_MIN = 32 << 10,
    JIT_STACK_BYTES_MAX = 1 << 20,
    MATCH_STEPS_BASE = 10000000, /* PCRE2's own default */
    MATCH_STEPS_PER_BYTE = 16,
};

const char mu_gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct mu_pattern {
    pcre2_code *code;
    bool is_gpt2;
};

struct mu_matcher {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL where PCRE2 has no JIT */
};

static void *pcre2_alloc(size_t size, void *ctx) {
    (void)ctx;
    return mu_alloc(size > 0 ? size : 1);
}

static void pcre2_free(void *ptr, void *ctx) {
    (void)ctx;
    mu_free(ptr);
}

static mu_status compile_failed(int code, size_t offset, mu_err *err) {
    if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED) {
        return mu_fail(err, MU_ERR_NOMEM, "pattern");
    }
    PCRE2_UCHAR text[120];
    if (pcre2_get_error_message(code, text, sizeof(text)) < 0) text[0] = '\0';
    return mu_fail(err, MU_ERR_FORMAT, "pattern: %s (near byte %zu)", (const char *)text, offset);
}

mu_status mu_pattern_open(const char *regex, mu_pattern **out, mu_err *err) {
    mu_buf source = {0};
    mu_pattern *pattern = NULL;
    pcre2_general_context *general = NULL;
    pcre2_compile_context *context = NULL;
    mu_status status;
    size_t n = strlen(regex), offset = 0;
    int code = 0;

    if (n == 0 || n > MU_PATTERN_BYTES_MAX || mu_utf8_valid(regex, n) != n) {
        return mu_fail(err, MU_ERR_FORMAT, "pattern of %zu bytes: empty, too long or not UTF-8", n);
    }
    status = mu_pattern_source_write(regex, &source, err);
    if (status != MU_OK) goto done;
    pattern = MU_ALLOC(mu_pattern, 1);
    general = pcre2_general_context_create(pcre2_alloc, pcre2_free, NULL);
    context = general ? pcre2_compile_context_create(general) : NULL;
    if (!pattern || !context) {
        status = mu_fail(err, MU_ERR_NOMEM, "pattern");
        goto done;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pattern->code = pcre2_compile((PCRE2_SPTR)source.data, source.n, PCRE2_UTF | PCRE2_UCP, &code,
                                  &offset, context);
    if (!pattern->code) {
        status = compile_failed(code, offset, err);
        goto done;
    }
    if (pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == PCRE2_ERROR_NOMEMORY) {
        status = mu_fail(err, MU_ERR_NOMEM, "pattern");
        goto done;
    } /* Any other failure means that there is no JIT here: matching works without. */
    pattern->is_gpt2 = strcmp(regex, mu_gpt2_pattern) == 0;
    *out = pattern;
    pattern = NULL;
    status = MU_OK;

done:
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    mu_pattern_close(pattern);
    mu_buf_deinit(&source);
    return status;
}

bool mu_pattern_is_gpt2(const mu_pattern *pattern) {
    return pattern->is_gpt2;
}

void mu_pattern_close(mu_pattern *pattern) {
    if (!pattern) return;
    pcre2_code_free(pattern->code);
    mu_free(pattern);
}

mu_status mu_matcher_open(mu_matcher **out, mu_err *err) {
    uint32_t has_jit = 0;
    pcre2_config(PCRE2_CONFIG_JIT, &has_jit);

    mu_matcher *m = MU_ALLOC(mu_matcher, 1);
    pcre2_general_context *general = pcre2_general_context_create(pcre2_alloc, pcre2_free, NULL);
    if (m && general) {
        m->match = pcre2_match_data_create(1, general);
        m->context = pcre2_match_context_create(general);
        if (has_jit) {
            m->stack = pcre2_jit_stack_create(JIT_STACK_BYTES_MIN, JIT_STACK_BYTES_MAX, general);
        }
    }
    bool ok = m && m->match && m->context && (m->stack || !has_jit);
    pcre2_general_context_free(general);
    if (!ok) {
        mu_matcher_close(m);
        return mu_fail(err, MU_ERR_NOMEM, "matcher");
    }
    if (m->stack) pcre2_jit_stack_assign(m->context, NULL, m->stack);
    *out = m;
    return MU_OK;
}

void mu_matcher_close(mu_matcher *matcher) {
    if (!matcher) return;
    pcre2_match_data_free(matcher->match);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    mu_free(matcher);
}

/* First match at or after from. None: *out_start = *out_end = n. */
static mu_status find(const mu_pattern *pattern, mu_matcher *m, const char *text, size_t n,
                      size_t from, size_t *out_start, size_t *out_end, mu_err *err) {
    size_t steps = MATCH_STEPS_BASE +
                   (n < UINT32_MAX / 32 ? n : UINT32_MAX / 32) * (size_t)MATCH_STEPS_PER_BYTE;
    pcre2_set_match_limit(m->context, (uint32_t)steps);

    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int rc = pcre2_match(pattern->code, subject, n, from, PCRE2_NO_UTF_CHECK, m->match, m->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(pattern->code, subject, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         m->match, m->context);
    }
    if (rc == PCRE2_ERROR_NOMATCH) {
        *out_start = *out_end = n;
        return MU_OK;
    }
    if (rc == PCRE2_ERROR_NOMEMORY) return mu_fail(err, MU_ERR_NOMEM, "pattern match");
    if (rc < 0) {
        return mu_fail(err, MU_ERR_LIMIT, "pattern: no match found within %zu steps (PCRE2 %d)",
                       steps, rc);
    }
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(m->match);
    *out_start = span[0];
    *out_end = span[1];
    return MU_OK;
}

mu_status mu_pattern_part(const mu_pattern *pattern, mu_matcher *matcher, const char *text,
                          size_t n, size_t start, size_t *out_end, bool *out_is_match,
                          mu_err *err) {
    MU_DASSERT(start < n);
    size_t first, end, n_bytes;
    mu_status status = find(pattern, matcher, text, n, start, &first, &end, err);
    if (status != MU_OK) return status;
    if (end == start) { /* an empty match cuts nothing here: what follows belongs to a gap */
        mu_utf8_step(text + start, n - start, &n_bytes);
        status = find(pattern, matcher, text, n, start + n_bytes, &first, &end, err);
        if (status != MU_OK) return status;
    }
    *out_is_match = first == start;
    *out_end = first > start ? first : end;
    return MU_OK;
}

mu_status mu_pattern_piece_pcre2(const mu_pattern *pattern, mu_matcher *matcher, const char *text,
                                 size_t n, size_t start, size_t *out_end, mu_err *err) {
    bool is_match;
    return mu_pattern_part(pattern, matcher, text, n, start, out_end, &is_match, err);
}

/* Classes in GPT-2's pattern: outside of ASCII (ends every run), letter, digit, space, other. */
enum { X, L, D, S, O };

static const uint8_t classes[256] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, D, D, D, D, D, D, D, D, D, D, O, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};

/* End of the word of GPT-2's pattern that begins at i, or 0 when bytes above 7F take part in the
 * decision. */
static size_t scan_gpt2(const uint8_t *t, size_t n, size_t i) {
    if (t[i] == '\'' && n - i >= 2) {
        uint8_t c = t[i + 1], d = n - i >= 3 ? t[i + 2] : 0;
        if (c == 's' || c == 't' || c == 'm' || c == 'd') return i + 2;
        if ((c == 'r' && d == 'e') || (c == 'v' && d == 'e') || (c == 'l' && d == 'l'))
            return i + 3;
    }
    size_t first = i;
    if (t[i] == ' ' && n - i >= 2 && classes[t[i + 1]] != S) first++;
    uint8_t class = classes[t[first]];
    if (class == X) return 0;
    size_t end = first + 1;
    while (end < n && classes[t[end]] == class) {
        end++;
    }
    if (end == n) return n;
    if (t[end] > 0x7F) return 0;
    /* White space before a word leaves its last character to the word: \s+(?!\S). */
    return class == S && end - i > 1 ? end - 1 : end;
}

mu_status mu_pattern_piece(const mu_pattern *pattern, mu_matcher *matcher, const char *text,
                           size_t n, size_t start, size_t *out_end, mu_err *err) {
    if (pattern->is_gpt2) {
        size_t end = scan_gpt2((const uint8_t *)text, n, start);
        if (end > 0) {
            *out_end = end;
            return MU_OK;
        }
    }
    return mu_pattern_piece_pcre2(pattern, matcher, text, n, start, out_end, err);
}
