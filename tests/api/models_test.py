"""Several models in one server: who answers, what each says, what is told of each."""

import json
import re
import subprocess
import threading

from serving import MUAI, Server, events, run

A, B = "synthetic:gpt2-test", "synthetic:llama-test:q8"
MODEL_OF = {A: A, "synthetic:llama-test": B}  # by the name that metrics tell
N_ROUNDS = 4
PROMPTS = ["Once", "The sea", "a b c", "Hello, hello, hello"]


def bodies(model):
    for i, prompt in enumerate(PROMPTS):
        yield {"model": model, "prompt": prompt, "max_tokens": 30, "ignore_eos": True, "temperature": i % 2, "seed": i}


def texts(server, model):
    return [server.ask("/v1/completions", body)[2]["choices"][0]["text"] for body in bodies(model)]


def labels(server, name):
    """{model: value} of a metric, which has one head."""
    text = server.ask("/metrics")[2]
    assert len(re.findall(rf"^# TYPE {name} ", text, re.M)) == 1, name
    return {MODEL_OF[m]: float(v) for m, v in re.findall(rf'^{name}{{model="([^"]*)"}} (\S+)$', text, re.M)}


def test_a_call_chooses_its_model():
    with Server(B, "--alias", f"small={A}", model=A) as s:
        ids = [m["id"] for m in s.ask("/v1/models")[2]["data"]]
        assert ids == ["small", A, B.removesuffix(":q8"), B], ids
        assert s.ask(f"/v1/models/{B}")[2]["root"] == ids[2] and s.ask("/v1/models/x")[0] == 404
        body = {"prompt": "Hi", "max_tokens": 2}
        for name in ids:
            code, _, answer = s.ask("/v1/completions", {**body, "model": name})
            assert code == 200 and answer["model"] == name, answer
        assert texts(s, "small") == texts(s, A) != texts(s, B)
        for path, given in (("/v1/completions", body), ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
                            ("/tokenize", {"content": "a"}), ("/detokenize", {"tokens": [1]}), ("/apply-template", {"messages": []})):
            for name in (None, ""):  # one must be named
                code, _, answer = s.ask(path, {**given, "model": name})
                assert code == 400 and answer["error"]["param"] == "model", (path, answer)
            code, _, answer = s.ask(path, {**given, "model": "x"})
            assert code == 404 and answer["error"]["code"] == "model_not_found", (path, answer)
        code, _, answer = s.ask("/v1/completions", {**body, "model": A, "max_tokens": 5000})
        assert code == 400 and "128" in answer["error"]["message"], answer  # the context of A


def test_each_answers_as_alone():
    alone = {}
    for model in (A, B):
        with Server(model=model) as s:
            alone[model] = texts(s, model)
    with Server(B, model=A) as s:
        wrong = []

        def client(model, n):
            for _ in range(n):
                if texts(s, model) != alone[model]:
                    wrong.append(model)
            body = {**next(bodies(model)), "stream": True}
            parts = [json.loads(e) for e in events(s.ask("/v1/completions", body)[2])[:-1]]
            if "".join(p["choices"][0]["text"] for p in parts) != alone[model][0]:
                wrong.append(model + " streamed")

        threads = [threading.Thread(target=client, args=(model, N_ROUNDS)) for model in (A, B) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not wrong, wrong
        ended = labels(s, "muai_generation_tokens_total")
        assert ended == {A: 4 * 30 * (N_ROUNDS * 4 + 1), B: 4 * 30 * (N_ROUNDS * 4 + 1)}, ended
        seconds = labels(s, "muai_step_seconds_total")
        assert seconds[A] > 0 and seconds[B] > 0, seconds
        assert labels(s, "muai_requests_running") == {A: 0, B: 0}
        log = "".join(s.lines)
        assert f"model={A} " in log and f"model={B} " in log


def test_a_model_that_does_not_load_ends_the_start():
    rows = [
        ([A, "/nowhere/at/all"], "/nowhere/at/all"),
        ([A, A], f'"{A}" would name two models'),
        ([A, B, "--alias", "x"], "--alias"),
        ([A, B, "--alias", f"{A}={B}"], "would name two models"),
        ([A, B, "--shares", "1,2,3"], "--shares"),
        ([A, B, "--ctx", "200"], f"{A}: context of 200 tokens"),
        ([A, B, "--memory-budget", "1000000"], "may be used"),
    ]
    for options, said in rows:
        done = subprocess.run([MUAI, "serve", "--port", "0", *options], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and said in done.stderr, (options, done)
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_memory_is_divided():
    with Server(B, "--memory-budget", "6000000", model=A) as s:
        blocks = labels(s, "muai_kv_blocks")
        notes = [line for line in s.lines if "of KV cache" in line]
        assert len(notes) == 2 and all(n > 0 for n in blocks.values()), (notes, blocks)
        few = texts(s, A) + texts(s, B)
    with Server(B, model=A) as s:
        assert all(n > blocks[model] for model, n in labels(s, "muai_kv_blocks").items())
        assert texts(s, A) + texts(s, B) == few


run(globals())
