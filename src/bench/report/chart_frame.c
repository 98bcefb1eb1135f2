#include "bench/report/chart.h"
#include "bench/report/mark.h"
#include "bench/result/escape.h"

/* Around the origin, about 9 units wide. */
static const char *const marks[MU_CHART_SERIES_MAX] = {
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "M-3.6 -3.6h7.2v7.2h-7.2z",
    "M0 -4.8L4.6 3.4H-4.6z",
    "M0 -5L5 0L0 5L-5 0z",
    "M0 4.8L4.6 -3.4H-4.6z",
    "M-4.4 -1.5H-1.5V-4.4H1.5V-1.5H4.4V1.5H1.5V4.4H-1.5V1.5H-4.4z",
    "M-4.6 0L-1.6 -4.4H1.6L4.6 0L1.6 4.4H-1.6z",
    "M-4.4 -2.4H4.4V2.4H-4.4z"};

const char *mu_mark_shape(uint32_t style) {
    return marks[style % MU_CHART_SERIES_MAX];
}

static void key(const mu_key *k, size_t i, mu_buf *out) {
    mu_buf_printf(out,
                  "<li data-k=\"%zu\"><svg class=\"key s%u\" width=\"%d\" height=\"12\" "
                  "aria-hidden=\"true\">",
                  i, k->style,
                  k->is_area    ? 14
                  : k->has_line ? 30
                                : 14);
    if (k->is_area) mu_buf_append_str(out, "<path class=\"bar\" d=\"M1 1h11v10H1z\"/>");
    if (k->has_line) {
        mu_buf_printf(out, "<path class=\"line%s\" d=\"M1 6H29\"/>",
                      k->is_dashed  ? " dashed"
                      : k->is_solid ? " solid"
                                    : "");
    }
    if (k->has_marks) {
        mu_buf_printf(out, "<path class=\"pt\" transform=\"translate(%d 6)\" d=\"%s\"/>",
                      k->has_line ? 15 : 7, mu_mark_shape(k->style));
    }
    mu_buf_append_str(out, "</svg>");
    mu_escape_html(out, k->name);
    mu_buf_append_str(out, "</li>");
}

/* The place in the page is a name that nothing else has. */
void mu_chart_open(const mu_figure_head *head, const mu_key *keys, size_t n_keys, mu_buf *out) {
    size_t id = out->n;
    mu_buf_append_str(out, "<figure class=\"chart\"><figcaption><b>");
    mu_escape_html(out, head->title);
    mu_buf_append_str(out, "</b>");
    if (head->note && *head->note) {
        mu_buf_append_str(out, "<span class=\"sub\">");
        mu_escape_html(out, head->note);
        mu_buf_append_str(out, "</span>");
    }
    mu_buf_append_str(out, "</figcaption>");
    if (n_keys > 0) mu_buf_append_str(out, "<ul class=\"legend\">");
    for (size_t i = 0; i < n_keys; i++)
        key(&keys[i], i, out);
    if (n_keys > 0) mu_buf_append_str(out, "</ul>");
    mu_buf_printf(out,
                  "<svg role=\"img\" aria-labelledby=\"t%zu d%zu\" viewBox=\"0 0 %d %.0f\"%s%s>"
                  "<title id=\"t%zu\">",
                  id, id, MU_CHART_WIDTH, head->height, head->attributes ? " " : "",
                  head->attributes ? head->attributes : "", id);
    mu_escape_html(out, head->title);
    mu_buf_printf(out, "</title><desc id=\"d%zu\">", id);
    mu_escape_html(out, head->alt);
    mu_buf_append_str(out, "</desc>");
}

void mu_chart_close(const mu_table *table, mu_buf *out) {
    mu_buf_append_str(out, "</svg><details><summary>Data</summary>");
    mu_table_write_html(table, out);
    mu_buf_append_str(out, "</details></figure>\n");
}
