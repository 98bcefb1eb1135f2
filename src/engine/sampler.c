/* Top-k and top-p need to know where they cut, not the order of everything. One pass counts tokens
 * and their probability in buckets by distance from the largest logit; only the bucket where the
 * cut falls is sorted (a flat distribution would cost 5 ms to sort whole). The result is exact.
 */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

enum { N_BUCKETS = 512 };
static const float buckets_per_nat = 16.0f; /* the last bucket holds all beyond 32 nats */

typedef struct candidate {
    float logit; /* minus the largest, over the temperature */
    float p;     /* exp(logit), not normalised */
    mu_token token;
} candidate;

struct mu_sampler {
    uint32_t vocab_size;
    uint32_t n_candidates;
    float *logits;         /* [vocab_size] after bias and penalties */
    uint32_t *counts;      /* [vocab_size], zero between calls */
    candidate *candidates; /* [n_candidates] in order of tokens: all, or those of a top */
    candidate *sorted;     /* [vocab_size] those whose order matters */
};

size_t mu_sampler_bytes(uint32_t vocab_size) {
    size_t per_token = sizeof(float) + sizeof(uint32_t) + 2 * sizeof(candidate);
    return sizeof(mu_sampler) + vocab_size * per_token + 5 * 64;
}

mu_sampler *mu_sampler_create(mu_arena *model_arena, uint32_t vocab_size) {
    mu_sampler *s = MU_NEW(model_arena, mu_sampler, 1);
    if (!s) return NULL;
    *s = (mu_sampler){
        .vocab_size = vocab_size,
        .logits = MU_NEW(model_arena, float, vocab_size),
        .counts = MU_NEW(model_arena, uint32_t, vocab_size),
        .candidates = MU_NEW(model_arena, candidate, vocab_size),
        .sorted = MU_NEW(model_arena, candidate, vocab_size),
    };
    return s->logits && s->counts && s->candidates && s->sorted ? s : NULL;
}

static const struct {
    const char *name;
    size_t offset; /* of a float in mu_sampling */
    float min, max;
} ranges[] = {
#define AT(member) offsetof(mu_sampling, member)
    {"temperature", AT(temperature), 0.0f, 100.0f},
    {"top_p", AT(top_p), 0.0f, 1.0f},
    {"min_p", AT(min_p), 0.0f, 1.0f},
    {"repetition_penalty", AT(repetition_penalty), 0.01f, 100.0f},
    {"frequency_penalty", AT(frequency_penalty), -100.0f, 100.0f},
    {"presence_penalty", AT(presence_penalty), -100.0f, 100.0f},
#undef AT
};

mu_sampling mu_sampling_default(void) {
    return (mu_sampling){.top_p = 1.0f, .repetition_penalty = 1.0f, .n_logprobs = -1};
}

mu_status mu_sampling_check(const mu_sampling *sampling, uint32_t vocab_size, mu_err *err) {
    for (size_t i = 0; i < MU_COUNTOF(ranges); i++) {
        float value;
        memcpy(&value, (const uint8_t *)sampling + ranges[i].offset, sizeof(value));
        if (!(value >= ranges[i].min && value <= ranges[i].max)) { /* or NaN */
            return mu_fail(err, MU_ERR_INVALID, "%s: %g is not in [%g, %g]", ranges[i].name,
                           (double)value, (double)ranges[i].min, (double)ranges[i].max);
        }
    }
    if (sampling->n_logprobs < -1 || sampling->n_logprobs > MU_TOP_LOGPROBS_MAX) {
        return mu_fail(err, MU_ERR_INVALID, "logprobs: %d is not in [0, %d]", sampling->n_logprobs,
                       MU_TOP_LOGPROBS_MAX);
    }
    for (uint32_t i = 0; i < sampling->n_biases; i++) {
        const mu_logit_bias *bias = &sampling->biases[i];
        if (bias->token < 0 || (uint32_t)bias->token >= vocab_size) {
            return mu_fail(err, MU_ERR_INVALID, "logit_bias: token %d is not in [0, %u]",
                           bias->token, vocab_size - 1);
        }
        if (!(bias->bias <= 100.0f)) { /* or NaN; anything from -100 down bans */
            return mu_fail(err, MU_ERR_INVALID, "logit_bias: %g is more than 100",
                           (double)bias->bias);
        }
    }
    return MU_OK;
}

/* The largest logit; *all_finite says whether every logit is a finite number. LANES independent
 * lanes, so that the compiler may use vectors: one greedy token reads the whole vocabulary. */
