/* Rounding to blocks: the error bounds that the types promise, the usual choice of scale never
 * beaten, and values that no model should have.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

enum { BLOCK = 32, N_BLOCKS = 20000 };

static mu_rng rng = {2026};

/* Blocks of many kinds: normal, one-sided, with an outlier, sparse, tiny. */
static void draw(float *x, uint32_t kind) {
    for (int i = 0; i < BLOCK; i++) {
        double sum = -6.0;
        for (int k = 0; k < 12; k++) {
            sum += mu_rng_f64(&rng);
        }
        x[i] = (float)(0.02 * sum);
        if (kind % 5 == 1) x[i] = fabsf(x[i]);
        if (kind % 5 == 2 && i == 7) x[i] *= 40.0f;
        if (kind % 5 == 3 && i % 4 != 0) x[i] = 0.0f;
        if (kind % 5 == 4) x[i] *= 1e-4f;
    }
}

static float largest(const float *x) {
    float most = 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        most = fmaxf(most, fabsf(x[i]));
    }
    return most;
}

static double square_error(const float *x, const float *y) {
    double sum = 0.0;
    for (int i = 0; i < BLOCK; i++) {
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    }
    return sum;
}

static void q8_0_is_within_half_a_step(void **state) {
    (void)state;
    for (uint32_t n = 0; n < N_BLOCKS; n++) {
        float x[BLOCK], y[BLOCK];
        mu_block_q8_0 b;
        draw(x, n);
        mu_quantize(MU_Q8_0, x, BLOCK, &b);
        mu_dequantize(MU_Q8_0, &b, BLOCK, y);
        /* half a step, and what rounding the scale to f16 (2^-11, or 2^-25 when it is tiny) adds */
        float step = largest(x) / 127.0f, slack = largest(x) * 0x1p-11f + 127.0f * 0x1p-25f;
        for (int i = 0; i < BLOCK; i++) {
            assert_true(fabsf(x[i] - y[i]) <= 0.5f * step + slack);
        }
    }
}

/* ggml's scale: the element farthest from zero becomes level -8. */
static void usual_q4_0(const float *x, float *y) {
    float most = 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    }
    float scale = mu_f16_to_f32(mu_f32_to_f16(most / -8.0f));
    for (int i = 0; i < BLOCK; i++) {
        float level = most == 0.0f ? 0.0f : rintf(x[i] * (-8.0f / most));
        y[i] = fmaxf(-8.0f, fminf(7.0f, level)) * scale;
    }
}

static void q4_0_is_never_worse_than_the_usual_scale(void **state) {
    (void)state;
    double ours = 0.0, usual = 0.0;
    for (uint32_t n = 0; n < N_BLOCKS; n++) {
        float x[BLOCK], y[BLOCK], z[BLOCK];
        mu_block_q4_0 b;
        draw(x, n);
        mu_quantize(MU_Q4_0, x, BLOCK, &b);
        mu_dequantize(MU_Q4_0, &b, BLOCK, y);
        usual_q4_0(x, z);
        double error = square_error(x, y), usual_error = square_error(x, z);
        assert_true(error <= usual_error * 1.00001 + 1e-20);
        if (n % 5 == 0) ours += error, usual += usual_error;
    }
    print_message("square error of normal weights: %.3f of the usual scale's\n", ours / usual);
    assert_true(ours < 0.95 * usual);
}

static void blocks_of_zeros_and_of_no_numbers(void **state) {
    (void)state;
    static const float kinds[] = {0.0f, -0.0f, 1e-30f, 1e-45f, 3e38f, INFINITY, -INFINITY, NAN};
    for (uint32_t n = 0; n < N_BLOCKS; n++) {
        float x[BLOCK], y[BLOCK];
        mu_block_q8_0 eight;
        mu_block_q4_0 four;
        for (int i = 0; i < BLOCK; i++) {
            x[i] = n == 0 ? 0.0f : kinds[mu_rng_below(&rng, MU_COUNTOF(kinds))];
        }
        mu_quantize(MU_Q8_0, x, BLOCK, &eight);
        mu_dequantize(MU_Q8_0, &eight, BLOCK, y);
        for (int i = 0; i < BLOCK; i++) {
            assert_true(isfinite(y[i]) && (n > 0 || y[i] == 0.0f));
        }
        mu_quantize(MU_Q4_0, x, BLOCK, &four);
        mu_dequantize(MU_Q4_0, &four, BLOCK, y);
        for (int i = 0; i < BLOCK; i++) {
            assert_true(isfinite(y[i]) && (n > 0 || y[i] == 0.0f));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q8_0_is_within_half_a_step),
        cmocka_unit_test(q4_0_is_never_worse_than_the_usual_scale),
        cmocka_unit_test(blocks_of_zeros_and_of_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
