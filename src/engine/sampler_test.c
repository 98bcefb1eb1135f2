#include "engine/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

enum { VOCAB = 1000, N_CASES = 4000, N_DRAWS = 200000, SEED = 5, N_TOKENS_MAX = 40 };

static mu_arena arena;
static mu_sampler *sampler;

static int open_sampler(void **state) {
    (void)state;
    if (mu_arena_init(&arena, mu_sampler_bytes(VOCAB), NULL) != MU_OK) return 1;
    sampler = mu_sampler_create(&arena, VOCAB);
    return sampler ? 0 : 1;
}

static int close_sampler(void **state) {
    (void)state;
    mu_arena_deinit(&arena);
    return 0;
}

/* The specification, in double precision and without any shortcut. */
typedef struct choice {
    double logit, p;
    mu_token token;
} choice;

typedef struct reference {
    choice choices[VOCAB]; /* [n], what may be drawn, in the order of the draw */
    uint32_t n;
    double margin; /* how far the nearest decision was from going the other way */
} reference;

static int most_likely_first(const void *x, const void *y) {
    const choice *a = x, *b = y;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return a->token < b->token ? -1 : 1;
}

static uint32_t n_times(const mu_token *tokens, uint32_t n, mu_token token) {
    uint32_t times = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (tokens[i] == token) times++;
    }
    return times;
}

static double adjusted(const mu_sample_args *a, mu_token token) {
    const mu_sampling *p = a->sampling;
    double logit = (double)a->logits[token];
    for (uint32_t i = 0; i < p->n_biases; i++) {
        if (p->biases[i].token != token) continue;
        logit = p->biases[i].bias <= -100 ? -INFINITY : logit + (double)p->biases[i].bias;
    }
    if (n_times(a->tokens, a->n_tokens, token) > 0) {
        double penalty = (double)p->repetition_penalty;
        logit = logit > 0 ? logit / penalty : logit * penalty;
    }
    uint32_t n = n_times(a->tokens + a->n_prompt, a->n_tokens - a->n_prompt, token);
    logit -= n * (double)p->frequency_penalty + (n > 0 ? (double)p->presence_penalty : 0);
    if (n_times(a->banned, a->n_banned, token) > 0) logit = -INFINITY;
    return logit;
}

static void note_margin(reference *r, double margin) {
    if (fabs(margin) < r->margin) r->margin = fabs(margin);
}

static double sum_of(const reference *r) {
    double sum = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        sum += r->choices[i].p;
    }
    return sum;
}

static void keep_top_p(reference *r, double top_p) {
    double total = sum_of(r), sum = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        sum += r->choices[i].p;
        note_margin(r, sum / total - top_p);
        if (sum >= top_p * total) r->n = i + 1;
    }
}

static void refer(reference *r, const mu_sample_args *a) {
    const mu_sampling *p = a->sampling;
    double max = -INFINITY;
    r->n = VOCAB;
    r->margin = INFINITY;
    for (mu_token token = 0; token < VOCAB; token++) {
        r->choices[token] = (choice){.logit = adjusted(a, token), .token = token};
        if (r->choices[token].logit > max) max = r->choices[token].logit;
    }
    if (p->temperature == 0.0f) {
        qsort(r->choices, r->n, sizeof(*r->choices), most_likely_first);
        note_margin(r, r->choices[0].logit - r->choices[1].logit);
        r->n = 1;
        return;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        r->choices[i].p = exp((r->choices[i].logit - max) / (double)p->temperature);
    }
    if (p->top_k > 0 || p->top_p < 1.0f) {
        qsort(r->choices, r->n, sizeof(*r->choices), most_likely_first);
        if (p->top_k > 0 && p->top_k < r->n) {
            note_margin(r, (r->choices[p->top_k - 1].logit - r->choices[p->top_k].logit) / 10);
            r->n = p->top_k;
        }
        if (p->top_p < 1.0f) keep_top_p(r, (double)p->top_p);
    }
    for (uint32_t i = 0; i < r->n; i++) {
        if (p->min_p > 0) note_margin(r, r->choices[i].p - (double)p->min_p);
        if (r->choices[i].p < (double)p->min_p) r->choices[i].p = 0;
    }
}

