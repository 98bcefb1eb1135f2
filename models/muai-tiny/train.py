"""train - train muai-tiny: GPT-2's architecture on packed windows of the corpus, on CPU cores.

    python3 train.py --tokenizer FOLDER --out RUN --minutes 60
    python3 train.py --tokenizer FOLDER --out RUN --steps 200 --stop-at 100    # a part of a schedule
    python3 train.py --tokenizer FOLDER --out RUN --minutes 60 --resume

Each step sees documents that no step saw before: step i reads the window that follows that of step
i - 1 in the endless corpus of corpus.py. The learning rate warms up, stays, and decays linearly over
the last part of the budget, which is a number of steps or of minutes of the clock (time in which the
process was stopped counts as well). The seed decides the corpus and the weights; --minutes makes the
length of the run, and only that, depend on the machine. RUN/ gets loss.csv, checkpoint.pt (replaced
when whole, every --save-every steps) and, at the end, result.json.
"""
import argparse
import csv
import json
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # replicas are the parallelism

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn

import corpus

N_CONTEXT, N_HIDDEN, N_HEADS, N_LAYERS = 512, 256, 4, 4
N_SHORT = 128  # windows of the first steps
HELDOUT_DOCUMENTS = 300
BUFFER_DOCUMENTS = 20000


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(N_HIDDEN, eps=1e-5), nn.LayerNorm(N_HIDDEN, eps=1e-5)
        self.c_attn, self.c_proj = nn.Linear(N_HIDDEN, 3 * N_HIDDEN), nn.Linear(N_HIDDEN, N_HIDDEN)
        self.c_fc, self.c_out = nn.Linear(N_HIDDEN, 4 * N_HIDDEN), nn.Linear(4 * N_HIDDEN, N_HIDDEN)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).view(b, t, 3, N_HEADS, d // N_HEADS).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(b, t, d))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


def sinusoids():
    """Where position embeddings start (they are trained like the rest): a step along the text is the same
    rotation everywhere, so that heads learn sooner to look at the token before. Vaswani et al. 2017."""
    angles = torch.arange(N_CONTEXT)[:, None] * torch.logspace(0, -4, N_HIDDEN // 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1) * math.sqrt(2)


def start_copying(block):
    """Where attention starts: it looks for what is like the token at hand, and hands on what it finds as
    it is. A name that comes again is then a matter of where to look. Trockman and Kolter 2023."""
    basis = torch.linalg.qr(torch.randn(N_HIDDEN, N_HIDDEN))[0] * math.sqrt(0.2)
    q, k, v = block.c_attn.weight.split(N_HIDDEN)
    k.copy_(q)
    v.copy_(basis)
    block.c_proj.weight.copy_(basis.T)


class Model(nn.Module):
    """GPT2LMHeadModel of transformers under shorter names; export.py says which is which."""

    def __init__(self, n_vocab):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(n_vocab, N_HIDDEN), nn.Embedding(N_CONTEXT, N_HIDDEN)
        self.h = nn.ModuleList(Block() for _ in range(N_LAYERS))
        self.ln_f = nn.LayerNorm(N_HIDDEN, eps=1e-5)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                # Tokens start far apart: what names have in common, which is learned first, must not
                # drown what tells them apart.
                std = 0.1 if name.startswith("w") else 0.02 / math.sqrt(2 * N_LAYERS) if "c_out" in name else 0.02
                nn.init.normal_(p, std=std)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        with torch.no_grad():
            self.wpe.weight.copy_(sinusoids() * 0.1)
            for block in self.h:
                start_copying(block)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe.weight[:tokens.shape[1]]
        for block in self.h:
            x = block(x)
        return self.ln_f(x)

    def loss(self, tokens, targets):
        """Sum over positions; the logits are made in slices, which stay in the processor's cache."""
        x = self(tokens).view(-1, N_HIDDEN)
        return F.cross_entropy(F.linear(x, self.wte.weight), targets.reshape(-1), reduction="sum")


class Replicas:
    """The model once per thread, with shared weights and own gradients: one meeting a step, not one
    an operation, so that a busy machine costs little. Gradients are added in a fixed order."""

    def __init__(self, model, n):
        self.models = [model] + [Model(model.wte.num_embeddings) for _ in range(n - 1)]
        for m in self.models[1:]:
            for p, q in zip(m.parameters(), model.parameters()):
                p.data = q.data
        self.pool = ThreadPoolExecutor(n)

    def _work(self, job):
        model, x, y, n = job
        model.zero_grad(set_to_none=False)
        loss = model.loss(x, y) / n
        loss.backward()
        return loss.item()

    def step(self, x, y):
        """Mean loss of the batch; its gradient is left in the first model."""
        n = len(self.models)
        losses = list(self.pool.map(self._work, zip(self.models, x.chunk(n), y.chunk(n), [y.numel()] * n)))
        for m in self.models[1:]:
            for p, q in zip(m.parameters(), self.models[0].parameters()):
                q.grad.add_(p.grad)
        return sum(losses)


class Windows:
    """The corpus as one stream of tokens; get(i) is batch i, which does not depend on any other."""

    def __init__(self, tokenizer, seed, batch, cache):
        self.tokenizer, self.seed, self.cache = tokenizer, seed, cache
        self.n_batch = batch * N_CONTEXT
        self.end = tokenizer.token_to_id(corpus.END)
        self.index, self.buffers, self.starts = 0, [], [0]

    def _more(self):
        path = os.path.join(self.cache, f"tokens-{self.seed}-{self.index}.npy")
        if os.path.exists(path):
            tokens = np.load(path, mmap_mode="r")
        else:
            first = self.index * BUFFER_DOCUMENTS
            texts = list(corpus.draw(self.seed, first, BUFFER_DOCUMENTS))
            tokens = pack(self.tokenizer, texts)
            np.save(path + ".tmp.npy", tokens)
            os.replace(path + ".tmp.npy", path)
            tokens = np.load(path, mmap_mode="r")
        self.index += 1
        self.buffers.append(tokens)
        self.starts.append(self.starts[-1] + len(tokens))

    def get(self, i, length=N_CONTEXT):
        first, last = i * self.n_batch, (i + 1) * self.n_batch + 1
        while self.starts[-1] < last:
            self._more()
        parts = []
        for start, tokens in zip(self.starts, self.buffers):
            lo, hi = max(first - start, 0), min(last - start, len(tokens))
            if lo < hi:
                parts.append(np.asarray(tokens[lo:hi]))
        flat = torch.from_numpy(np.concatenate(parts).astype(np.int64))
        return flat[:-1].view(-1, length), flat[1:].view(-1, length)


def pack(tokenizer, texts):
    """Documents in a row, each followed by the end token."""
    end = tokenizer.token_to_id(corpus.END)
    out = []
    for e in tokenizer.encode_batch(texts):
        out += e.ids
        out.append(end)
    return np.array(out, dtype=np.uint16)


def perplexity(model, tokens, pool, length=N_CONTEXT):
    """Of windows side by side, each token predicted from what stands before it in its window."""
    n = (len(tokens) - 1) // length
    flat = torch.from_numpy(np.asarray(tokens[:n * length + 1]).astype(np.int64))

    def part(i):
        last = min(i + 4, n) * length
        x, y = flat[i * length:last], flat[i * length + 1:last + 1]
        with torch.no_grad():
            return model.loss(x.view(-1, length), y.view(-1, length)).item()
    return math.exp(sum(pool.map(part, range(0, n, 4))) / (n * length))


def orthogonal(g):
    """Newton-Schulz iteration towards the nearest orthogonal matrix (Muon, Jordan et al. 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm() + 1e-7)
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    for _ in range(5):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if is_tall else x


class Muon(torch.optim.Optimizer):
    """0.2 sqrt(rows or columns) gives its updates the size of AdamW's (Moonshot, 2025): one rate for
    both."""

    def __init__(self, params, lr, pool, momentum=0.95, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.pool = pool

    @torch.no_grad()
    def one(self, group, p):
        state = self.state[p]
        if "m" not in state:
            state["m"] = torch.zeros_like(p)
        m = state["m"].mul_(group["momentum"]).add_(p.grad)
        g = p.grad.add(m, alpha=group["momentum"])
        # c_attn is three matrices, one above the other
        parts = g.split(N_HIDDEN) if g.shape[0] == 3 * N_HIDDEN else (g,)
        update = torch.cat([orthogonal(x) * 0.2 * math.sqrt(max(x.shape)) for x in parts])
        p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])

    def step(self):
        for group in self.param_groups:
            list(self.pool.map(lambda p, group=group: self.one(group, p), group["params"]))


def optimizers(model, args, pool):
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and n.startswith("h.")]
    tables = [model.wte.weight, model.wpe.weight]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    adam_groups = [{"params": tables + vectors, "weight_decay": 0.0}]
    out = []
    if args.optimizer == "muon":
        out.append(Muon(matrices, args.lr, pool, weight_decay=args.weight_decay))
    else:
        adam_groups.append({"params": matrices, "weight_decay": args.weight_decay})
    out.append(torch.optim.AdamW(adam_groups, lr=args.lr, betas=(0.9, 0.95), fused=True))
    return out


def schedule(step, progress, args):
    """Factor of the learning rate at a step and share of the budget: warm-up, flat, linear decay to 0."""
    if step < args.warmup:
        return step / args.warmup
    return min(1.0, max(0.0, (1 - progress) / args.decay))


def save(path, model, optims, step, seconds, loss):
    state = {"model": model.state_dict(), "optims": [o.state_dict() for o in optims], "step": step,
             "seconds": seconds, "loss": loss}
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def open_log(path, step):
    """The loss curve, open at its end: empty at step 0, else without what lies behind the step."""
    rows = [["step", "tokens", "seconds", "lr_factor", "train_loss", "heldout_perplexity"]]
    if step > 0:
        with open(path, newline="", encoding="utf-8") as f:
            rows += [row for row in list(csv.reader(f))[1:] if int(row[0]) <= step]
    with open(path + ".tmp", "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(rows)
    os.replace(path + ".tmp", path)
    return open(path, "a", newline="", encoding="utf-8")


def train(args):
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(os.path.join(args.tokenizer, "tokenizer.json"))
    os.makedirs(args.out, exist_ok=True)
    cache = args.cache or args.out
    os.makedirs(cache, exist_ok=True)
    windows = Windows(tokenizer, args.seed, args.batch, cache)
    heldout = pack(tokenizer, list(corpus.draw(corpus.SEED_HELDOUT, 0, HELDOUT_DOCUMENTS)))
    model = Model(tokenizer.get_vocab_size())
    replicas = Replicas(model, args.threads)
    optims = optimizers(model, args, replicas.pool)
    step, before, loss_mean = 0, 0.0, None
    checkpoint = os.path.join(args.out, "checkpoint.pt")
    if args.resume:
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        for o, s in zip(optims, state["optims"]):
            o.load_state_dict(s)
        step, before, loss_mean = state["step"], state["seconds"], state["loss"]
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f"parameters {n_parameters}, held-out tokens {len(heldout)}, start at step {step}", flush=True)
    start = time.time()
    log_file = open_log(os.path.join(args.out, "loss.csv"), step)
    log = csv.writer(log_file)

    def seconds():
        return before + time.time() - start

    ppl = ""
    while True:
        progress = step / args.steps if args.steps else seconds() / (60 * args.minutes)
        if progress >= 1 or (args.stop_at and step >= args.stop_at):
            break
        factor = schedule(step, progress, args)
        for o in optims:
            for g in o.param_groups:
                g["lr"] = args.lr * factor
        length = N_SHORT if step < args.short else N_CONTEXT
        x, y = windows.get(step, length)
        value = replicas.step(x, y)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optims:
            o.step()
        step += 1
        loss_mean = value if loss_mean is None else 0.95 * loss_mean + 0.05 * value
        if step % args.eval_every == 0:
            ppl = f"{perplexity(model, heldout, replicas.pool, length):.4f}"
        if step % args.log_every == 0:
            row = [step, step * windows.n_batch, f"{seconds():.0f}", f"{factor:.4f}", f"{loss_mean:.4f}", ppl]
            log.writerow(row)
            log_file.flush()
            print(*row, flush=True)
            ppl = ""
        if step % args.save_every == 0:
            save(checkpoint, model, optims, step, seconds(), loss_mean)
    save(checkpoint, model, optims, step, seconds(), loss_mean)
    last = np.concatenate([windows.get(i)[0].reshape(-1).numpy() for i in
                           range(max(0, step - max(1, len(heldout) // windows.n_batch)), step)])
    result = {"steps": step, "tokens": step * windows.n_batch, "seconds": round(seconds()),
              "parameters": n_parameters, "heldout_perplexity": round(perplexity(model, heldout, replicas.pool), 4),
              "train_perplexity": round(perplexity(model, last, replicas.pool), 4), "arguments": vars(args)}
    with open(os.path.join(args.out, "result.json"), "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(json.dumps(result), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--tokenizer", required=True, help="folder with tokenizer.json")
    p.add_argument("--out", required=True)
    p.add_argument("--cache", help="folder for tokens of the corpus (default: --out)")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--steps", type=int, default=0, help="budget in steps instead of minutes")
    p.add_argument("--stop-at", type=int, default=0)
    p.add_argument("--resume", action="store_true")
    p.add_argument("--seed", type=int, default=corpus.SEED_TRAIN)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--warmup", type=int, default=50, help="steps")
    p.add_argument("--decay", type=float, default=0.5, help="share of the budget")
    p.add_argument("--short", type=int, default=0, help="steps at the start that see windows of 128 tokens")
    p.add_argument("--log-every", type=int, default=20)
    p.add_argument("--eval-every", type=int, default=200)
    p.add_argument("--save-every", type=int, default=100)
    train(p.parse_args())


if __name__ == "__main__":
    main()
