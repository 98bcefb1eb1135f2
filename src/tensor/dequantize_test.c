/* Every block layout against the gguf package's arithmetic (tests/golden/make_blocks.py), and the
 * 16-bit floats against an independent computation in double, for all 65,536 of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "base/map.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

/* The dtype of a name of 16 bytes, filled up with NULs. */
static mu_dtype dtype_named(const uint8_t *name) {
    assert_non_null(name);
    for (int dtype = 0; dtype < MU_N_DTYPES; dtype++) {
        if (strncmp(mu_dtype_get((mu_dtype)dtype)->name, (const char *)name, 16) == 0) {
            return (mu_dtype)dtype;
        }
    }
    fail_msg("no type %.16s", (const char *)name);
    return MU_N_DTYPES;
}

static size_t compare_type(mu_cursor *c) {
    mu_dtype dtype = dtype_named(mu_cursor_take(c, 16));
    const mu_dtype_info *info = mu_dtype_get(dtype);
    uint32_t n_blocks = mu_cursor_u32(c);
    assert_int_equal(mu_cursor_u32(c), info->block_bytes);
    assert_int_equal(mu_cursor_u32(c), info->block_elems);
    const uint8_t *blocks = mu_cursor_take(c, (uint64_t)n_blocks * info->block_bytes);
    for (uint32_t b = 0; b < n_blocks; b++) {
        float got[256], want[256];
        mu_dequantize(dtype, blocks + b * info->block_bytes, info->block_elems, got);
        const uint8_t *expected = mu_cursor_take(c, info->block_elems * sizeof(float));
        assert_false(c->overrun);
        memcpy(want, expected, info->block_elems * sizeof(float));
        for (uint32_t i = 0; i < info->block_elems;
             i++) { /* 0 and -0 are equal, all else by bits */
            if (got[i] == want[i]) continue;
            fail_msg("%s: block %u: element %u is %a, not %a", info->name, b, i, (double)got[i],
                     (double)want[i]);
        }
    }
    return (size_t)n_blocks * info->block_elems;
}

/* The sample in the repository, or a larger one that make_blocks.py wrote elsewhere. */
static void blocks_equal_the_reference(void **state) {
    (void)state;
    mu_map map;
    const char *path = getenv("MUAI_TEST_BLOCKS");
    if (!path) path = "tests/golden/blocks/blocks.bin";
    assert_int_equal(mu_map_open(path, &map, NULL), MU_OK);
    mu_cursor c = {.data = map.data, .size = map.size};
    size_t n_types = 0, n_values = 0;
    for (; c.pos < c.size; n_types++) {
        n_values += compare_type(&c);
    }
    assert_int_equal(n_types, 23);
    print_message("%zu values of %zu types\n", n_values, n_types);
    mu_map_close(&map);
}

/* The one block type that the gguf package does not read, and numbers that are no weights. */
static void plain_types_are_what_they_say(void **state) {
    (void)state;
    uint8_t block[18] = {0x00, 0x3C, 0x05}; /* 1.0, then bits 0 and 2 */
    float got[128];
    mu_dequantize(MU_Q1_0, block, 128, got);
    for (int i = 0; i < 128; i++) {
        assert_true(got[i] == (i == 0 || i == 2 ? 1.0f : -1.0f));
    }
    mu_dequantize(MU_F64, (double[]){0.5, -1e300}, 2, got);
    assert_true(got[0] == 0.5f && isinf(got[1]));
    mu_dequantize(MU_I8, (int8_t[]){-128, 7}, 2, got);
    assert_true(got[0] == -128.0f && got[1] == 7.0f);
    mu_dequantize(MU_I16, (int16_t[]){-300}, 1, got);
    assert_true(got[0] == -300.0f);
    mu_dequantize(MU_I32, (int32_t[]){1 << 30}, 1, got);
    assert_true(got[0] == 0x1p30f);
    mu_dequantize(MU_I64, (int64_t[]){-((int64_t)1 << 40)}, 1, got);
    assert_true(got[0] == -0x1p40f);
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
        cmocka_unit_test(plain_types_are_what_they_say),
        cmocka_unit_test(every_f16_converts_both_ways),
        cmocka_unit_test(every_bf16_converts_both_ways),
        cmocka_unit_test(bytes_of_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
