"""Greedy (or sampled) decoding of a batch with a KV cache, and the thread that does it for a server.

Every request is a Job: tokens go in at once, come out one by one through a queue, None ends it. A
batch is what waits when the one before has ended (static batching); with one row a batch requests run
one after the other. Rows are padded on the left; positions and mask make padding invisible.
"""

import queue
import threading

import torch
from transformers import DynamicCache


class Job:
    def __init__(self, tokens, max_tokens, min_tokens=0, temperature=0.0, eos=None):
        self.tokens = tokens
        self.max_tokens = max_tokens
        self.min_tokens = min_tokens
        self.temperature = temperature
        self.eos = eos
        self.out = queue.SimpleQueue()
        self.n_out = 0
        self.is_left = False  # by its client

    def take(self, token):
        """True while it wants more."""
        self.n_out += 1
        is_eos = self.eos is not None and token == self.eos and self.n_out > self.min_tokens
        is_last = self.n_out >= self.max_tokens or is_eos
        self.out.put((token, ("stop" if is_eos else "length") if is_last else None))
        return not is_last and not self.is_left


def pick(logits, jobs):
    tokens = torch.argmax(logits, dim=-1)
    for row, job in enumerate(jobs):
        if job.temperature > 0:
            chances = torch.softmax(logits[row].float() / job.temperature, dim=-1)
            tokens[row] = torch.multinomial(chances, 1)[0]
    return tokens


def first_step(jobs):
    """Ids [rows, longest], and for rows of different length their mask and positions."""
    longest = max(len(job.tokens) for job in jobs)
    ids = torch.zeros(len(jobs), longest, dtype=torch.long)
    for row, job in enumerate(jobs):
        ids[row, longest - len(job.tokens) :] = torch.tensor(job.tokens)
    if all(len(job.tokens) == longest for job in jobs):
        return ids, None, None
    lengths = torch.tensor([len(job.tokens) for job in jobs])
    mask = (torch.arange(longest)[None] >= longest - lengths[:, None]).long()
    return ids, mask, (mask.cumsum(1) - 1).clamp(min=0)


@torch.inference_mode()
def run_batch(model, jobs, keep_logits=None):
    """Until every job has ended. Rows that have ended leave the batch."""
    jobs = list(jobs)
    cache = DynamicCache(config=model.config)
    ids, mask, positions = first_step(jobs)
    while jobs:
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions, cache=cache,
                    use_cache=True, logits_to_keep=1)
        logits = out.logits[:, -1]
        if keep_logits is not None:
            keep_logits.append(logits.float().clone())
        tokens = pick(logits, jobs)
        goes_on = [job.take(token) for job, token in zip(jobs, tokens.tolist())]
        if not all(goes_on):
            jobs = [job for job, more in zip(jobs, goes_on) if more]
            if not jobs:
                return
            rows = torch.tensor([row for row, more in enumerate(goes_on) if more])
            cache.batch_select_indices(rows)
            tokens = tokens[rows]
            if mask is not None:
                mask, positions = mask[rows], positions[rows]
        ids = tokens[:, None]
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(jobs), 1)], dim=1)
            positions = positions[:, -1:] + 1


class Runner(threading.Thread):
    """The one thread that computes."""

    def __init__(self, model, max_batch):
        super().__init__(daemon=True)
        self.model = model
        self.max_batch = max_batch
        self.waiting = queue.SimpleQueue()

    def submit(self, job):
        self.waiting.put(job)

    def run(self):
        while True:
            jobs = [self.waiting.get()]
            while len(jobs) < self.max_batch and not self.waiting.empty():
                jobs.append(self.waiting.get())
            jobs = [job for job in jobs if not job.is_left]
            try:
                if jobs:
                    run_batch(self.model, jobs)
            except Exception as error:  # the client hears of it; the next batch may be fine
                for job in jobs:
                    job.out.put((None, f"{type(error).__name__}: {error}"))


def generate(model, prompts, max_tokens, logits=None):
    """Tokens of each prompt, all in one batch."""
    jobs = [Job(prompt, max_tokens) for prompt in prompts]
    run_batch(model, jobs, logits)
    return [[job.out.get()[0] for _ in range(max_tokens)] for job in jobs]
