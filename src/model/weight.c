/* Reading is arranged so that both sides stay in cache: a panel of a transposed f32 tensor is one
 * short copy per input; a panel of anything else goes through a block of rows that is dequantized
 * and then turned.
 */
#include "model/weight.h"

#include <string.h>

#include "base/map.h"
#include "base/rng.h"

enum {
    BLOCK = 256, /* elements: the largest quantization block, so that a run is whole blocks */
    TURN_ROWS = 32,
};

/* Synthetic values: four 16-bit uniform pieces of one hash; their sum is close to normal
 * (Irwin-Hall) with variance 4 / 12. Integer arithmetic and one multiplication by a power of two:
 * the same on every machine. */
static float synthetic(const mu_weight *w, uint64_t index) {
    uint64_t h = mu_mix64(w->seed + 0x9e3779b97f4a7c15u * (index + 1));
    int32_t sum = (int32_t)(h & 0xffff) + (int32_t)(h >> 16 & 0xffff) +
                  (int32_t)(h >> 32 & 0xffff) + (int32_t)(h >> 48) - 2 * 65535;
    const float unit = 1.7320508f / 65536.0f; /* sqrt(12 / 4) */
    return w->mean + w->deviation * unit * (float)sum;
}

/* n consecutive elements of the tensor from element `first` on. */
static void read_run(const mu_tensor *tensor, uint64_t first, uint32_t n, float *dst) {
    const mu_dtype_info *info = mu_dtype_get(tensor->dtype);
    const uint8_t *data = tensor->data;
    float block[BLOCK];
    while (n > 0) {
        uint32_t into = (uint32_t)(first % info->block_elems);
        const uint8_t *at = data + first / info->block_elems * info->block_bytes;
        uint32_t take = n / info->block_elems * info->block_elems;
        if (into == 0 && take > 0) {
            mu_dequantize(tensor->dtype, at, take, dst);
        } else { /* part of a block */
            take = info->block_elems - into < n ? info->block_elems - into : n;
            mu_dequantize(tensor->dtype, at, info->block_elems, block);
            memcpy(dst, block + into, take * sizeof(*dst));
        }
        first += take;
        dst += take;
        n -= take;
    }
}

mu_dtype mu_weight_type_of(const mu_weight *w, mu_dtype wanted) {
    if (wanted != MU_AS_FILE) return wanted;
    if (!w->tensor) return MU_F32;
    mu_dtype type = mu_dtype_get(w->tensor->dtype)->packed_as;
    bool is_whole = !w->is_transposed && w->n_in % mu_dtype_get(type)->block_elems == 0;
    return is_whole || mu_weight_type_name(type) ? type : MU_Q8_0; /* nothing rounds to the rest */
}

uint32_t mu_interleaved_row(uint32_t interleaved_dim, uint32_t out) {
    uint32_t in_head = out % interleaved_dim, half = interleaved_dim / 2;
    return out - in_head + 2 * (in_head % half) + in_head / half;
}

uint32_t mu_interleaved_output(uint32_t interleaved_dim, uint32_t row) {
    uint32_t in_head = row % interleaved_dim, half = interleaved_dim / 2;
    return row - in_head + in_head % 2 * half + in_head / 2;
}

/* Where an output is among those of the tensor. */
static uint64_t row_of(const mu_weight *w, uint32_t out) {
    if (w->interleaved_dim > 0) out = mu_interleaved_row(w->interleaved_dim, out);
    return (uint64_t)w->first_out + out;
}

static uint64_t n_tensor_outputs(const mu_weight *w) {
    return w->is_transposed ? w->tensor->dims[w->tensor->n_dims - 1]
                            : mu_tensor_n_elems(w->tensor) / w->n_in;
}

/* One output's inputs [first_in, first_in + n). */
static void read_inputs(const mu_weight *w, uint32_t out, uint32_t first_in, uint32_t n,
                        float *dst) {
    if (!w->tensor) {
        for (uint32_t i = 0; i < n; i++) {
            dst[i] = synthetic(w, (uint64_t)out * w->n_in + first_in + i);
        }
        return;
    }
    uint64_t row = row_of(w, out);
    if (!w->is_transposed) {
        read_run(w->tensor, row * w->n_in + first_in, n, dst);
        return;
    }
    uint64_t stride = n_tensor_outputs(w);
    for (uint32_t i = 0; i < n; i++) {
        read_run(w->tensor, (first_in + i) * stride + row, 1, dst + i);
    }
}

void mu_weight_read_rows(const mu_weight *w, uint32_t first_out, uint32_t n, float *dst) {
    MU_ASSERT(first_out + n <= w->n_out);
    for (uint32_t j = 0; j < n; j++) {
        read_inputs(w, first_out + j, 0, w->n_in, dst + (size_t)j * w->n_in);
    }
    for (size_t i = 0; w->added != 0.0f && i < (size_t)n * w->n_in; i++) {
        dst[i] += w->added;
    }
}

/* Transposed: each input is a run of outputs. */
static void read_transposed(const mu_weight *w, uint32_t first_out, uint32_t n, uint32_t width,
                            float *dst) {
    uint64_t stride = n_tensor_outputs(w);
    for (uint32_t i = 0; i < w->n_in; i++) {
        uint64_t at = i * stride + w->first_out + first_out;
        read_run(w->tensor, at, n, dst + (size_t)i * width);
    }
}

