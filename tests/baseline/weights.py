"""GPT-2 models for the baseline: MuAI's synthetic weights, computed again, or a Hugging Face folder.

A synthetic weight is a hash of its tensor's name and its index (src/model/weight.c,
src/model/architectures.c); the same integers and the same three f32 operations give the same bits here.
"""

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

SHAPES = {  # layers, width, heads, vocabulary, context: src/model/model.c
    "gpt2": (12, 768, 12, 50257, 1024),
    "gpt2-medium": (24, 1024, 16, 50257, 1024),
    "gpt2-large": (36, 1280, 20, 50257, 1024),
    "gpt2-xl": (48, 1600, 25, 50257, 1024),
    "gpt2-test": (2, 64, 4, 517, 128),
    "gpt2-mini": (4, 256, 4, 50257, 1024),
}
RUN = 1 << 20  # values computed at once


def fnv1a(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def values(seed, first, n, mean, deviation):
    """mu_mix64 of a counter; the sum of its four 16-bit pieces is close to normal."""
    with np.errstate(over="ignore"):
        x = np.arange(first + 1, first + 1 + n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x += np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    total = np.full(n, -2 * 65535, dtype=np.int64)
    for shift in (0, 16, 32, 48):
        total += ((x >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    unit = np.float32(1.7320508) / np.float32(65536.0)
    return np.float32(mean) + deviation * unit * total.astype(np.float32)


def tensor(name, n_out, n_in, part, mean, deviation):
    out = np.empty(n_out * n_in, dtype=np.float32)
    for first in range(0, out.size, RUN):
        n = min(RUN, out.size - first)
        out[first : first + n] = values(fnv1a(name) + part, first, n, mean, deviation)
    return torch.from_numpy(out.reshape(n_out, n_in) if n_in > 1 else out)


def parameter(name, shape, n_layers):
    """One parameter as transformers shapes it: Conv1D weights are [in, out], QKV lie side by side."""
    mean = 1 if name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight")) else 0
    deviation = np.float32(0.01 if name == "wpe.weight" else 0.02)
    is_projection = ".c_" in name and name.endswith(".weight")
    if name.endswith("c_proj.weight"):
        deviation = deviation / np.sqrt(np.float32(2) * np.float32(n_layers))
    n_parts = 3 if "c_attn" in name else 1
    n_in = shape[0] if is_projection else shape[1] if len(shape) == 2 else 1
    n_out = (shape[-1] if is_projection or len(shape) == 1 else shape[0]) // n_parts
    parts = [tensor(name, n_out, n_in, part, mean, deviation) for part in range(n_parts)]
    whole = torch.cat(parts)
    return whole.t() if is_projection else whole


def synthetic(name, attention):
    n_layers, width, n_heads, vocab, n_ctx = SHAPES[name]
    config = GPT2Config(n_layer=n_layers, n_embd=width, n_head=n_heads, vocab_size=vocab, n_positions=n_ctx,
                        attn_pdrop=0, embd_pdrop=0, resid_pdrop=0, bos_token_id=None, eos_token_id=None)
    config._attn_implementation = attention
    with torch.device("meta"):
        model = GPT2LMHeadModel(config)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for full, target in model.transformer.named_parameters():
            target.copy_(parameter(full, target.shape, n_layers))
        for full, buffer in model.named_buffers():
            raise RuntimeError(f"{full}: a buffer that nothing here fills")
    model.tie_weights()
    return model


def with_linear(model):
    """The same model with nn.Linear for Conv1D: dynamic quantization knows no other."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, Conv1D):
                continue
            linear = torch.nn.Linear(child.weight.shape[0], child.weight.shape[1])
            with torch.no_grad():
                linear.weight.copy_(child.weight.t())
                linear.bias.copy_(child.bias)
            setattr(parent, name, linear)
    return model


def load(reference, dtype="f32", attention="sdpa", is_linear=False, is_compiled=False):
    """(model, tokenizer or None). dtype: f32, bf16, int8 (dynamic quantization of every product)."""
    tokenizer = None
    if reference.startswith("synthetic:"):
        model = synthetic(reference.split(":")[1], attention)
    else:
        from transformers import AutoTokenizer

        model = GPT2LMHeadModel.from_pretrained(reference, attn_implementation=attention, dtype=torch.float32)
        try:
            tokenizer = AutoTokenizer.from_pretrained(reference)
        except (OSError, ValueError):
            pass  # a folder without one: text is bytes
    model.eval()
    if is_linear or dtype == "int8":
        with_linear(model)
    if dtype == "bf16":
        model.to(torch.bfloat16)
    if dtype == "int8":
        from torch.ao.quantization import quantize_dynamic

        model = quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    if is_compiled:
        model.forward = torch.compile(model.forward, dynamic=True)
    return model, tokenizer
