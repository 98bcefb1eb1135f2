"""Are the baseline's weights MuAI's? The same greedy tokens, and log-probabilities that differ by rounding.

    verify.py --muai build/release/muai --model synthetic:gpt2 [--prompts 20] [--tokens 30]

MuAI runs in f32 with a KV cache in f32. Exit code 1 where a token differs.
"""

import argparse
import json
import random
import subprocess
import sys

import torch

import generate
import weights


def of_muai(args, prompt):
    command = [args.muai, "run", args.model, "--dtype", "f32", "--tokens", ",".join(map(str, prompt)),
               "-n", str(args.tokens), "--greedy", "--ignore-eos", "--json", "--logprobs", "20"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--muai", default="build/release/muai")
    parser.add_argument("--model", default="synthetic:gpt2")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=30)
    args = parser.parse_args()
    model, _ = weights.load(args.model)
    draw = random.Random(1)
    n_equal, largest, n_compared, top_logit = 0, 0.0, 0, 0.0
    for _ in range(args.prompts):
        prompt = [draw.randrange(model.config.vocab_size) for _ in range(draw.randint(1, 120))]
        logits = []
        tokens = generate.generate(model, [prompt], args.tokens, logits)[0]
        other = of_muai(args, prompt)
        n_equal += sum(a == b for a, b in zip(tokens, other["tokens"]))
        for row, step in zip(logits, other["logprobs"]):
            chances = torch.log_softmax(row[0].double(), dim=-1)
            top_logit = max(top_logit, row.abs().max().item())
            for alternative in step["top"]:
                largest = max(largest, abs(chances[alternative["token"]].item() - alternative["logprob"]))
                n_compared += 1
        if tokens != other["tokens"]:
            break
    n = args.prompts * args.tokens
    print(f"{n_equal} of {n} greedy tokens equal; {n_compared} log-probabilities differ by at most {largest:.2g} "
          f"(largest logit {top_logit:.2f})")
    sys.exit(0 if n_equal == n else 1)


if __name__ == "__main__":
    main()
