/* Every kernel of libmuai-cuda.so against plain arithmetic in double precision, at sizes that
 * include the smallest and the awkward ones, with fresh random inputs and poisoned outputs; and the
 * promise that a row's bits do not depend on the other rows.
 *
 * MUAI_CUDA_LIBRARY names the library: the one compiled for a GPU, or the same sources on the CUDA
 * emulator of tests/cuda. Without it, or without a GPU, the test is skipped.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cuda/cuda_layout.h"
#include "backend/cuda/cuda_library.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "tensor/half.h"

enum { BUFFERS_MAX = 64, BLOCK_TOKENS = 32, N_LAYERS = 2, LAYER = 1 };

static const mu_cuda_api *api;
static mu_cuda_stream *stream;
static mu_rng rng = {2026};

/* Device memory of the running test, freed together. */
static struct {
    void *d[BUFFERS_MAX];
    uint32_t n;
} buffers;

static void check(mu_status status, const mu_err *err) {
    if (status != MU_OK) fail_msg("%s", err->text);
}
#define CHECK(call)        \
    do {                   \
        mu_err err;        \
        check(call, &err); \
    } while (0)

static void *d_bytes(const void *from, size_t bytes) {
    void *d = NULL;
    CHECK(api->memory_open(stream, bytes, &d, &err));
    assert_true(buffers.n < BUFFERS_MAX);
    buffers.d[buffers.n++] = d;
    CHECK(api->upload(stream, d, from, bytes, &err));
    CHECK(api->synchronize(stream, &err));
    return d;
}

/* All bits set: not a number in every type. */
static void *d_poisoned(size_t bytes) {
    void *poison = mu_alloc(bytes);
    assert_non_null(poison);
    memset(poison, 0xff, bytes);
    void *d = d_bytes(poison, bytes);
    mu_free(poison);
    return d;
}

static void *d_zeros(size_t bytes) {
    void *d = NULL;
    CHECK(api->memory_open(stream, bytes, &d, &err)); /* zeroed */
    assert_true(buffers.n < BUFFERS_MAX);
    buffers.d[buffers.n++] = d;
    return d;
}

static void *d_top_parts(uint32_t n_rows, uint32_t vocab_size) {
    return d_poisoned(n_rows * mu_cuda_top_parts(vocab_size) * sizeof(mu_cuda_top_part));
}

static void fetch(void *to, const void *d_from, size_t bytes) {
    CHECK(api->download(stream, to, d_from, bytes, &err));
    CHECK(api->synchronize(stream, &err));
}

static void free_buffers(void) {
    while (buffers.n > 0) {
        api->memory_close(stream, buffers.d[--buffers.n]);
    }
}

/* [-1, 1), as the type holds it. */
static float random_value(mu_cuda_type type) {
    float x = (float)(2.0 * mu_rng_f64(&rng) - 1.0);
    return type == MU_CUDA_BF16 ? mu_bf16_to_f32(mu_f32_to_bf16(x)) : x;
}

static float *random_values(mu_cuda_type type, size_t n) {
    float *x = MU_ALLOC(float, n);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        x[i] = random_value(type);
    }
    return x;
}

static void put(mu_cuda_type type, void *array, size_t i, float x) {
    if (type == MU_CUDA_F32) {
        ((float *)array)[i] = x;
    } else {
        ((uint16_t *)array)[i] = mu_f32_to_bf16(x);
    }
}

static double get(mu_cuda_type type, const void *array, size_t i) {
    return type == MU_CUDA_F32 ? (double)((const float *)array)[i]
                               : (double)mu_bf16_to_f32(((const uint16_t *)array)[i]);
}

static size_t weight_at(mu_cuda_type type, uint32_t out, uint32_t k, uint32_t k_padded) {
    return type == MU_CUDA_F32 ? mu_cuda_weight_f32_at(out, k, k_padded)
                               : mu_cuda_weight_bf16_at(out, k, k_padded);
}

static size_t acts_at(mu_cuda_type type, uint32_t row, uint32_t k, uint32_t k_padded) {
    return type == MU_CUDA_F32 ? mu_cuda_acts_f32_at(row, k, k_padded)
                               : mu_cuda_acts_bf16_at(row, k, k_padded);
}

static size_t acts_bytes(mu_cuda_type type, uint32_t n_rows, uint32_t n_in) {
    return (size_t)mu_cuda_whole(n_rows, MU_CUDA_ROW_BLOCK) * mu_cuda_whole(n_in, MU_CUDA_K_STEP) *
           mu_cuda_elem_bytes(type);
}

