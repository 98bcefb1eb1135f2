"""export - write a checkpoint of train.py as a Hugging Face folder, in f32.

    python3 export.py --tokenizer FOLDER --checkpoint RUN/checkpoint.pt --out HF_FOLDER
    muai quantize HF_FOLDER --dtype q8 -o muai-tiny.gguf
"""
import argparse
import json
import os
import shutil

import torch
from safetensors.torch import save_file

from train import N_CONTEXT, N_HEADS, N_HIDDEN, N_LAYERS

NAMES = {"ln_1": "ln_1", "ln_2": "ln_2", "c_attn": "attn.c_attn", "c_proj": "attn.c_proj",
         "c_fc": "mlp.c_fc", "c_out": "mlp.c_proj"}


def tensors(state):
    """GPT2LMHeadModel's names; its Conv1D keeps matrices as [in, out], nn.Linear as [out, in]."""
    out = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "h":
            parts[2] = NAMES[parts[2]]
            if value.dim() == 2:
                value = value.T
        out["transformer." + ".".join(parts)] = value.detach().float().contiguous().clone()
    return out


def config(n_vocab, end):
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": n_vocab,
            "n_positions": N_CONTEXT, "n_ctx": N_CONTEXT, "n_embd": N_HIDDEN, "n_head": N_HEADS,
            "n_layer": N_LAYERS, "n_inner": None, "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True, "bos_token_id": end,
            "eos_token_id": end, "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
            "torch_dtype": "float32"}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--tokenizer", required=True)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--out", required=True)
    args = p.parse_args()
    state = torch.load(args.checkpoint)["model"]
    os.makedirs(args.out, exist_ok=True)
    save_file(tensors(state), os.path.join(args.out, "model.safetensors"), {"format": "pt"})
    with open(os.path.join(args.out, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config(state["wte.weight"].shape[0], 0), f, indent=1)
        f.write("\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(args.tokenizer, name), args.out)


if __name__ == "__main__":
    main()
