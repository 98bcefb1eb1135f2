"""Gaps between tokens of 8 streams, alone and while prompts of 900 tokens arrive.

tests/api/run tests/api/gap_bench.py [serve options, such as --prefill-beside 512]
"""

import sys
import threading
import time

from serving import Server, request_bytes

MODEL, N_STREAMS, N_PROMPTS, N_PROMPT_TOKENS = "synthetic:gpt2:q8", 8, 4, 900


class Load:
    def __init__(self, server):
        self.server, self.phase, self.stopped = server, None, False
        self.gaps = {"idle": [], "busy": []}

    def stream(self, i):
        body = {"prompt": [i + 1, 2, 3], "max_tokens": 900, "ignore_eos": True, "seed": i, "stream": True, "logprobs": 0}
        while not self.stopped:
            with self.server.connect() as c:
                c.sendall(request_bytes("/v1/completions", body))
                last, tail = None, b""
                while not self.stopped and b"[DONE]" not in tail:
                    data = c.recv(1 << 16)
                    if not data:
                        break
                    now, tail = time.monotonic(), (tail + data)[-20:]
                    if b"data: {" in data:
                        if last and self.phase:
                            self.gaps[self.phase].append(now - last)
                        last = now


def quantile(values, q):
    return sorted(values)[int(len(values) * q)] * 1e3


def main(options):
    with Server("--no-prefix-cache", "--log-format", "none", *options, model=MODEL) as s:
        load, waits = Load(s), []
        threads = [threading.Thread(target=load.stream, args=(i,)) for i in range(N_STREAMS)]
        for t in threads:
            t.start()
        time.sleep(2)  # all of them run
        for n in range(N_PROMPTS):
            load.phase = "idle"
            time.sleep(1)
            load.phase, start = "busy", time.monotonic()
            prompt = [(7 * k + 13 * n) % 50000 + 1 for k in range(N_PROMPT_TOKENS)]
            assert s.ask("/v1/completions", {"prompt": prompt, "max_tokens": 1})[0] == 200
            waits.append(time.monotonic() - start)
        load.stopped = True
        for t in threads:
            t.join()
    for name, gaps in load.gaps.items():
        print(f"{name}: {len(gaps)} gaps, median {quantile(gaps, 0.5):.2f} ms, p99 {quantile(gaps, 0.99):.2f} ms")
    ratio = quantile(load.gaps["busy"], 0.99) / quantile(load.gaps["idle"], 0.99)
    print(f"p99 ratio {ratio:.2f}; first token of the prompts after {', '.join(f'{w:.2f}' for w in waits)} s")


main(sys.argv[1:])