static int lower_token_first(const void *x, const void *y) {
    return ((const choice *)x)->token < ((const choice *)y)->token ? -1 : 1;
}

static mu_token refer_draw(reference *r, const mu_sample_args *a) {
    if (r->n == 1) return r->choices[0].token;
    qsort(r->choices, r->n, sizeof(*r->choices), lower_token_first);
    mu_rng rng = {mu_mix64(a->sampling->seed) + (a->n_tokens - a->n_prompt)};
    double total = sum_of(r), target = mu_rng_f64(&rng) * total, sum = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        sum += r->choices[i].p;
        if (r->choices[i].p > 0) note_margin(r, (sum - target) / total);
        if (r->choices[i].p > 0 && sum > target) return r->choices[i].token;
    }
    return MU_TOKEN_NONE;
}

static float normal(mu_rng *rng) { /* sum of 12 uniforms: near enough */
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += mu_rng_f64(rng);
    }
    return (float)sum;
}

static bool one_in(mu_rng *rng, uint32_t n) {
    return mu_rng_below(rng, n) == 0;
}

typedef struct random_case {
    float logits[VOCAB];
    mu_token tokens[N_TOKENS_MAX];
    mu_token banned[3];
    mu_logit_bias biases[4];
    mu_sampling sampling;
    mu_sample_args args;
} random_case;

static mu_token random_token(mu_rng *rng) {
    return (mu_token)mu_rng_below(rng, VOCAB);
}

static void make_case(random_case *c, mu_rng *rng) {
    float scale = (float)(0.5 + 5 * mu_rng_f64(rng));
    for (uint32_t i = 0; i < VOCAB; i++) {
        c->logits[i] = scale * normal(rng);
    }
    for (uint32_t i = 0; i < N_TOKENS_MAX; i++) {
        c->tokens[i] = (mu_token)mu_rng_below(rng, one_in(rng, 2) ? 4 : VOCAB);
        if (i < 3) c->banned[i] = random_token(rng);
        if (i < 4) c->biases[i] = (mu_logit_bias){random_token(rng), 3 * normal(rng)};
    }
    if (one_in(rng, 3)) c->biases[0].bias = one_in(rng, 2) ? -100.0f : -INFINITY;
    c->sampling = mu_sampling_default();
    c->sampling.temperature = one_in(rng, 4) ? 0.0f : (float)(0.05 + 2 * mu_rng_f64(rng));
    if (one_in(rng, 3)) c->sampling.top_k = 1 + (uint32_t)mu_rng_below(rng, 2 * VOCAB);
    if (one_in(rng, 3)) c->sampling.top_k = 1 + (uint32_t)mu_rng_below(rng, 50);
    if (one_in(rng, 2)) c->sampling.top_p = (float)mu_rng_f64(rng);
    if (one_in(rng, 3)) c->sampling.min_p = (float)(0.3 * mu_rng_f64(rng));
    if (one_in(rng, 3)) c->sampling.repetition_penalty = (float)(0.5 + 1.5 * mu_rng_f64(rng));
    if (one_in(rng, 3)) c->sampling.frequency_penalty = normal(rng);
    if (one_in(rng, 3)) c->sampling.presence_penalty = normal(rng);
    c->sampling.seed = mu_rng_u64(rng);
    c->sampling.biases = c->biases;
    c->sampling.n_biases = one_in(rng, 2) ? 4 : 0;
    uint32_t n_prompt = 1 + (uint32_t)mu_rng_below(rng, N_TOKENS_MAX / 2);
    c->args = (mu_sample_args){
        .logits = c->logits,
        .sampling = &c->sampling,
        .tokens = c->tokens,
        .n_prompt = n_prompt,
        .n_tokens = n_prompt + (uint32_t)mu_rng_below(rng, N_TOKENS_MAX / 2),
        .banned = c->banned,
        .n_banned = one_in(rng, 3) ? 3 : 0,
    };
    assert_int_equal(mu_sampling_check(&c->sampling, VOCAB, NULL), MU_OK);
}