static float maximum(const float *logits, uint32_t n, bool *all_finite) {
    enum { LANES = 16 };
    float max[LANES], check[LANES];
    for (uint32_t j = 0; j < LANES; j++) {
        max[j] = -INFINITY;
        check[j] = 0.0f;
    }
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (uint32_t j = 0; j < LANES; j++) {
            float x = logits[i + j];
            max[j] = x > max[j] ? x : max[j];
            check[j] += x * 0.0f; /* NaN for NaN and for infinities */
        }
    }
    for (; i < n; i++) {
        max[0] = logits[i] > max[0] ? logits[i] : max[0];
        check[0] += logits[i] * 0.0f;
    }
    for (uint32_t j = 1; j < LANES; j++) {
        max[0] = max[j] > max[0] ? max[j] : max[0];
        check[0] += check[j];
    }
    *all_finite = !isnan(check[0]);
    return max[0];
}

/* The first of the largest. MU_TOKEN_NONE when a logit is not a finite number; -infinity, a banned
 * token, is allowed on request, but not everywhere. */
static mu_token largest(const float *logits, uint32_t n, bool may_be_banned) {
    bool all_finite;
    float max = maximum(logits, n, &all_finite);
    if (!all_finite && !may_be_banned) return MU_TOKEN_NONE;
    for (uint32_t i = 0; i < n && !all_finite; i++) {
        if (isnan(logits[i]) || logits[i] == INFINITY) return MU_TOKEN_NONE;
    }
    if (!isfinite(max)) return MU_TOKEN_NONE;
    for (uint32_t i = 0; i < n; i++) {
        if (logits[i] == max) return (mu_token)i;
    }
    return MU_TOKEN_NONE;
}

static bool changes_logits(const mu_sampling *p, uint32_t n_banned) {
    return p->n_biases > 0 || n_banned > 0 || p->repetition_penalty != 1.0f ||
           p->frequency_penalty != 0.0f || p->presence_penalty != 0.0f;
}

uint32_t mu_sampler_n_top(const mu_sampling *p, uint32_t n_banned) {
    uint32_t n_sampled = p->temperature > 0.0f ? p->top_k : 1; /* 0: all may be drawn */
    if (changes_logits(p, n_banned) || n_sampled == 0 || n_sampled > MU_TOP_MAX) return 0;
    uint32_t n_shown = p->n_logprobs > 0 ? (uint32_t)p->n_logprobs : 0;
    return n_shown > n_sampled ? n_shown : n_sampled;
}

static void penalize(mu_sampler *s, const mu_sample_args *a) {
    const mu_sampling *p = a->sampling;
    for (uint32_t i = 0; i < a->n_tokens; i++) { /* once for each distinct token */
        float *logit = &s->logits[a->tokens[i]];
        if (s->counts[a->tokens[i]]++ > 0 || p->repetition_penalty == 1.0f) continue;
        *logit = *logit > 0 ? *logit / p->repetition_penalty : *logit * p->repetition_penalty;
    }
    for (uint32_t i = 0; i < a->n_tokens; i++) {
        s->counts[a->tokens[i]] = 0;
    }
    for (uint32_t i = a->n_prompt; i < a->n_tokens; i++) {
        float *logit = &s->logits[a->tokens[i]];
        if (s->counts[a->tokens[i]]++ == 0) *logit -= p->presence_penalty;
        *logit -= p->frequency_penalty;
    }
    for (uint32_t i = a->n_prompt; i < a->n_tokens; i++) {
        s->counts[a->tokens[i]] = 0;
    }
}

/* -infinity for what is not in the mask, whose words mostly are all of one kind. */
static void forbid(mu_sampler *s, const uint64_t *allowed) {
    for (uint32_t first = 0; first < s->vocab_size; first += 64) {
        uint64_t word = allowed[first / 64];
        if (word == UINT64_MAX) continue;
        uint32_t n = s->vocab_size - first < 64 ? s->vocab_size - first : 64;
        for (uint32_t i = 0; i < n; i++) {
            if (!(word >> i & 1)) s->logits[first + i] = -INFINITY;
        }
    }
}

/* Logits after grammar, bias, bans and penalties; the model's own when there are none. */
static const float *adjust(mu_sampler *s, const mu_sample_args *a) {
    if (!a->allowed && !changes_logits(a->sampling, a->n_banned)) return a->logits;
    memcpy(s->logits, a->logits, s->vocab_size * sizeof(float));
    if (a->allowed) forbid(s, a->allowed);
    for (uint32_t i = 0; i < a->sampling->n_biases; i++) {
        const mu_logit_bias *bias = &a->sampling->biases[i];
        s->logits[bias->token] =
            bias->bias <= -100.0f ? -INFINITY : s->logits[bias->token] + bias->bias;
    }
    penalize(s, a);
    for (uint32_t i = 0; i < a->n_banned; i++) {
        s->logits[a->banned[i]] = -INFINITY;
    }
    return s->logits;
}