/* Everything else: a square of outputs and inputs at a time. */
static void read_turned(const mu_weight *w, uint32_t first_out, uint32_t n, uint32_t width,
                        float *dst) {
    float square[TURN_ROWS][BLOCK];
    for (uint32_t j0 = 0; j0 < n; j0 += TURN_ROWS) {
        uint32_t n_rows = n - j0 < TURN_ROWS ? n - j0 : TURN_ROWS;
        for (uint32_t i0 = 0; i0 < w->n_in; i0 += BLOCK) {
            uint32_t n_inputs = w->n_in - i0 < BLOCK ? w->n_in - i0 : BLOCK;
            for (uint32_t j = 0; j < n_rows; j++) {
                read_inputs(w, first_out + j0 + j, i0, n_inputs, square[j]);
            }
            for (uint32_t i = 0; i < n_inputs; i++) {
                float *to = dst + (size_t)(i0 + i) * width + j0;
                for (uint32_t j = 0; j < n_rows; j++) {
                    to[j] = square[j][i];
                }
            }
        }
    }
}

void mu_weight_read_panel(const mu_weight *w, uint32_t first_out, uint32_t width, float *dst) {
    MU_ASSERT(first_out < w->n_out);
    uint32_t n = w->n_out - first_out < width ? w->n_out - first_out : width;
    if (n < width) memset(dst, 0, (size_t)w->n_in * width * sizeof(*dst));
    if (w->tensor && w->is_transposed) {
        read_transposed(w, first_out, n, width, dst);
    } else {
        read_turned(w, first_out, n, width, dst);
    }
}

/* The same numbers with more bits for each. */
static void widen_q4_0(const uint8_t *src, size_t n_blocks, uint8_t *dst) {
    for (size_t i = 0; i < n_blocks; i++) {
        mu_block_q4_0 from;
        mu_block_q8_0 to;
        memcpy(&from, src + i * sizeof(from), sizeof(from));
        to.scale = from.scale;
        for (int e = 0; e < 16; e++) {
            to.quants[e] = (int8_t)((from.quants[e] & 15) - 8);
            to.quants[e + 16] = (int8_t)((from.quants[e] >> 4) - 8);
        }
        memcpy(dst + i * sizeof(to), &to, sizeof(to));
    }
}

/* n rows as the file holds them, if it can be done without rounding. */
static bool copy_blocks(const mu_weight *w, mu_dtype dtype, uint32_t first_out, uint32_t n,
                        uint8_t *dst) {
    uint32_t elems = mu_dtype_get(dtype)->block_elems;
    if (!w->tensor || w->is_transposed || w->n_in % elems != 0) return false;
    mu_dtype held = w->tensor->dtype;
    if (held != dtype && !(held == MU_Q4_0 && dtype == MU_Q8_0)) return false;
    size_t row_blocks = w->n_in / elems, held_bytes = mu_dtype_get(held)->block_bytes;
    for (uint32_t j = 0; j < n; j++) {
        size_t block = (size_t)row_of(w, first_out + j) * row_blocks;
        const uint8_t *src = (const uint8_t *)w->tensor->data + block * held_bytes;
        uint8_t *to = dst + j * row_blocks * mu_dtype_get(dtype)->block_bytes;
        if (held == dtype) {
            memcpy(to, src, row_blocks * held_bytes);
        } else {
            widen_q4_0(src, row_blocks, to);
        }
    }
    return true;
}

void mu_weight_read_blocks(const mu_weight *w, mu_dtype dtype, uint32_t first_out, uint32_t width,
                           float *panel, void *dst) {
    MU_ASSERT(first_out < w->n_out);
    uint32_t n = w->n_out - first_out < width ? w->n_out - first_out : width;
    uint32_t elems = mu_dtype_get(dtype)->block_elems, row_blocks = (w->n_in + elems - 1) / elems;
    size_t block_bytes = mu_dtype_get(dtype)->block_bytes;
    uint8_t *to = dst;
    memset(to + n * row_blocks * block_bytes, 0, (width - n) * row_blocks * block_bytes);
    if (copy_blocks(w, dtype, first_out, n, to)) return;
    mu_weight_read_panel(w, first_out, width, panel);
    memset(panel + (size_t)w->n_in * width, 0,
           ((size_t)row_blocks * elems - w->n_in) * width * sizeof(*panel));
    for (uint32_t block = 0; block < row_blocks; block++) {
        const float *from = panel + (size_t)block * elems * width;
        for (uint32_t j = 0; j < n; j++) {
            float x[BLOCK];
            for (uint32_t i = 0; i < elems; i++) {
                x[i] = from[i * width + j];
            }
            mu_quantize(dtype, x, elems, to + (j * row_blocks + block) * block_bytes);
        }
    }
}

void mu_weight_drop(const mu_weight *w, uint32_t first_out, uint32_t n) {
    if (!w->tensor || first_out >= w->n_out) return;
    if (n > w->n_out - first_out) n = w->n_out - first_out;
    uint64_t n_outputs = n_tensor_outputs(w), first = (uint64_t)w->first_out + first_out;
    if (w->is_transposed) {
        if (first + n == n_outputs) mu_map_drop(w->tensor->data, w->tensor->n_bytes);
        return;
    }
    /* Rows need not be whole blocks: bytes in proportion, which map_drop() rounds to
     * whole pages. */
    const uint8_t *data = w->tensor->data;
    uint64_t row_bytes = w->tensor->n_bytes / n_outputs;
    mu_map_drop(data + first * row_bytes, n * row_bytes);
}
