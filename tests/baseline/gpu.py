"""What Hugging Face transformers does with GPT-2 on this GPU, for the cells that `muai bench engine --device cuda`
measures; Markdown on standard output. Modes: eager, and compiled with a static cache (CUDA graphs).

    gpu.py --model synthetic:gpt2 --prompt 512 --batch 1,256 --gen 64 --repeat 5
"""

import argparse
import statistics
import time

import torch
from transformers import DynamicCache, StaticCache

import weights


class Eager:
    name = "transformers, eager"

    def __init__(self, model, n_ctx):
        self.model, self.n_ctx = model, n_ctx
        self.decode = model.forward

    def cache(self, n_rows):
        return DynamicCache(config=self.model.config)


class Compiled(Eager):
    name = "transformers, compiled, static cache"

    def __init__(self, model, n_ctx):
        super().__init__(model, n_ctx)
        self.decode = torch.compile(model.forward, mode="reduce-overhead", fullgraph=True)

    def cache(self, n_rows):
        return StaticCache(config=self.model.config, max_cache_len=self.n_ctx)


def first_token(mode, prompt, cache):
    position = torch.arange(prompt.shape[1], device=prompt.device)
    out = mode.model(prompt, past_key_values=cache, cache_position=position, use_cache=True, logits_to_keep=1)
    return out.logits[:, -1].argmax(-1, keepdim=True)


def next_token(mode, token, position, cache):
    out = mode.decode(token, past_key_values=cache, cache_position=position, position_ids=position[None], use_cache=True)
    return out.logits[:, -1].argmax(-1, keepdim=True).clone()


@torch.inference_mode()
def run(mode, n_rows, n_prompt, n_gen):
    """(seconds to the first token, seconds of the tokens after it)"""
    prompt = torch.randint(0, mode.model.config.vocab_size, (n_rows, n_prompt), device="cuda")
    cache = mode.cache(n_rows)
    torch.cuda.synchronize()
    start = time.perf_counter()
    token = first_token(mode, prompt, cache)
    token.cpu()
    first = time.perf_counter()
    position = torch.tensor([n_prompt], device="cuda")
    for _ in range(n_gen - 1):
        token = next_token(mode, token, position, cache)
        token.cpu()  # a server has to send it
        position = position + 1
    return first - start, time.perf_counter() - first


def cell(mode, n_rows, n_prompt, args):
    run(mode, n_rows, n_prompt, 8)  # compiles
    both = [run(mode, n_rows, n_prompt, args.gen) for _ in range(args.repeat)]
    first = statistics.median(a for a, _ in both)
    rates = sorted(n_rows * (args.gen - 1) / b for _, b in both)
    print(f"| {mode.name} | {n_rows} | {n_prompt} | {first * 1e3:.2f} | {statistics.median(rates):,.0f} | "
          f"{rates[0]:,.0f} to {rates[-1]:,.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="synthetic:gpt2")
    parser.add_argument("--prompt", type=int, default=512, help="of the time to the first token of one sequence")
    parser.add_argument("--batch", default="1,256", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--gen", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--modes", default="eager,compiled")
    args = parser.parse_args()
    model, _ = weights.load(args.model, "bf16")
    model = model.to("cuda")
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, bf16, {args.model}\n")
    print("| system | sequences | prompt | first token ms | decode tok/s | spread |\n|---|--:|--:|--:|--:|--:|")
    for name in args.modes.split(","):
        mode = {"eager": Eager, "compiled": Compiled}[name](model, args.prompt + args.gen)
        for n_rows in args.batch:
            cell(mode, n_rows, args.prompt if n_rows == 1 else 16, args)


if __name__ == "__main__":
    main()
