/* prose.h - the sentences of a report, and lines of a given width.
 *
 * Pure; any thread. All append to *out.
 */
#ifndef MU_BENCH_REPORT_PROSE_H
#define MU_BENCH_REPORT_PROSE_H

#include "base/buf.h"
#include "bench/result/view.h"

typedef struct mu_tally {
    size_t n_pass, n_fail, n_open;          /* targets */
    size_t n_valid, n_invalid, n_saturated; /* cells */
    size_t n_better, n_worse, n_same;       /* comparisons; n_same: equivalent */
    double n_offered, n_failed;             /* requests of all cells */
    bool is_exploratory;                    /* a document of fewer than 5 runs */
} mu_tally;

mu_tally mu_tally_of(const mu_view *view);

/* "PASS", "FAIL", "INCONCLUSIVE" or "NO TARGETS"; "VALID", "INVALID", "SATURATED" or "NO CELLS". */
const char *mu_tally_verdict(const mu_tally *tally);
const char *mu_tally_validity(const mu_tally *tally);

/* Three plain sentences, unescaped: what is met, how fast it is, how far to trust it. */
void mu_prose_summary(const mu_view *view, mu_buf *out);

/* "muai bench all --quick", quoted as a shell reads it, cleaned. */
void mu_prose_command(const json_t *words, mu_buf *out);

typedef void (*mu_escape)(mu_buf *out, const char *str);

/* str, cleaned and escaped, in lines of at most `columns`, the first one behind `first`, the others
 * behind `next`; words that are too long are cut. Ends with a line end. */
void mu_prose_wrap(const char *str, size_t columns, const char *first, const char *next,
                   mu_escape escape, mu_buf *out);

#endif
