"""The official Python client against the server; what it saw is what the server counted."""

import sys
import threading

try:
    import openai
except ImportError:
    print("skipped: no openai package; scripts/install-deps --all installs it")
    sys.exit(77)

from serving import MODEL, Server, run, wait_until

ARGS = {"model": MODEL, "prompt": "Hello", "max_tokens": 8, "extra_body": {"ignore_eos": True}}
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}


def client(s, key="none", retries=0):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key=key, max_retries=retries)


def test_client_sees_what_the_server_counts():
    with Server("--log-format", "none") as s:
        c = client(s)
        prompt = output = requests = 0

        def count(usage):
            nonlocal prompt, output, requests
            prompt, output, requests = prompt + usage.prompt_tokens, output + usage.completion_tokens, requests + 1

        a = c.completions.create(**ARGS, temperature=0)
        count(a.usage)
        assert a.choices[0].finish_reason == "length" and a._request_id
        b = c.completions.create(**ARGS, temperature=0)
        count(b.usage)
        assert a.choices[0].text == b.choices[0].text
        three = c.completions.create(**ARGS, n=3, seed=7)
        count(three.usage)
        assert len(three.choices) == 3
        again = c.completions.create(**ARGS, n=3, seed=7)
        count(again.usage)
        assert [x.text for x in three.choices] == [x.text for x in again.choices]
        lp = c.completions.create(**ARGS, logprobs=3, seed=1)
        count(lp.usage)
        assert len(lp.choices[0].logprobs.tokens) == 8 and len(lp.choices[0].logprobs.token_logprobs) == 8
        chat = c.chat.completions.create(**CHAT, logprobs=True, top_logprobs=2, seed=2)
        count(chat.usage)
        assert len(chat.choices[0].logprobs.content) == chat.usage.completion_tokens
        whole = c.chat.completions.create(**CHAT, temperature=0, extra_body={"ignore_eos": True})
        count(whole.usage)
        stream = c.chat.completions.create(
            **CHAT, temperature=0, stream=True, stream_options={"include_usage": True}, extra_body={"ignore_eos": True})
        text = ""
        for chunk in stream:
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
            else:
                count(chunk.usage)
        assert text == whole.choices[0].message.content
        stopped = c.completions.create(model=MODEL, prompt="Hello", temperature=0, max_tokens=8, stop=["oo"])
        count(stopped.usage)
        assert "oo" not in stopped.choices[0].text
        assert [m.id for m in c.models.list()] == [MODEL] and c.models.retrieve(MODEL).id == MODEL
        m = s.metrics()
        assert m["muai_prompt_tokens_total"] == prompt and m["muai_generation_tokens_total"] == output
        assert sum(v for k, v in m.items() if k.startswith("muai_requests_total")) == requests


def test_errors_are_the_clients():
    with Server("--api-key", "k", "--max-body", "2000", "--alias", "org/name") as s:
        c = client(s, "k")
        assert c.models.retrieve("org/name").id == "org/name"
        rows = [
            (openai.BadRequestError, "invalid_value", {**ARGS, "temperature": -1}),
            (openai.BadRequestError, "context_length_exceeded", {**ARGS, "max_tokens": 5000}),
            (openai.NotFoundError, "model_not_found", {**ARGS, "model": "none"}),
            (openai.APIStatusError, "request_too_large", {**ARGS, "prompt": "x" * 3000}),
        ]
        for kind, code, args in rows:
            try:
                c.completions.create(**args)
                raise AssertionError(code)
            except kind as e:
                assert e.code == code and e.request_id, (code, e)
        try:
            client(s, "wrong").models.list()
            raise AssertionError("401")
        except openai.AuthenticationError as e:
            assert e.code == "invalid_api_key"


def test_full_and_draining():
    import signal

    with Server(
        "--parallel", "1", "--max-num-queued-reqs", "1", "--no-prompt-lookup",
        "--shutdown-timeout", "300", model="synthetic:gpt2-mini",
    ) as s:
        c = client(s)
        long = {**ARGS, "model": "synthetic:gpt2-mini", "max_tokens": 900, "n": 16, "logprobs": 0, "stream": True}
        first = c.completions.create(**long)
        next(iter(first))
        second = threading.Thread(target=lambda: c.completions.create(**{**long, "n": 1, "stream": False, "max_tokens": 60}))
        second.start()
        s.wait_queued(1)
        try:
            c.completions.create(**{**ARGS, "model": "synthetic:gpt2-mini"})
            raise AssertionError("429")
        except openai.RateLimitError as e:
            assert e.code == "queue_full" and int(e.response.headers["retry-after"]) >= 1
        s.process.send_signal(signal.SIGTERM)
        wait_until(lambda: s.ask("/readyz")[0] == 503, "draining")
        try:
            c.completions.create(**{**ARGS, "model": "synthetic:gpt2-mini"})
            raise AssertionError("503")
        except openai.APIStatusError as e:
            assert e.status_code == 503 and e.code == "draining"
        first.close()  # canceled in mid-stream; the queued one is answered
        second.join()


def test_cancel_in_mid_stream():
    with Server("--no-prompt-lookup", model="synthetic:gpt2-mini") as s:
        stream = client(s).completions.create(**{**ARGS, "model": "synthetic:gpt2-mini", "max_tokens": 900, "n": 16, "logprobs": 0, "stream": True})
        for i, _ in enumerate(stream):
            if i == 3:
                break
        stream.close()
        wait_until(lambda: s.metrics()['muai_requests_total{outcome="canceled"}'] == 1, "canceled")


if __name__ == "__main__":
    run(globals())
