/* progress.h - what a person sees while a benchmark runs: one screen of a few lines on a terminal,
 * redrawn in place at most four times a second; plain lines, one every five seconds, elsewhere.
 *
 *     latency 2/6   prompt 512, output 64, 1 client            [#########.....] 41 s, 95 s left
 *       in flight 1   done 61   failed 0   412 tok/s
 *       TTFT ms p50 76.1  p95 80.3   per token ms p50 2.3   memory 158 MB
 *
 * Threads: one. Memory: the object is the caller's. Output goes to the stream given.
 */
#ifndef MU_BENCH_SUITE_PROGRESS_H
#define MU_BENCH_SUITE_PROGRESS_H

#include <stdio.h>

#include "bench/load/load.h"

typedef struct mu_progress {
    FILE *out; /* NULL: show nothing */
    bool is_terminal;
    uint64_t start_ns, drawn_ns;
    uint32_t n_lines; /* on the screen now */
} mu_progress;

typedef struct mu_progress_view {
    const char *phase, *what; /* "latency", "prompt 512, output 64, 1 client" */
    uint32_t i_part, n_parts; /* of the phase; n_parts 0: not counted */
    double seconds_left;      /* of the whole run; < 0: unknown */
    double fraction;          /* of the whole run */
    bool has_load;            /* the fields below mean something */
    uint32_t n_in_flight;
    uint64_t n_done, n_failed;
    double tokens_per_s;
    double ttft_ms_p50, ttft_ms_p95, tpot_ms_p50; /* NAN: not known */
    double memory_mb;                             /* of the server; NAN: not known */
} mu_progress_view;

/* A number on the screen, "-" when it is not known (NAN). */
typedef struct mu_progress_number {
    char text[24];
} mu_progress_number;

mu_progress_number mu_progress_number_of(double value, int digits);

void mu_progress_init(mu_progress *p, FILE *out, bool is_terminal);
/* Draws when it is time; is_forced: now. */
void mu_progress_show(mu_progress *p, const mu_progress_view *view, bool is_forced);
/* The same with the figures of a running load; memory_mb NAN: not known. */
void mu_progress_show_load(mu_progress *p, mu_progress_view *view, const mu_load_snapshot *load,
                           double memory_mb);
/* A line that stays: the result of a part. */
void mu_progress_say(mu_progress *p, const char *fmt, ...) MU_PRINTF(2, 3);
void mu_progress_clear(mu_progress *p);

#endif
