"""The long forms of edge_test.py, by hand: fuzzing at the socket, and an overload beside a modest client.

    MUAI=build/release/muai python3 tests/api/hostile.py [SECONDS]

Prints the figures of docs/reliability.md.
"""

import random
import socket
import sys
import threading
import time

from serving import Server, read_answer, request_bytes, wait_until

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60
SMALL = {"prompt": [1], "max_tokens": 8, "ignore_eos": True}
NAMES = [b"Host", b"Cookie", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"X-A", b"Authorization", b"", b"A b"]
VALUES = [b"localhost", b"chunked", b"1", b"2, 3", b"close", b"100-continue", b"", b"\0", b"a=b; " * 50, b"\xff\xfe", b"Bearer x"]


def resident_mib(s):
    with open(f"/proc/{s.process.pid}/status") as f:
        return int([l for l in f if l.startswith("VmRSS:")][0].split()[1]) / 1024


def odd_request(rng):
    target = rng.choice([b"/livez", b"/v1/completions", b"/tokenize", b"*", b"/%00", b"//a/../b", b"http://localhost/livez", b"/\xff"])
    if rng.random() < 0.5:
        target += b"?" + b"&".join([b"a=b", b"a", b"=", b"%41"][rng.randrange(4)] for _ in range(rng.randrange(3000)))
    head = rng.choice([b"GET", b"POST", b"OPTIONS", b"PRI", b"G\tT"]) + b" " + target + b" HTTP/1." + rng.choice([b"1", b"0", b"9"])
    lines = [head] + [rng.choice(NAMES) + rng.choice([b": ", b":", b" : "]) + rng.choice(VALUES) for _ in range(rng.randrange(120))]
    if rng.random() < 0.7:
        lines.insert(1, b"Host: localhost")
    data = rng.choice([b"\r\n", b"\r\n", b"\r\n", b"\n"]).join(lines) + b"\r\n\r\n" + rng.randbytes(rng.randrange(200))
    if rng.random() < 0.5:
        data = bytearray(request_bytes("/v1/completions", SMALL))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def fuzz(s, end, seed, counts, lock):
    rng = random.Random(seed)
    while time.monotonic() < end:
        code = "closed"
        try:
            with s.connect(5) as c:
                data = odd_request(rng)
                cut = rng.randrange(len(data))
                c.sendall(data[:cut])
                c.sendall(data[cut:])
                if rng.random() < 0.3:
                    c.shutdown(socket.SHUT_WR)
                c.settimeout(0.2)
                answer = c.recv(200)
                code = answer.split()[1].decode() if answer.startswith(b"HTTP/1.1 ") else "closed" if not answer else "not HTTP"
        except TimeoutError:
            code = "waits"
        except ConnectionError:
            pass
        with lock:
            counts[code] = counts.get(code, 0) + 1


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(p * len(values)))] * 1000 if values else float("nan")


def measure(s, path, body, source, end):
    times = []
    while time.monotonic() < end:
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", s.port), 60, (source, 0)) as c:
            c.sendall(request_bytes(path, body))
            assert b" 200 " in read_answer(c)[:20]
        times.append(time.monotonic() - start)
        time.sleep(0.02)
    return times


def press(s, end, codes, lock):
    while time.monotonic() < end:
        code = 0
        try:
            code = s.ask("/v1/completions", {**SMALL, "n": 16, "max_tokens": 100}, timeout=60)[0]
        except (OSError, IndexError, ValueError):
            pass
        with lock:
            codes[code] = codes.get(code, 0) + 1


def run_threads(target, n, *args):
    threads = [threading.Thread(target=target, args=args) for _ in range(n)]
    for t in threads:
        t.start()
    return threads


def main():
    with Server("--log-format", "none", "--header-timeout", "2", "--body-timeout", "2", "--max-num-queued-reqs", "32") as s:
        s.ask("/v1/completions", SMALL)
        before, lock, counts = resident_mib(s), threading.Lock(), {}
        end = time.monotonic() + SECONDS
        threads = [threading.Thread(target=fuzz, args=(s, end, seed, counts, lock)) for seed in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        wait_until(lambda: s.metrics()["muai_http_connections"] <= 1, "all connections end", 60)
        assert s.ask("/livez")[0] == 200
        print(f"| fuzzing at the socket, {SECONDS:.0f} s | {sum(counts.values())} requests: {dict(sorted(counts.items()))} |")
        print(f"| memory before and after | {before:.1f} and {resident_mib(s):.1f} MiB |")

        quiet = time.monotonic() + SECONDS / 4
        alone = measure(s, "/v1/completions", SMALL, "127.0.0.2", quiet)
        live = measure(s, "/livez", None, "127.0.0.2", quiet + SECONDS / 8)
        codes, end = {}, time.monotonic() + SECONDS
        threads = run_threads(press, 48, s, end, codes, lock)
        beside, live_beside = [], []
        watchers = [threading.Thread(target=lambda: beside.extend(measure(s, "/v1/completions", SMALL, "127.0.0.2", end))),
                    threading.Thread(target=lambda: live_beside.extend(measure(s, "/livez", None, "127.0.0.2", end)))]
        for t in watchers:
            t.start()
        for t in threads + watchers:
            t.join()
        print(f"| overload, {SECONDS:.0f} s: 48 clients of one address, 16 sequences each | {codes} |")
        print(f"| a modest client of another address: p50, p99 alone | {percentile(alone, .5):.1f}, {percentile(alone, .99):.1f} ms |")
        print(f"| the same beside the overload; all answered | {percentile(beside, .5):.1f}, {percentile(beside, .99):.1f} ms; {len(beside)} |")
        print(f"| /livez p99 before, during | {percentile(live, .99):.1f}, {percentile(live_beside, .99):.1f} ms |")


if __name__ == "__main__":
    main()
