"""Make the golden models that give embeddings: tiny random ones, and the hidden states that the
reference implementation (Hugging Face transformers, f32, CPU) gives for them.

    python tests/golden/make_encoders.py [NAME...]

writes tests/golden/models/NAME/: the model as transformers saves it, the same weights as GGUF
(model.gguf), and the hidden states of each position (logits.bin, as in make_models.py, with the
width in place of the vocabulary), or of a scorer the labels of pairs (scores.bin). Needs torch, transformers, safetensors, gguf and numpy from PyPI.
Names in the GGUF files are those of gguf's own table.

Every parameter is random, norms and biases too, so that a forgotten one shows. Sizes are odd on
purpose.
"""
import json
import os
import struct
import sys

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")

POOLINGS = {"mean": 1, "cls": 2, "lasttoken": 3}

# name: class of the model, GGUF's architecture, pooling, config, and how the weights are saved.
MODELS = {
    "bert": dict(
        kind="Bert", arch="BERT", pooling="mean",
        config=dict(num_hidden_layers=3, hidden_size=36, num_attention_heads=3,
                    intermediate_size=52, vocab_size=131, max_position_embeddings=48)),
    "bert-relu": dict(
        kind="Bert", arch=None, pooling=None, prefix="bert.",
        config=dict(num_hidden_layers=1, hidden_size=40, num_attention_heads=1,
                    intermediate_size=37, vocab_size=97, max_position_embeddings=33,
                    hidden_act="relu", layer_norm_eps=1e-5, type_vocab_size=1)),
    "xlm-roberta": dict(
        kind="XLMRoberta", arch="BERT", pooling="cls", prefix="roberta.",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=4,
                    intermediate_size=60, vocab_size=151, max_position_embeddings=50,
                    layer_norm_eps=1e-5, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
                    eos_token_id=2)),
    "nomic-bert": dict(
        kind="NomicBert", arch="NOMIC_BERT", pooling="mean",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=2,
                    intermediate_size=68, vocab_size=113, max_position_embeddings=64,
                    layer_norm_eps=1e-12,
                    rope_parameters=dict(rope_type="default", rope_theta=1000.0))),
    "qwen3-embedding": dict(
        kind="Qwen3", arch="QWEN3", pooling="lasttoken",
        config=dict(num_hidden_layers=2, hidden_size=44, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=16, intermediate_size=60, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=True)),
}

# Models that score pairs of texts.
SCORERS = {
    "bert-score": dict(
        kind="Bert", arch=None,
        config=dict(num_hidden_layers=2, hidden_size=36, num_attention_heads=3, intermediate_size=52,
                    vocab_size=131, max_position_embeddings=48, num_labels=1)),
    "xlm-roberta-score": dict(
        kind="XLMRoberta", arch="BERT",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=4, intermediate_size=60,
                    vocab_size=300, max_position_embeddings=50, layer_norm_eps=1e-5,
                    type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                    num_labels=1)),
}

# transformers' own names of Nomic's weights are not those of the files that people have.
NOMIC_NAMES = [
    ("embeddings.LayerNorm", "emb_ln"), ("embeddings.norm", "emb_ln"), ("layers.", "encoder.layers."),
    ("self_attn.", "attn."), ("o_proj", "out_proj"), ("post_attention_layernorm", "norm1"),
    ("post_mlp_layernorm", "norm2"), ("mlp.up_proj", "mlp.fc11"), ("mlp.gate_proj", "mlp.fc12"),
    ("mlp.down_proj", "mlp.fc2"),
]


def random_model(name, row, suffix="Model"):
    config = getattr(transformers, row["kind"] + "Config")(**row["config"])
    torch.manual_seed(sum(map(ord, name)))
    options = dict(add_pooling_layer=False) if "ert" in row["kind"] and suffix == "Model" else {}
    model = getattr(transformers, row["kind"] + suffix)(config, **options).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.copy_(torch.randn_like(p) * (0.9 / np.sqrt(p.shape[1]) if p.dim() == 2 else 0.3))
            if "norm" in key.lower() and key.endswith("weight"):
                p.add_(1.0)
            if "embedd" in key and p.dim() == 2:
                p.copy_(torch.randn_like(p) * 0.5)
    return model


def write_hidden(model, path):
    rng = np.random.default_rng(5)
    config = model.config
    n_ctx = config.max_position_embeddings - (2 if config.model_type == "xlm-roberta" else 0)
    sequences = [rng.integers(3, config.vocab_size, n).astype(np.int32) for n in (1, 7, 17, n_ctx)]
    with open(path, "wb") as out:
        out.write(struct.pack("<ii", len(sequences), config.hidden_size))
        for ids in sequences:
            with torch.no_grad():
                hidden = model(torch.from_numpy(ids.astype(np.int64))[None]).last_hidden_state[0]
            out.write(struct.pack("<i", len(ids)) + ids.tobytes())
            out.write(hidden.to(torch.float32).numpy().tobytes())


def write_scores(model, path):
    """scores.bin: int32 n_pairs, n_labels; for each pair int32 n, n_first, tokens[n], float32 labels[n_labels]."""
    rng = np.random.default_rng(6)
    with open(path, "wb") as out:
        out.write(struct.pack("<ii", 4, model.config.num_labels))
        for n, n_first in ((2, 1), (9, 4), (17, 12), (40, 8)):
            ids = rng.integers(3, model.config.vocab_size, n).astype(np.int32)
            types = (np.arange(n) >= n_first) & (model.config.type_vocab_size > 1)
            with torch.no_grad():
                labels = model(input_ids=torch.from_numpy(ids.astype(np.int64))[None],
                               token_type_ids=torch.from_numpy(types.astype(np.int64))[None]).logits[0]
            out.write(struct.pack("<ii", n, n_first) + ids.tobytes())
            out.write(labels.to(torch.float32).numpy().tobytes())