static void *d_weights(mu_cuda_type type, const float *w, uint32_t n_out, uint32_t n_in) {
    uint32_t k_padded = mu_cuda_whole(n_in, MU_CUDA_K_STEP);
    size_t bytes =
        (size_t)mu_cuda_whole(n_out, MU_CUDA_OUT_BLOCK) * k_padded * mu_cuda_elem_bytes(type);
    void *packed = mu_alloc(bytes);
    assert_non_null(packed);
    for (uint32_t out = 0; out < n_out; out++) {
        for (uint32_t k = 0; k < n_in; k++) {
            put(type, packed, weight_at(type, out, k, k_padded), w[(size_t)out * n_in + k]);
        }
    }
    void *d = d_bytes(packed, bytes);
    mu_free(packed);
    return d;
}

/* Rows that do not exist are not a number; a product must not notice. */
static void *d_acts(mu_cuda_type type, const float *x, uint32_t n_rows, uint32_t n_in) {
    uint32_t k_padded = mu_cuda_whole(n_in, MU_CUDA_K_STEP);
    size_t bytes = acts_bytes(type, n_rows, n_in);
    void *packed = mu_alloc(bytes);
    assert_non_null(packed);
    memset(packed, 0xff, bytes);
    for (uint32_t row = 0; row < n_rows; row++) {
        for (uint32_t k = 0; k < k_padded; k++) {
            put(type, packed, acts_at(type, row, k, k_padded),
                k < n_in ? x[(size_t)row * n_in + k] : 0.0f);
        }
    }
    void *d = d_bytes(packed, bytes);
    mu_free(packed);
    return d;
}

/* A product and everything it is made of. */
typedef struct product {
    mu_cuda_type type;
    uint32_t n_in, n_out, n_rows;
    float *w, *bias, *x, *norm_w, *norm_b;
} product;

static product product_make(mu_cuda_type type, uint32_t n_in, uint32_t n_out, uint32_t n_rows) {
    return (product){
        .type = type,
        .n_in = n_in,
        .n_out = n_out,
        .n_rows = n_rows,
        .w = random_values(type, (size_t)n_out * n_in),
        .bias = random_values(MU_CUDA_F32, mu_cuda_whole(n_out, MU_CUDA_OUT_BLOCK)),
        .x = random_values(type, (size_t)n_rows * n_in),
        .norm_w = random_values(MU_CUDA_F32, n_in),
        .norm_b = random_values(MU_CUDA_F32, n_in),
    };
}

static void product_free(product *p) {
    mu_free(p->w);
    mu_free(p->bias);
    mu_free(p->x);
    mu_free(p->norm_w);
    mu_free(p->norm_b);
    free_buffers();
}

static mu_cuda_matmul product_args(const product *p) {
    return (mu_cuda_matmul){
        .type = p->type,
        .d_weights = d_weights(p->type, p->w, p->n_out, p->n_in),
        .d_bias = d_bytes(p->bias, mu_cuda_whole(p->n_out, MU_CUDA_OUT_BLOCK) * sizeof(float)),
        .n_in = p->n_in,
        .n_out = p->n_out,
        .n_rows = p->n_rows,
    };
}

