"""Answers as OpenAI's clients, browsers and proxies expect them."""

import json
import os
import signal
import socket
import subprocess
import tempfile

from serving import MODEL, MUAI, Server, read_answer, request_bytes, run, wait_until

SMALL = {"prompt": [1, 2], "max_tokens": 2}
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}


def complete(s, **fields):
    return s.ask("/v1/completions", {**SMALL, **fields})


def test_numbers_that_clients_send():
    with Server() as s:
        texts = {}
        for seed in (0, -2, 2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1):
            code, _, body = complete(s, seed=seed, max_tokens=20)
            assert code == 200, (seed, body)
            assert complete(s, seed=seed, max_tokens=20)[2]["choices"] == body["choices"], seed
            texts[seed] = body["choices"][0]["text"]
        assert texts[2**53 - 1] != texts[2**53 + 1] and texts[-2] != texts[0]
        assert complete(s, top_k=-1)[0] == 200
        rest = complete(s, max_tokens=-1, ignore_eos=True)[2]
        assert rest["usage"]["total_tokens"] == 128, rest["usage"]
        for value in (2**63 - 1, 2**63, 2**64 - 1, -(2**63) - 1, 10**40):
            assert complete(s, metadata={"trace": value, "text": str(value)})[0] == 200, value
        rows = [({"max_tokens": 0}, "0 is not in [1, 1048576]"), ({"max_tokens": 1048577}, "1048577 is not in [-1, 1048576]"),
                ({"max_tokens": 12345678}, "12345678 is not in"), ({"top_k": 2**53 + 1}, "9007199254740993 is not in [-1, 4194304]"),
                ({"temperature": 100.5}, "100.5 is not in [0, 100]")]
        for fields, words in rows:
            code, _, body = complete(s, **fields)
            assert code == 400 and words in body["error"]["message"], (fields, body)


def test_what_is_not_done_is_refused_by_name():
    with Server() as s:
        for path, fields in (("/v1/completions", {"prompt": [1] * 100, "max_tokens": 100}),
                             ("/v1/completions", {"prompt": [1] * 200}), ("/v1/completions", {"prompt": "x" * 5_000_000}),
                             ("/v1/chat/completions", {**CHAT, "max_tokens": 1000})):
            body = s.ask(path, fields)[2]
            assert body["error"]["code"] == "context_length_exceeded", body
            assert "maximum context length is 128 tokens" in body["error"]["message"], body


def test_logprobs_have_the_sampled_token_and_offsets_in_characters():
    with Server(model=None) as s:
        fields = {"prompt": "Once", "max_tokens": 24, "logprobs": 1, "seed": 3, "temperature": 2}
        choice = s.ask("/v1/completions", fields)[2]["choices"][0]
        told = choice["logprobs"]
        for token, top in zip(told["tokens"], told["top_logprobs"]):
            assert token in top and len(top) <= 2, (token, top)
        tokens = s.ask("/tokenize", {"content": "\u00e9\u00e9\U0001f600\u00e9"})[2]["tokens"]
        for token in tokens:
            fields = {"prompt": "Once", "max_tokens": 4, "logprobs": 0, "logit_bias": {str(token): 100}, "temperature": 0}
            choice = s.ask("/v1/completions", fields)[2]["choices"][0]
            told = choice["logprobs"]
            if any("\ufffd" in t for t in told["tokens"]):
                continue  # half a character
            for token_text, offset in zip(told["tokens"], told["text_offset"]):
                assert choice["text"][offset:].startswith(token_text), (choice["text"], told)


