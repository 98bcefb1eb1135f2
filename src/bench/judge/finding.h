/* finding.h - what the rules of recommendations.h share: the case they look at and the finding they
 * write. Private to judge/.
 *
 * A rule is a row with a function; the function returns false when it has nothing to say, and what
 * it wrote until then is dropped.
 *
 * Threads: any. Memory: a finding owns its texts; everything else is borrowed from the document.
 */
#ifndef MU_BENCH_JUDGE_FINDING_H
#define MU_BENCH_JUDGE_FINDING_H

#include "base/buf.h"
#include "bench/judge/recommendations.h"
#include "bench/result/load_curve.h"

typedef struct mu_case {
    const mu_view *view; /* of the document; its cells have their runs put together */
    const json_t *doc, *system, *memory, *capacity, *host;
    const char *system_id;
    double slo_ttft_ms, slo_tpot_ms, slo_attain;
    double n_cores; /* NAN: not known */
    mu_load_curve curve;
} mu_case;

typedef struct mu_finding {
    mu_buf finding, action, expected; /* expected empty: "unmeasured" */
    json_t *evidence;                 /* array of references; NULL: no memory */
} mu_finding;

typedef struct mu_rule_row {
    mu_rule rule;
    const char *severity, *title, *confidence;
    bool (*fires)(const mu_case *c, mu_finding *out);
} mu_rule_row;

/* The tables, in the order in which equally severe findings are listed. */
extern const mu_rule_row mu_rules_service[], mu_rules_load[], mu_rules_model[], mu_rules_memory[],
    mu_rules_host[];
extern const size_t mu_n_rules_service, mu_n_rules_load, mu_n_rules_model, mu_n_rules_memory,
    mu_n_rules_host;

/* The next sound cell of the system at or after *i, which then stands behind it; NULL: no more.
 * phase NULL: any. */
const json_t *mu_case_next(const mu_case *c, const char *phase, size_t *i);

/* "950 tok/s (940 to 960)" */
void mu_buf_figure(mu_buf *buf, const mu_figure *figure);

void mu_finding_cite(mu_finding *f, const char *kind,
                     const char *id); /* "cell:ID"; "" : the kind */
void mu_finding_cite_cell(mu_finding *f, const json_t *cell);

#endif
