/* escape.h - strings of strangers, made harmless for the place where they are put.
 *
 * Every string is cleaned first: line ends, tabs and control characters become one blank, marks
 * that turn the direction of text (U+061C, U+200E, U+200F, U+202A to 202E, U+2066 to 2069),
 * zero-width marks that hide text, and bytes that are not UTF-8 are left out. What stays is one
 * line.
 *
 * Pure functions, any thread. All append to *out; str is UTF-8 of any length and may be NULL
 * (nothing).
 */
#ifndef MU_BENCH_RESULT_ESCAPE_H
#define MU_BENCH_RESULT_ESCAPE_H

#include "base/buf.h"

/* Cleaned and nothing else: for a terminal. At most characters_max characters, the last one then
 * being an ellipsis; 0: all. */
void mu_escape_plain(mu_buf *out, const char *str, size_t characters_max);

/* The same into storage of the caller, which cannot fail. out: [cap]; cut between characters. */
void mu_escape_fixed(char *out, size_t cap, const char *str, size_t characters_max);

void mu_escape_line(mu_buf *out, const char *str); /* cleaned only */
void mu_escape_html(mu_buf *out, const char *str); /* also for attributes in double quotes */
/* prefix and str as an id: letters, digits, ".", "_" and "-" stay, others become "-"; at most 120
 * bytes of str. */
enum { MU_HTML_ID_BYTES = 160 };
void mu_html_id(char out[MU_HTML_ID_BYTES], const char *prefix, const char *str);

void mu_escape_markdown(mu_buf *out, const char *str); /* GitHub's, also inside a table cell */
void mu_escape_csv(mu_buf *out, const char *str);      /* RFC 4180; no formula for a spreadsheet */

/* JSON text [n] for the inside of <script>: "<" and ">" become \u003c and \u003e, which only stand
 * in strings. Not cleaned: the bytes are JSON already. */
void mu_escape_script(mu_buf *out, const char *json, size_t n);

/* Columns of a terminal that a cleaned string takes: 2 for East Asian wide characters and emoji, 0
 * for combining marks. */
size_t mu_text_columns(const char *str);
size_t mu_markdown_columns(const char *str); /* of mu_escape_markdown()'s text */

#endif