/* Where the reference decides by less than float can tell, the case is left out, and counted. */
static void random_parameters_agree_with_the_reference(void **state) {
    (void)state;
    static random_case c;
    static reference r;
    mu_rng rng = {SEED};
    uint32_t n_left_out = 0, n_greedy = 0;
    for (int i = 0; i < N_CASES; i++) {
        make_case(&c, &rng);
        refer(&r, &c.args);
        mu_token wanted = refer_draw(&r, &c.args);
        mu_token token = mu_sampler_run(sampler, &c.args, NULL, NULL);
        if (r.margin < 1e-6) {
            n_left_out++;
            continue;
        }
        if (c.sampling.temperature == 0.0f) n_greedy++;
        if (token != wanted) fail_msg("case %d: token %d, reference %d", i, token, wanted);
    }
    assert_true(n_left_out < N_CASES / 20 && n_greedy > N_CASES / 10);
    printf("%d cases equal the reference (%u greedy), %u too close to tell, seed %d\n",
           N_CASES - (int)n_left_out, n_greedy, n_left_out, SEED);
}

static mu_token run(const float *logits, const mu_sampling *sampling, const mu_token *tokens,
                    uint32_t n_prompt, uint32_t n_tokens) {
    mu_sample_args args = {
        .logits = logits,
        .sampling = sampling,
        .tokens = tokens,
        .n_prompt = n_prompt,
        .n_tokens = n_tokens,
    };
    return mu_sampler_run(sampler, &args, NULL, NULL);
}

static void ties_go_to_the_lower_token(void **state) {
    (void)state;
    static float logits[VOCAB];
    mu_token prompt[] = {0};
    mu_sampling greedy = mu_sampling_default(), top_1 = greedy;
    top_1.temperature = 1.0f;
    top_1.top_k = 1;
    for (uint32_t low = 0; low < VOCAB; low += 7) {
        for (uint32_t high = low; high < VOCAB; high += 97) {
            memset(logits, 0, sizeof(logits));
            logits[low] = logits[high] = 1.0f;
            assert_int_equal(run(logits, &greedy, prompt, 1, 1), low);
            assert_int_equal(run(logits, &top_1, prompt, 1, 1), low);
        }
    }
}

/* Greedy on logits 2, 1.5, 1, 0 ...: each row names what the parameter must do to them. */
static void each_parameter_does_what_its_name_says(void **state) {
    (void)state;
    static const mu_logit_bias lift[] = {{3, 2.5f}}, ban[] = {{0, -100}}, more[] = {{0, -1e9f}};
    static const mu_token tokens[] = {0, 0, 1, 1, 1, 2}; /* prompt 0; output 0 1 1 1 2 */
    static const struct {
        const char *name;
        mu_sampling sampling;
        mu_token wanted;
    } rows[] = {
        {"nothing", {.repetition_penalty = 1}, 0},
        {"bias lifts", {.repetition_penalty = 1, .biases = lift, .n_biases = 1}, 3},
        {"bias of -100 bans", {.repetition_penalty = 1, .biases = ban, .n_biases = 1}, 1},
        {"bias below -100 bans", {.repetition_penalty = 1, .biases = more, .n_biases = 1}, 1},
        {"repetition of all seen", {.repetition_penalty = 4}, 0},
        {"repetition below 1 rewards", {.repetition_penalty = 0.5f}, 0},
        {"frequency counts", {.repetition_penalty = 1, .frequency_penalty = 1.5f}, 0},
        {"presence counts once", {.repetition_penalty = 1, .presence_penalty = 2.5f}, 3},
        {"negative frequency rewards", {.repetition_penalty = 1, .frequency_penalty = -1}, 1},
        {"negative presence rewards all", {.repetition_penalty = 1, .presence_penalty = -1}, 0},
    };
    static float logits[VOCAB];
    for (uint32_t i = 0; i < VOCAB; i++) {
        logits[i] = -5.0f;
    }
    logits[0] = 2.0f;
    logits[1] = 1.5f;
    logits[2] = 1.0f;
    logits[3] = 0.0f;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_sampling sampling = rows[i].sampling;
        sampling.top_p = 1.0f;
        sampling.n_logprobs = -1;
        mu_token token = run(logits, &sampling, tokens, 1, MU_COUNTOF(tokens));
        if (token != rows[i].wanted) fail_msg("%s: token %d", rows[i].name, token);
    }
}

