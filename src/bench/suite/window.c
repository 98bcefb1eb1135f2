#include "bench/suite/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/stats/series.h"

enum { SLICES = 100, REQUESTS_MIN = 20 };

typedef struct slices {
    uint64_t from_ns, to_ns;
    double *sums;
    uint32_t n;
} slices;

void mu_record_tokens(const mu_records *records, const mu_record *r, mu_token_event *add,
                      void *ctx) {
    bool is_counted = r->output_tokens != MU_TOKENS_UNKNOWN;
    if (r->n_chunks == 0 || r->first_token_ns == 0) {
        if (is_counted && r->output_tokens > 0) add(ctx, r->end_ns, r->output_tokens);
        return;
    }
    double share = is_counted ? (double)r->output_tokens / r->n_chunks : 1.0;
    uint64_t at = r->first_token_ns;
    bool first_known = r->first_chunk_tokens != MU_TOKENS_UNKNOWN;
    add(ctx, at, first_known ? r->first_chunk_tokens : share);
    for (uint32_t i = 0; i < r->n_gaps; i++) {
        const mu_gap *gap = &records->gaps[r->gap_first + i];
        at += gap->ns;
        add(ctx, at, gap->tokens != MU_TOKENS_UNKNOWN ? gap->tokens : share);
    }
}

static void add_to_slice(void *ctx, uint64_t at_ns, double n_tokens) {
    slices *s = ctx;
    if (at_ns < s->from_ns || at_ns >= s->to_ns) return;
    double part = (double)(at_ns - s->from_ns) / (double)(s->to_ns - s->from_ns);
    s->sums[(uint32_t)(part * s->n)] += n_tokens;
}

void mu_window_token_slices(const mu_load_result *load, uint64_t from_ns, uint64_t to_ns,
                            double *out, uint32_t n_slices) {
    slices s = {from_ns, to_ns, out, n_slices};
    memset(out, 0, n_slices * sizeof(*out));
    if (to_ns <= from_ns) return;
    for (size_t i = 0; i < load->records.n_records; i++) {
        mu_record_tokens(&load->records, &load->records.records[i], add_to_slice, &s);
    }
}

typedef struct dispatched {
    uint64_t at_ns;
    uint32_t i;
} dispatched;

