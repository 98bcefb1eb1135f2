"""What comes from outside and means harm: the server stays, answers others, and says what is wrong."""

import json
import socket
import time

from serving import Server, read_answer, request_bytes, run, wait_until

SMALL = {"prompt": [1], "max_tokens": 2, "ignore_eos": True}
HOST = b"Host: localhost\r\n"


def status_of(answer):
    return int(answer.split()[1]) if answer else 0


def test_a_head_is_answered_or_refused_however_odd():
    arguments = b"GET /livez?" + b"&".join([b"a"] * 1400) + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    cookies = b"GET /livez HTTP/1.1\r\n" + HOST + b"Cookie: " + b"; ".join([b"a=b"] * 5000) + b"\r\n\r\n"
    rows = [
        ("arguments", arguments, 200), ("cookies", cookies, 200),
        ("bare LF", b"GET /livez HTTP/1.1\nHost: localhost\n\n", 400),
        ("folded", b"GET /livez HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n", 400),
        ("NUL", b"GET /livez HTTP/1.1\r\n" + HOST + b"A: \0\r\n\r\n", 400),
        ("empty name", b"GET /livez HTTP/1.1\r\n" + HOST + b": b\r\n\r\n", 400),
        ("other target", b"GET livez HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        ("absolute", b"GET http://localhost/livez HTTP/1.1\r\n" + HOST + b"\r\n", 200),
        ("long chunk size", b"POST /tokenize HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 17 + b"\r\n\r\n", 400),
    ]
    with Server("--header-timeout", "1", "--log-format", "json") as s:
        for name, data, code in rows:
            for _ in range(4):
                answer = s.raw(data, timeout=20)
                assert status_of(answer) == code, (name, answer[:300])
                if code >= 400:
                    assert b'"code":"bad_request"' in answer and b"x-request-id" in answer, (name, answer)
            assert s.ask("/livez")[0] == 200, name
        assert s.metrics()['http_requests_total{path="other",status="4xx"}'] >= 4
        s.stop()
        lines = [json.loads(l) for l in s.lines if l.startswith("{")]
        assert sum(l["status"] == 400 for l in lines) == 4 * sum(r[2] == 400 for r in rows)


def test_late_heads_and_bodies_are_told_and_closed():
    with Server("--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "60") as s:
        part = b"POST /tokenize HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n{"
        for name, first, second in (("head", b"", b"GET /li"), ("kept", request_bytes("/livez"), b"GET /li"),
                                    ("body", b"", part)):
            with s.connect(20) as c:
                if first:
                    c.sendall(first)
                    assert status_of(read_answer(c)) == 200
                c.sendall(second)
                answer = read_answer(c)
                assert status_of(answer) == 408, (name, answer)
                assert c.recv(100) == b"", name
        # One byte now and then is not enough either: slower than the least rate as a whole.
        with s.connect(20) as c:
            c.sendall(b"POST /tokenize HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n")
            c.settimeout(0.3)
            answer = b""
            while not answer:
                try:
                    c.sendall(b" ")
                    answer = c.recv(1000)
                except TimeoutError:
                    pass
            assert status_of(answer) == 408, answer
        assert s.metrics()["muai_http_connections_late_total"] >= 4


def test_one_address_leaves_connections_to_others():
    def connect(s, source):
        c = socket.create_connection(("127.0.0.1", s.port), 20, (source, 0))
        return c

    def ask(c):
        c.sendall(request_bytes("/livez"))
        try:
            return status_of(read_answer(c))
        except ConnectionError:
            return 0

    with Server("--max-connections", "16") as s:
        hog = [connect(s, "127.0.0.1") for _ in range(20)]
        wait_until(lambda: ask(connect(s, "127.0.0.2")) == 200, "another address is served")
        modest = [connect(s, "127.0.0.2") for _ in range(8)]
        assert sum(ask(c) == 200 for c in modest) >= 7
        more = [connect(s, "127.0.0.3") for _ in range(4)]  # all are taken: the others make room
        assert sum(ask(c) == 200 for c in more) == 4
        for c in hog + modest + more:
            c.close()


def peak_mib(s):
    with open(f"/proc/{s.process.pid}/status") as f:
        return int([l for l in f if l.startswith("VmHWM:")][0].split()[1]) >> 10


def test_a_request_has_a_price_that_is_told():
    def body(**fields):
        return json.dumps({"max_tokens": 1, **fields}, separators=(",", ":")).encode()

    objects = b'{"prompt":[1],"x":[' + b"{}," * 1_200_000 + b"0]}"
    rows = [
        ("values", "/v1/completions", objects, 413), ("values to another", "/tokenize", objects, 413),
        ("stop tokens", "/v1/completions", body(prompt=[[1]] * 256, best_of=16, stop_token_ids=[1] * (1 << 20)), 413),
        ("stop tokens, few values", "/v1/completions", body(prompt=[1], stop_token_ids=[1] * 1025), 400),
        ("text", "/tokenize", b'{"content":"' + b"abcdefghij" * 110_000 + b'"}', 413),
        ("arrays", "/v1/completions", b'{"prompt":[1],"x":[' + b"[]," * 400_000 + b"0]}", 413),
    ]
    with Server("--request-memory", str(128 << 20), "--log-format", "none") as s:
        s.ask("/v1/completions", SMALL)
        before = peak_mib(s)
        for name, path, data, code in rows:
            status, _, answer = s.ask(path, data)
            assert status == code, (name, answer)
            assert any(c.isdigit() for c in answer["error"]["message"]), (name, answer)
            assert s.ask("/livez")[0] == 200
        many = body(prompt=[[1]] * 256, best_of=16)
        assert s.ask("/v1/completions", many)[0] == 200
        text = b'{"content":"' + b"abcdefghi " * 50_000 + b'"}'
        assert s.ask("/tokenize", text)[2]["count"] > 50_000
        assert peak_mib(s) - before < 256, (before, peak_mib(s))
        wait_until(lambda: s.metrics()["muai_request_memory_used_bytes"] == 0, "all is given back")


def test_bodies_in_sum_are_bounded():
    head = b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 30000000\r\n\r\n"
    with Server("--request-memory", str(64 << 20), "--log-format", "none") as s:
        before, held, answers = peak_mib(s), [], []
        for _ in range(8):
            c = s.connect()
            held.append(c)
            try:
                c.sendall(head + b" " * 20_000_000)
                c.settimeout(0.5)
                answers.append(status_of(c.recv(1000)))
            except TimeoutError:
                answers.append(None)  # it waits for the rest
            except ConnectionError:
                answers.append(429)  # it was told, and went on sending
        assert answers.count(None) <= 1 and answers.count(429) >= 7, answers
        assert peak_mib(s) - before < 100
        with socket.create_connection(("127.0.0.1", s.port), 20, ("127.0.0.2", 0)) as c:
            c.sendall(request_bytes("/v1/completions", SMALL))  # another client has its half
            assert status_of(read_answer(c)) == 200
        for c in held:
            c.close()


def test_long_work_does_not_hold_up_others():
    text = b'{"content":"' + b"abcdefghij" * 30_000 + b'"}'
    with Server("--log-format", "none") as s:
        hostile = []
        for _ in range(6):
            c = s.connect(120)
            c.sendall(request_bytes("/tokenize", text))
            hostile.append(c)
        for _ in range(50):  # while the texts are being read
            start = time.monotonic()
            assert s.ask("/livez", timeout=5)[0] == 200
            assert time.monotonic() - start < 5
        with socket.create_connection(("127.0.0.1", s.port), 60, ("127.0.0.2", 0)) as c:
            c.sendall(request_bytes("/tokenize", b'{"content":"' + b"a b " * 5000 + b'"}'))
            assert status_of(read_answer(c)) == 200
        for c in hostile:
            assert status_of(read_answer(c)) == 200


def test_a_hog_leaves_others_their_share():
    """One client with 4,096 sequences, and as many requests as it may queue; another asks one by one."""
    hog = {"prompt": [[i % 200, 1] for i in range(256)], "best_of": 16, "max_tokens": 100, "ignore_eos": True}

    def ask_as(s, source, body):
        c = socket.create_connection(("127.0.0.1", s.port), 120, (source, 0))
        c.sendall(request_bytes("/v1/completions", body))
        return c

    with Server("--parallel", "4", "--max-num-queued-reqs", "16", "--no-prompt-lookup", "--log-format", "none") as s:
        hogs = [ask_as(s, "127.0.0.1", hog)]
        wait_until(lambda: s.metrics()["muai_requests_running"] >= 1, "the hog runs")
        hogs += [ask_as(s, "127.0.0.1", {**SMALL, "max_tokens": 100}) for _ in range(30)]
        wait_until(lambda: s.metrics()["muai_requests_refused_total"] >= 1, "the hog is told to wait")
        for _ in range(3):
            with ask_as(s, "127.0.0.2", SMALL) as c:
                assert status_of(read_answer(c)) == 200
        hogs[0].setblocking(False)
        try:
            raise AssertionError(("the hog was first", hogs[0].recv(100)))
        except BlockingIOError:
            pass
        for c in hogs:
            c.close()


if __name__ == "__main__":
    run(globals())