def test_http_as_browsers_and_proxies_speak_it():
    with Server("--cors-origins", "http://page.example") as s:
        asked = "authorization,content-type,x-stainless-arch,x-stainless-timeout"
        origin = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
        code, fields, _ = s.ask("/v1/chat/completions", method="OPTIONS", headers=origin)
        assert code == 204 and fields["access-control-allow-headers"] == asked
        assert fields["access-control-allow-methods"] == "POST, OPTIONS", fields
        for method, path, allowed in (("GET", "/v1/completions", "POST, OPTIONS"), ("PUT", "/v1/chat/completions", "POST, OPTIONS"),
                                      ("POST", "/v1/models", "GET, HEAD, OPTIONS")):
            code, fields, _ = s.ask(path, method=method)
            assert (code, fields["allow"]) == (405, allowed), (path, fields)
        for kind in ("application/json; charset=utf-8", "application/json ;charset=utf-8", "application/json\t; a=b", "Application/JSON"):
            assert s.ask("/v1/completions", SMALL, headers={"Content-Type": kind})[0] == 200, kind
        for kind in ("application/jsonx", "text/plain", "application/json x"):
            assert s.ask("/v1/completions", SMALL, headers={"Content-Type": kind})[0] == 415, kind
        for path in ("/v1/models/", "//v1//models", "/v1/completions/", "/health/"):
            assert s.ask(path, SMALL if "completions" in path else None)[0] == 200, path
        code, _, body = s.ask("/v2/models")
        assert code == 404 and "/v2/models" in body["error"]["message"] and "/v1/completions" in body["error"]["message"]
        for path in ("/v1/models/%ff%1b[2J%0d%0a", "/%c3%28%00x", "/v1/models/" + "%c3%bc" * 200, "/%1b%ff"):
            answer = s.ask(path)
            assert answer[0] in (400, 404) and all(ord(c) >= 32 for c in answer[2]["error"]["message"]), answer
        odd = s.ask("/v1/completions", {**SMALL, "w\u00fc\n\u001b": 1})
        assert odd[0] == 200 and odd[1]["x-unknown-fields"].isascii(), odd
        assert s.ask("/livez", headers={"Host": "127.0.0.9"})[0] == 200


def test_addresses_are_printed_as_they_are_opened():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        print("  no IPv6 here")
        return
    process = subprocess.Popen([MUAI, "serve", MODEL, "--host", "::1", "--port", "0"], stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    process.terminate()
    assert process.wait(60) == 0 and "http://[::1]:" in line, line


def test_a_log_that_nobody_reads_holds_up_nothing():
    read_end, write_end = os.pipe()
    process = subprocess.Popen([MUAI, "serve", MODEL, "--port", "0"], stderr=write_end)
    os.close(write_end)
    text = b""
    while b"\n" not in text:
        text += os.read(read_end, 1000)
    port = int(text.split(b":")[-1].split()[0])
    with socket.create_connection(("127.0.0.1", port), 30) as c:
        for _ in range(2000):  # 64 KiB of pipe, and nobody reads it
            c.sendall(request_bytes("/livez"))
            assert b" 200 " in read_answer(c)[:20]
    process.send_signal(signal.SIGHUP)  # which is not meant for a server
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    os.close(read_end)


def test_a_start_that_fails_says_why_in_one_line():
    with tempfile.TemporaryDirectory() as folder:
        def file(name, text):
            path = f"{folder}/{name}"
            with open(path, "w") as f:
                f.write(text)
            return path

        empty, words = file("empty", ""), file("words", "not a key\n")
        rows = [("--tls-key", empty, "--tls-cert", words), ("--tls-key", words, "--tls-cert", words), ("--tls-key", "/dev/zero", "--tls-cert", words),
                ("--tls-key", words), ("--tls-key", folder, "--tls-cert", folder), ("--tls-key", "/nothing", "--tls-cert", words),
                ("--api-key-file", empty), ("--api-key-file", "/dev/zero"), ("--api-key-file", folder), ("--api-key", ""),
                ("--log-file", folder), ("--log-file", "/nothing/x"), ("--host", "no.such.host.invalid"), ("--host", folder + "/x" * 60 + ".sock")]
        for options in rows:
            done = subprocess.run([MUAI, "serve", MODEL, "--port", "0", *options], capture_output=True, text=True, timeout=60)
            assert done.returncode == 1, (options, done)
            assert done.stderr.count("\n") == 1 and done.stderr.startswith("muai serve: "), (options, done.stderr)
    with Server("--api-key", "a-secret-of-ours") as s:
        with open(f"/proc/{s.process.pid}/cmdline") as f:
            assert "a-secret" not in f.read()
        assert s.ask("/v1/models", headers={"Authorization": "Bearer a-secret-of-ours"})[0] == 200


if __name__ == "__main__":
    run(globals())
