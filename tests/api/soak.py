"""Rounds of everything clients do wrong, on one server. Memory, descriptors and KV blocks must settle.

MINUTES rounds on the command line; scripts/soak calls it.
"""

import random
import sys
import threading
import time

from serving import Server, read_answer, request_bytes, wait_until

BODY = {"prompt": "Once", "max_tokens": 60, "temperature": 1, "ignore_eos": True, "stream": True}
GROWTH_MAX_KB = 4096  # after the second round: allocator noise, not a leak


def client(server, rng, n):
    for i in range(n):
        data = bytearray(request_bytes("/v1/completions", {**BODY, "seed": rng.randrange(100), "n": rng.randrange(1, 4)}))
        try:
            with server.connect() as c:
                kind = rng.randrange(6)
                if kind == 0:
                    data = data[: rng.randrange(len(data))]
                elif kind == 1:
                    for _ in range(4):
                        data[rng.randrange(len(data))] = rng.randrange(256)
                c.sendall(data)
                if kind == 2:
                    c.recv(rng.randrange(1, 2000))
                elif kind >= 3:
                    answer = read_answer(c)
                    assert b"[DONE]" in answer or b" 429 " in answer[:20], answer[:300]
        except (ConnectionError, TimeoutError):
            assert kind < 3, "a good request was not answered"


def memory_kb(server):
    with open(f"/proc/{server.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def main(minutes):
    seed = int(time.time())
    print("seed", seed, flush=True)
    end, sizes, failures = time.monotonic() + 60 * minutes, [], []

    def one(rng):
        try:
            client(server, rng, 500)
        except Exception as e:  # told below: a thread's exception would be lost
            failures.append(e)

    with Server("--log-format", "none", "--max-num-queued-reqs", "64") as server:
        while time.monotonic() < end or len(sizes) < 3:
            threads = [threading.Thread(target=one, args=(random.Random(seed + 100 * len(sizes) + t),)) for t in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert not failures, failures
            wait_until(lambda: server.metrics()["muai_requests_running"] == 0, "idle")
            wait_until(lambda: server.metrics()["muai_http_connections"] <= 1, "closed")
            m = server.metrics()
            ended = sum(v for k, v in m.items() if k.startswith("muai_requests_total"))
            assert m["muai_kv_blocks_used"] == 0 and ended == m["muai_e2e_request_latency_seconds_count"]
            sizes.append(memory_kb(server))
            print(f"round {len(sizes)}: {ended:.0f} generations, {sizes[-1]} kB, {server.n_files()} files", flush=True)
        assert sizes[-1] - sizes[1] < GROWTH_MAX_KB, sizes


main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
