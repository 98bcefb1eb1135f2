/* Every block layout against the gguf package's arithmetic (tests/golden/make_blocks.py), and the
 * 16-bit floats against an independent computation in double, for all 65,536 of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "base/map.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

static void blocks_equal_the_reference(void **state) {
    (void)state;
    mu_map map;
    assert_int_equal(mu_map_open("tests/golden/blocks/blocks.bin", &map, NULL), MU_OK);
    mu_cursor c = {.data = map.data, .size = map.size};
    size_t n_types = 0, n_values = 0;
    for (; c.pos < c.size; n_types++) {
        mu_dtype dtype = (mu_dtype)mu_cursor_u32(&c);
        uint32_t n_blocks = mu_cursor_u32(&c);
        assert_int_equal(mu_cursor_u32(&c), mu_dtype_get(dtype)->block_bytes);
        uint32_t n_elems = mu_cursor_u32(&c);
        assert_int_equal(n_elems, mu_dtype_get(dtype)->block_elems);
        const uint8_t *blocks =
            mu_cursor_take(&c, (uint64_t)n_blocks * mu_dtype_get(dtype)->block_bytes);
        for (uint32_t b = 0; b < n_blocks; b++) {
            float got[256], want[256];
            mu_dequantize(dtype, blocks + b * mu_dtype_get(dtype)->block_bytes, n_elems, got);
            const uint8_t *expected = mu_cursor_take(&c, n_elems * sizeof(float));
            assert_false(c.overrun);
            memcpy(want, expected, n_elems * sizeof(float));
            for (uint32_t i = 0; i < n_elems; i++, n_values++) {
                /* one rounding apart where a product of three is formed in another order */
                assert_true(fabsf(got[i] - want[i]) <= 2e-6f * fabsf(want[i]) + 1e-6f);
            }
        }
    }
    assert_int_equal(n_types, 5);
    print_message("%zu values of %zu types\n", n_values, n_types);
    mu_map_close(&map);
}

static double f16_in_double(uint32_t h) {
    double sign = h & 0x8000 ? -1.0 : 1.0;
    int exponent = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
    if (exponent == 0) return sign * ldexp(mantissa, -24);
    return sign * ldexp(1024 + mantissa, exponent - 25);
}

static void every_f16_converts_both_ways(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = mu_f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00) {
            assert_true((h & 1023) != 0 ? isnan(f) : isinf(f));
            if ((h & 1023) == 0) assert_int_equal(mu_f32_to_f16(f), h);
            continue;
        }
        assert_true((double)f == f16_in_double(h));
        assert_int_equal(mu_f32_to_f16(f), h);
        if ((h & 0x7fff) >= 0x7bff) continue;
        /* half-way to the next one goes to the even one, a little more or less to the nearer */
        double next = f16_in_double(h + 1), half = ((double)f + next) / 2;
        assert_int_equal(mu_f32_to_f16((float)half), h % 2 == 0 ? h : h + 1);
        assert_int_equal(mu_f32_to_f16(nextafterf((float)half, f)), h);
        assert_int_equal(mu_f32_to_f16(nextafterf((float)half, (float)next)), h + 1);
    }
    assert_int_equal(mu_f32_to_f16(65520.0f), 0x7c00); /* rounds up past the largest */
    assert_int_equal(mu_f32_to_f16(65519.9f), 0x7bff);
    assert_true((mu_f32_to_f16(NAN) & 0x7fff) > 0x7c00);
}

static void every_bf16_converts_both_ways(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = mu_bf16_to_f32((uint16_t)h);
        assert_int_equal(mu_f32_bits(f), h << 16);
        if (isnan(f)) {
            assert_true(isnan(mu_bf16_to_f32(mu_f32_to_bf16(f))));
            continue;
        }
        assert_int_equal(mu_f32_to_bf16(f), h);
        if (isinf(f)) continue;
        float half = mu_f32_from_bits((h << 16) + 0x8000);
        assert_int_equal(mu_f32_to_bf16(half), h % 2 == 0 ? h : h + 1);
    }
}

static void bytes_of_elements(void **state) {
    (void)state;
    uint64_t bytes = 77;
    assert_true(mu_dtype_bytes(MU_Q4_K, 512, &bytes));
    assert_int_equal(bytes, 288);
    assert_false(mu_dtype_bytes(MU_Q8_0, 33, &bytes));            /* not whole blocks */
    assert_false(mu_dtype_bytes(MU_F32, UINT64_MAX / 2, &bytes)); /* overflows */
    assert_int_equal(bytes, 288);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_equal_the_reference),
        cmocka_unit_test(every_f16_converts_both_ways),
        cmocka_unit_test(every_bf16_converts_both_ways),
        cmocka_unit_test(bytes_of_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
