/* report.h - what was measured, as a person or a spreadsheet reads it: HTML, Markdown, CSV,
 * terminal.
 *
 * The source of every rendering is a muai.bench/1 document (docs/schema/muai.bench-1.schema.json).
 * Renderers are pure functions from documents to text: no clock, no files, no environment, so the
 * same document gives the same bytes. They add no figure that is not in the document, except sums,
 * medians over runs and the rule of three, which are named where they appear.
 *
 * A document is untrusted: it may be a file, and its strings may come from a server or a model. A
 * value of the wrong type is as if it were absent, a section without data is left out with one line
 * that says why, and strings are escaped for where they are put; control characters and marks that
 * turn the direction of text never reach a terminal.
 *
 * Several documents are shown together, in order; the first one gives the title.
 *
 * Threads: any. Memory: text is appended to *out, which the caller owns; on failure what was
 * appended is of no use. Errors: MU_ERR_FORMAT (a document is not muai.bench/1), MU_ERR_NOMEM.
 */
#ifndef MU_BENCH_REPORT_REPORT_H
#define MU_BENCH_REPORT_REPORT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/status.h"

enum { MU_REPORT_HTML_BYTES_MAX = 500 * 1000, MU_REPORT_MARKDOWN_COLUMNS = 120 };

/* One file that loads nothing, readable without JavaScript, at most MU_REPORT_HTML_BYTES_MAX: long
 * documents are shown with fewer points. docs: [n_docs], n_docs > 0. */
mu_status mu_report_html(const json_t *const *docs, size_t n_docs, mu_buf *out,
                         mu_err *err) MU_MUST_USE;

/* To paste into an issue: lines of at most MU_REPORT_MARKDOWN_COLUMNS, ASCII charts, no images. */
mu_status mu_report_markdown(const json_t *const *docs, size_t n_docs, mu_buf *out,
                             mu_err *err) MU_MUST_USE;

/* One figure a line: run,system,cell,metric,stat,value,low,high,unit,n (RFC 4180). */
mu_status mu_report_csv(const json_t *const *docs, size_t n_docs, mu_buf *out,
                        mu_err *err) MU_MUST_USE;

/* One cell a line, one column a figure. */
mu_status mu_report_csv_wide(const json_t *const *docs, size_t n_docs, mu_buf *out,
                             mu_err *err) MU_MUST_USE;

/* One document for a terminal of `width` columns (40 to 200; others are clamped); escape sequences
 * only if has_colour. */
mu_status mu_report_text(const json_t *doc, uint32_t width, bool has_colour, mu_buf *out,
                         mu_err *err) MU_MUST_USE;

/* The document that mu_report_html() put into its page (without the points of single requests where
 * the page says so); an array where it shows several. On success the caller owns one reference.
 * Errors: MU_ERR_FORMAT (not such a page), MU_ERR_NOMEM. html: [n]. */
mu_status mu_report_extract_json(const char *html, size_t n, json_t **out, mu_err *err) MU_MUST_USE;

#endif
