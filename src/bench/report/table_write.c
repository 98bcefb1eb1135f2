/* One table in three notations. A narrow page is met in two steps: text columns shrink, the widest
 * first, down to a width at which they can still be told apart; then columns from the right are
 * left out, with a line that says how many. */
#include <string.h>

#include "bench/report/prose.h"
#include "bench/report/table.h"
#include "bench/result/escape.h"

enum { NARROWEST = 10, NARROWEST_NAME = 22 };

/* That must be broken inside to fit a narrow column. */
static bool has_long_word(const char *text) {
    enum { LONG = 24 };
    size_t n = 0;
    for (; *text; text++) {
        n = *text == ' ' ? 0 : n + 1;
        if (n > LONG) return true;
    }
    return false;
}

static void html_cell(const mu_table *t, size_t row, size_t c, mu_buf *out) {
    const char *text = mu_table_cell(t, row, c);
    mu_column_kind kind = t->columns[c].kind;
    const char *class = kind == MU_COLUMN_NUMBER ? " class=\"n\""
                        : has_long_word(text)    ? " class=\"w\""
                                                 : "";
    mu_buf_printf(out, "<%s%s>", c == 0 ? "th scope=\"row\"" : "td", class);
    if (kind == MU_COLUMN_VERDICT) {
        int sign = mu_verdict_sign(text);
        mu_buf_printf(out, "<span class=\"v %s\">", sign > 0 ? "good" : sign < 0 ? "bad" : "open");
        mu_escape_html(out, text);
        mu_buf_append_str(out, "</span>");
    } else {
        mu_escape_html(out, text);
    }
    mu_buf_append_str(out, c == 0 ? "</th>" : "</td>");
}

