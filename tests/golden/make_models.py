"""Make the golden models: tiny random GPT-2 models of different shapes and the logits that the
reference implementation (Hugging Face transformers, f32, CPU) gives for them.

    python tests/golden/make_models.py              writes tests/golden/models/
    python tests/golden/make_models.py --full DIR   writes a 124M model with its logits to DIR

Needs torch, transformers, safetensors, gguf and numpy from PyPI. Every parameter is random, biases
and norms too, so that a forgotten one shows.

logits.bin: int32 n_sequences, vocab_size; then for each sequence int32 n, int32 tokens[n],
float32 logits[n][vocab_size]. Little-endian.
"""
import json
import os
import struct
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")

# name: (config, how it is saved)
MODELS = {
    "plain": (dict(n_layer=2, n_head=4, n_embd=64, vocab_size=211, n_positions=64), "plain"),
    "prefixed-odd": (
        dict(n_layer=3, n_head=5, n_embd=60, n_inner=100, vocab_size=131, n_positions=48,
             activation_function="gelu", layer_norm_epsilon=1e-6),
        "prefixed"),
    "untied-sharded": (
        dict(n_layer=4, n_head=2, n_embd=48, n_inner=77, vocab_size=257, n_positions=80,
             tie_word_embeddings=False, scale_attn_by_inverse_layer_idx=True),
        "sharded"),
    "one-head-relu": (
        dict(n_layer=1, n_head=1, n_embd=33, n_inner=40, vocab_size=97, n_positions=40,
             activation_function="relu", scale_attn_weights=False),
        "plain"),
    "wide-f16": (dict(n_layer=2, n_head=2, n_embd=128, vocab_size=300, n_positions=32), "f16"),
    "bf16": (dict(n_layer=2, n_head=3, n_embd=96, vocab_size=150, n_positions=32), "bf16"),
    "gguf": (dict(n_layer=2, n_head=4, n_embd=64, vocab_size=160, n_positions=64), "gguf"),
    "gguf-q8_0": (dict(n_layer=2, n_head=2, n_embd=64, vocab_size=128, n_positions=32), "gguf-q8_0"),
}


def random_model(config, seed, scale=None):
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(GPT2Config(**config, attn_pdrop=0, embd_pdrop=0, resid_pdrop=0)).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            deviation = scale or (0.6 / np.sqrt(p.shape[0]) if p.dim() == 2 else 0.3)
            p.copy_(torch.randn_like(p) * deviation)
            if ".ln_" in name or "ln_f" in name:
                p.add_(1.0 if name.endswith("weight") else 0.0)
            if name.endswith(("wte.weight", "wpe.weight")) and not scale:
                p.copy_(torch.randn_like(p) * 0.5)
    return model


def sequences(config, seed, lengths):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, config["vocab_size"], n).astype(np.int32) for n in lengths]


def write_logits(model, tokens, path):
    with open(path, "wb") as out:
        out.write(struct.pack("<ii", len(tokens), model.config.vocab_size))
        for ids in tokens:
            with torch.no_grad():
                logits = model(torch.from_numpy(ids.astype(np.int64))[None]).logits[0]
            out.write(struct.pack("<i", len(ids)) + ids.tobytes())
            out.write(logits.to(torch.float32).numpy().tobytes())


def state(model, prefix, dtype=None):
    out = {}
    for name, p in model.state_dict().items():
        if name == "lm_head.weight":
            if not model.config.tie_word_embeddings:
                out[name] = p.clone().contiguous()
            continue
        name = name if prefix else name.removeprefix("transformer.")
        out[name] = p.to(dtype or p.dtype).clone().contiguous()
    return out


def write_config(config, folder):
    with open(os.path.join(folder, "config.json"), "w") as out:
        json.dump(dict(model_type="gpt2", **config), out, indent=1)
        out.write("\n")


def write_shards(tensors, folder):
    names = sorted(tensors)
    files = {}
    for part in range(2):
        file = f"model-{part + 1:05d}-of-00002.safetensors"
        chosen = names[part::2]
        save_file({n: tensors[n] for n in chosen}, os.path.join(folder, file))
        files.update({n: file for n in chosen})
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as out:
        json.dump(dict(metadata={}, weight_map=files), out)


GGUF_NAMES = {
    "wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "ln_1": "attn_norm",
    "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}


def gguf_name(name):
    name = name.removeprefix("transformer.")
    body, kind = name.rsplit(".", 1)
    if body.startswith("h."):
        _, layer, rest = body.split(".", 2)
        return f"blk.{layer}.{GGUF_NAMES[rest]}.{kind}"
    return f"{GGUF_NAMES[body]}.{kind}"


def write_gguf(model, path, quantized):
    c = model.config
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(c.n_positions)
    writer.add_embedding_length(c.n_embd)
    writer.add_feed_forward_length(c.n_inner or 4 * c.n_embd)
    writer.add_block_count(c.n_layer)
    writer.add_head_count(c.n_head)
    writer.add_layer_norm_eps(c.layer_norm_epsilon)
    for name, p in state(model, False).items():
        data = p.numpy()
        if ".attn.c_" in name or ".mlp.c_" in name:
            data = np.ascontiguousarray(data.T) if data.ndim == 2 else data
        if quantized and data.ndim == 2 and "wpe" not in name:
            data = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(gguf_name(name), data, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(gguf_name(name), data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def round_like_q8_0(model):
    """The reference must see the weights that the file holds."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 2 and "wpe" not in name:
                conv = ".attn.c_" in name or ".mlp.c_" in name
                data = np.ascontiguousarray(p.numpy().T) if conv else p.numpy()
                kind = gguf.GGMLQuantizationType.Q8_0
                data = gguf.quants.dequantize(gguf.quants.quantize(data, kind), kind)
                p.copy_(torch.from_numpy(np.ascontiguousarray(data.T if conv else data)))


def make(name, config, form, seed):
    folder = os.path.join(ROOT, name)
    os.makedirs(folder, exist_ok=True)
    model = random_model(config, seed)
    if form in ("f16", "bf16"):
        dtype = torch.float16 if form == "f16" else torch.bfloat16
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(p.to(dtype).to(torch.float32))
        save_file(state(model, False, dtype), os.path.join(folder, "model.safetensors"))
    elif form == "sharded":
        write_shards(state(model, True), folder)
    elif form.startswith("gguf"):
        quantized = form != "gguf"
        if quantized:
            round_like_q8_0(model)
        write_gguf(model, os.path.join(folder, "model.gguf"), quantized)
    else:
        save_file(state(model, form == "prefixed"), os.path.join(folder, "model.safetensors"))
    if not form.startswith("gguf"):
        write_config(config, folder)
    n = config["n_positions"]
    write_logits(model, sequences(config, seed, [1, n // 2, n]), os.path.join(folder, "logits.bin"))


def make_full(folder):
    os.makedirs(folder, exist_ok=True)
    config = dict(n_layer=12, n_head=12, n_embd=768, vocab_size=50257, n_positions=1024)
    model = random_model(config, 7, scale=0.02)
    save_file(state(model, False), os.path.join(folder, "model.safetensors"))
    write_config(config, folder)
    write_logits(model, sequences(config, 7, [256]), os.path.join(folder, "logits.bin"))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--full":
        make_full(sys.argv[2])
    else:
        for i, (name, (config, form)) in enumerate(MODELS.items()):
            make(name, config, form, 100 + i)
