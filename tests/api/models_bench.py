"""Two models in one server, 8 clients on each: throughput together beside what time sharing predicts.

tests/api/run tests/api/models_bench.py [MINUTES [MODEL MODEL]]     minutes of both together, 10 unless told

Turns of each model alone and of both, on the same server, again and again, so that all are measured
on the same machine in the same state. Were two models only sharing time, what each has of its speed
alone would add up to 1. Every answer must be the one that the model gave when it ran alone.
"""

import os
import random
import re
import sys
import threading
import time

from serving import Server

N_CLIENTS, N_BODIES, N_OUTPUT = 8, 16, 32
WARM_S, ALONE_S, BOTH_S = 2, 8, 30


def decoded(server):
    """{model: tokens} so far."""
    text = server.ask("/metrics")[2]
    found = re.findall(r'^muai_decode_tokens_computed_total{model="([^"]*)"} (\d+)$', text, re.M)
    return {name: int(n) for name, n in found}


def cpu_s(server):
    """Processor time of the server so far: on a machine with other work it is what counts."""
    with open(f"/proc/{server.process.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Turn:
    """Clients of some models, and what the server computed in a window while all of them ran."""

    def __init__(self, server, models, answers, seconds):
        self.server, self.answers, self.stopped = server, answers, False
        self.n_ended = 0
        self.failures = []
        threads = [threading.Thread(target=self.client, args=(m, i)) for m in models for i in range(N_CLIENTS)]
        for t in threads:
            t.start()
        time.sleep(WARM_S)
        start, start_cpu, before = time.monotonic(), cpu_s(server), decoded(server)
        time.sleep(seconds)
        took_s, took_cpu_s, after = time.monotonic() - start, cpu_s(server) - start_cpu, decoded(server)
        self.rates = {m: (after[m] - before[m]) / took_s for m in models}
        self.cpu_rates = {m: (after[m] - before[m]) / took_cpu_s for m in models}
        self.stopped = True
        for t in threads:
            t.join()
        assert not self.failures, self.failures[:3]

    def client(self, model, i):
        rng = random.Random(i)
        while not self.stopped:
            k = rng.randrange(N_BODIES)
            body = {"model": model, "prompt": [k + 1, 2 * k + 1, 3], "max_tokens": N_OUTPUT, "ignore_eos": True,
                    "temperature": k % 2, "seed": k}
            code, _, answer = self.server.ask("/v1/completions", body, timeout=600)
            text = answer["choices"][0]["text"] if code == 200 else None
            if text is None or self.answers.setdefault((model, k), text) != text:
                self.failures.append((model, k, code, answer))
                return
            self.n_ended += 1


def mean(values):
    return sum(values) / len(values)


def main(minutes, models):
    options = ("--no-prefix-cache", "--no-prompt-lookup", "--log-format", "none")
    with Server(*options, model=models[0]) as s:
        n_threads_one = len(os.listdir(f"/proc/{s.process.pid}/task"))
    with Server(models[1], *options, model=models[0]) as s:
        models = [model["root"] for model in s.ask("/v1/models")[2]["data"]]
        models = list(dict.fromkeys(models))  # the names that metrics tell
        n_threads = len(os.listdir(f"/proc/{s.process.pid}/task"))
        alone, both = {m: [] for m in models}, {m: [] for m in models}
        sums, cpu_sums, answers, n_requests = [], [], {}, 0
        together_s = 0
        while together_s < 60 * minutes:
            turns = [Turn(s, [m], answers, ALONE_S) for m in models]
            together = Turn(s, models, answers, BOTH_S)
            together_s += BOTH_S + WARM_S
            for m, turn in zip(models, turns):
                alone[m].append(turn.rates[m])
                both[m].append(together.rates[m])
            sums.append(sum(together.rates[m] / turn.rates[m] for m, turn in zip(models, turns)))
            cpu_sums.append(sum(together.cpu_rates[m] / turn.cpu_rates[m] for m, turn in zip(models, turns)))
            n_requests += sum(turn.n_ended for turn in [*turns, together])
            print(f"turn {len(sums)}: {sums[-1]:.3f} by the clock, {cpu_sums[-1]:.3f} by processor time", flush=True)
    for m in models:
        print(f"{m}: {mean(alone[m]):.0f} tokens/s alone, {mean(both[m]):.0f} beside the other, {mean(both[m]) / mean(alone[m]):.3f}")
    print(f"{n_requests} requests, none failed, every answer as alone; {n_threads} threads, {n_threads_one} with one model")
    by_clock = sum(mean(both[m]) / mean(alone[m]) for m in models)
    print(f"together {by_clock:.3f} of time sharing by the clock (turns: {min(sums):.3f} to {max(sums):.3f}), "
          f"{mean(cpu_sums):.3f} by processor time ({min(cpu_sums):.3f} to {max(cpu_sums):.3f}), {len(sums)} turns")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:4] or ["synthetic:gpt2:q8", "synthetic:gpt2-medium:q8"])
