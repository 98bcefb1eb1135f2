"""The server over raw sockets: what is answered, what is refused, what survives."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from serving import MODEL, MUAI, Server, events, read_answer, request_bytes, run, unchunk, wait_until

GREEDY = {"prompt": "Hello", "max_tokens": 8, "temperature": 0, "ignore_eos": True}
LONG = {"prompt": [1], "max_tokens": 1000, "ignore_eos": True, "seed": 1}
SLOW = "synthetic:gpt2-mini"  # steps of a millisecond: something can happen meanwhile
ENDLESS = {**LONG, "n": 16}  # with SLOW, it is over when its client leaves


def idle(s):
    m = s.metrics()
    return m["muai_requests_running"] == 0 and m["muai_requests_waiting"] == 0


def test_a_path_is_answered_and_not_shown():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tiny.gguf")
        subprocess.run([MUAI, "quantize", MODEL, "-o", path], check=True, capture_output=True)
        with Server(model=path) as s:
            names = [m["id"] for m in s.ask("/v1/models")[2]["data"]]
            assert len(names) == 1 and folder not in names[0], names
            for name in (names[0], path):
                assert s.ask("/v1/completions", {**GREEDY, "model": name})[0] == 200, name


def test_routes_and_shapes():
    with Server("--alias", "org/name") as s:
        for path in ("/health", "/v1/health", "/livez", "/readyz", "/healthz"):
            assert s.ask(path)[::2] == (200, {"status": "ok"}), path
        models = s.ask("/v1/models")[2]
        assert [m["id"] for m in models["data"]] == ["org/name", MODEL]
        for path in ("/v1/models/org/name", "/v1/models/org%2Fname", "/models/org/name"):
            assert s.ask(path)[2]["id"] == "org/name", path
        code, head, body = s.ask("/v1/completions", {**GREEDY, "model": "org/name", "wings": 2})
        assert code == 200 and body["model"] == "org/name" and head["x-unknown-fields"] == "wings"
        assert body["usage"]["completion_tokens"] == 8 and body["choices"][0]["finish_reason"] == "length"
        assert s.ask("/completions", GREEDY)[2]["choices"] == body["choices"]
        assert s.ask("/version")[2]["version"] and s.ask("/health", method="HEAD")[0] == 200
        assert s.ask("/livez", headers={"x-request-id": "abc-1"})[1]["x-request-id"] == "abc-1"
        tokens = s.ask("/tokenize", {"content": "Grüße"})[2]["tokens"]
        assert s.ask("/detokenize", {"tokens": tokens})[2]["content"] == "Grüße"
        rows = [
            (rb"a\ud83db", "a\ufffdb"), (rb"\uDE00", "\ufffd"), (rb"\ud83d\ude00", "\U0001f600"), (rb"\\ud83d", "\\ud83d"),
            (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"), (rb"\ud83d", "\ufffd"), (rb"\ud83d\u0041", "\ufffdA"),
        ]
        for escaped, text in rows:  # half a pair is a character that was cut
            tokens = s.ask("/tokenize", b'{"content": "' + escaped + b'"}')[2]["tokens"]
            assert s.ask("/detokenize", {"tokens": tokens})[2]["content"] == text, escaped
        messages = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
        assert s.ask("/apply-template", messages)[2]["prompt"] == "User: Hi\n\nAssistant:"
        chat = s.ask("/v1/chat/completions", {**messages, "max_tokens": 3, "logprobs": True, "top_logprobs": 2})[2]
        assert chat["object"] == "chat.completion" and chat["choices"][0]["message"]["role"] == "assistant"
        assert len(chat["choices"][0]["logprobs"]["content"]) == 3
        assert len(chat["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2
        echo = s.ask("/v1/completions", {**GREEDY, "echo": True})[2]["choices"][0]["text"]
        assert echo == "Hello" + body["choices"][0]["text"]
        many = s.ask("/v1/completions", {**GREEDY, "prompt": ["a", "b"], "n": 2, "best_of": 3, "temperature": 1})[2]
        assert [c["index"] for c in many["choices"]] == [0, 1, 2, 3]


def test_the_built_in_model_and_its_temperature():
    body = {"prompt": "Once upon a time", "max_tokens": 24, "seed": 3}
    with Server(model=None) as s:  # none named
        assert s.ask("/v1/models")[2]["data"][0]["id"] == "muai-tiny"
        text = {t: s.ask("/v1/completions", body if t == "own" else {**body, "temperature": t})[2]["choices"][0]["text"]
                for t in ("own", None, 0.7, 1.5)}
        assert text["own"] == text[None] == text[0.7] != text[1.5], text
    with Server() as s:  # a model that has none of its own
        text = [s.ask("/v1/completions", b)[2]["choices"][0]["text"] for b in (body, {**body, "temperature": 1})]
        assert text[0] == text[1], text


def test_streams_say_what_answers_say():
    with Server() as s:
        for extra in ({}, {"logprobs": 2}, {"n": 2, "seed": 5, "temperature": 1}, {"echo": True}):
            body = {**GREEDY, "prompt": "The", "max_tokens": 40, **extra}
            whole = s.ask("/v1/completions", body)[2]
            options = {"include_usage": True, "continuous_usage_stats": True}
            code, head, text = s.ask("/v1/completions", {**body, "stream": True, "stream_options": options})
            assert code == 200 and head["content-type"] == "text/event-stream; charset=utf-8"
            parts = events(text)
            assert parts[-1] == "[DONE]"
            chunks = [json.loads(p) for p in parts[:-1]]
            assert chunks[-1]["choices"] == [] and all("usage" in c for c in chunks)
            for i, choice in enumerate(whole["choices"]):
                mine = [c["choices"][0] for c in chunks[:-1] if c["choices"][0]["index"] == i]
                assert "".join(c["text"] for c in mine) == choice["text"]
                assert mine[-1]["finish_reason"] == choice["finish_reason"]
                if "logprobs" in extra:
                    tokens = sum((c["logprobs"]["token_logprobs"] for c in mine if c["logprobs"]), [])
                    assert tokens == choice["logprobs"]["token_logprobs"]
            usage = chunks[-1]["usage"]
            assert usage["completion_tokens"] == whole["usage"]["completion_tokens"]


def test_values_are_refused_by_name():
    rows = [
        ({"temperature": -1}, "temperature"), ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.5}, "top_p"), ({"n": 0}, "n"), ({"n": 17}, "n"), ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"), ({"stop": ["a"] * 17}, "stop"), ({"stop": [1]}, "stop"),
        ({"stop": ""}, "stop"), ({"logit_bias": {"x": 1}}, "logit_bias"), ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"prompt": [1, -1]}, "prompt"), ({"prompt": [99999]}, "prompt"), ({"prompt": {}}, "prompt"),
        ({"prompt": None}, "prompt"), ({"logprobs": 21}, "logprobs"), ({"best_of": 1, "n": 2}, "best_of"),
        ({"stream": 1}, "stream"), ({"seed": 1.5}, "seed"), ({"stream_options": 3}, ""),
        ({"echo": True, "logprobs": 1}, "echo"), ({"model": "x"}, "model"), ({"stop_token_ids": [-1]}, "stop_token_ids"),
    ]
    with Server() as s:
        for extra, param in rows:
            code, _, body = s.ask("/v1/completions", {**GREEDY, **extra})
            assert code == (404 if "model" in extra else 400), (extra, code, body)
            assert (body["error"]["param"] or "") == param, (extra, body)
        code, _, body = s.ask("/v1/completions", {**GREEDY, "max_tokens": 5000})
        assert body["error"]["code"] == "context_length_exceeded" and "128" in body["error"]["message"]
        code, _, body = s.ask("/v1/completions", {**GREEDY, "prompt": "x" * 5_000_000})
        assert body["error"]["code"] == "context_length_exceeded" and "5000000 bytes" in body["error"]["message"]
        for bad in (b"", b"{", b"[1]", b'{"a":1,"a":2}', b'{"prompt": NaN}', b"\xff", b"[" * 100, b'{"prompt":"\xff"}'):
            assert s.ask("/v1/completions", bad)[0] == 400, bad
        for bad in ([], [{"role": "pilot", "content": "x"}], [{"role": "user", "content": 5}], ["x"], "x"):
            assert s.ask("/v1/chat/completions", {"messages": bad})[2]["error"]["param"] == "messages", bad
        assert s.ask("/v1/completions", b"x", headers={"Content-Type": "image/png"})[0] == 415
        assert s.ask("/v1/completions", {**GREEDY, "suffix": "x"})[0] == 400
        chat = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
        assert s.ask("/v1/chat/completions", {**chat, "response_format": {"type": "xml"}})[0] == 400
        assert s.ask("/v1/chat/completions", {**chat, "response_format": {"type": "text"}})[0] == 200
        assert s.ask("/nothing")[0] == 404 and s.ask("/v1/models", method="DELETE")[0] == 405
        assert s.ask("/v1/completions")[0] == 405 and s.ask("/health%00")[0] == 400


def head(*lines):
    return "\r\n".join(("POST /v1/completions HTTP/1.1",) + lines).encode("latin1") + b"\r\n\r\n"


STRICT = {
    "length and encoding": head("Host: a", "Content-Length: 2", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "two lengths": head("Host: a", "Content-Length: 2", "Content-Length: 2") + b"{}",
    "length with sign": head("Host: a", "Content-Length: +2") + b"{}",
    "length in hex": head("Host: a", "Content-Length: 0x2") + b"{}",
    "length list": head("Host: a", "Content-Length: 2, 2") + b"{}",
    "encoding list": head("Host: a", "Transfer-Encoding: gzip, chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "encoding identity": head("Host: a", "Transfer-Encoding: identity") + b"{}",
    "chunk size 0x": head("Host: a", "Transfer-Encoding: chunked") + b"0x2\r\n{}\r\n0\r\n\r\n",
    "chunk size _": head("Host: a", "Transfer-Encoding: chunked") + b"0_2\r\n{}\r\n0\r\n\r\n",
    "chunk size +": head("Host: a", "Transfer-Encoding: chunked") + b"+2\r\n{}\r\n0\r\n\r\n",
    "chunk without end": head("Host: a", "Transfer-Encoding: chunked") + b"2\r\n{}XX0\r\n\r\n",
    "no host": head("Content-Length: 2") + b"{}",
    "two hosts": head("Host: localhost", "Host: localhost", "Content-Length: 2") + b"{}",
    "space before colon": head("Host: localhost", "Foo : a", "Content-Length: 2") + b"{}",
    "space in name": head("Host: localhost", "Fo o: a", "Content-Length: 2") + b"{}",
    "control character": head("Host: localhost", "Foo: a\x01b", "Content-Length: 2") + b"{}",
    "no colon": head("Host: localhost", "Foo") + b"{}",
    "version": b"GET / FOO/1.1\r\nHost: localhost\r\n\r\n",
}


def test_broken_http_is_refused():
    with Server("--max-headers", "20") as s:
        for name, data in STRICT.items():
            answer = s.raw(data)
            code = int(answer.split()[1]) if answer else 0
            assert 400 <= code < 500 or code == 505, (name, answer[:200])
        line = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert b" 414 " in s.raw(line)
        assert b" 431 " in s.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 90000 + b"\r\n\r\n")
        assert s.ask("/livez", headers={f"H{i}": "x" for i in range(30)})[0] == 431
        two = request_bytes("/livez") * 2
        with s.connect() as c:  # pipelined: one after the other
            c.sendall(two)
            assert read_answer(c).count(b"HTTP/1.1 200") >= 1
        body = json.dumps(GREEDY).encode()
        with s.connect() as c:
            c.sendall(head("Host: localhost", "Expect: 100-continue", f"Content-Length: {len(body)}"))
            assert c.recv(1000).startswith(b"HTTP/1.1 100")
            c.sendall(body)
            assert b" 200 " in read_answer(c)[:20]
        old = s.raw(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b" 200 " in old[:20]


def is_answered(c):
    """By 200, not by a connection that is closed."""
    try:
        c.sendall(request_bytes("/livez"))
        return read_answer(c).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


def test_limits():
    with Server("--max-body", "1000", "--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "1000") as s:
        assert s.ask("/v1/completions", b" " * 2000)[0] == 413
        chunked = head("Host: localhost", "Transfer-Encoding: chunked") + b"7d0\r\n" + b" " * 2000 + b"\r\n0\r\n\r\n"
        assert b" 413 " in s.raw(chunked)
        for data in (b"GET /liv", b"", head("Host: localhost", "Content-Length: 10") + b"{"):
            with s.connect(timeout=120) as c:  # the server ends it
                c.sendall(data)
                try:
                    while c.recv(1000):
                        pass
                except ConnectionError:
                    pass
    with Server("--keep-alive", "1") as s, s.connect(timeout=60) as c:  # without the option it is 75 s
        assert is_answered(c) and c.recv(1000) == b""
    with Server("--max-connections-per-ip", "8", "--keep-alive", "1000") as s:
        held = [s.connect() for _ in range(12)]
        assert [is_answered(c) for c in held] == [True] * 8 + [False] * 4
        for c in held:
            c.close()


def test_keys_hosts_and_origins():
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as keys:
        import hashlib

        keys.write("# ours\nsecret\nsha256:" + hashlib.sha256(b"other").hexdigest() + "\n")
        keys.flush()
        with Server("--api-key-file", keys.name, "--cors-origins", "http://page.example") as s:
            for path in ("/health", "/livez", "/readyz"):
                assert s.ask(path)[0] == 200, path
            for path in ("/v1/models", "/metrics", "/version", "/tokenize"):
                code, fields, body = s.ask(path, {} if path == "/tokenize" else None)
                assert code == 401 and fields["www-authenticate"] == "Bearer", path
                assert body["error"]["code"] == "invalid_api_key"
            for field in ({"Authorization": "Bearer secret"}, {"x-api-key": "secret"}, {"x-api-key": "other"}):
                assert s.ask("/v1/models", headers=field)[0] == 200, field
            assert s.ask("/v1/models", headers={"Authorization": "Bearer wrong"})[0] == 401
            assert s.ask("/livez", headers={"Host": "evil.example"})[2]["error"]["code"] == "host_not_allowed"
            assert s.ask("/livez", headers={"Origin": "http://evil.example"})[0] == 403
            code, fields, _ = s.ask("/v1/models", method="OPTIONS", headers={"Origin": "http://page.example"})
            assert code == 204 and fields["access-control-allow-origin"] == "http://page.example"
    refused = subprocess.run([MUAI, "serve", MODEL, "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True)
    assert refused.returncode == 1 and "--insecure-no-auth" in refused.stderr


def test_full_queue_is_told():
    with Server("--parallel", "1", "--max-num-queued-reqs", "4", "--no-prompt-lookup", model=SLOW) as s:
        streams = []
        for i in range(3):
            c = s.connect()
            c.sendall(request_bytes("/v1/completions", {**ENDLESS, "stream": True}))
            streams.append(c)
            s.wait_queued(i) if i > 0 else s.wait_started(1)
        code, fields, body = s.ask("/v1/completions", GREEDY)
        assert code == 429 and body["error"]["code"] == "queue_full", body
        assert 1 <= int(fields["retry-after"]) <= 120
        for c in streams:
            c.close()
        wait_until(lambda: idle(s), "streams that were left end")
        assert s.metrics()["muai_requests_refused_total"] == 1


def test_silent_streams_are_pinged():
    with Server("--parallel", "1", "--sse-ping-interval", "1", "--no-prompt-lookup", model=SLOW) as s:
        with s.connect() as first, s.connect() as second:
            first.sendall(request_bytes("/v1/completions", {**ENDLESS, "stream": True}))
            s.wait_started(1)
            second.sendall(request_bytes("/v1/completions", {**GREEDY, "stream": True}))
            text = b""
            while b"data: " not in text and b": ping\n\n" not in text:
                text += second.recv(1 << 16)
            assert b": ping\n\n" in text, text


def test_clients_that_leave_are_noticed():
    with Server("--parallel", "1", "--no-prompt-lookup", model=SLOW) as s:
        files = s.n_files()
        rounds = [(stream, half) for stream in (True, False) for half in (True, False)]
        for i, (stream, half) in enumerate(rounds):
            running, queued = s.connect(), s.connect()
            running.sendall(request_bytes("/v1/completions", {**ENDLESS, "stream": stream}))
            s.wait_started(i + 1)
            queued.sendall(request_bytes("/v1/completions", {**ENDLESS, "stream": stream}))
            s.wait_queued(1)
            for c in (queued, running):
                c.shutdown(socket.SHUT_WR) if half else c.close()
            wait_until(lambda: idle(s), "left")
            if half:
                running.close()
                queued.close()
        m = s.metrics()
        assert m['muai_requests_total{outcome="canceled"}'] == 8, m
        wait_until(lambda: s.n_files() <= files + 1, "files are closed")
        assert m["muai_kv_blocks_used"] == 0


def test_same_request_same_answer_at_any_load():
    bodies = [{"prompt": f"Story {i}", "max_tokens": 100, "seed": i, "temperature": 0.9, "logprobs": 1} for i in range(31)]
    bodies[0]["n"] = 8
    kv = str(2 * 2 * 64 * 4 * 16 * 24)  # 24 blocks: sequences are preempted, already of the first request alone
    with Server("--kv-cache-bytes", kv) as s:
        alone = [s.ask("/v1/completions", b)[2]["choices"] for b in bodies]
        results = [None] * len(bodies)

        def ask(i):
            results[i] = s.ask("/v1/completions", bodies[i])[2]["choices"]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(bodies))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert results == alone
        long = {**bodies[1], "prompt": "prefix " * 10, "max_tokens": 24}
        first = s.ask("/v1/completions", long)[2]
        second = s.ask("/v1/completions", long)[2]
        assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
        assert first["choices"] == second["choices"]
        third = s.ask("/v1/completions", {**long, "cache_prompt": False})[2]
        assert third["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert first["choices"] == third["choices"]
        n = s.metrics()["muai_preemptions_total"]
        print("  preemptions:", n)
        assert n > 0


def last_events(c):
    return events(unchunk(read_answer(c).partition(b"\r\n\r\n")[2]).decode())[-2:]


def test_drain():
    for is_told_twice in (False, True):
        with Server("--no-prompt-lookup", "--shutdown-timeout", "600", model=SLOW) as s:
            short, endless = s.connect(120), s.connect(120)
            short.sendall(request_bytes("/v1/completions", {**LONG, "max_tokens": 50, "stream": True}))
            endless.sendall(request_bytes("/v1/completions", {**ENDLESS, "stream": True}))
            s.wait_started(2)
            s.process.send_signal(signal.SIGTERM)
            wait_until(lambda: s.ask("/readyz")[0] == 503, "not ready")
            assert s.ask("/livez")[0] == 200
            status, fields, body = s.ask("/v1/completions", GREEDY)
            assert status == 503 and body["error"]["code"] == "draining" and fields["retry-after"]
            last = last_events(short)
            assert last[1] == "[DONE]" and "error" not in last[0], last
            if is_told_twice:
                s.process.send_signal(signal.SIGTERM)
                last = last_events(endless)
                assert last[1] == "[DONE]" and "error" in last[0], last
            else:
                endless.close()
            assert s.process.wait(60) == is_told_twice
            s.process.returncode = 0


def test_unix_socket_tls_and_systemd():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/muai.sock"
        with Server("--host", path) as s:
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)
                c.sendall(request_bytes("/v1/completions", GREEDY))
                assert b" 200 " in read_answer(c)[:20]
            s.stop()
        assert not os.path.exists(path)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(folder + "/notify")
        notify.settimeout(10)
        with Server(env={"NOTIFY_SOCKET": folder + "/notify"}):
            assert notify.recv(100) == b"READY=1"
        assert notify.recv(100) == b"STOPPING=1"
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
             "-keyout", folder + "/key", "-out", folder + "/cert"], capture_output=True)
        if made.returncode == 0:
            import ssl

            with Server("--tls-key", folder + "/key", "--tls-cert", folder + "/cert") as s:
                context = ssl.create_default_context(cafile=folder + "/cert")
                context.check_hostname = False
                with context.wrap_socket(s.connect()) as c:
                    c.sendall(request_bytes("/v1/completions", {**GREEDY, "stream": True}))
                    assert b"[DONE]" in read_answer(c)


def test_logs_tell_all_but_text():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/access.log"
        with Server("--log-format", "json", "--log-file", path) as s:
            s.ask("/v1/completions", {**GREEDY, "prompt": "confidential"}, headers={"x-request-id": "r1"})
            s.stop()
        text = open(path).read()
        line = json.loads(text.splitlines()[0])
        assert line["request_id"] == "r1" and line["status"] == 200 and line["output_tokens"] == 8
        assert line["ttft_ms"] > 0 and "confidential" not in text
    with Server("--log-file", "/dev/full") as s:  # a full disk stops the log only
        assert s.ask("/v1/completions", GREEDY)[0] == 200
        wait_until(lambda: s.metrics()["muai_log_lines_lost_total"] >= 1, "counted")


def test_torture():
    seed = int(os.environ.get("MUAI_SEED", "7"))
    rng = random.Random(seed)
    n_dropped = int(os.environ.get("MUAI_DROPS", 10000 if os.environ.get("MUAI_TESTS") == "full" else 1500))
    print("  seed", seed)
    with Server("--log-format", "none") as s:
        s.ask("/v1/completions", GREEDY)
        wait_until(lambda: idle(s), "idle before torture")
        files, blocks = s.n_files(), s.metrics()["muai_kv_blocks_used"]
        whole = request_bytes("/v1/completions", {**GREEDY, "stream": True, "max_tokens": 60})
        answered = 0
        for i in range(n_dropped):
            with s.connect() as c:
                kind = i % 8
                if kind == 1:
                    c.sendall(whole[: rng.randrange(len(whole))])
                elif kind == 2:
                    c.sendall(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200))))
                elif kind == 3:
                    c.sendall(whole)
                elif kind == 4:
                    broken = bytearray(whole)
                    for _ in range(3):
                        broken[rng.randrange(len(broken))] = rng.randrange(256)
                    c.sendall(broken)
                elif kind == 5:
                    c.sendall(whole)
                    c.recv(rng.randrange(1, 400))
                elif kind == 6:
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    c.sendall(whole)
                elif kind == 7 and i % 64 == 7:
                    c.sendall(whole)
                    assert b"[DONE]" in read_answer(c)
                    answered += 1
        wait_until(lambda: idle(s), "idle after torture")
        wait_until(lambda: s.n_files() <= files + 1, "files are closed")
        wait_until(lambda: s.metrics()["muai_kv_blocks_used"] == blocks, "KV blocks are free")
        assert s.ask("/v1/completions", GREEDY)[0] == 200
        m = s.metrics()
        ended = sum(v for k, v in m.items() if k.startswith("muai_requests_total"))
        assert ended == m["muai_e2e_request_latency_seconds_count"]
        print(f"  {n_dropped} connections, {answered} answered whole, {ended:.0f} generations ended")
        slow = s.connect()  # a reader that takes a byte at a time, a writer too
        for i in range(len(whole)):
            slow.sendall(whole[i : i + 1])
        text = b""
        while b"[DONE]" not in text:
            text += slow.recv(1)
        slow.close()


def test_reader_that_stops_reading_is_left():
    """The answers are far larger than what sockets hold, so the server has to give them up."""
    body = {"prompt": [[1]] * 8, "max_tokens": 120, "ignore_eos": True, "n": 16, "logprobs": 20}
    # The timeout is also that of the readers of metrics, who may have to wait for a core.
    with Server("--body-timeout", "5", "--keep-alive", "1000", "--log-format", "none") as s:
        for n, stream in enumerate((True, False), 1):
            with socket.socket() as c:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                c.connect(("127.0.0.1", s.port))
                c.sendall(request_bytes("/v1/completions", {**body, "stream": stream}))
                s.wait_started(n)
                wait_until(lambda: s.metrics()["muai_http_connections"] == 1, "closed", timeout=600)
                wait_until(lambda: idle(s), "canceled")
                c.settimeout(60)
                got = b"".join(iter(lambda: take(c), b""))
                assert b"[DONE]" not in got and not got.endswith(b"}"), got[-200:]
        assert s.ask("/v1/completions", GREEDY)[0] == 200


def take(c):
    """What has come; nothing when the connection is over."""
    try:
        return c.recv(1 << 16)
    except ConnectionError:
        return b""


def test_corpus_of_bodies():
    n = 0
    with Server("--log-format", "none") as s:
        for folder in ("generation_params", "hf_config", "hf_tokenizer"):
            for name in sorted(os.listdir("tests/corpus/" + folder)):
                with open(f"tests/corpus/{folder}/{name}", "rb") as f:
                    body = f.read()
                for path in ("/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize", "/apply-template"):
                    code = s.ask(path, body)[0]
                    assert code in (200, 400, 404), (name, path, code)
                    n += 1
    assert n > 50
    print(f"  {n} requests")


def test_stop_under_load():
    with Server("--shutdown-timeout", "20", "--log-format", "none") as s:
        counts = {"ok": 0, "refused": 0, "none": 0}
        stop = threading.Event()

        def load():
            while not stop.is_set():
                try:
                    code = s.ask("/v1/completions", {**GREEDY, "max_tokens": 60}, timeout=60)[0]
                    counts["ok" if code == 200 else "refused"] += 1
                except (OSError, IndexError, ValueError):
                    counts["none"] += 1
                    return

        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        wait_until(lambda: counts["ok"] > 10, "answers")
        code = s.stop()
        stop.set()
        for t in threads:
            t.join()
        assert code == 0 and counts["none"] <= 8, counts


if __name__ == "__main__":
    run(globals())