static bool is_less_likely(const candidate *a, const candidate *b) {
    if (a->logit != b->logit) return a->logit < b->logit;
    return a->token > b->token;
}

/* c[at] sinks until both its children, 2 at + 1 and 2 at + 2, are more likely. */
static void sift_down(candidate *c, uint32_t n, uint32_t at) {
    candidate moved = c[at];
    for (uint32_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && is_less_likely(&c[child + 1], &c[child])) child++;
        if (!is_less_likely(&c[child], &moved)) break;
        c[at] = c[child];
        at = child;
    }
    c[at] = moved;
}

/* Most likely first. A heap sort, because qsort() of the C library may allocate. */
static void sort(candidate *c, uint32_t n) {
    for (uint32_t at = n / 2; at-- > 0;) {
        sift_down(c, n, at);
    }
    for (uint32_t left = n; left-- > 1;) { /* the least likely of what is left goes last */
        candidate least = c[0];
        c[0] = c[left];
        c[left] = least;
        sift_down(c, left, 0);
    }
}

static uint32_t bucket_of(float logit) { /* logit <= 0 */
    float bucket = -logit * buckets_per_nat;
    return bucket < N_BUCKETS - 1 ? (uint32_t)bucket : N_BUCKETS - 1;
}

/* Candidates and their probability by bucket. */
typedef struct histogram {
    uint32_t counts[N_BUCKETS];
    double mass[N_BUCKETS];
    double total;
} histogram;

/* What candidates are made with. */
typedef struct tempering {
    float max, temperature;
} tempering;

static void set_candidate(candidate *c, tempering t, float logit, mu_token token, histogram *h) {
    *c = (candidate){(logit - t.max) / t.temperature, 0.0f, token};
    c->p = expf(c->logit);
    uint32_t bucket = bucket_of(c->logit);
    h->counts[bucket]++;
    h->mass[bucket] += (double)c->p;
    h->total += (double)c->p;
}

static void add_row(mu_sampler *s, tempering t, const float *logits, histogram *h) {
    for (uint32_t i = 0; i < s->vocab_size; i++) {
        set_candidate(&s->candidates[i], t, logits[i], (mu_token)i, h);
    }
    s->n_candidates = s->vocab_size;
}

static void add_top(mu_sampler *s, tempering t, const mu_row_top *top, histogram *h) {
    mu_candidate ordered[MU_TOP_MAX];
    for (uint32_t i = 0; i < top->n; i++) { /* by insertion: by tokens */
        uint32_t at = i;
        for (; at > 0 && ordered[at - 1].token > top->best[i].token; at--) {
            ordered[at] = ordered[at - 1];
        }
        ordered[at] = top->best[i];
    }
    for (uint32_t i = 0; i < top->n; i++) {
        set_candidate(&s->candidates[i], t, ordered[i].logit, ordered[i].token, h);
    }
    s->n_candidates = top->n;
}

/* The least likely candidate that top-k and top-p leave; they limit something. With both, top-p
 * needs the order of all that top-k leaves; with one, only that of the bucket where it cuts. */
static candidate find_cut(mu_sampler *s, const histogram *h, const mu_sampling *p) {
    bool has_both = p->top_k > 0 && p->top_p < 1.0f;
    uint32_t last = 0, n_before = 0, n = 0;
    double total = h->total, sum = 0.0;
    for (; last < N_BUCKETS - 1; last++) {
        if (p->top_k > 0 && n_before + h->counts[last] >= p->top_k) break;
        if (p->top_k == 0 && sum + h->mass[last] >= (double)p->top_p * total) break;
        n_before += h->counts[last];
        sum += h->mass[last];
    }
    for (uint32_t i = 0; i < s->n_candidates; i++) {
        uint32_t bucket = bucket_of(s->candidates[i].logit);
        if (bucket == last || (has_both && bucket < last)) s->sorted[n++] = s->candidates[i];
    }
    if (n == 0) { /* only rounding can ask for more than there is: nothing is cut */
        return (candidate){.logit = -INFINITY, .token = (mu_token)s->vocab_size};
    }
    sort(s->sorted, n);
    if (has_both) {
        n_before = 0;
        sum = 0.0;
    }
    if (p->top_k > 0 && n > p->top_k - n_before) n = p->top_k - n_before;
    if (p->top_p >= 1.0f) return s->sorted[n - 1];
    if (has_both) {
        total = 0.0;
        for (uint32_t i = 0; i < n; i++) {
            total += (double)s->sorted[i].p;
        }
    }
    uint32_t i = 0; /* the smallest set whose mass reaches top_p, at least one */
    for (; i + 1 < n; i++) {
        sum += (double)s->sorted[i].p;
        if (sum >= (double)p->top_p * total) break;
    }
    return s->sorted[i];
}