static int by_dispatch(const void *a, const void *b) {
    const dispatched *x = a, *y = b;
    if (x->at_ns != y->at_ns) return x->at_ns < y->at_ns ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* A request that never got a connection counts from when it was meant to be sent. */
static uint64_t sent_ns(const mu_record *r) {
    return r->dispatch_ns ? r->dispatch_ns : r->intended_ns;
}

static mu_status sort_records(const mu_load_result *load, mu_window *w, mu_err *err) {
    size_t n_all = load->records.n_records;
    dispatched *all = MU_ALLOC(dispatched, n_all);
    w->order = MU_ALLOC(uint32_t, n_all);
    if (!all || !w->order) {
        mu_free(all);
        return mu_fail(err, MU_ERR_NOMEM, "the window of a load");
    }
    size_t n = 0;
    for (size_t i = 0; i < n_all; i++) {
        const mu_record *r = &load->records.records[i];
        bool is_ours = r->failure == MU_FAILURE_CANCELED;
        bool is_warmup = r->is_warmup || sent_ns(r) < load->boundary_ns;
        w->n_warmup += is_warmup;
        if (!is_ours && !is_warmup) all[n++] = (dispatched){sent_ns(r), (uint32_t)i};
    }
    if (n > 0) qsort(all, n, sizeof(*all), by_dispatch);
    for (size_t i = 0; i < n; i++) {
        w->order[i] = all[i].i;
    }
    w->n = (uint32_t)n;
    mu_free(all);
    return MU_OK;
}

/* The figure whose settling is looked for: TTFT, or the whole latency where there is no stream. */
static double settling_ms(const mu_record *r) {
    uint64_t at = r->first_token_ns ? r->first_token_ns : r->end_ns;
    return (double)(at - r->dispatch_ns) * 1e-6;
}

static bool is_good(const mu_record *r) {
    return r->failure == MU_FAILURE_NONE && r->dispatch_ns != 0;
}

static void truncate_window(const mu_load_result *load, mu_window *w, double *scratch) {
    size_t n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const mu_record *r = &load->records.records[w->order[i]];
        if (is_good(r)) scratch[n++] = settling_ms(r);
    }
    mu_truncation by_request = mu_mser5(scratch, n);
    size_t skip = by_request.n_discarded;
    uint64_t from = w->from_ns;
    for (uint32_t i = 0; i < w->n && skip > 0; i++) {
        const mu_record *r = &load->records.records[w->order[i]];
        if (!is_good(r)) continue;
        if (--skip == 0 && i + 1 < w->n) {
            from = sent_ns(&load->records.records[w->order[i + 1]]);
        }
    }
    double sums[SLICES];
    mu_window_token_slices(load, w->from_ns, w->to_ns, sums, SLICES);
    mu_truncation by_time = mu_mser5(sums, SLICES);
    uint64_t slice_ns = (w->to_ns - w->from_ns) / SLICES;
    if (n < REQUESTS_MIN) by_time = (mu_truncation){0}; /* a few requests fill slices by chance */
    uint64_t settled = w->from_ns + by_time.n_discarded * slice_ns;
    if (settled > from) from = settled;
    uint64_t half = w->from_ns + (w->to_ns - w->from_ns) / 2;
    w->is_capped = (n >= REQUESTS_MIN && by_request.is_capped) || by_time.is_capped || from > half;
    w->from_ns = from < half ? from : half;
    while (w->n_truncated < w->n &&
           sent_ns(&load->records.records[w->order[w->n_truncated]]) < w->from_ns) {
        w->n_truncated++;
    }
    w->n -= w->n_truncated;
    memmove(w->order, w->order + w->n_truncated, w->n * sizeof(*w->order));
}

static mu_status check_drift(const mu_load_result *load, mu_window *w, uint64_t seed,
                             double *scratch, mu_err *err) {
    double *x = scratch, *y = scratch + w->n;
    size_t n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const mu_record *r = &load->records.records[w->order[i]];
        if (!is_good(r) || r->output_tokens == MU_TOKENS_UNKNOWN) continue;
        bool has_tpot = r->first_token_ns && r->output_tokens > 1;
        x[n] = (double)(r->dispatch_ns - w->from_ns) * 1e-9;
        y[n++] = has_tpot ? (double)(r->last_token_ns - r->first_token_ns) /
                                (r->output_tokens - 1) * 1e-6
                          : settling_ms(r);
    }
    if (n < MU_TREND_POINTS_MIN) return MU_OK;
    mu_trend_options options = {.seed = seed};
    /* A tenth over the whole window would change what is read off a table; less would not. */
    mu_status status = mu_drift_check(x, y, n, 0.1, &options, &w->drift, err);
    w->has_drift = status == MU_OK;
    return status;
}

mu_status mu_window_choose(const mu_load_result *load, uint64_t seed, mu_window *out, mu_err *err) {
    mu_window w = {.from_ns = load->boundary_ns, .to_ns = load->window_end_ns};
    MU_ASSERT(load->boundary_ns != 0);
    if (w.to_ns < w.from_ns) w.to_ns = w.from_ns;
    mu_status status = sort_records(load, &w, err);
    double *scratch = NULL;
    if (status == MU_OK) {
        scratch = MU_ALLOC(double, 2 * (size_t)w.n + 1);
        if (!scratch) status = mu_fail(err, MU_ERR_NOMEM, "the window of a load");
    }
    if (status == MU_OK) {
        truncate_window(load, &w, scratch);
        status = check_drift(load, &w, seed, scratch, err);
    }
    mu_free(scratch);
    if (status != MU_OK) {
        mu_window_deinit(&w);
        return status;
    }
    *out = w;
    return MU_OK;
}

void mu_window_deinit(mu_window *window) {
    mu_free(window->order);
    *window = (mu_window){0};
}
