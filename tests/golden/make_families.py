"""Make the golden models of the decoder families: tiny random models and the logits that the
reference implementation (Hugging Face transformers, f32, CPU) gives for them.

    python tests/golden/make_families.py CONVERTER [NAME...]

writes tests/golden/models/NAME/: the model as transformers saves it, the same weights as GGUF
(model.gguf), and the logits of both (logits.bin, as in make_models.py). Needs torch, transformers,
safetensors, sentencepiece and numpy from PyPI. CONVERTER is the folder with llama.cpp's
convert_hf_to_gguf.py, for instance vendor/llama.cpp in the llama-cpp-python sdist on PyPI: the GGUF
files are written by it, so that what it permutes, renames, adds and drops is what is tested.

Every parameter is random, norms and biases too, so that a forgotten one shows, and each row of the
table says what must show in the logits when it is left out: the script checks that it does.
"""
import contextlib
import copy
import json
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import torch
import transformers

if len(sys.argv) < 2 or not os.path.exists(os.path.join(sys.argv[1], "convert_hf_to_gguf.py")):
    sys.exit(__doc__)
sys.path[:0] = [sys.argv[1], os.path.join(sys.argv[1], "gguf-py")]  # it brings its own gguf

import gguf
from conversion import ModelBase, ModelType, get_model_architecture, get_model_class
from make_models import ROOT, sequences, write_logits

LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
              high_freq_factor=4.0, original_max_position_embeddings=16)

