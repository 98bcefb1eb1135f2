"""Six models under a budget that holds about three, a Zipf mixture of requests: does anything fail, is the budget
kept, how long does a model take to come back, does anybody starve.

tests/api/run tests/api/turns_bench.py [MINUTES]     minutes of the mixture, 30 unless told

The files are written once, from synthetic weights, to a folder beside the program. The memory of the process is read
every 100 ms. Figures are times to a first token, as a client sees them.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from serving import MUAI, Server, request_bytes

MODELS = [("gpt2", "q8"), ("smollm2-135m", "q4"), ("gpt2-medium", "q4"), ("smollm2-135m", "q8"), ("smollm2-360m", "q6_k"), ("gpt2", "q4")]
CTX, BUDGET, N_CLIENTS, ZIPF, N_PROBES = 1024, 850_000_000, 8, 1.1, 30


def write_models(folder):
    paths = []
    for shape, dtype in MODELS:
        path = f"{folder}/{shape}-{dtype}.gguf"
        subprocess.run([MUAI, "quantize", f"synthetic:{shape}", "--dtype", dtype, "-o", path], check=True, capture_output=True)
        paths.append(path)
    return paths


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def first_token_s(server, model, rng, n_output=1, n_prompt=32):
    prompt = [rng.randrange(40000) for _ in range(n_prompt)]
    body = {"model": model, "prompt": prompt, "max_tokens": n_output, "ignore_eos": True, "stream": True}
    start = time.monotonic()
    with server.connect(600) as s:
        s.sendall(request_bytes("/v1/completions", body))
        data, first = b"", None
        while b"[DONE]" not in data:
            more = s.recv(65536)
            if not more:
                raise RuntimeError(data[-300:])
            data += more
            if first is None and b'"choices":[{' in data:
                first = time.monotonic() - start
    if b'"error"' in data or not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data[:300])
    return first


class Load:
    """Clients that ask one after another until it ends; the longest wait of each model."""

    def __init__(self, server, choose, n_clients):
        self.server, self.choose, self.is_over = server, choose, False
        self.times, self.failures = {}, []
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(n_clients)]
        for t in self.threads:
            t.start()

    def client(self, i):
        rng = random.Random(i)
        while not self.is_over:
            model = self.choose(rng)
            try:
                s = first_token_s(self.server, model, rng, rng.randrange(8, 64), rng.randrange(8, 200))
                self.times.setdefault(model, []).append(s)
            except (RuntimeError, OSError) as e:
                self.failures.append((model, str(e)))

    def end(self):
        self.is_over = True
        for t in self.threads:
            t.join()


class Memory:
    """The most that the process has had, looked at every 100 ms."""

    def __init__(self, server):
        self.server, self.most, self.n, self.is_over = server, 0, 0, False
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.is_over:
            self.most = max(self.most, resident_bytes(self.server))
            self.n += 1
            time.sleep(0.1)

    def end(self):
        self.is_over = True
        self.thread.join()


def states(server):
    return {m["id"]: m for m in server.ask("/admin/models")[2]["data"]}


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def mixture(server, names, minutes):
    weights = [1 / (i + 1) ** ZIPF for i in range(len(names))]
    memory = Memory(server)
    load = Load(server, lambda rng: rng.choices(names, weights)[0], N_CLIENTS)
    time.sleep(60 * minutes)
    load.end()
    memory.end()
    n = sum(len(t) for t in load.times.values())
    print(f"mixture of {minutes} minutes: {n} requests, {len(load.failures)} failed {load.failures[:2]}")
    print(f"memory: at most {memory.most >> 20} MiB of a budget of {BUDGET >> 20} MiB ({memory.most / BUDGET:.3f}), {memory.n} looks")
    for name, m in states(server).items():
        times = load.times.get(name, [0])
        print(f"  {name:18} {m['needs_bytes'] >> 20:4} MiB, {len(times):6} requests, first token median {statistics.median(times):6.3f} s,"
              f" p99 {quantile(times, 0.99):6.2f}, longest {max(times):6.2f}; {m['loads']:4} loads of {m['load_seconds'] or 0:.3f} s")
    return load.failures == [] and memory.most <= 1.05 * BUDGET


def switching(server, names):
    """The time to a first token of a model that was just unloaded, nothing else going on."""
    rng = random.Random(1)
    for name in names:
        times = []
        for _ in range(5):
            server.ask("/admin/models/unload", {"model": name})
            while states(server)[name]["status"] != "unloaded":
                time.sleep(0.01)
            times.append(first_token_s(server, name, rng, 1, 4))
        print(f"  {name:18} unloaded: first token after {statistics.median(times):.3f} s ({min(times):.3f} to {max(times):.3f})")


def sharing(server, names):
    """A loaded model's time to first token alone, and beside two others that always have work."""
    rng = random.Random(2)
    for name in names[:3]:
        first_token_s(server, name, rng)
    alone = [first_token_s(server, names[0], rng) for _ in range(N_PROBES)]
    loads = [Load(server, lambda _, name=name: name, 2) for name in names[1:3]]
    time.sleep(2)
    beside = [first_token_s(server, names[0], rng) for _ in range(N_PROBES)]
    for load in loads:
        load.end()
    share = 3 * statistics.median(alone)
    print(f"  {names[0]}: first token alone {statistics.median(alone):.4f} s, beside two busy models {statistics.median(beside):.4f} s:"
          f" {statistics.median(beside) / share:.2f} of what a third of the time gives")


def starving(server, busy, waiting):
    """A model that is not there, while the others never stop."""
    rng, times = random.Random(3), []
    loads = [Load(server, lambda _, name=name: name, 3) for name in busy]
    for _ in range(5):
        while states(server)[waiting]["status"] != "unloaded":
            time.sleep(0.1)
        times.append(first_token_s(server, waiting, rng))
    for load in loads:
        load.end()
    after = states(server)
    turn_s = max(min(max(5 * after[name]["load_seconds"], 1), 10) for name in busy)
    longest_s = max(max(sum(load.times.values(), [])) for load in loads)
    print(f"  {waiting} beside {', '.join(busy)} that never stop: first token after {[round(t, 2) for t in times]} s;"
          f" the longest turn is {turn_s:.1f} s, a first token of the others took {longest_s:.1f} s at most")


def main(minutes):
    with tempfile.TemporaryDirectory() as folder:
        paths = write_models(folder)
        options = ["--memory-budget", str(BUDGET), "--ctx", str(CTX), "--log-format", "none"]
        with Server(*paths[1:], *options, model=paths[0]) as s:
            print("".join(s.lines), end="")
            names = list(states(s))
            print("switching")
            switching(s, names)
            print("sharing")
            sharing(s, [names[0], names[1], names[5]])
            print("starving")
            starving(s, [names[3], names[4]], names[2])
            is_good = mixture(s, names, minutes)
            listing = []
            for _ in range(200):
                start = time.monotonic()
                s.ask("/v1/models")
                listing.append(time.monotonic() - start)
            print(f"/v1/models: median {1e3 * statistics.median(listing):.2f} ms")
            print(json.dumps({name: m["evictions"] for name, m in states(s).items()}))
    return 0 if is_good else 1


sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
