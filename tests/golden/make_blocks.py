"""Make tests/golden/blocks/blocks.bin: random blocks of each quantized type and what the gguf package
(PyPI, gguf.quants.dequantize) makes of them.

    python tests/golden/make_blocks.py            writes the sample that the repository has
    python tests/golden/make_blocks.py N FILE     writes N blocks of each type; dequantize_test reads
                                                  MUAI_TEST_BLOCKS=FILE instead

For each type: the name of the mu_dtype in 16 bytes, int32 n_blocks, int32 block_bytes, int32
block_elems, the blocks, then float32 values. Little-endian. Scales are finite and not tiny; all other
bits are random.
"""
import os
import struct
import sys

import gguf
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
K = gguf.GGMLQuantizationType
# byte offsets of f16 scales in a block; of the rest every bit is free
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q4_K": [0, 2], "Q6_K": [208], "Q5_0": [0],
          "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q5_K": [0, 2], "IQ1_S": [0], "IQ1_M": [],
          "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ4_NL": [0],
          "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [], "NVFP4": []}


def draw(rng, name, n, size):
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for at in SCALES[name]:
        blocks[:, at:at + 2] = rng.uniform(-2, 2, (n, 1)).astype(np.float16).view(np.uint8)
    if name == "IQ1_M":  # its f16 scale is the top nibbles of four words
        bits = rng.uniform(-2, 2, n).astype(np.float16).view(np.uint16)
        for i in range(4):
            high = blocks[:, 49 + 2 * i]
            blocks[:, 49 + 2 * i] = (high & 15) | ((bits >> (4 * i) & 15) << 4).astype(np.uint8)
    if name == "MXFP4":  # exponents of weights; the two least are denormal
        blocks[:, 0] = rng.choice([0, 1, *range(100, 150)], n)
    return blocks


def main():
    n_all = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    path = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "blocks", "blocks.bin")
    rng = np.random.default_rng(5)
    with open(path, "wb") as out:
        for name in SCALES:
            kind = K[name]
            elems, size = gguf.GGML_QUANT_SIZES[kind]
            n = n_all or (8 if elems < 256 else 3)
            blocks = draw(rng, name, n, size)
            values = gguf.quants.dequantize(blocks, kind).astype(np.float32)
            assert values.shape == (n, elems) and np.isfinite(values).all()
            out.write(struct.pack("<16siii", name.lower().encode(), n, size, elems))
            out.write(blocks.tobytes() + values.tobytes())


main()
