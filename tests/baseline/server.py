"""The baseline that MuAI is compared with: Hugging Face transformers' GPT-2 on PyTorch's CPU kernels
behind a small OpenAI-compatible endpoint. Not a part of the product; started by scripts/baseline-pytorch.

    server.py --model synthetic:gpt2 --port 8690 [--batching static] [--dtype f32|bf16|int8]
    server.py --self-test                     batching, padding and protocol, on a small model
    server.py --time ...                      the speed of this configuration without HTTP
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

import generate
import weights


class Endpoint:
    """What the handlers need: the model, its text and the thread that runs it."""

    def __init__(self, args):
        self.model, self.tokenizer = weights.load(args.model, args.dtype, args.attention, args.linear, args.compile)
        self.name = args.model
        self.n_ctx = self.model.config.n_positions
        self.vocab = self.model.config.vocab_size
        self.eos = self.model.config.eos_token_id if self.tokenizer else None
        self.runner = generate.Runner(self.model, args.max_batch if args.batching == "static" else 1)

    def encode(self, prompt):
        if isinstance(prompt, str):
            tokens = self.tokenizer.encode(prompt) if self.tokenizer else list(prompt.encode())
        else:
            tokens = prompt
            if isinstance(tokens, list) and len(tokens) == 1 and isinstance(tokens[0], list):
                tokens = tokens[0]
        is_ids = isinstance(tokens, list) and all(type(t) is int and 0 <= t < self.vocab for t in tokens)
        if not is_ids or not tokens:
            raise ValueError("prompt: one text or one array of token ids of the model, not empty")
        return tokens

    def decode(self, token):
        if self.tokenizer:
            return self.tokenizer.decode([token])
        return chr(token) if token < 128 else "\ufffd"

    def job_of(self, body):
        tokens = self.encode(body.get("prompt"))
        max_tokens = body.get("max_tokens") or body.get("max_completion_tokens") or 16
        if type(max_tokens) is not int or max_tokens < 1:
            raise ValueError("max_tokens: a whole number from 1 on")
        if len(tokens) + max_tokens > self.n_ctx:
            raise ValueError(f"{len(tokens)} + {max_tokens} tokens, the context is {self.n_ctx}")
        if body.get("n", 1) != 1 or body.get("stop"):
            raise ValueError("n and stop are not supported by the baseline")
        temperature = body.get("temperature")
        eos = None if body.get("ignore_eos") else self.eos
        return generate.Job(tokens, max_tokens, body.get("min_tokens") or 0,
                            1.0 if temperature is None else float(temperature), eos)

    def warm_up(self):
        for n in (16, 128, 512):
            generate.generate(self.model, [list(range(min(n, self.n_ctx - 9)))], 8)


def usage(job):
    n = len(job.tokens)
    return {"prompt_tokens": n, "completion_tokens": job.n_out_told, "total_tokens": n + job.n_out_told}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    endpoint = None

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        data = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.wfile.write(head.encode() + data)

    def do_GET(self):
        if self.path in ("/health", "/readyz"):
            self.answer(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{
                "id": self.endpoint.name, "object": "model", "owned_by": "baseline",
                "max_model_len": self.endpoint.n_ctx}]})
        else:
            self.answer(404, {"error": {"message": self.path, "type": "not_found_error"}})

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/v1/completions":
            self.answer(404, {"error": {"message": self.path, "type": "not_found_error"}})
            return
        try:
            body = json.loads(data)
            job = self.endpoint.job_of(body)
        except (ValueError, TypeError, AttributeError) as error:
            self.answer(400, {"error": {"message": str(error), "type": "invalid_request_error"}})
            return
        job.n_out_told = 0
        self.endpoint.runner.submit(job)
        try:
            if body.get("stream"):
                self.stream(job, body.get("stream_options") or {})
            else:
                self.whole(job)
        except (BrokenPipeError, ConnectionResetError):
            job.is_left = True
            self.close_connection = True

    def frame(self, choices, extra):
        return {"id": f"cmpl-{id(self):x}", "object": "text_completion", "created": int(time.time()),
                "model": self.endpoint.name, "choices": choices, **extra}

    def whole(self, job):
        text, reason = [], None
        while reason is None:
            token, reason = job.out.get()
            if token is None:
                self.answer(500, {"error": {"message": reason, "type": "server_error"}})
                return
            job.n_out_told += 1
            text.append(token)
        text = self.endpoint.tokenizer.decode(text) if self.endpoint.tokenizer else "".join(map(self.endpoint.decode, text))
        self.answer(200, self.frame([{"index": 0, "text": text, "finish_reason": reason, "logprobs": None}],
                                    {"usage": usage(job)}))

    def event(self, value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        data = b"data: " + data + b"\n\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def stream(self, job, options):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        reason = None
        while reason is None:
            token, reason = job.out.get()
            if token is None:
                self.event({"error": {"message": reason, "type": "server_error"}})
                break
            job.n_out_told += 1
            choice = {"index": 0, "text": self.endpoint.decode(token), "finish_reason": reason, "logprobs": None}
            more = {"usage": usage(job)} if options.get("continuous_usage_stats") else {}
            self.event(self.frame([choice], more))
        if options.get("include_usage"):
            self.event(self.frame([], {"usage": usage(job)}))
        self.event(b"[DONE]")
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def open_server(args):
    endpoint = Endpoint(args)
    endpoint.warm_up()
    endpoint.runner.start()
    handler = type("BoundHandler", (Handler,), {"endpoint": endpoint})
    return Server(("127.0.0.1", args.port), handler)


def measure(args):
    """Prefill of 128 and 512 tokens and decode of 64 after 128: medians of five, no HTTP."""
    model, _ = weights.load(args.model, args.dtype, args.attention, args.linear, args.compile)
    generator = torch.Generator().manual_seed(1)
    row = {"dtype": args.dtype, "attention": args.attention, "linear": args.linear, "compile": args.compile,
           "threads": torch.get_num_threads()}

    def once(n_rows, n_prompt, n_out):
        prompts = torch.randint(0, model.config.vocab_size, (n_rows, n_prompt), generator=generator).tolist()
        start = time.perf_counter()
        generate.generate(model, prompts, n_out)
        return time.perf_counter() - start

    def median(*shape):
        once(*shape)
        return sorted(once(*shape) for _ in range(5))[2]

    for n in (128, 512):
        row[f"prefill_{n}_ms"] = round(1000 * median(1, n, 1), 1)
    for n_rows in (1, 8):
        whole, prefill = median(n_rows, 128, 64), median(n_rows, 128, 1)
        row[f"decode_{n_rows}_tok_s"] = round(n_rows * 63 / (whole - prefill), 1)
    print(json.dumps(row), flush=True)


def ask(port, body, timeout=120):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return response.read().decode()


def check_batches(model):
    prompts = [[5, 6, 7], list(range(40)), [9], list(range(100, 117)), [3, 3, 3], list(range(60, 90))]
    alone_logits, alone = [], []
    for prompt in prompts:
        kept = []
        alone.append(generate.generate(model, [prompt], 20, kept)[0])
        alone_logits.append(torch.cat(kept))
    together_logits = []
    together = generate.generate(model, prompts, 20, together_logits)
    together_logits = torch.stack(together_logits, dim=1)
    difference = max((together_logits[row] - alone_logits[row]).abs().max().item() for row in range(len(prompts)))
    assert together == alone, "a padded batch gives other tokens"
    assert difference < 1e-4, difference
    jobs = [generate.Job(prompt, 1 + 3 * row) for row, prompt in enumerate(prompts)]  # rows leave one by one
    generate.run_batch(model, jobs)
    for row, job in enumerate(jobs):
        assert [job.out.get()[0] for _ in range(job.n_out)] == alone[row][: 1 + 3 * row], row
    with torch.inference_mode():  # the cache against no cache
        for prompt, out in zip(prompts, alone):
            logits = model(input_ids=torch.tensor([prompt + out])).logits[0]
            assert logits[len(prompt) - 1 : -1].argmax(-1).tolist() == out
    print(f"self-test: batches, padding, cache: equal tokens, largest logit difference {difference:.1e}")
    return prompts, alone


def check_protocol(args, prompts, alone):
    server = open_server(args)
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    decode = server.RequestHandlerClass.endpoint.decode
    texts = ["".join(map(decode, tokens)) for tokens in alone]
    common = {"max_tokens": 20, "temperature": 0, "ignore_eos": True}
    answers = [None] * len(prompts)

    def one(row):
        answers[row] = json.loads(ask(port, {"prompt": prompts[row], **common}))

    threads = [threading.Thread(target=one, args=(row,)) for row in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row, answer in enumerate(answers):
        assert answer["choices"][0]["text"] == texts[row], (row, answer)
        assert answer["usage"]["completion_tokens"] == 20
    options = {"include_usage": True, "continuous_usage_stats": True}
    lines = [line for line in ask(port, {"prompt": prompts[0], **common, "stream": True, "stream_options": options}).split("\n\n") if line]
    assert lines[-1] == "data: [DONE]" and len(lines) == 22, len(lines)
    events = [json.loads(line[6:]) for line in lines[:-1]]
    assert [e["usage"]["completion_tokens"] for e in events] == [*range(1, 21), 20]
    assert "".join(e["choices"][0]["text"] for e in events[:-1]) == texts[0]
    for bad in ({}, {"prompt": []}, {"prompt": [10**9]}, {"prompt": [1], "max_tokens": 10**6}, []):
        try:
            ask(port, bad)
            raise AssertionError(f"{bad} was taken")
        except urllib.error.HTTPError as error:
            assert error.code == 400, (bad, error.code)
    with socket.create_connection(("127.0.0.1", port)) as leaver:  # who leaves costs the others nothing
        data = json.dumps({"prompt": [1], "max_tokens": 100, "stream": True}).encode()
        leaver.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))
        leaver.recv(10)
    assert json.loads(ask(port, {"prompt": prompts[1], **common}))["choices"][0]["text"] == texts[1]
    server.shutdown()
    print(f"self-test: protocol, {args.batching}: ok")


def self_test(args):
    args.model, args.dtype, args.port = "synthetic:gpt2-test", "f32", 0
    model, _ = weights.load(args.model, "f32", args.attention)
    prompts, alone = check_batches(model)
    for batching in ("none", "static"):
        args.batching = batching
        check_protocol(args, prompts, alone)


def parse():
    parser = argparse.ArgumentParser(prog="scripts/baseline-pytorch serve")
    parser.add_argument("--model", default="synthetic:gpt2", help="synthetic:NAME or a Hugging Face folder")
    parser.add_argument("--dtype", choices=("f32", "bf16", "int8"), default="f32")
    parser.add_argument("--batching", choices=("none", "static"), default="none")
    parser.add_argument("--max-batch", type=int, default=32)
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--linear", action="store_true", help="nn.Linear for Conv1D")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--port", type=int, default=8690)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--time", action="store_true")
    return parser.parse_args()


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    if args.self_test:
        self_test(args)
    elif args.time:
        measure(args)
    else:
        start = time.perf_counter()
        server = open_server(args)
        print(f"baseline: {args.model} {args.dtype} on http://127.0.0.1:{server.server_address[1]} "
              f"after {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