static void small_top_p_and_large_min_p_leave_the_most_likely(void **state) {
    (void)state;
    static float logits[VOCAB];
    mu_token prompt[] = {0};
    logits[123] = 0.01f;
    mu_sampling sampling = mu_sampling_default();
    sampling.temperature = 1.0f;
    for (sampling.seed = 0; sampling.seed < 50; sampling.seed++) {
        sampling.top_p = 0.0f;
        sampling.min_p = 0.0f;
        assert_int_equal(run(logits, &sampling, prompt, 1, 1), 123);
        sampling.top_p = 1.0f;
        sampling.min_p = 1.0f;
        assert_int_equal(run(logits, &sampling, prompt, 1, 1), 123);
    }
    sampling.min_p = 0.0f;
    sampling.temperature = 1e-38f; /* as greedy, and no division by what is nearly nothing */
    assert_int_equal(run(logits, &sampling, prompt, 1, 1), 123);
}

/* Pearson's chi-square over 9 tokens: 8 degrees of freedom, 26.1 is passed once in a thousand. */
static void draws_follow_the_distribution(void **state) {
    (void)state;
    enum { N = 9 };
    static const float temperatures[] = {0.5f, 1.0f, 1.7f};
    static float logits[VOCAB];
    mu_token prompt[] = {0};
    for (uint32_t i = 0; i < VOCAB; i++) {
        logits[i] = i < N ? -0.2f * (float)i : -200.0f;
    }
    for (size_t t = 0; t < MU_COUNTOF(temperatures); t++) {
        for (uint32_t top_k = 0; top_k <= N; top_k += N) {
            mu_sampling sampling = mu_sampling_default();
            sampling.temperature = temperatures[t];
            sampling.top_k = top_k;
            uint32_t counts[N] = {0};
            for (uint32_t i = 0; i < N_DRAWS / 10; i++) { /* half by seed, half by position */
                sampling.seed = i % 2 ? i : 77;
                mu_token token = run(logits, &sampling, prompt, 1, 1 + (i % 2 ? 0 : i));
                assert_true(token >= 0 && token < N);
                counts[token]++;
            }
            double total = 0, chi2 = 0;
            for (uint32_t i = 0; i < N; i++) {
                total += exp((double)(logits[i] / temperatures[t]));
            }
            for (uint32_t i = 0; i < N; i++) {
                double wanted = exp((double)(logits[i] / temperatures[t])) / total * N_DRAWS / 10;
                chi2 += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
            }
            printf("temperature %.1f, top_k %u: chi-square %.1f of 26.1 allowed\n",
                   (double)temperatures[t], top_k, chi2);
            assert_true(chi2 < 26.1);
        }
    }
}

static void draw_depends_on_seed_and_position_only(void **state) {
    (void)state;
    static float logits[VOCAB];
    mu_token tokens[8] = {0}, others[8] = {9, 8, 7, 6, 5, 4, 3, 2};
    mu_sampling sampling = mu_sampling_default();
    sampling.temperature = 1.0f;
    uint32_t n_same_seed = 0, n_same_position = 0;
    for (sampling.seed = 0; sampling.seed < 200; sampling.seed++) {
        mu_token first = run(logits, &sampling, tokens, 2, 5);
        assert_int_equal(run(logits, &sampling, others, 4, 7), first); /* position 3 too */
        n_same_position += run(logits, &sampling, tokens, 2, 6) == first;
        mu_sampling other = sampling;
        other.seed += 1000;
        n_same_seed += run(logits, &other, tokens, 2, 5) == first;
    }
    assert_true(n_same_seed < 10 && n_same_position < 10); /* 1 in 1000 each by chance */
}