/* x w + bias, and the sum of magnitudes that rounding is relative to. */
static double product_of(const product *p, const float *x, uint32_t out, double *magnitude) {
    double sum = (double)p->bias[out];
    *magnitude = fabs(sum);
    for (uint32_t k = 0; k < p->n_in; k++) {
        double term = (double)x[k] * (double)p->w[(size_t)out * p->n_in + k];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

static double activated(mu_activation activation, double x) {
    if (activation == MU_ACTIVATION_RELU) return x > 0.0 ? x : 0.0;
    if (activation == MU_ACTIVATION_GELU_ERF) return 0.5 * x * (1.0 + erf(x * sqrt(0.5)));
    if (activation == MU_ACTIVATION_SILU) return x / (1.0 + exp(-x));
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

static void assert_near(double got, double want, double tolerance, const char *what,
                        const product *p, uint32_t row, uint32_t out) {
    if (fabs(got - want) <= tolerance) return; /* NaN is not */
    fail_msg("%s %s [%u rows, %u in, %u out]: row %u output %u is %.9g, should be %.9g", what,
             p->type == MU_CUDA_F32 ? "f32" : "bf16", p->n_rows, p->n_in, p->n_out, row, out, got,
             want);
}

static const struct {
    uint32_t n_in, n_out, n_rows;
} shapes[] = {
    {1, 1, 1},      {33, 7, 3},     {64, 64, 16},  {96, 100, 17},   {768, 72, 5},
    {300, 129, 64}, {256, 200, 70}, {3072, 16, 2}, {1536, 300, 33}, {40, 2100, 1},
};

static void check_rows(const product *p) {
    mu_cuda_matmul a = product_args(p);
    size_t n = (size_t)p->n_rows * p->n_out;
    float *y = MU_ALLOC(float, n), *before = random_values(MU_CUDA_F32, n);
    a.d_acts = d_acts(p->type, p->x, p->n_rows, p->n_in);
    for (uint32_t adds = 0; adds < 2; adds++) {
        a.output = adds ? MU_CUDA_TO_RESIDUAL : MU_CUDA_TO_LOGITS;
        a.d_y = adds ? d_bytes(before, n * sizeof(float)) : d_poisoned(n * sizeof(float));
        CHECK(api->matmul(stream, &a, &err));
        fetch(y, a.d_y, n * sizeof(float));
        for (size_t i = 0; i < n; i++) {
            uint32_t row = (uint32_t)(i / p->n_out), out = (uint32_t)(i % p->n_out);
            double magnitude, want = product_of(p, p->x + (size_t)row * p->n_in, out, &magnitude);
            if (adds) want += (double)before[i];
            assert_near((double)y[i], want, 3e-6 * (magnitude + 1.0), "product", p, row, out);
        }
    }
    mu_free(before);
    mu_free(y);
}

static void check_acts(const product *p, mu_activation activation) {
    mu_cuda_matmul a = product_args(p);
    size_t bytes = acts_bytes(p->type, p->n_rows, p->n_out);
    void *y = mu_alloc(bytes);
    a.d_acts = d_acts(p->type, p->x, p->n_rows, p->n_in);
    a.output = MU_CUDA_TO_ACTS;
    a.activation = activation;
    a.d_y_acts = d_poisoned(bytes);
    CHECK(api->matmul(stream, &a, &err));
    fetch(y, a.d_y_acts, bytes);
    double rounding = p->type == MU_CUDA_F32 ? 0.0 : 0x1p-8;
    uint32_t k_padded = mu_cuda_whole(p->n_out, MU_CUDA_K_STEP);
    for (uint32_t row = 0; row < p->n_rows; row++) {
        for (uint32_t out = 0; out < p->n_out; out++) {
            double magnitude, sum = product_of(p, p->x + (size_t)row * p->n_in, out, &magnitude);
            double want = activated(activation, sum);
            double got = get(p->type, y, acts_at(p->type, row, out, k_padded));
            assert_near(got, want, rounding * fabs(want) + 4e-6 * (magnitude + 1.0), "activation",
                        p, row, out);
        }
    }
    mu_free(y);
}

static void norm_row(const product *p, const float *x, float eps, float *out) {
    double mean = 0.0, squares = 0.0;
    for (uint32_t i = 0; i < p->n_in; i++) {
        mean += (double)x[i] / p->n_in;
    }
    for (uint32_t i = 0; i < p->n_in; i++) {
        squares += ((double)x[i] - mean) * ((double)x[i] - mean) / p->n_in;
    }
    for (uint32_t i = 0; i < p->n_in; i++) {
        out[i] =
            (float)(((double)x[i] - mean) / sqrt(squares + (double)eps) * (double)p->norm_w[i] +
                    (double)p->norm_b[i]);
        if (p->type == MU_CUDA_BF16) out[i] = mu_bf16_to_f32(mu_f32_to_bf16(out[i]));
    }
}

/* The product of normed rows, in the order of d_outs: last row first. */
static void check_normed(const product *p) {
    mu_cuda_matmul a = product_args(p);
    size_t n = (size_t)p->n_rows * p->n_out;
    mu_cuda_out *outs = MU_ALLOC(mu_cuda_out, p->n_rows);
    float *y = MU_ALLOC(float, n), *normed = MU_ALLOC(float, p->n_in);
    for (uint32_t row = 0; row < p->n_rows; row++) {
        outs[row].row = p->n_rows - 1 - row;
    }
    mu_cuda_norm norm = {
        .d_x = d_bytes(p->x, (size_t)p->n_rows * p->n_in * sizeof(float)),
        .d_w = d_bytes(p->norm_w, p->n_in * sizeof(float)),
        .d_b = d_bytes(p->norm_b, p->n_in * sizeof(float)),
        .d_outs = d_bytes(outs, p->n_rows * sizeof(*outs)),
        .eps = 1e-5f,
    };
    float *zeros = MU_ALLOC(float, acts_bytes(MU_CUDA_F32, p->n_rows, p->n_in) / sizeof(float));
    a.norm = &norm;
    a.d_acts = d_bytes(zeros, acts_bytes(p->type, p->n_rows, p->n_in));
    a.output = MU_CUDA_TO_LOGITS;
    a.d_y = d_poisoned(n * sizeof(float));
    CHECK(api->matmul(stream, &a, &err));
    fetch(y, a.d_y, n * sizeof(float));
    /* an element at the edge of two bf16 may be rounded to either */
    double slack = p->type == MU_CUDA_F32 ? 4e-6 : 2e-3;
    for (uint32_t row = 0; row < p->n_rows; row++) {
        norm_row(p, p->x + (size_t)outs[row].row * p->n_in, norm.eps, normed);
        for (uint32_t out = 0; out < p->n_out; out++) {
            double magnitude, want = product_of(p, normed, out, &magnitude);
            assert_near((double)y[(size_t)row * p->n_out + out], want, slack * (magnitude + 1.0),
                        "normed product", p, row, out);
        }
    }
    mu_free(zeros);
    mu_free(normed);
    mu_free(y);
    mu_free(outs);
}

static void test_products(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(shapes); i++) {
        for (int type = MU_CUDA_F32; type <= MU_CUDA_BF16; type++) {
            product p =
                product_make((mu_cuda_type)type, shapes[i].n_in, shapes[i].n_out, shapes[i].n_rows);
            check_rows(&p);
            check_acts(&p, (mu_activation)(i % MU_N_ACTIVATIONS));
            if (p.n_in > 1) check_normed(&p); /* one element has no variance */
            product_free(&p);
        }
    }
}

/* Logits of rows [first, first + n) of p, normed, computed by themselves. */
static void rows_alone(const product *p, const mu_cuda_matmul *args, uint32_t first, uint32_t n,
                       float *y) {
    mu_cuda_matmul a = *args;
    mu_cuda_norm norm = *args->norm;
    norm.d_x += (size_t)first * p->n_in;
    a.norm = &norm;
    a.n_rows = n;
    CHECK(api->matmul(stream, &a, &err));
    fetch(y + (size_t)first * p->n_out, a.d_y, (size_t)n * p->n_out * sizeof(float));
}

static void test_rows_are_alone(void **state) {
    (void)state;
    static const uint32_t sizes[] = {70, 1, 3, 16, 17, 64};
    for (int type = MU_CUDA_F32; type <= MU_CUDA_BF16; type++) {
        product p = product_make((mu_cuda_type)type, 800, 90, 70);
        mu_cuda_matmul a = product_args(&p);
        size_t n = (size_t)p.n_rows * p.n_out;
        float *zeros = MU_ALLOC(float, acts_bytes(MU_CUDA_F32, p.n_rows, p.n_in) / sizeof(float));
        mu_cuda_norm norm = {.d_x = d_bytes(p.x, (size_t)p.n_rows * p.n_in * sizeof(float)),
                             .d_w = d_bytes(p.norm_w, p.n_in * sizeof(float)),
                             .d_b = d_bytes(p.norm_b, p.n_in * sizeof(float)),
                             .eps = 1e-5f};
        a.norm = &norm;
        a.d_acts = d_bytes(zeros, acts_bytes(p.type, p.n_rows, p.n_in));
        a.d_y = d_poisoned(n * sizeof(float));
        a.output = MU_CUDA_TO_LOGITS;
        float *whole = MU_ALLOC(float, n), *parts = MU_ALLOC(float, n);
        for (size_t i = 0; i < MU_COUNTOF(sizes); i++) {
            for (uint32_t first = 0; first < p.n_rows; first += sizes[i]) {
                uint32_t left = p.n_rows - first;
                rows_alone(&p, &a, first, left < sizes[i] ? left : sizes[i],
                           i == 0 ? whole : parts);
            }
            if (i > 0) assert_memory_equal(whole, parts, n * sizeof(float));
        }
        mu_free(parts);
        mu_free(whole);
        mu_free(zeros);
        product_free(&p);
    }
}

/* One sequence's K and V in shuffled blocks; everything else there is not a number. */
typedef struct cache {
    mu_cuda_type type;
    uint32_t n_heads, head_dim, n_positions, n_blocks;
    uint32_t *table; /* [n_blocks] */
    float *k, *v;    /* [n_positions, n_heads * head_dim] */
    size_t bytes;
} cache;

static cache cache_make(mu_cuda_type type, uint32_t n_heads, uint32_t head_dim,
                        uint32_t n_positions) {
    size_t n = (size_t)n_positions * n_heads * head_dim;
    cache c = {.type = type,
               .n_heads = n_heads,
               .head_dim = head_dim,
               .n_positions = n_positions,
               .n_blocks = (n_positions + BLOCK_TOKENS - 1) / BLOCK_TOKENS,
               .k = random_values(type, n),
               .v = random_values(type, n)};
    c.bytes = (size_t)c.n_blocks * N_LAYERS * 2 * n_heads * BLOCK_TOKENS * head_dim *
              mu_cuda_elem_bytes(type);
    c.table = MU_ALLOC(uint32_t, c.n_blocks);
    for (uint32_t i = 0; i < c.n_blocks; i++) {
        c.table[i] = c.n_blocks - 1 - i;
    }
    return c;
}

static void cache_free(cache *c) {
    mu_free(c->k);
    mu_free(c->v);
    mu_free(c->table);
    free_buffers();
}

static size_t cache_at(const cache *c, uint32_t position, bool is_v, uint32_t head, uint32_t d) {
    size_t block = c->table[position / BLOCK_TOKENS], heads = (block * N_LAYERS + LAYER) * 2;
    size_t of_head = heads * c->n_heads + (is_v ? c->n_heads : 0) + head;
    uint32_t group = position % BLOCK_TOKENS / MU_CUDA_GROUP, i = position % MU_CUDA_GROUP;
    size_t at = (of_head * BLOCK_TOKENS + (size_t)group * MU_CUDA_GROUP) * c->head_dim;
    return at + (is_v ? d * MU_CUDA_GROUP + i : i * c->head_dim + d);
}

static void *cache_pack(const cache *c) {
    void *packed = mu_alloc(c->bytes);
    assert_non_null(packed);
    memset(packed, 0xff, c->bytes);
    size_t hidden = (size_t)c->n_heads * c->head_dim;
    for (uint32_t p = 0; p < c->n_positions; p++) {
        for (uint32_t i = 0; i < hidden; i++) {
            uint32_t head = i / c->head_dim, d = i % c->head_dim;
            put(c->type, packed, cache_at(c, p, false, head, d), c->k[p * hidden + i]);
            put(c->type, packed, cache_at(c, p, true, head, d), c->v[p * hidden + i]);
        }
    }
    return packed;
}

static mu_cuda_kv cache_kv(const cache *c, void *d_base) {
    return (mu_cuda_kv){.d_base = d_base,
                        .type = c->type,
                        .layer = LAYER,
                        .n_layers = N_LAYERS,
                        .n_heads = c->n_heads,
                        .head_dim = c->head_dim,
                        .block_tokens = BLOCK_TOKENS};
}

/* Rows of the cache's last positions: n_singles tiles of one row, then tiles of at most sixteen. */
static mu_cuda_batch d_batch(const cache *c, uint32_t n_rows, uint32_t n_singles) {
    mu_cuda_row *rows = MU_ALLOC(mu_cuda_row, n_rows);
    mu_cuda_tile *tiles = MU_ALLOC(mu_cuda_tile, n_rows);
    mu_cuda_batch batch = {.n_rows = n_rows, .n_singles = n_singles};
    for (uint32_t i = 0; i < n_rows; i++) {
        rows[i].position = c->n_positions - n_rows + i;
    }
    for (uint32_t i = 0, tile_rows = 1; i < n_rows; i += tile_rows) {
        uint32_t left = n_rows - i;
        if (i == n_singles) tile_rows = MU_CUDA_ROW_TILE;
        tiles[batch.n_tiles++] = (mu_cuda_tile){
            .first_row = i,
            .n_rows = left < tile_rows ? left : tile_rows,
            .position = rows[i].position,
            .table = rows[i].table,
        };
    }
    batch.d_rows = d_bytes(rows, n_rows * sizeof(*rows));
    batch.d_tiles = d_bytes(tiles, batch.n_tiles * sizeof(*tiles));
    batch.d_tables = d_bytes(c->table, c->n_blocks * sizeof(*c->table));
    mu_free(tiles);
    mu_free(rows);
    return batch;
}

static double attended(const cache *c, const float *q, uint32_t position, uint32_t head, uint32_t d,
                       double scale) {
    size_t hidden = (size_t)c->n_heads * c->head_dim, at = (size_t)head * c->head_dim;
    double total = 0.0, sum = 0.0;
    for (uint32_t p = 0; p <= position; p++) {
        double score = 0.0;
        for (uint32_t i = 0; i < c->head_dim; i++) {
            score += (double)q[at + i] * (double)c->k[p * hidden + at + i];
        }
        double weight = exp(score * scale);
        total += weight;
        sum += weight * (double)c->v[p * hidden + at + d];
    }
    return sum / total;
}

static void *attend(const cache *c, void *d_base, const void *d_q, uint32_t n_rows,
                    uint32_t n_singles, double scale) {
    size_t bytes = acts_bytes(c->type, n_rows, c->n_heads * c->head_dim);
    mu_cuda_batch batch = d_batch(c, n_rows, n_singles);
    mu_cuda_attention a = {.d_q = d_q,
                           .kv = cache_kv(c, d_base),
                           .batch = &batch,
                           .scale = (float)scale,
                           .d_acts = d_poisoned(bytes)};
    void *y = mu_alloc(bytes);
    CHECK(api->attention(stream, &a, &err));
    fetch(y, a.d_acts, bytes);
    return y;
}

static void check_attention(mu_cuda_type type, uint32_t head_dim, uint32_t n_positions,
                            uint32_t n_rows) {
    cache c = cache_make(type, 3, head_dim, n_positions);
    uint32_t hidden = c.n_heads * head_dim, k_padded = mu_cuda_whole(hidden, MU_CUDA_K_STEP);
    float *q = random_values(type, (size_t)n_rows * hidden);
    void *packed_q = mu_alloc((size_t)n_rows * hidden * mu_cuda_elem_bytes(type));
    for (size_t i = 0; i < (size_t)n_rows * hidden; i++) {
        put(type, packed_q, i, q[i]);
    }
    void *d_q = d_bytes(packed_q, (size_t)n_rows * hidden * mu_cuda_elem_bytes(type));
    void *packed = cache_pack(&c), *d_base = d_bytes(packed, c.bytes);
    double scale = 2.0 / sqrt((double)head_dim);
    void *whole = attend(&c, d_base, d_q, n_rows, n_rows / 3, scale);
    void *alone = attend(&c, d_base, d_q, n_rows, n_rows, scale);
    double tolerance = type == MU_CUDA_F32 ? 2e-6 : 8e-3;
    for (uint32_t row = 0; row < n_rows; row++) {
        for (uint32_t i = 0; i < hidden; i++) {
            size_t at = acts_at(type, row, i, k_padded);
            double want = attended(&c, q + (size_t)row * hidden, n_positions - n_rows + row,
                                   i / head_dim, i % head_dim, scale);
            double got = get(type, whole, at);
            if (!(fabs(got - want) <= tolerance)) {
                fail_msg("attention of %u rows over %u positions, head size %u: row %u, %u is "
                         "%.9g, should be %.9g",
                         n_rows, n_positions, head_dim, row, i, got, want);
            }
            size_t bytes = mu_cuda_elem_bytes(type);
            assert_memory_equal((uint8_t *)whole + at * bytes, (uint8_t *)alone + at * bytes,
                                bytes);
        }
    }
    mu_free(alone);
    mu_free(whole);
    mu_free(packed);
    mu_free(packed_q);
    mu_free(q);
    cache_free(&c);
}

static void test_attention(void **state) {
    (void)state;
    static const uint32_t head_dims[] = {1, 8, 20, 32, 64, 128};
    static const struct {
        uint32_t n_positions, n_rows;
    } sizes[] = {{1, 1}, {16, 16}, {17, 1}, {45, 45}, {150, 21}, {300, 2}};
    for (size_t i = 0; i < MU_COUNTOF(head_dims); i++) {
        for (size_t j = 0; j < MU_COUNTOF(sizes); j++) {
            check_attention(MU_CUDA_F32, head_dims[i], sizes[j].n_positions, sizes[j].n_rows);
            check_attention(MU_CUDA_BF16, head_dims[i], sizes[j].n_positions, sizes[j].n_rows);
        }
    }
}

/* Q, K and V of a product go where attention looks for them, and nowhere else. */
static void test_qkv(void **state) {
    (void)state;
    static const uint32_t head_dims[] = {5, 32};
    for (uint32_t i = 0; i < 8; i++) {
        mu_cuda_type type = i % 2 ? MU_CUDA_BF16 : MU_CUDA_F32;
        uint32_t head_dim = head_dims[i / 2 % 2], n_rows = i < 4 ? 3 : 40;
        cache c = cache_make(type, 3, head_dim, 50);
        uint32_t hidden = c.n_heads * head_dim;
        product p = product_make(type, 24, 3 * hidden, n_rows);
        mu_cuda_matmul a = product_args(&p);
        size_t q_bytes = (size_t)n_rows * hidden * mu_cuda_elem_bytes(type);
        mu_cuda_batch batch = d_batch(&c, n_rows, 0);
        void *before = cache_pack(&c), *after = mu_alloc(c.bytes), *q = mu_alloc(q_bytes);
        a.d_acts = d_acts(type, p.x, n_rows, p.n_in);
        a.output = MU_CUDA_TO_QKV;
        a.d_q = d_poisoned(q_bytes);
        a.kv = cache_kv(&c, d_bytes(before, c.bytes));
        a.batch = &batch;
        CHECK(api->matmul(stream, &a, &err));
        fetch(q, a.d_q, q_bytes);
        fetch(after, a.kv.d_base, c.bytes);
        double rounding = type == MU_CUDA_F32 ? 0.0 : 0x1p-8;
        for (uint32_t row = 0; row < n_rows; row++) {
            for (uint32_t out = 0; out < p.n_out; out++) {
                uint32_t part = out / hidden, of_part = out % hidden;
                uint32_t position = c.n_positions - n_rows + row;
                size_t at =
                    cache_at(&c, position, part == 2, of_part / head_dim, of_part % head_dim);
                double got =
                    part == 0 ? get(type, q, (size_t)row * hidden + of_part) : get(type, after, at);
                double magnitude,
                    want = product_of(&p, p.x + (size_t)row * p.n_in, out, &magnitude);
                assert_near(got, want, rounding * fabs(want) + 4e-6 * (magnitude + 1.0), "QKV", &p,
                            row, out);
                if (part > 0) put(type, after, at, 0.0f), put(type, before, at, 0.0f);
            }
        }
        assert_memory_equal(before, after, c.bytes);
        mu_free(q);
        mu_free(after);
        mu_free(before);
        product_free(&p);
        cache_free(&c);
    }
}

static void test_embed(void **state) {
    (void)state;
    enum { VOCAB = 70, N_CTX = 9, HIDDEN = 45, N_ROWS = 21 };
    for (int type = MU_CUDA_F32; type <= MU_CUDA_BF16; type++) {
        float *w = random_values((mu_cuda_type)type, VOCAB * HIDDEN);
        float *positions = random_values(MU_CUDA_F32, N_CTX * HIDDEN), x[N_ROWS * HIDDEN];
        mu_cuda_row rows[N_ROWS] = {0};
        for (uint32_t i = 0; i < N_ROWS; i++) {
            rows[i].token = (int32_t)mu_rng_below(&rng, VOCAB);
            rows[i].position = (uint32_t)mu_rng_below(&rng, N_CTX);
        }
        mu_cuda_batch batch = {.d_rows = d_bytes(rows, sizeof(rows)), .n_rows = N_ROWS};
        mu_cuda_embed a = {.type = (mu_cuda_type)type,
                           .d_embed = d_weights((mu_cuda_type)type, w, VOCAB, HIDDEN),
                           .d_positions = d_bytes(positions, sizeof(float) * N_CTX * HIDDEN),
                           .hidden_dim = HIDDEN,
                           .d_x = d_poisoned(sizeof(x))};
        CHECK(api->embed(stream, &a, &batch, &err));
        fetch(x, a.d_x, sizeof(x));
        for (uint32_t i = 0; i < N_ROWS * HIDDEN; i++) {
            uint32_t row = i / HIDDEN, d = i % HIDDEN;
            float want = w[(uint32_t)rows[row].token * HIDDEN + d] +
                         positions[rows[row].position * HIDDEN + d];
            assert_true(x[i] == want);
        }
        free_buffers();
        mu_free(positions);
        mu_free(w);
    }
}

static const float *sorted_by; /* of compare_tokens(): qsort() has no context */

static int compare_tokens(const void *a, const void *b) {
    mu_token x = *(const mu_token *)a, y = *(const mu_token *)b;
    if (sorted_by[x] != sorted_by[y]) return sorted_by[x] > sorted_by[y] ? -1 : 1;
    return x < y ? -1 : 1;
}

static void check_top(const float *logits, uint32_t vocab_size, const mu_cuda_top *top,
                      const mu_candidate *best, uint32_t n_top) {
    mu_token *order = MU_ALLOC(mu_token, vocab_size);
    double total = 0.0;
    for (uint32_t i = 0; i < vocab_size; i++) {
        order[i] = (mu_token)i;
        total += exp((double)logits[i]);
    }
    sorted_by = logits;
    qsort(order, vocab_size, sizeof(*order), compare_tokens);
    assert_int_equal(top->n, n_top < vocab_size ? n_top : vocab_size);
    assert_int_equal(top->is_finite, 1);
    assert_true(fabs((double)top->log_total - log(total)) < 1e-5 * (1.0 + fabs(log(total))));
    for (uint32_t i = 0; i < top->n; i++) {
        assert_int_equal(best[i].token, order[i]);
        assert_true(best[i].logit == logits[order[i]]);
    }
    mu_free(order);
}

/* Rows of many kinds: all different, many ties, nearly all equal, both signs of zero. */
static float logit_of(uint32_t kind) {
    double x = mu_rng_f64(&rng) * 20.0 - 10.0;
    if (kind == 1) return (float)floor(x / 4.0);
    if (kind == 2) return mu_rng_below(&rng, 50) == 0 ? 1.0f : 0.25f;
    if (kind == 3) return mu_rng_below(&rng, 2) == 0 ? 0.0f : -0.0f;
    return (float)x;
}

static void test_top(void **state) {
    (void)state;
    static const uint32_t vocab_sizes[] = {1, 5, 64, 1000, 5003, 2 * MU_CUDA_TOP_PART + 1};
    static const uint32_t n_tops[] = {0, 1, 2, 20, MU_TOP_MAX};
    enum { KINDS = 4, ROWS = KINDS * MU_COUNTOF(n_tops) };
    for (size_t v = 0; v < MU_COUNTOF(vocab_sizes); v++) {
        uint32_t vocab_size = vocab_sizes[v], n_candidates = 0;
        size_t n = (size_t)ROWS * vocab_size;
        float *logits = MU_ALLOC(float, n);
        mu_cuda_out outs[ROWS];
        mu_cuda_top tops[ROWS];
        mu_candidate best[ROWS * MU_TOP_MAX];
        for (uint32_t row = 0; row < ROWS; row++) {
            for (uint32_t i = 0; i < vocab_size; i++) {
                logits[row * vocab_size + i] = logit_of(row % KINDS);
            }
            outs[row] = (mu_cuda_out){0, n_tops[row / KINDS], n_candidates};
            n_candidates += outs[row].n_top;
        }
        mu_cuda_batch batch = {.d_outs = d_bytes(outs, sizeof(outs)), .n_outs = ROWS};
        mu_cuda_top_args a = {.d_logits = d_bytes(logits, n * sizeof(float)),
                              .vocab_size = vocab_size,
                              .batch = &batch,
                              .tops = d_poisoned(sizeof(tops)),
                              .candidates = d_poisoned(sizeof(best)),
                              .d_parts = d_top_parts(ROWS, vocab_size),
                              .d_n_done = d_zeros(ROWS * sizeof(uint32_t))};
        CHECK(api->top(stream, &a, &err));
        fetch(tops, a.tops, sizeof(tops));
        fetch(best, a.candidates, sizeof(best));
        for (uint32_t row = 0; row < ROWS; row++) {
            if (outs[row].n_top == 0) {
                assert_int_equal(tops[row].n, 0);
            } else {
                check_top(logits + (size_t)row * vocab_size, vocab_size, &tops[row],
                          best + outs[row].first, outs[row].n_top);
            }
        }
        free_buffers();
        mu_free(logits);
    }
}

static void test_top_of_broken_rows(void **state) {
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    enum { VOCAB = 3000 };
    for (size_t i = 0; i < MU_COUNTOF(odd) * 2; i++) {
        float *logits = random_values(MU_CUDA_F32, VOCAB);
        mu_cuda_out out = {0, i % 2 ? 7 : 1, 0};
        mu_cuda_top top;
        logits[i * 499] = odd[i / 2];
        mu_cuda_batch batch = {.d_outs = d_bytes(&out, sizeof(out)), .n_outs = 1};
        mu_cuda_top_args a = {.d_logits = d_bytes(logits, VOCAB * sizeof(float)),
                              .vocab_size = VOCAB,
                              .batch = &batch,
                              .tops = d_poisoned(sizeof(top)),
                              .candidates = d_poisoned(sizeof(mu_candidate) * 7),
                              .d_parts = d_top_parts(1, VOCAB),
                              .d_n_done = d_zeros(sizeof(uint32_t))};
        CHECK(api->top(stream, &a, &err));
        fetch(&top, a.tops, sizeof(top));
        assert_int_equal(top.is_finite, 0);
        free_buffers();
        mu_free(logits);
    }
}

/* A graph does again what was recorded, on what is in memory then. */
static void test_graph(void **state) {
    (void)state;
    product p = product_make(MU_CUDA_BF16, 64, 40, 2);
    mu_cuda_matmul a = product_args(&p);
    float before[80] = {0}, once[80], twice[80];
    a.d_acts = d_acts(p.type, p.x, p.n_rows, p.n_in);
    a.output = MU_CUDA_TO_RESIDUAL;
    a.d_y = d_bytes(before, sizeof(before));
    mu_cuda_graph *graph = NULL;
    CHECK(api->graph_begin(stream, &err));
    CHECK(api->matmul(stream, &a, &err));
    CHECK(api->graph_end(stream, &graph, &err));
    fetch(once, a.d_y, sizeof(once));
    assert_memory_equal(before, once, sizeof(once)); /* recorded, not run */
    CHECK(api->graph_launch(stream, graph, &err));
    fetch(once, a.d_y, sizeof(once));
    CHECK(api->graph_launch(stream, graph, &err));
    fetch(twice, a.d_y, sizeof(twice));
    for (uint32_t i = 0; i < MU_COUNTOF(once); i++) {
        assert_true(once[i] != 0.0f && twice[i] == once[i] + once[i]);
    }
    api->graph_close(graph);
    product_free(&p);
}

static void test_no_memory(void **state) {
    (void)state;
    void *d = NULL;
    mu_err err;
    assert_int_equal(api->memory_open(stream, (size_t)1 << 50, &d, &err), MU_ERR_NOMEM);
    assert_non_null(strstr(err.text, "MiB are free"));
    d = d_bytes("works again", 12);
    assert_non_null(d);
    free_buffers();
}

int main(void) {
    const char *path = getenv("MUAI_CUDA_LIBRARY");
    uint32_t n = 0;
    mu_err err;
    if (path) mu_gpu_use_library(path);
    if (!path || mu_gpu_count(&n, &err) != MU_OK) {
        printf("skipped: %s\n", path ? err.text : "MUAI_CUDA_LIBRARY is not set");
        return 0;
    }
    if (mu_cuda_library_get(&api, &err) != MU_OK || api->stream_open(0, &stream, &err) != MU_OK) {
        printf("%s\n", err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_rows_are_alone),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_qkv),
        cmocka_unit_test(test_embed),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_top_of_broken_rows),
        cmocka_unit_test(test_graph),
        cmocka_unit_test(test_no_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    api->stream_close(stream);
    return failed;
}