void mu_table_write_html(const mu_table *t, mu_buf *out) {
    if (t->text.failed) out->failed = true;
    if (out->failed || t->n_rows == 0) return;
    mu_buf_append_str(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    mu_escape_html(out, t->caption);
    mu_buf_append_str(out, "\"><table");
    if (t->id) mu_buf_printf(out, " id=\"%s\"", t->id);
    mu_buf_append_str(out, "><caption>");
    mu_escape_html(out, t->caption);
    mu_buf_append_str(out, "</caption><thead><tr>");
    for (size_t c = 0; c < t->n_columns; c++) {
        mu_buf_append_str(out, t->columns[c].kind == MU_COLUMN_NUMBER
                                   ? "<th scope=\"col\" class=\"n\">"
                                   : "<th scope=\"col\">");
        mu_escape_html(out, t->columns[c].name);
        mu_buf_append_str(out, "</th>");
    }
    mu_buf_append_str(out, "</tr></thead><tbody>");
    for (size_t row = 0; row < t->n_rows; row++) {
        mu_buf_append_str(out, "<tr");
        if (*mu_table_row_id(t, row)) {
            mu_buf_append_str(out, " id=\"");
            mu_escape_html(out, mu_table_row_id(t, row));
            mu_buf_append_str(out, "\"");
        }
        mu_buf_append_str(out, ">");
        for (size_t c = 0; c < t->n_columns; c++)
            html_cell(t, row, c, out);
        mu_buf_append_str(out, "</tr>\n");
    }
    mu_buf_append_str(out, "</tbody></table></div>\n");
    if (t->note) {
        mu_buf_append_str(out, "<p class=\"note\">");
        mu_escape_html(out, t->note);
        mu_buf_append_str(out, "</p>\n");
    }
}

typedef struct layout {
    size_t widths[MU_TABLE_COLUMNS_MAX];
    size_t n_columns; /* that are shown */
} layout;

typedef size_t (*width_of)(const char *text);

static size_t sum_of(const layout *l, size_t per_column, size_t once) {
    size_t sum = once;
    for (size_t c = 0; c < l->n_columns; c++)
        sum += l->widths[c] + per_column;
    return sum;
}

/* That can be narrower still; n_columns when there is none. */
static size_t widest_column(const mu_table *t, const layout *l, bool any_kind) {
    size_t widest = NARROWEST, at = t->n_columns;
    for (size_t c = 0; c < l->n_columns; c++) {
        if (!any_kind && t->columns[c].kind != MU_COLUMN_TEXT) continue;
        if (l->widths[c] > (c == 0 ? NARROWEST_NAME : NARROWEST) && l->widths[c] > widest) {
            widest = l->widths[at = c];
        }
    }
    return at;
}

static layout fit(const mu_table *t, width_of width, size_t per_column, size_t once, size_t max) {
    layout l = {.n_columns = t->n_columns};
    for (size_t c = 0; c < t->n_columns; c++) {
        l.widths[c] = width(t->columns[c].name);
        for (size_t r = 0; r < t->n_rows; r++) {
            size_t w = width(mu_table_cell(t, r, c));
            if (w > l.widths[c]) l.widths[c] = w;
        }
    }
    while (t->n_needed > 0 && l.n_columns > t->n_needed && sum_of(&l, per_column, once) > max) {
        l.n_columns--;
    }
    while (sum_of(&l, per_column, once) > max) {
        size_t at = widest_column(t, &l, false);
        if (at == t->n_columns && l.n_columns <= 2) at = widest_column(t, &l, true);
        if (at < t->n_columns) {
            l.widths[at]--;
        } else if (l.n_columns > 2) {
            l.n_columns--;
        } else {
            break;
        }
    }
    return l;
}

typedef void (*escape)(mu_buf *out, const char *text);

/* text, cut so that its escaped form fits, padded on the side that its column says. */
static void padded(const char *text, size_t width, bool to_right, width_of width_in, escape write,
                   mu_buf *out) {
    mu_buf cut = {0};
    mu_buf_append_str(&cut, text);
    for (size_t n = mu_text_columns(text); !cut.failed && n > 0 && width_in(cut.data) > width;
         n--) {
        mu_buf_clear(&cut);
        mu_escape_plain(&cut, text, n);
    }
    if (cut.failed) {
        mu_buf_deinit(&cut);
        out->failed = true;
        return;
    }
    size_t n = width_in(cut.data);
    for (size_t i = n; to_right && i < width; i++)
        mu_buf_append_str(out, " ");
    write(out, cut.data);
    for (size_t i = n; !to_right && i < width; i++)
        mu_buf_append_str(out, " ");
    mu_buf_deinit(&cut);
}

static void say_left_out(const mu_table *t, const layout *l, size_t columns_max, const char *lead,
                         mu_buf *out) {
    size_t n = t->n_columns - l->n_columns;
    if (n == 0) return;
    mu_buf line = {0};
    mu_buf_append_str(&line, "(not shown:");
    for (size_t c = l->n_columns; c < t->n_columns; c++) {
        mu_buf_printf(&line, "%s %s", c > l->n_columns ? "," : "", t->columns[c].name);
    }
    mu_buf_append_str(&line, ")");
    mu_prose_wrap(line.data, columns_max, lead, lead, mu_escape_line, out);
    out->failed = out->failed || line.failed;
    mu_buf_deinit(&line);
}

void mu_table_write_markdown(const mu_table *t, size_t columns_max, mu_buf *out) {
    if (t->text.failed) out->failed = true;
    if (out->failed || t->n_rows == 0) return;
    layout l = fit(t, mu_markdown_columns, 3, 1, columns_max);
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < l.n_columns; c++) {
            mu_buf_append_str(out, "| ");
            padded(r == 0 ? t->columns[c].name : mu_table_cell(t, r - 1, c), l.widths[c],
                   t->columns[c].kind == MU_COLUMN_NUMBER, mu_markdown_columns, mu_escape_markdown,
                   out);
            mu_buf_append_str(out, " ");
        }
        mu_buf_append_str(out, "|\n");
        for (size_t c = 0; r == 0 && c < l.n_columns; c++) {
            mu_buf_append_str(out, "|");
            bool to_right = t->columns[c].kind == MU_COLUMN_NUMBER;
            for (size_t i = 0; i < l.widths[c] + (to_right ? 1 : 2); i++)
                mu_buf_append_str(out, "-");
            if (to_right) mu_buf_append_str(out, ":");
        }
        if (r == 0) mu_buf_append_str(out, "|\n");
    }
    mu_buf_append_str(out, "\n");
    say_left_out(t, &l, columns_max, "", out);
    if (l.n_columns < t->n_columns) mu_buf_append_str(out, "\n");
    if (t->note) mu_buf_printf(out, "%s\n\n", t->note);
}

void mu_table_write_text(const mu_table *t, size_t columns_max, bool has_colour, mu_buf *out) {
    if (t->text.failed) out->failed = true;
    if (out->failed || t->n_rows == 0) return;
    layout l = fit(t, mu_text_columns, 2, 0, columns_max);
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < l.n_columns; c++) {
            const char *text = r == 0 ? t->columns[c].name : mu_table_cell(t, r - 1, c);
            const char *colour = r == 0 ? "2" : NULL;
            if (r > 0 && t->columns[c].kind == MU_COLUMN_VERDICT) {
                int sign = mu_verdict_sign(text);
                colour = sign > 0 ? "32" : sign < 0 ? "31" : "33";
            }
            mu_buf_append_str(out, "  ");
            if (has_colour && colour) mu_buf_printf(out, "\x1b[%sm", colour);
            padded(text, l.widths[c], t->columns[c].kind == MU_COLUMN_NUMBER, mu_text_columns,
                   mu_escape_line, out);
            if (has_colour && colour) mu_buf_append_str(out, "\x1b[0m");
        }
        while (!out->failed && out->n > 0 && out->data[out->n - 1] == ' ')
            out->n--;
        mu_buf_append_str(out, "\n");
    }
    say_left_out(t, &l, columns_max, "  ", out);
}