static void logprobs_are_of_the_models_own_distribution(void **state) {
    (void)state;
    static random_case c;
    mu_rng rng = {SEED + 1};
    uint32_t n_compared = 0;
    for (int i = 0; i < 300; i++) {
        make_case(&c, &rng);
        c.logits[7] = c.logits[3]; /* a tie goes to the lower token */
        c.sampling.n_logprobs = (int32_t)mu_rng_below(&rng, MU_TOP_LOGPROBS_MAX + 1);
        uint32_t n_top = (uint32_t)c.sampling.n_logprobs;
        float logprob = 1.0f;
        mu_logprob top[MU_TOP_LOGPROBS_MAX + 1];
        memset(top, 0x55, sizeof(top));
        mu_logprob beyond = top[n_top];
        mu_token token = mu_sampler_run(sampler, &c.args, &logprob, top);
        assert_memory_equal(&top[n_top], &beyond, sizeof(beyond));
        double total = 0;
        choice sorted[VOCAB];
        for (uint32_t j = 0; j < VOCAB; j++) {
            total += exp((double)c.logits[j]);
            sorted[j] = (choice){.logit = (double)c.logits[j], .token = (mu_token)j};
        }
        qsort(sorted, VOCAB, sizeof(*sorted), most_likely_first);
        assert_true(fabs((double)c.logits[token] - log(total) - (double)logprob) < 1e-5);
        for (uint32_t j = 0; j < n_top; j++) {
            assert_int_equal(top[j].token, sorted[j].token);
            assert_true(fabs(sorted[j].logit - log(total) - (double)top[j].logprob) < 1e-5);
            if (top[j].token == token) assert_true(top[j].logprob == logprob);
            n_compared++;
        }
    }
    printf("%u top logprobs compared, seed %d\n", n_compared, SEED + 1);
}

static void logits_that_are_no_numbers_give_no_token(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static float logits[VOCAB];
    mu_token prompt[] = {0};
    for (size_t i = 0; i < MU_COUNTOF(bad); i++) {
        for (uint32_t at = 0; at < VOCAB; at += 37) {
            memset(logits, 0, sizeof(logits));
            logits[at] = bad[i];
            mu_sampling sampling = mu_sampling_default();
            assert_int_equal(run(logits, &sampling, prompt, 1, 1), MU_TOKEN_NONE);
            sampling.temperature = 1.0f;
            sampling.top_p = 0.9f;
            assert_int_equal(run(logits, &sampling, prompt, 1, 1), MU_TOKEN_NONE);
        }
    }
}

static void huge_logits_and_penalties_stay_in_range(void **state) {
    (void)state;
    static float logits[VOCAB];
    mu_token tokens[] = {1, 1, 2};
    for (uint32_t i = 0; i < VOCAB; i++) {
        logits[i] = i % 2 ? 3e38f : -3e38f;
    }
    mu_sampling sampling = mu_sampling_default();
    sampling.temperature = 1.0f;
    mu_token token = run(logits, &sampling, tokens, 1, 3);
    assert_true(token >= 0 && token % 2 == 1);
    sampling.repetition_penalty = 0.01f; /* 3e38 / 0.01 is no float any more */
    token = run(logits, &sampling, tokens, 1, 3);
    assert_true(token == MU_TOKEN_NONE || (token >= 0 && token < VOCAB));
}

static void all_tokens_banned_give_no_token(void **state) {
    (void)state;
    static float logits[VOCAB];
    static mu_token all[VOCAB];
    for (mu_token token = 0; token < VOCAB; token++) {
        all[token] = token;
    }
    mu_token prompt[] = {0};
    mu_sampling sampling = mu_sampling_default();
    mu_sample_args args = {logits, NULL, &sampling, prompt, 1, 1, all, VOCAB, NULL};
    assert_int_equal(mu_sampler_run(sampler, &args, NULL, NULL), MU_TOKEN_NONE);
    args.n_banned = VOCAB - 1;
    assert_int_equal(mu_sampler_run(sampler, &args, NULL, NULL), VOCAB - 1);
    sampling.temperature = 1.0f;
    assert_int_equal(mu_sampler_run(sampler, &args, NULL, NULL), VOCAB - 1);
}