def nomic_state(state):
    """As nomic-ai's files have it: one matrix for Q, K and V."""
    out, parts = {}, {}
    for name, p in state.items():
        for mine, theirs in NOMIC_NAMES:
            name = name.replace(mine, theirs)
        name = name.replace("encoder.encoder.", "encoder.")
        head, _, tail = name.partition(".attn.")
        if tail in ("q_proj.weight", "k_proj.weight", "v_proj.weight"):
            parts.setdefault(head + ".attn.Wqkv.weight", {})[tail[0]] = p
        else:
            out[name] = p
    for name, qkv in parts.items():
        out[name] = torch.cat([qkv["q"], qkv["k"], qkv["v"]])
    return out


def nomic_config(config):
    return dict(model_type="nomic_bert", n_layer=config["num_hidden_layers"],
                n_embd=config["hidden_size"], n_head=config["num_attention_heads"],
                n_inner=config["intermediate_size"], vocab_size=config["vocab_size"],
                n_positions=config["max_position_embeddings"], layer_norm_epsilon=1e-12,
                rotary_emb_base=1000, rotary_emb_fraction=1.0, rotary_emb_interleaved=False,
                activation_function="swiglu", prenorm=False, qkv_proj_bias=False,
                type_vocab_size=2)


def save(folder, model, row):
    os.makedirs(folder, exist_ok=True)
    state = {k: v.contiguous().clone() for k, v in model.state_dict().items()
             if not k.endswith(("position_ids", "inv_freq", "token_type_ids"))}
    if row["kind"] == "NomicBert":
        state, config = nomic_state(state), nomic_config(row["config"])
    else:
        config = json.loads(model.config.to_json_string(use_diff=False))
        keep = set(row["config"]) | {"model_type", "hidden_act", "rope_parameters"}
        config = {k: v for k, v in config.items() if k in keep}
    with open(f"{folder}/config.json", "w") as out:
        json.dump(config, out, indent=1)
    save_file({row.get("prefix", "") + k: v for k, v in state.items()},
              f"{folder}/model.safetensors", metadata={"format": "pt"})
    if row.get("pooling"):
        save_pooling(folder, row["pooling"])
    return state


def save_pooling(folder, pooling):
    package = "sentence_transformers.models."
    modules = [dict(idx=0, name="0", path="", type=package + "Transformer"),
               dict(idx=1, name="1", path="1_Pooling", type=package + "Pooling"),
               dict(idx=2, name="2", path="2_Normalize", type=package + "Normalize")]
    modes = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken"}
    config = {f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()}
    os.makedirs(f"{folder}/1_Pooling", exist_ok=True)
    for path, value in ((f"{folder}/modules.json", modules),
                        (f"{folder}/1_Pooling/config.json", config)):
        with open(path, "w") as out:
            json.dump(value, out, indent=1)


def save_gguf(folder, model, state, row):
    arch = getattr(gguf.MODEL_ARCH, row["arch"])
    c = row["config"]
    w = gguf.GGUFWriter(f"{folder}/model.gguf", gguf.MODEL_ARCH_NAMES[arch])
    is_roberta = row["kind"] == "XLMRoberta"
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"] - (2 if is_roberta else 0))
    w.add_embedding_length(c["hidden_size"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_pooling_type(gguf.PoolingType(POOLINGS.get(row.get("pooling"), 4)))
    w.add_file_type(0)
    if row["kind"] == "Qwen3":
        w.add_head_count_kv(c["num_key_value_heads"])
        w.add_key_length(c["head_dim"])
        w.add_value_length(c["head_dim"])
        w.add_layer_norm_rms_eps(c["rms_norm_eps"])
        w.add_rope_freq_base(10000.0)
    else:
        w.add_layer_norm_eps(c.get("layer_norm_eps", 1e-12))
        w.add_causal_attention(False)
    if row["kind"] == "NomicBert":
        w.add_rope_freq_base(1000.0)
    names = gguf.get_tensor_name_map(arch, c["num_hidden_layers"])
    for name, p in state.items():
        to = names.get_name(name.removeprefix("roberta."), try_suffixes=(".weight", ".bias"))
        data = p.to(torch.float32).numpy()
        if is_roberta and "position_embeddings" in name:
            data = data[2:]
        w.add_tensor(to, data)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make_scorer(name):
    row, folder = SCORERS[name], os.path.join(ROOT, name)
    model = random_model(name, row, "ForSequenceClassification")
    state = save(folder, model, row)
    write_scores(model, f"{folder}/scores.bin")
    if row["arch"]:
        save_gguf(folder, model, state, row)
    print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters")


def make(name):
    if name in SCORERS:
        make_scorer(name)
        return
    row, folder = MODELS[name], os.path.join(ROOT, name)
    model = random_model(name, row)
    state = save(folder, model, row)
    write_hidden(model, f"{folder}/logits.bin")
    if row["arch"]:
        save_gguf(folder, model, state, row)
    print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters")


for chosen in sys.argv[1:] or [*MODELS, *SCORERS]:
    make(chosen)
