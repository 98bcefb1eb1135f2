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


if __name__ == "__main__":
    run(globals())