/* The best n of a row, as a device gives them. */
static mu_row_top top_of(const float *logits, uint32_t vocab_size, uint32_t n, mu_candidate *out) {
    mu_row_top top = {.best = out, .is_finite = true};
    double total = 1e-300; /* as good as nothing, and not zero */
    for (uint32_t i = 0; i < vocab_size; i++) {
        total += exp((double)logits[i]);
        if (!isfinite(logits[i])) top.is_finite = false;
        uint32_t at = top.n < n ? top.n++ : n;
        for (; at > 0 && out[at - 1].logit < logits[i]; at--) {
            if (at < n) out[at] = out[at - 1];
        }
        if (at < n) out[at] = (mu_candidate){(mu_token)i, logits[i]};
    }
    top.log_total = (float)log(total);
    return top;
}

/* Few values, so that many logits are equal, or all different. */
static void draw_row(mu_rng *rng, uint32_t vocab_size, float *out) {
    uint64_t kind = mu_rng_below(rng, 3);
    for (uint32_t i = 0; i < vocab_size; i++) {
        double x = 16.0 * mu_rng_f64(rng) - 8.0;
        out[i] = (float)(kind == 0 ? x : kind == 1 ? floor(x) : floor(x / 5.0));
    }
}

static mu_sampling draw_settings(mu_rng *rng) {
    mu_sampling p = mu_sampling_default();
    p.temperature = mu_rng_below(rng, 3) == 0 ? 0.0f : (float)(0.2 + 2.0 * mu_rng_f64(rng));
    p.top_k = (uint32_t)mu_rng_below(rng, MU_TOP_MAX) + 1;
    if (mu_rng_below(rng, 2)) p.top_p = (float)(0.05 + 0.9 * mu_rng_f64(rng));
    if (mu_rng_below(rng, 3) == 0) p.min_p = (float)(0.3 * mu_rng_f64(rng));
    p.n_logprobs = (int32_t)mu_rng_below(rng, MU_TOP_LOGPROBS_MAX + 2) - 1;
    p.seed = mu_rng_u64(rng);
    return p;
}

static void the_best_give_what_the_row_gives(void **state) {
    (void)state;
    static const uint32_t vocab_sizes[] = {1, 2, 30, MU_TOP_MAX, 65, VOCAB};
    mu_rng rng = {77};
    for (uint32_t i = 0; i < N_CASES * 2; i++) {
        uint32_t vocab_size = vocab_sizes[i % MU_COUNTOF(vocab_sizes)];
        float logits[VOCAB], logprob[2] = {0.0f, 0.0f};
        mu_logprob shown[2][MU_TOP_LOGPROBS_MAX];
        mu_candidate best[MU_TOP_MAX] = {{0}};
        mu_arena own = {0};
        assert_int_equal(mu_arena_init(&own, mu_sampler_bytes(vocab_size), NULL), MU_OK);
        mu_sampler *s = mu_sampler_create(&own, vocab_size);
        draw_row(&rng, vocab_size, logits);
        mu_sampling p = draw_settings(&rng);
        if (p.n_logprobs > (int32_t)vocab_size) p.n_logprobs = (int32_t)vocab_size;
        uint32_t n_top = mu_sampler_n_top(&p, 0);
        assert_in_range(n_top, 1, MU_TOP_MAX);
        mu_row_top top = top_of(logits, vocab_size, n_top, best);
        mu_sample_args row = {.logits = logits, .sampling = &p},
                       few = {.top = &top, .sampling = &p};
        mu_token token = mu_sampler_run(s, &row, &logprob[0], shown[0]);
        assert_int_equal(mu_sampler_run(s, &few, &logprob[1], shown[1]), token);
        assert_true(fabsf(logprob[0] - logprob[1]) < 4e-6f * (1.0f + fabsf(logprob[0])));
        for (int32_t j = 0; j < p.n_logprobs; j++) {
            assert_int_equal(shown[0][j].token, shown[1][j].token);
            float error = fabsf(shown[0][j].logprob - shown[1][j].logprob);
            assert_true(error < 4e-6f * (1.0f + fabsf(shown[0][j].logprob)));
        }
        mu_arena_deinit(&own);
    }
}

