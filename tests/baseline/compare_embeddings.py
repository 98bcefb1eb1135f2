"""Texts a second to vectors: `muai bench embeddings` beside ONNX Runtime, OpenVINO, fastembed and PyTorch, in turns.

    python tests/baseline/compare_embeddings.py FOLDER [--rounds 3] [--tokens 16,128,256] [--batch 1,64] [--muai build/release/muai]

FOLDER: an embedding model of the BERT family as sentence-transformers saves it. Needs torch, transformers, onnx, onnxruntime,
openvino and fastembed from PyPI; one that is missing is left out and said so. Every engine gets the same shapes, two threads, and
pools and normalises; PyTorch, ONNX Runtime and OpenVINO get token ids, fastembed texts of as many words. A round measures every
engine once, in turns; the table has medians of the rounds. The vectors of each are compared with PyTorch's first.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
N_THREADS = len(os.sched_getaffinity(0))


def pooled(hidden):
    x = np.asarray(hidden).mean(axis=1)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def inputs_of(ids):
    return dict(input_ids=ids, attention_mask=np.ones_like(ids), token_type_ids=np.zeros_like(ids))


def open_torch(folder):
    import torch
    from transformers import AutoModel

    torch.set_num_threads(N_THREADS)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def run(ids):
        with torch.inference_mode():
            return pooled(model(**{k: torch.from_numpy(v) for k, v in inputs_of(ids).items()}).last_hidden_state.numpy())

    return run, model


def export_onnx(model, path):
    import torch

    names = ["input_ids", "attention_mask", "token_type_ids"]

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state

    ones = torch.ones((2, 8), dtype=torch.int64)
    torch.onnx.export(Whole().eval(), (ones, ones, ones * 0), path, input_names=names, output_names=["last_hidden_state"], opset_version=17,
                      dynamic_axes={n: {0: "batch", 1: "tokens"} for n in names + ["last_hidden_state"]}, dynamo=False)


def open_onnx(path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = N_THREADS
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda ids: pooled(session.run(None, inputs_of(ids))[0])


def open_onnx_int8(path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = path.replace(".onnx", "-int8.onnx")
    quantize_dynamic(path, small, weight_type=QuantType.QInt8)
    return open_onnx(small)


def open_openvino(path, precision):
    import openvino as ov

    core = ov.Core()
    model = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_NUM_THREADS": N_THREADS, "INFERENCE_PRECISION_HINT": precision,
                                                              "PERFORMANCE_HINT": "LATENCY"})
    return lambda ids: pooled(list(model(inputs_of(ids)).values())[0])


def open_fastembed(folder, path):
    import shutil

    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(os.path.join(folder, name), os.path.dirname(path))
    dims = json.load(open(os.path.join(folder, "config.json")))["hidden_size"]
    TextEmbedding.add_custom_model(model="local/model", pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(url="http://none"),
                                   dim=dims, model_file=os.path.basename(path))
    model = TextEmbedding("local/model", specific_model_path=os.path.dirname(path), threads=N_THREADS)
    return lambda ids: np.stack(list(model.embed(["the " * (ids.shape[1] - 2)] * len(ids), batch_size=len(ids))))


def rate(run, ids, n_texts):
    run(ids)
    n_rounds = max(1, n_texts // len(ids))
    start = time.perf_counter()
    for _ in range(n_rounds):
        run(ids)
    return n_rounds * len(ids) / (time.perf_counter() - start)


def muai_rates(o, dtype):
    command = [o.muai, "bench", "embeddings", "-m", o.folder, "--dtype", dtype, "--tokens", o.tokens, "--batch", o.batch, "--texts", str(o.texts),
               "--repeat", "1", "--json"]
    cells = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["cells"]
    return {(c["tokens"], c["batch"]): c["texts_per_second"]["median"] for c in cells}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--tokens", default="16,128,256")
    p.add_argument("--batch", default="1,64")
    p.add_argument("--texts", type=int, default=256)
    p.add_argument("--muai", default="build/release/muai")
    o = p.parse_args()
    shapes = [(int(t), int(b)) for t in o.tokens.split(",") for b in o.batch.split(",")]
    rng = np.random.default_rng(1)
    ids = {shape: rng.integers(1000, 20000, (shape[1], shape[0])) for shape in shapes}

    temporary = tempfile.TemporaryDirectory()
    path = os.path.join(temporary.name, "model.onnx")
    run_torch, model = open_torch(o.folder)
    export_onnx(model, path)
    engines = {"torch f32": run_torch}
    for name, opener in (("onnxruntime f32", lambda: open_onnx(path)), ("onnxruntime int8", lambda: open_onnx_int8(path)),
                         ("openvino f32", lambda: open_openvino(path, "f32")), ("openvino bf16", lambda: open_openvino(path, "bf16")),
                         ("fastembed f32", lambda: open_fastembed(o.folder, path))):
        try:
            engines[name] = opener()
        except Exception as e:
            print(f"{name}: left out: {e}", file=sys.stderr)
    sample = ids[shapes[0]][:1]
    want = run_torch(sample)
    for name, run in engines.items():
        if name != "fastembed f32":
            print(f"{name}: cosine with torch f32 {float((run(sample) * want).sum()):.6f}", file=sys.stderr)

    rates = {name: {s: [] for s in shapes} for name in [*(f"muai {d}" for d in ("f32", "bf16", "q8")), *engines]}
    for _ in range(o.rounds):
        for dtype in ("f32", "bf16", "q8"):
            for shape, value in muai_rates(o, dtype).items():
                rates[f"muai {dtype}"][shape].append(value)
        for name, run in engines.items():
            for shape in shapes:
                rates[name][shape].append(rate(run, ids[shape], o.texts))
    print(f"| texts a second | {' | '.join(f'{t} tokens, {b} at once' for t, b in shapes)} |")
    print("|---|" + "--:|" * len(shapes))
    for name, row in rates.items():
        print(f"| {name} | {' | '.join(f'{statistics.median(row[s]):.0f}' for s in shapes)} |")


main()
