"""Make the golden tokens: a byte-level BPE trained on text that this script generates, test strings,
and the ids that Hugging Face tokenizers gives for them with that BPE and with GPT-2's vocabulary.

    python tests/golden/make_tokens.py GPT2_FOLDER     (vocab.json and merges.txt of GPT-2)

Writes tests/golden/tokens/{tokenizer.json,vocab.json,merges.txt} and strings.jsonl.gz, one JSON
object a line: "t" the text, "a" its ids with the trained BPE, "g" with GPT-2's vocabulary. GPT-2's
vocabulary itself is not written anywhere. Needs tokenizers from PyPI.
"""
import gzip
import json
import os
import random
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokens")
rng = random.Random(20261124)

# First and last code point of runs of letters and signs, many scripts.
SCRIPTS = [
    (0x61, 0x7A), (0x41, 0x5A), (0xC0, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x530, 0x58F),
    (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x74F), (0x900, 0x97F), (0x980, 0x9FF), (0xA80, 0xAFF),
    (0xB80, 0xBFF), (0xC00, 0xC7F), (0xE00, 0xE7F), (0xE80, 0xEFF), (0xF00, 0xFFF),
    (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F), (0x13A0, 0x13FF),
    (0x1680, 0x169F), (0x1780, 0x17FF), (0x1800, 0x18AF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF),
    (0x2C00, 0x2C5F), (0x2D30, 0x2D7F), (0x3040, 0x30FF), (0x3100, 0x312F), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xA000, 0xA48F), (0xAC00, 0xD7A3), (0x10000, 0x1005D), (0x10330, 0x1034A),
    (0x10400, 0x1044F), (0x12000, 0x123FF), (0x13000, 0x1342F), (0x1D400, 0x1D7FF),
    (0x20000, 0x2A6DF), (0x31350, 0x323AF), (0x1E030, 0x1E06D), (0x11F00, 0x11F59),
]
SIGNS = [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xBF), (0x2010, 0x205E),
         (0x20A0, 0x20BF), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2500, 0x257F), (0x3000, 0x303F),
         (0xFE30, 0xFE4F), (0xFF01, 0xFF0F), (0x300, 0x36F), (0x200B, 0x200F), (0xFFF9, 0xFFFD)]
DIGITS = [(0x30, 0x39), (0x660, 0x669), (0x966, 0x96F), (0xB2, 0xB3), (0xBC, 0xBE), (0x2150, 0x218B),
          (0x2460, 0x249B), (0x3021, 0x3029), (0xFF10, 0xFF19), (0x1D7CE, 0x1D7FF), (0x10107, 0x10133)]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\n\n\n", "\u00a0", "\u0085", "\u1680", "\u180e",
          "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\ufeff", "\v", "\f",
          "\x1c", "\x1f"]
EMOJI = ["👍", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "❤️", "1️⃣", "🧑🏿‍🚀", "😀😀", "☺", "🫠", "👁️‍🗨️"]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'VE", "'M", "'LL",
                "'D", "’s", "'", "''s", "'x", "'l", "'r"]
SYLLABLES = "ka lo mi ne ru sta ber in ou ther ing ed pre con ti on al er ma de re li un ab le".split()
SPECIAL = ["<|endoftext|>", "<|endoftext", "<|", "|>", "<|pad|>", " <|endoftext|> ", "<|tool|>"]


def char(ranges):
    first, last = rng.choice(ranges)
    return chr(rng.randint(first, last))


def english():
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 4)))


def word():
    kind = rng.random()
    if kind < 0.5:
        text = english()
        return text.capitalize() if rng.random() < 0.2 else text
    script = [rng.choice(SCRIPTS)]
    return "".join(char(script) for _ in range(rng.randint(1, 9)))


def piece():
    kind = rng.random()
    if kind < 0.45:
        return word()
    if kind < 0.6:
        return rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 3, 7])
    if kind < 0.7:
        return "".join(char(DIGITS) for _ in range(rng.randint(1, 7)))
    if kind < 0.8:
        return "".join(char(SIGNS) for _ in range(rng.randint(1, 4)))
    if kind < 0.86:
        return rng.choice(EMOJI)
    if kind < 0.93:
        return english() + rng.choice(CONTRACTIONS)
    if kind < 0.95:
        return "".join(chr(rng.randint(0, 31)) for _ in range(rng.randint(1, 3)))
    if kind < 0.97:
        return rng.choice(["\\ud83d", "\\udc4d\\ud83d", "\ufffd", "\\u0000", "%ff", "\x7f"])
    if kind < 0.98:
        return rng.choice(SPECIAL)
    code = rng.randint(0, 0x10FFFF)
    return chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd"


def sentence():
    return " ".join(word() for _ in range(rng.randint(3, 12))) + rng.choice([".", "!", "?", ",", "…"])


def strings():
    out = ["", " ", "\n", "a", "'s", "<|endoftext|>", "\u180e", "a" * 3000, " " * 2000, "\n" * 1000,
           "ab" * 2500, "x1" * 900, "é" * 700, "👍🏽" * 300, "漢" * 500, "!" * 1500, "0" * 1200,
           "a\u0301" * 400]
    out += [sentence() for _ in range(2500)]
    out += ["".join(piece() for _ in range(rng.randint(1, 10))) for _ in range(6000)]
    out += [rng.choice(SPACES) + word() + rng.choice(SPACES) for _ in range(1000)]
    out += ["".join(rng.choice("abcdefghij") for _ in range(rng.randint(30, 200))) for _ in range(300)]
    out += [english() + rng.choice(CONTRACTIONS) + rng.choice(["", " ", "x"]) for _ in range(400)]
    return out


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000, special_tokens=["<|endoftext|>", "<|pad|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((sentence() for _ in range(30000)), trainer)
    tokenizer.add_tokens(["<|tool|>"])
    return tokenizer


def gpt2(folder):
    tokenizer = Tokenizer(models.BPE.from_file(os.path.join(folder, "vocab.json"),
                                               os.path.join(folder, "merges.txt")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    trained, real = train(), gpt2(sys.argv[1])
    trained.save(os.path.join(OUT, "tokenizer.json"), pretty=False)
    trained.model.save(OUT)
    with open(os.path.join(OUT, "strings.jsonl.gz"), "wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as out:
            for text in strings():
                row = {"t": text, "a": trained.encode(text).ids, "g": real.encode(text).ids}
                out.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
