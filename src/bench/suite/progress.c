#include "bench/suite/progress.h"

#include <math.h>
#include <stdarg.h>

#include "base/clock.h"

enum { BAR_WIDTH = 24 };

static const uint64_t screen_every_ns = 250000000, line_every_ns = 5000000000;

void mu_progress_init(mu_progress *p, FILE *out, bool is_terminal) {
    *p = (mu_progress){.out = out, .is_terminal = is_terminal, .start_ns = mu_now_ns()};
}

void mu_progress_clear(mu_progress *p) {
    if (!p->out || p->n_lines == 0) return;
    fprintf(p->out, "\033[%uF\033[J", p->n_lines);
    p->n_lines = 0;
    fflush(p->out);
}

void mu_progress_say(mu_progress *p, const char *fmt, ...) {
    if (!p->out) return;
    mu_progress_clear(p);
    va_list args;
    va_start(args, fmt);
    vfprintf(p->out, fmt, args);
    va_end(args);
    fputc('\n', p->out);
    fflush(p->out);
}

mu_progress_number mu_progress_number_of(double value, int digits) {
    mu_progress_number out = {"-"};
    if (!isnan(value)) snprintf(out.text, sizeof(out.text), "%.*f", digits, value);
    return out;
}

static void print_part(FILE *out, const mu_progress_view *v) {
    fprintf(out, "%s", v->phase);
    if (v->n_parts > 0) fprintf(out, " %u/%u", v->i_part, v->n_parts);
    fprintf(out, "  %s", v->what);
}

static void print_load(FILE *out, const mu_progress_view *v, const char *separator) {
    fprintf(out, "in flight %u   done %llu   failed %llu   %.0f tok/s%s", v->n_in_flight,
            (unsigned long long)v->n_done, (unsigned long long)v->n_failed, v->tokens_per_s,
            separator);
    fprintf(out, "TTFT ms p50 %s p95 %s   per token ms p50 %s   memory MB %s",
            mu_progress_number_of(v->ttft_ms_p50, 1).text,
            mu_progress_number_of(v->ttft_ms_p95, 1).text,
            mu_progress_number_of(v->tpot_ms_p50, 2).text,
            mu_progress_number_of(v->memory_mb, 0).text);
}

static void draw_screen(mu_progress *p, const mu_progress_view *v, double elapsed_s) {
    mu_progress_clear(p);
    uint32_t filled = (uint32_t)(fmin(fmax(v->fraction, 0.0), 1.0) * BAR_WIDTH);
    fprintf(p->out, "[%.*s%*s] %.0f s", (int)filled, "########################",
            (int)(BAR_WIDTH - filled), "", elapsed_s);
    if (v->seconds_left >= 0.0) fprintf(p->out, ", about %.0f s left", v->seconds_left);
    fputc('\n', p->out);
    print_part(p->out, v);
    fputc('\n', p->out);
    p->n_lines = 2;
    if (v->has_load) {
        fputs("  ", p->out);
        print_load(p->out, v, "\n  ");
        fputc('\n', p->out);
        p->n_lines = 4;
    }
}

static void draw_line(mu_progress *p, const mu_progress_view *v, double elapsed_s) {
    fprintf(p->out, "%.0f s  ", elapsed_s);
    print_part(p->out, v);
    if (v->has_load) {
        fputs("  ", p->out);
        print_load(p->out, v, "   ");
    }
    fputc('\n', p->out);
}

void mu_progress_show(mu_progress *p, const mu_progress_view *view, bool is_forced) {
    uint64_t now = mu_now_ns();
    uint64_t every = p->is_terminal ? screen_every_ns : line_every_ns;
    if (!p->out || (!is_forced && now - p->drawn_ns < every)) return;
    p->drawn_ns = now;
    double elapsed_s = (double)(now - p->start_ns) * 1e-9;
    (p->is_terminal ? draw_screen : draw_line)(p, view, elapsed_s);
    fflush(p->out);
}

void mu_progress_show_load(mu_progress *p, mu_progress_view *view, const mu_load_snapshot *load,
                           double memory_mb) {
    view->has_load = true;
    view->n_in_flight = load->n_in_flight;
    view->n_done = load->n_done;
    view->n_failed = load->n_failed;
    view->tokens_per_s = load->tokens_per_s;
    view->ttft_ms_p50 = load->ttft_p50_ms;
    view->ttft_ms_p95 = load->ttft_p95_ms;
    view->tpot_ms_p50 = load->gap_p50_ms;
    view->memory_mb = memory_mb;
    mu_progress_show(p, view, false);
}
