/* recommendations.h - rules from findings to actions, over a muai.bench/1 document.
 *
 * A rule looks at one thing, says nothing when the figures it needs are absent or their cell is
 * INVALID, and otherwise gives: finding (with figures), evidence (references to cells, memory and
 * hosts), action (a flag or a command), the expected effect with its interval or "unmeasured", and
 * the confidence: "measured" (its own figures show it), "derived" (follows from figures by a
 * formula), "rule of thumb". Ids are stable.
 *
 * Threads: any. Memory: the caller owns what is returned.
 */
#ifndef MU_BENCH_JUDGE_RECOMMENDATIONS_H
#define MU_BENCH_JUDGE_RECOMMENDATIONS_H

#include <jansson.h>

#include "base/base.h"

typedef struct mu_rule {
    const char *id;    /* "R-CONC-01" */
    const char *topic; /* "concurrency" */
    const char *when;  /* when it fires, one sentence; docs/benchmarking-rules.md has the same */
} mu_rule;

const mu_rule *mu_rule_at(size_t i); /* NULL: there are no more */

/* The "recommendations" array of muai.bench/1, warnings first, then advice, then information. Reads
 * "targets" of the document, so judge those first. NULL when there is no memory. */
json_t *mu_recommend(const json_t *doc) MU_MUST_USE;

#endif
