"""A vocabulary of GPT-2's size for random weights, with which lengths are exact and every token is seen.

Ids 0 to 255 are bytes and there are no merges, so a text of n bytes is n tokens. The other ids are
words, so that each output token has a text: clients that look at texts (guidellm does) see a token when
it comes. muai takes the tokenizer of a "gpt2" in the Hugging Face cache for synthetic models of this
size; HF_HOME names the folder that is made here, so that nothing is read from the user's own cache.
"""

import json
import os

N_VOCAB = 50257
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that are their own name


def names():
    other = [byte for byte in range(256) if byte not in PRINTABLE]
    of = {byte: chr(byte) for byte in PRINTABLE} | {byte: chr(256 + n) for n, byte in enumerate(other)}
    vocab = {of[byte]: byte for byte in range(256)}
    vocab |= {f"w{n}\u0120": n for n in range(256, N_VOCAB)}  # \u0120 is the name of a blank
    return vocab


def make(home):
    """The folder of the tokenizer, in a Hugging Face cache at `home`."""
    repo = os.path.join(home, "hub", "models--gpt2")
    folder = os.path.join(repo, "snapshots", "made")
    os.makedirs(folder, exist_ok=True)
    os.makedirs(os.path.join(repo, "refs"), exist_ok=True)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "vocab": names(), "merges": []},
    }
    files = {
        os.path.join(repo, "refs", "main"): "made",
        os.path.join(folder, "tokenizer.json"): json.dumps(tokenizer),
        os.path.join(folder, "tokenizer_config.json"): json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1 << 20}),
        os.path.join(folder, "config.json"): json.dumps({"model_type": "gpt2"}),
    }
    for path, text in files.items():
        with open(path, "w") as file:
            file.write(text)
    return folder


def check(folder):
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    text = "1 0 m0 A word, and a line.\nnext \u00e9"
    assert loaded.encode(text) == list(text.encode()), "a byte is not a token"
    assert loaded.decode(loaded.encode(text)) == text