static void what_needs_the_row_says_so(void **state) {
    (void)state;
    const mu_logit_bias bias = {3, 1.0f};
    mu_sampling greedy = mu_sampling_default(), p = greedy;
    assert_int_equal(mu_sampler_n_top(&greedy, 0), 1);
    assert_int_equal(mu_sampler_n_top(&greedy, 1), 0);
    p.n_logprobs = 7;
    assert_int_equal(mu_sampler_n_top(&p, 0), 7);
    p = greedy;
    p.repetition_penalty = 1.1f;
    assert_int_equal(mu_sampler_n_top(&p, 0), 0);
    p = greedy;
    p.frequency_penalty = 0.1f;
    assert_int_equal(mu_sampler_n_top(&p, 0), 0);
    p = greedy;
    p.presence_penalty = -0.1f;
    assert_int_equal(mu_sampler_n_top(&p, 0), 0);
    p = greedy;
    p.biases = &bias;
    p.n_biases = 1;
    assert_int_equal(mu_sampler_n_top(&p, 0), 0);
    p = greedy;
    p.temperature = 1.0f;
    p.top_p = 0.5f;
    assert_int_equal(mu_sampler_n_top(&p, 0), 0);
    p.top_k = MU_TOP_MAX;
    assert_int_equal(mu_sampler_n_top(&p, 0), MU_TOP_MAX);
    p.top_k++;
    assert_int_equal(mu_sampler_n_top(&p, 0), 0);
}

static void a_broken_row_gives_no_token_from_its_best(void **state) {
    (void)state;
    const mu_candidate best[] = {{1, 2.0f}};
    const mu_row_top top = {.best = best, .n = 1, .is_finite = false};
    mu_sampling p = mu_sampling_default();
    mu_sample_args args = {.top = &top, .sampling = &p};
    assert_int_equal(mu_sampler_run(sampler, &args, NULL, NULL), MU_TOKEN_NONE);
}

static void parameters_out_of_range_are_refused_and_named(void **state) {
    (void)state;
    static const mu_logit_bias below[] = {{-1, 0}}, above[] = {{VOCAB, 0}}, high[] = {{1, 101}},
                               nan_bias[] = {{1, NAN}}, fine[] = {{0, 100}, {VOCAB - 1, -INFINITY}};
#define ROW(...) \
    { .top_p = 1, .repetition_penalty = 1, .n_logprobs = -1, __VA_ARGS__ }
#define BIAS(b) .biases = (b), .n_biases = MU_COUNTOF(b)
    static const struct {
        const char *name; /* in the error text; NULL: accepted */
        mu_sampling sampling;
    } rows[] = {
        {"temperature", ROW(.temperature = -0.1f)},
        {"temperature", ROW(.temperature = NAN)},
        {"temperature", ROW(.temperature = INFINITY)},
        {"top_p", {.top_p = 1.01f, .repetition_penalty = 1, .n_logprobs = -1}},
        {"top_p", {.top_p = -0.01f, .repetition_penalty = 1, .n_logprobs = -1}},
        {"min_p", ROW(.min_p = 1.5f)},
        {"min_p", ROW(.min_p = NAN)},
        {"repetition_penalty", {.top_p = 1, .n_logprobs = -1}},
        {"repetition_penalty", {.top_p = 1, .repetition_penalty = -1, .n_logprobs = -1}},
        {"frequency_penalty", ROW(.frequency_penalty = 101)},
        {"presence_penalty", ROW(.presence_penalty = -INFINITY)},
        {"logprobs", {.top_p = 1, .repetition_penalty = 1, .n_logprobs = 21}},
        {"logprobs", {.top_p = 1, .repetition_penalty = 1, .n_logprobs = -2}},
        {"logit_bias", ROW(BIAS(below))},
        {"logit_bias", ROW(BIAS(above))},
        {"logit_bias", ROW(BIAS(high))},
        {"logit_bias", ROW(BIAS(nan_bias))},
        {NULL, ROW(BIAS(fine))},
        {NULL, ROW(.temperature = 2, .top_k = UINT32_MAX, .min_p = 1)},
        {NULL, {.top_p = 0, .repetition_penalty = 0.01f, .n_logprobs = 20}},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_err err = {0};
        mu_status status = mu_sampling_check(&rows[i].sampling, VOCAB, &err);
        assert_int_equal(status, rows[i].name ? MU_ERR_INVALID : MU_OK);
        if (rows[i].name && !strstr(err.text, rows[i].name)) {
            fail_msg("%s is not in \"%s\"", rows[i].name, err.text);
        }
    }
    mu_sampling initial = mu_sampling_default();
    assert_int_equal(mu_sampling_check(&initial, VOCAB, NULL), MU_OK);
}