# name: family, the config, how it is saved (files: plain, sharded, bf16; rope keys as transformers 4
# or 5 writes them; the types of its GGUF, first the one that has the same weights), and changes of
# the config that must change the logits. Sizes are odd on purpose.
MODELS = {
    "llama-gqa-odd": dict(
        family="Llama", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=3, hidden_size=36, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=24, intermediate_size=37, vocab_size=131,
                    max_position_embeddings=48, rms_norm_eps=1e-6),
        differs=[dict(rms_norm_eps=1e-2), dict(rope_parameters=dict(rope_theta=5000.0))]),
    "llama-biased": dict(
        family="Llama", rope_keys=5, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=6,
                    num_key_value_heads=3, intermediate_size=44, vocab_size=131,
                    max_position_embeddings=64, attention_bias=True, mlp_bias=True,
                    tie_word_embeddings=True, rms_norm_eps=1e-5,
                    rope_parameters=dict(rope_type="default", rope_theta=500000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0))]),
    "llama-linear": dict(
        family="Llama", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=40, num_attention_heads=5,
                    num_key_value_heads=1, head_dim=16, intermediate_size=44, vocab_size=97,
                    max_position_embeddings=64, rms_norm_eps=1e-5,
                    rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=10000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0))]),
    "llama-llama3": dict(
        family="Llama", rope_keys=5, files="sharded", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=24, intermediate_size=37, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-5, rope_parameters=LLAMA3),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=500000.0))]),
    "llama-llama3-bf16": dict(
        family="Llama", rope_keys=4, files="bf16", gguf="bf16",
        config=dict(num_hidden_layers=2, hidden_size=44, num_attention_heads=4,
                    num_key_value_heads=4, head_dim=20, intermediate_size=50, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
                    rope_parameters=dict(LLAMA3, factor=32.0, rope_theta=10000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0))]),
    "llama-one-head": dict(
        family="Llama", rope_keys=4, files="plain", gguf="f32", absent=["num_key_value_heads", "head_dim"],
        config=dict(num_hidden_layers=1, hidden_size=34, num_attention_heads=1,
                    intermediate_size=37, vocab_size=89, max_position_embeddings=40,
                    rms_norm_eps=1e-5),
        differs=[dict(rope_parameters=dict(rope_theta=5000.0))]),
    "llama-q8_0": dict(
        family="Llama", rope_keys=5, files=None, gguf="q8_0",
        config=dict(num_hidden_layers=2, hidden_size=96, num_attention_heads=3,
                    num_key_value_heads=1, head_dim=32, intermediate_size=160, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True),
        differs=[dict(rope_parameters=dict(rope_theta=5000.0))]),
    "qwen2": dict(
        family="Qwen2", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=4,
                    num_key_value_heads=2, intermediate_size=44, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=True,
                    rope_parameters=dict(rope_type="default", rope_theta=1000000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0))]),
    "qwen3": dict(
        family="Qwen3", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=44, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=24, intermediate_size=37, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-6,
                    rope_parameters=dict(rope_type="default", rope_theta=1000000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0))]),
    "smollm3": dict(
        family="SmolLM3", rope_keys=5, files="plain", gguf="f32",
        config=dict(num_hidden_layers=4, hidden_size=40, num_attention_heads=4,
                    num_key_value_heads=2, intermediate_size=36, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=True,
                    pad_token_id=None, bos_token_id=1, eos_token_id=2,
                    rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
        differs=[dict(no_rope_layers=[1, 1, 1, 1])]),
    "olmo2": dict(
        family="Olmo2", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=4,
                    num_key_value_heads=2, intermediate_size=37, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-6, pad_token_id=None,
                    bos_token_id=1, eos_token_id=2,
                    rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=500.0))]),
    "phi3": dict(
        family="Phi3", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=6,
                    num_key_value_heads=2, intermediate_size=44, vocab_size=131,
                    max_position_embeddings=64, original_max_position_embeddings=64,
                    rms_norm_eps=1e-5, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                    rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=2000.0))]),
    "gemma2": dict(
        family="Gemma2", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=44, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=24, intermediate_size=37, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-6, sliding_window=8,
                    query_pre_attn_scalar=24, attn_logit_softcapping=5.0,
                    final_logit_softcapping=4.0,
                    rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
        differs=[dict(sliding_window=64), dict(attn_logit_softcapping=None),
                 dict(final_logit_softcapping=None), dict(query_pre_attn_scalar=16)]),
    "granite": dict(
        family="Granite", rope_keys=4, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=4,
                    num_key_value_heads=2, intermediate_size=44, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
                    embedding_multiplier=6.0, attention_multiplier=1.0, residual_multiplier=0.4,
                    logits_scaling=3.0, rope_parameters=dict(rope_type="default",
                                                             rope_theta=10000.0)),
        differs=[dict(embedding_multiplier=1.0), dict(attention_multiplier=0.2887),
                 dict(residual_multiplier=1.0), dict(logits_scaling=1.0)]),
    "starcoder2": dict(
        family="Starcoder2", rope_keys=5, files="plain", gguf="f32",
        config=dict(num_hidden_layers=2, hidden_size=48, num_attention_heads=6,
                    num_key_value_heads=2, intermediate_size=77, vocab_size=131,
                    max_position_embeddings=64, norm_epsilon=1e-5, use_bias=True,
                    sliding_window=None, bos_token_id=1, eos_token_id=2,
                    rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
        differs=[dict(rope_parameters=dict(rope_type="default", rope_theta=2000.0)),
                 dict(norm_epsilon=3e-2)]),
    "gemma3": dict(
        family="Gemma3", config_class="Gemma3TextConfig", rope_keys=5, files="plain", gguf=None,
        config=dict(num_hidden_layers=6, hidden_size=36, num_attention_heads=4,
                    num_key_value_heads=1, head_dim=24, intermediate_size=31, vocab_size=131,
                    max_position_embeddings=64, rms_norm_eps=1e-6, sliding_window=8,
                    query_pre_attn_scalar=24,
                    rope_parameters=dict(
                        full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000000.0),
                        sliding_attention=dict(rope_type="default", rope_theta=10000.0))),
        differs=[dict(sliding_window=64)]),
}


def build(row, config):
    kind = getattr(transformers, row.get("config_class", row["family"] + "Config"))
    model = getattr(transformers, row["family"] + "ForCausalLM")
    return model._from_config(kind(**config), attn_implementation="eager").float().eval()


def random_model(row, seed):
    """Queries and keys large enough for attention to look at some positions more than at others."""
    torch.manual_seed(seed)
    model = build(row, row["config"])
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                is_weight = "norm" in name and name.endswith("weight")
                p.copy_(torch.randn_like(p) * 0.3 + (1.0 if is_weight else 0.0))
            elif "embed" in name:
                p.copy_(torch.randn_like(p) * 0.5)
            else:
                gain = 1.0 if ("q_proj" in name or "k_proj" in name) else 0.5
                p.copy_(torch.randn_like(p) * gain / np.sqrt(p.shape[1]))
    return model


