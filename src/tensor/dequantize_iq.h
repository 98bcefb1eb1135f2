/* dequantize_iq.h - one block each of the IQ, trit and 4-bit float types: the rows of
 * dequantize.c's table that need tables of their own. Private to tensor/.
 *
 * src: a block at any address; dst: its elements. The arithmetic is that of the gguf package
 * (gguf/quants.py), operation by operation, so that results are equal bit for bit. */
#ifndef MU_TENSOR_DEQUANTIZE_IQ_H
#define MU_TENSOR_DEQUANTIZE_IQ_H

void mu_dequantize_iq1_s(const void *src, float *dst);
void mu_dequantize_iq1_m(const void *src, float *dst);
void mu_dequantize_iq2_xxs(const void *src, float *dst);
void mu_dequantize_iq2_xs(const void *src, float *dst);
void mu_dequantize_iq2_s(const void *src, float *dst);
void mu_dequantize_iq3_xxs(const void *src, float *dst);
void mu_dequantize_iq3_s(const void *src, float *dst);
void mu_dequantize_iq4_nl(const void *src, float *dst);
void mu_dequantize_iq4_xs(const void *src, float *dst);
void mu_dequantize_tq1_0(const void *src, float *dst);
void mu_dequantize_tq2_0(const void *src, float *dst);
void mu_dequantize_mxfp4(const void *src, float *dst);
void mu_dequantize_nvfp4(const void *src, float *dst);

#endif