static void only_what_the_grammar_allows_is_drawn(void **state) {
    (void)state;
    static float logits[VOCAB];
    mu_token prompt[] = {0};
    uint64_t allowed[(VOCAB + 63) / 64] = {0};
    mu_token last = VOCAB - 1, first = 1;
    allowed[first / 64] |= UINT64_C(1) << (first % 64);
    allowed[last / 64] |= UINT64_C(1) << (last % 64);
    for (uint64_t seed = 0; seed < 40; seed++) {
        mu_sampling sampling = mu_sampling_default();
        mu_logit_bias bias = {5, 100.0f};
        sampling.temperature = seed % 4 ? 3.0f : 0.0f;
        sampling.repetition_penalty = seed % 3 ? 1.5f : 1.0f;
        sampling.top_p = seed % 5 ? 1.0f : 0.5f;
        sampling.biases = &bias;
        sampling.n_biases = 1;
        sampling.seed = seed;
        mu_sample_args args = {.logits = logits,
                               .sampling = &sampling,
                               .tokens = prompt,
                               .n_prompt = 1,
                               .n_tokens = 1,
                               .allowed = allowed};
        mu_token token = mu_sampler_run(sampler, &args, NULL, NULL);
        assert_true(token == first || token == last);
    }
    memset(allowed, 0, sizeof(allowed));
    mu_sampling sampling = mu_sampling_default();
    mu_sample_args args = {.logits = logits,
                           .sampling = &sampling,
                           .tokens = prompt,
                           .n_prompt = 1,
                           .n_tokens = 1,
                           .allowed = allowed};
    assert_int_equal(mu_sampler_run(sampler, &args, NULL, NULL), MU_TOKEN_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_parameters_agree_with_the_reference),
        cmocka_unit_test(ties_go_to_the_lower_token),
        cmocka_unit_test(each_parameter_does_what_its_name_says),
        cmocka_unit_test(small_top_p_and_large_min_p_leave_the_most_likely),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(draw_depends_on_seed_and_position_only),
        cmocka_unit_test(logprobs_are_of_the_models_own_distribution),
        cmocka_unit_test(logits_that_are_no_numbers_give_no_token),
        cmocka_unit_test(huge_logits_and_penalties_stay_in_range),
        cmocka_unit_test(all_tokens_banned_give_no_token),
        cmocka_unit_test(only_what_the_grammar_allows_is_drawn),
        cmocka_unit_test(the_best_give_what_the_row_gives),
        cmocka_unit_test(what_needs_the_row_says_so),
        cmocka_unit_test(a_broken_row_gives_no_token_from_its_best),
        cmocka_unit_test(parameters_out_of_range_are_refused_and_named),
    };
    return cmocka_run_group_tests(tests, open_sampler, close_sampler);
}