/* From the top where there is one, else from logits. */
static mu_token draw(mu_sampler *s, const float *logits, float max, const mu_sample_args *a) {
    const mu_sampling *p = a->sampling;
    const tempering t = {max, p->temperature};
    histogram h = {.total = 0.0};
    if (a->top) {
        add_top(s, t, a->top, &h);
    } else {
        add_row(s, t, logits, &h);
    }
    bool is_cut = p->top_k > 0 || p->top_p < 1.0f;
    candidate cut = {.logit = -INFINITY};
    if (is_cut) cut = find_cut(s, &h, p);
    double total = 0.0, sum = 0.0;
    for (uint32_t i = 0; i < s->n_candidates; i++) {
        candidate *c = &s->candidates[i];
        bool is_left = c->p >= p->min_p && !(is_cut && is_less_likely(c, &cut));
        if (!is_left) c->p = 0.0f; /* the most likely has 1 */
        total += (double)c->p;
    }
    mu_rng rng = {mu_mix64(p->seed) + (a->n_tokens - a->n_prompt)};
    double target = mu_rng_f64(&rng) * total;
    mu_token chosen = MU_TOKEN_NONE;
    for (uint32_t i = 0; i < s->n_candidates; i++) {
        if (s->candidates[i].p == 0.0f) continue;
        chosen = s->candidates[i].token; /* the last possible one if rounding leaves target over */
        sum += (double)s->candidates[i].p;
        if (sum > target) break;
    }
    return chosen;
}

static double log_sum_exp(const float *logits, uint32_t n, float max) {
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        sum += (double)expf(logits[i] - max);
    }
    MU_ASSERT(sum >= 1.0); /* the largest adds 1 */
    return (double)max + log(sum);
}

/* The n largest by insertion: n is at most MU_TOP_LOGPROBS_MAX and insertions become rare. Logits
 * stand in the logprobs' place until all are known. */
static void top_logprobs(const float *logits, uint32_t vocab_size, double log_total, uint32_t n,
                         mu_logprob *out) {
    MU_ASSERT(n <= vocab_size);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (mu_logprob){MU_TOKEN_NONE, -INFINITY};
    }
    for (uint32_t i = 0; i < vocab_size && n > 0; i++) {
        if (logits[i] <= out[n - 1].logprob) continue;
        uint32_t at = n - 1;
        for (; at > 0 && out[at - 1].logprob < logits[i]; at--) {
            out[at] = out[at - 1];
        }
        out[at] = (mu_logprob){(mu_token)i, logits[i]};
    }
    for (uint32_t i = 0; i < n; i++) {
        out[i].logprob = (float)((double)out[i].logprob - log_total);
    }
}

static mu_token run_on_top(mu_sampler *s, const mu_sample_args *a, float *out_logprob,
                           mu_logprob *out_top) {
    const mu_row_top *top = a->top;
    const mu_sampling *p = a->sampling;
    MU_ASSERT(top->n > 0 && top->n <= MU_TOP_MAX);
    if (!top->is_finite) return MU_TOKEN_NONE;
    mu_token token = top->best[0].token;
    if (p->temperature > 0.0f) token = draw(s, NULL, top->best[0].logit, a);
    if (p->n_logprobs < 0) return token;

    for (uint32_t i = 0; i < top->n; i++) {
        float logprob = top->best[i].logit - top->log_total;
        if (top->best[i].token == token) *out_logprob = logprob;
        if (i < (uint32_t)p->n_logprobs) out_top[i] = (mu_logprob){top->best[i].token, logprob};
    }
    return token;
}

mu_token mu_sampler_run(mu_sampler *s, const mu_sample_args *a, float *out_logprob,
                        mu_logprob *out_top) {
    const mu_sampling *p = a->sampling;
    if (a->top) return run_on_top(s, a, out_logprob, out_top);
    mu_token best = largest(a->logits, s->vocab_size, false);
    if (best == MU_TOKEN_NONE) return MU_TOKEN_NONE;
    const float *logits = adjust(s, a);
    mu_token token = logits == a->logits ? best : largest(logits, s->vocab_size, true);
    if (token == MU_TOKEN_NONE) return MU_TOKEN_NONE;
    if (p->temperature > 0.0f) token = draw(s, logits, logits[token], a);
    if (p->n_logprobs < 0) return token;

    double log_total = log_sum_exp(a->logits, s->vocab_size, a->logits[best]);
    *out_logprob = (float)((double)a->logits[token] - log_total);
    top_logprobs(a->logits, s->vocab_size, log_total, (uint32_t)p->n_logprobs, out_top);
    return token;
}