def round_weights(model, kind):
    """The reference must see the weights that the files hold."""
    with torch.no_grad():
        for p in model.parameters():
            if kind == "bf16":
                p.copy_(p.to(torch.bfloat16).float())
            elif kind == "q8_0" and p.dim() == 2:
                q8_0 = gguf.GGMLQuantizationType.Q8_0
                p.copy_(torch.from_numpy(
                    gguf.quants.dequantize(gguf.quants.quantize(p.numpy(), q8_0), q8_0)))


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.from_numpy(ids.astype(np.int64))[None]).logits[0].numpy()


def check_differences(row, model, ids):
    """What a switch does must be far above the tolerance of the tests, or they could not fail."""
    want = logits_of(model, ids)
    for change in row["differs"]:
        other = build(row, {**copy.deepcopy(row["config"]), **change})
        other.load_state_dict(model.state_dict())
        error = np.abs(logits_of(other, ids) - want).max() / np.abs(want).max()
        assert error > 1e-2, (change, error)


def rewrite_config(folder, row):
    """The keys of rotary positions as transformers 4 spelled them; keys that older files lack."""
    path = os.path.join(folder, "config.json")
    with open(path) as file:
        config = json.load(file)
    for key in row.get("absent", []):
        del config[key]
    if row["rope_keys"] == 4:
        rope = config.pop("rope_parameters")
        config["torch_dtype"] = config.pop("dtype")
        config["rope_theta"] = rope.pop("rope_theta")
        kind = rope.pop("rope_type")
        name = "type" if kind == "linear" else "rope_type"
        config["rope_scaling"] = None if kind == "default" else {name: kind, **rope}
    with open(path, "w") as file:
        json.dump(config, file, indent=1)
        file.write("\n")


def save(model, row, folder):
    files = row["files"]
    if files == "bf16" or row["gguf"] == "bf16":
        model = copy.deepcopy(model).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="60KB" if files == "sharded" else "1GB")
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, "generation_config.json"))
    rewrite_config(folder, row)


def write_gguf(source, kind, path):
    source = pathlib.Path(source)
    types = {"f32": gguf.LlamaFileType.ALL_F32, "bf16": gguf.LlamaFileType.MOSTLY_BF16,
             "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
    hparams = ModelBase.load_hparams(source, False)
    found = get_model_class(get_model_architecture(hparams, ModelType.TEXT))
    # A model without a tokenizer, which the converter cannot have.
    bare = type(found.__name__, (found,), {
        "model_arch": found.model_arch,
        "set_vocab": lambda self: self.gguf_writer.add_tokenizer_model("none")})
    with torch.inference_mode():
        bare(source, types[kind], pathlib.Path(path), model_name=os.path.basename(path)).write()


def make(name, row, seed):
    folder = os.path.join(ROOT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    model = random_model(row, seed)
    round_weights(model, row["gguf"])
    config = model.config
    lengths = [1, 40 if config.max_position_embeddings >= 40 else config.max_position_embeddings]
    tokens = sequences(row["config"], seed, lengths)
    check_differences(row, model, tokens[-1])
    with tempfile.TemporaryDirectory() as temporary:
        save(model, row, temporary)
        loaded = transformers.AutoModelForCausalLM.from_pretrained(
            temporary, dtype=torch.float32, attn_implementation="eager").eval()
        assert np.array_equal(logits_of(model, tokens[-1]), logits_of(loaded, tokens[-1])), name
        if row["gguf"]:
            write_gguf(temporary, row["gguf"], os.path.join(folder, "model.gguf"))
        if row["files"]:
            for file in sorted(os.listdir(temporary)):
                shutil.copyfile(os.path.join(temporary, file), os.path.join(folder, file))
    write_logits(model, tokens, os.path.join(folder, "logits.bin"))
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print(f"{name}: {size} bytes")


if __name__ == "__main__":
    transformers.utils.logging.disable_progress_bar()
    for i, (name, row) in enumerate(MODELS.items()):
        if name in (sys.argv[2:] or MODELS):
            make(name, row, 300 + i)
