"""Does MuAI say what llama.cpp says? The same GGUF file in both, greedy, prompt by prompt.

    compare_llamacpp.py --model FILE.gguf [--muai build/release/muai] [--weights TYPE] [--tokens 40]

Needs xllamacpp from PyPI, which is llama.cpp ready to run; --or-skip ends with 0 where it is absent.
Three things are compared: the token ids of every prompt, the greedy tokens, and the log-probabilities
of the 20 likeliest tokens while both have written the same text. Both engines round what they
multiply, each in its way, so that two tokens of nearly the same probability may change places: a
first difference where llama.cpp holds MuAI's token within --tie nats of its own is counted as a near
tie, and the rest of that answer is not compared. Any other difference is a fault. Exit code 1: there
is a fault.
"""

import argparse
import collections
import json
import math
import os
import sys
import tempfile
import urllib.request

import serving

TOP = 20

PROMPTS = [
    "The capital of France is",
    "Once upon a time there was a little girl who",
    "Water boils at a temperature of",
    "def fibonacci(n):\n    ",
    "The three primary colours are",
    "1, 2, 3, 4, 5,",
    "In 1969, the first",
    "Dear Sir or Madam,\n\nI am writing to",
    "Photosynthesis is the process by which",
    "Q: What is the largest planet in the solar system?\nA:",
    "The quick brown fox",
    "import numpy as np\n\nx = np.",
    "Il était une fois",
    "Der schnellste Weg nach Hause",
    "¿Cuál es la capital de España?",
    "東京は",
    "Привет, как",
    "It's 12:30, and we've 1,234.50 dollars; who'd have thought?",
    "<html>\n  <body>\n\t<h1>",
    "  leading spaces,   runs   of them and\n\n\nempty lines",
    "Emoji \U0001f600 and \U0001f468\u200d\U0001f469\u200d\U0001f467 families",
    "SELECT name, COUNT(*) FROM users WHERE",
    "The theory of general relativity, published by Albert Einstein in 1915, describes gravity as",
    "Ingredients:\n- 2 eggs\n- 100 g flour\n- ",
]
CHATS = ["What is the capital of France?", "Write a short poem about the sea.", "What is 7 times 8?",
         "Explain in one sentence what a transistor does.", "Name three fruits.",
         "Translate to German: I like bread."]


def post(address, path, **fields):
    request = urllib.request.Request(address + path, json.dumps(fields).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


class LlamaCpp:
    def __init__(self, model, n_threads):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = model
        params.n_ctx = 2048
        params.n_parallel = 1
        params.cpuparams.n_threads = n_threads
        params.warmup = False
        self.server = xllamacpp.Server(params)
        self.address = self.server.listening_address

    def tokenize(self, text):
        return post(self.address, "/tokenize", content=text, parse_special=True)["tokens"]

    def write(self, ids, n):
        """[(text of the token, its alternatives as {text: logprob})]"""
        answer = post(self.address, "/completion", prompt=ids, n_predict=n, temperature=0, n_probs=TOP,
                      cache_prompt=False)
        return [(step["token"], {t["token"]: t["logprob"] for t in reversed(step["top_logprobs"])})
                for step in answer["completion_probabilities"]]  # of equal texts the likeliest


class MuAI:
    def __init__(self, address):
        self.address = address

    def tokenize(self, text):
        return post(self.address, "/tokenize", content=text)["tokens"]

    def write(self, ids, n):
        answer = post(self.address, "/v1/completions", prompt=ids, max_tokens=n, temperature=0, logprobs=TOP)
        found = answer["choices"][0]["logprobs"]
        return list(zip(found["tokens"], found["top_logprobs"]))


def compare_answer(theirs, ours, counts, differences, tie):
    """Counts, step by step, until the two texts part; what was found there, or None."""
    for i, ((their_token, their_top), (our_token, our_top)) in enumerate(zip(theirs, ours)):
        counts["steps"] += 1
        for token in their_top.keys() & our_top.keys():
            if token and "\ufffd" not in token:  # special or part of a character: not one token's text
                differences.append(abs(their_top[token] - our_top[token]))
        if their_token == our_token:
            counts["equal"] += 1
            continue
        behind = their_top[their_token] - their_top.get(our_token, -math.inf)
        counts["near ties" if behind <= tie else "faults"] += 1
        return f"token {i}: {their_token!r} here {our_token!r}, which is {behind:.3f} nats behind"
    if len(theirs) != len(ours):
        counts["faults"] += 1
        return f"{len(theirs)} tokens here {len(ours)}"
    return None


def compare(llama_cpp, muai, args):
    chats = [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in CHATS]
    counts, differences = collections.Counter(), []
    for prompt in (PROMPTS + chats)[:args.prompts]:
        counts["prompts"] += 1
        ids, ours = llama_cpp.tokenize(prompt), muai.tokenize(prompt)
        if ids != ours:
            counts["faults"] += 1
            print(f"{prompt!r}: tokens {ids} here {ours}")
        found = compare_answer(llama_cpp.write(ids, args.tokens), muai.write(ids, args.tokens), counts,
                               differences, args.tie)
        if found:
            print(f"{prompt!r}: {found}")
    differences.sort()
    print(f"{counts['prompts']} prompts: {counts['equal']} of {counts['steps']} greedy tokens equal, "
          f"{counts['near ties']} near ties, {counts['faults']} faults; {len(differences)} log-probabilities "
          f"differ by {sum(differences) / len(differences):.4f} nats in the mean, "
          f"{differences[len(differences) * 99 // 100]:.4f} at the 99th percentile, {differences[-1]:.4f} at most")
    return counts["faults"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--muai", default="build/release/muai")
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", default="auto", help="MuAI's weight type: auto, f32, bf16, q8 or q4")
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS) + len(CHATS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tie", type=float, default=0.5)
    parser.add_argument("--or-skip", action="store_true")
    args = parser.parse_args()
    try:
        llama_cpp = LlamaCpp(os.path.abspath(args.model), args.threads)
    except ImportError:
        if args.or_skip:
            print("skipped: no xllamacpp")
            return
        raise
    command = [args.muai, "serve", args.model, "--port", "PORT", "--dtype", args.weights, "--ctx", "2048",
               "--threads", str(args.threads)]
    with tempfile.TemporaryDirectory() as folder, serving.Server(command, folder, "muai") as server:
        n_faults = compare(llama_cpp, MuAI(server.url), args)
    sys.exit(1 if n_faults else 0)


if __name__ == "__main__":
    main()
