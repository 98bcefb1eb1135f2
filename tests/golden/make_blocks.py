"""Make tests/golden/blocks/blocks.bin: random blocks of each quantized type and what the gguf package
(PyPI, gguf.quants.dequantize) makes of them.

    python tests/golden/make_blocks.py

For each type: int32 index in mu_dtype, int32 n_blocks, int32 block_bytes, int32 block_elems, the
blocks, then float32 values. Little-endian. Scales are finite and not tiny; all other bits are random.
"""
import os
import struct

import gguf
import numpy as np

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "blocks", "blocks.bin")
K = gguf.GGMLQuantizationType
# mu_dtype index, type, byte offsets of f16 scales in a block
TYPES = [(3, K.Q8_0, [0]), (4, K.Q4_0, [0]), (5, K.Q4_1, [0, 2]), (6, K.Q4_K, [0, 2]), (7, K.Q6_K, [208])]

rng = np.random.default_rng(5)
with open(OUT, "wb") as out:
    for index, kind, scales in TYPES:
        elems, size = gguf.GGML_QUANT_SIZES[kind]
        n = 40 if elems == 32 else 12
        blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
        for at in scales:
            blocks[:, at:at + 2] = rng.uniform(-2, 2, (n, 1)).astype(np.float16).view(np.uint8)
        values = gguf.quants.dequantize(blocks, kind).astype(np.float32)
        assert values.shape == (n, elems) and np.isfinite(values).all()
        out.write(struct.pack("<iiii", index, n, size, elems) + blocks.tobytes() + values.tobytes())
