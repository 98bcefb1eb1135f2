/* pattern.h - cut text into words with a model's split pattern.
 *
 * The pieces of a text are the matches of the pattern, in order, and what lies between them
 * ("isolated" splitting of Hugging Face tokenizers), so together they are the text.
 *
 * Threads: a pattern is immutable once open; a matcher is the scratch of one thread.
 */
#ifndef MU_TEXT_PATTERN_H
#define MU_TEXT_PATTERN_H

#include "base/status.h"

enum { MU_PATTERN_BYTES_MAX = 16384 }; /* known ones are below 2 KiB */

typedef struct mu_pattern mu_pattern;
typedef struct mu_matcher mu_matcher;

/* Errors: MU_ERR_FORMAT (not a regular expression), MU_ERR_UNSUPPORTED (see pattern_source.h). */
mu_status mu_pattern_open(const char *regex, mu_pattern **out, mu_err *err) MU_MUST_USE;
void mu_pattern_close(mu_pattern *pattern); /* NULL is allowed */
bool mu_pattern_is_gpt2(const mu_pattern *pattern);

mu_status mu_matcher_open(mu_matcher **out, mu_err *err) MU_MUST_USE;
void mu_matcher_close(mu_matcher *matcher); /* NULL is allowed */

/* End of the piece that begins at start. text: [n], valid UTF-8; start < n, at a character where a
 * piece may begin. MU_ERR_LIMIT when a pattern needs more backtracking than is allowed. */
mu_status mu_pattern_piece(const mu_pattern *pattern, mu_matcher *matcher, const char *text,
                           size_t n, size_t start, size_t *out_end, mu_err *err) MU_MUST_USE;

/* The same, and whether the piece is a match or lies between two. */
mu_status mu_pattern_part(const mu_pattern *pattern, mu_matcher *matcher, const char *text,
                          size_t n, size_t start, size_t *out_end, bool *out_is_match,
                          mu_err *err) MU_MUST_USE;

/* Tests: the same by PCRE2 alone, without the scanner for GPT-2's pattern. */
mu_status mu_pattern_piece_pcre2(const mu_pattern *pattern, mu_matcher *matcher, const char *text,
                                 size_t n, size_t start, size_t *out_end, mu_err *err) MU_MUST_USE;

#endif
