/* load_curve.h - throughput over the number of clients, of one system and shape, and its knee.
 *
 * The knee is the fewest clients with MU_KNEE_SHARE of the highest throughput: from there on more
 * clients mostly wait. Charts and advice ask here, so that there is one.
 *
 * Pure; any thread. Memory: borrowed from the view.
 */
#ifndef MU_BENCH_RESULT_LOAD_CURVE_H
#define MU_BENCH_RESULT_LOAD_CURVE_H

#include "bench/result/view.h"

#define MU_KNEE_SHARE 0.95
enum { MU_LOAD_CURVE_MAX = 64 };

typedef struct mu_load_point {
    const json_t *cell;
    double clients;
    mu_figure tok_s; /* throughput.output_tok_s */
} mu_load_point;

/* Sound closed-loop cells of one shape, by clients, each number once. */
typedef struct mu_load_curve {
    double prompt_tokens, output_tokens;
    size_t n;
    mu_load_point points[MU_LOAD_CURVE_MAX];
    size_t best; /* highest tok/s; n > 0 */
    size_t knee;
} mu_load_curve;

/* Of the shape with the most numbers of clients; among equals the one with more tokens, which says
 * more about what serving is like. */
void mu_load_curve_of(const mu_view *view, size_t i_system, mu_load_curve *out);

#endif
