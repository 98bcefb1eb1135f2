/* targets_file.h - targets as a user writes them, checked. Private to judge/; the format is in
 * targets.h. Memory: owned by mu_targets. */
#ifndef MU_BENCH_JUDGE_TARGETS_FILE_H
#define MU_BENCH_JUDGE_TARGETS_FILE_H

#include "bench/judge/targets.h"

typedef struct mu_target {
    char id[48], name[96], unit[24];
    char metric[160];  /* a reference of document.h, or a path below a cell, percentile included */
    bool is_reference; /* else the cell is found by what follows */
    char system[48], phase[32];                               /* "": any */
    double prompt_tokens, output_tokens, clients, rate_per_s; /* NAN: any */
    double limit;
    bool is_higher_better;
} mu_target;

struct mu_targets {
    bool has_builtin;
    uint32_t n;
    mu_target items[MU_TARGETS_MAX];
};

#endif
