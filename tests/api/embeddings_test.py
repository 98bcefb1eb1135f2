"""Embeddings: OpenAI's and Ollama's forms, a generator beside an encoder, errors; their clients where there are some."""

import base64
import importlib.util
import json
import math
import struct
import subprocess
import threading

from serving import MUAI, Server, request_bytes, run, wait_until

ENCODER = "synthetic:bert-test"  # 48 dimensions, 96 positions, bytes as tokens
TEXTS = ["a cat on a mat", "ein Hund", "", "\u732b\u304c\u597d\u304d", "x" * 90]


def vectors(answer):
    code, _, body = answer
    assert code == 200, body
    assert [d["index"] for d in body["data"]] == list(range(len(body["data"])))
    return [d["embedding"] for d in body["data"]]


def embed(s, **fields):
    return s.ask("/v1/embeddings", fields)


def test_openai():
    with Server(model=ENCODER) as s:
        texts = [t for t in TEXTS if t]
        together = vectors(embed(s, input=texts))
        assert all(len(v) == 48 and abs(math.fsum(x * x for x in v) - 1) < 1e-5 for v in together)
        alone = [vectors(embed(s, input=t))[0] for t in texts]
        assert alone == together  # to the last bit
        packed = [struct.unpack("<48f", base64.b64decode(v)) for v in vectors(embed(s, input=texts, encoding_format="base64"))]
        assert [list(v) for v in packed] == [[struct.unpack("f", struct.pack("f", x))[0] for x in v] for v in together]
        out = subprocess.run([MUAI, "embed", ENCODER], input="\n".join(texts), capture_output=True, text=True, check=True).stdout
        assert [json.loads(line)["embedding"] for line in out.splitlines()] == together

        tokens = s.ask("/tokenize", {"content": texts[0]})[2]["tokens"]
        code, _, body = embed(s, input=[tokens, tokens])
        assert code == 200 and body["object"] == "list" and body["model"] == ENCODER and body["data"][0]["object"] == "embedding"
        assert vectors((code, _, body)) == [together[0]] * 2 == vectors(embed(s, input=tokens)) * 2
        assert body["usage"] == {"prompt_tokens": 2 * len(tokens), "total_tokens": 2 * len(tokens)}

        short = vectors(embed(s, input=texts[0], dimensions=5))[0]
        length = math.sqrt(math.fsum(x * x for x in together[0][:5]))
        assert len(short) == 5 and all(abs(a - b / length) < 1e-6 for a, b in zip(short, together[0]))
        many = vectors(embed(s, input=[f"text {i % 7}" for i in range(2048)]))
        assert len(many) == 2048 and all(many[i] == many[i % 7] for i in range(2048))
        told = s.metrics()
        assert told["muai_requests_running"] == 0 and told["muai_request_prompt_tokens_sum"] > 2048 * 6, told


def test_errors():
    with Server(model=ENCODER) as s:
        for fields, param, word in [
            ({"input": []}, "input", "without tokens"),
            ({}, "input", "must be a text"),
            ({"input": 3}, "input", "token ids"),
            ({"input": [[1, 2], "a"], "encoding_format": "hex"}, "encoding_format", "base64"),
            ({"input": "a", "dimensions": 49}, "dimensions", "the model has 48"),
            ({"input": "a", "dimensions": -1}, "dimensions", ""),
            ({"input": [[600]]}, "input", "600"),
            ({"input": ["a"] * 2049}, "input", "2048"),
            ({"input": "a" * 97}, "input", "maximum context length is 96"),
            ({"input": ["a", list(range(97))]}, "input", "in text 1"),
        ]:
            code, _, body = embed(s, **fields)
            error = body["error"]
            assert code == 400 and word in error["message"] and (error["param"] or "") == param, (fields, body)
        assert embed(s, input="a" * 97)[2]["error"]["code"] == "context_length_exceeded"
        cut = vectors(embed(s, input="a" * 97, truncate_prompt_tokens=-1))
        assert cut == vectors(embed(s, input="a" * 96)) == vectors(embed(s, input="a" * 9000, truncate_prompt_tokens=5000))
        assert vectors(embed(s, input="a" * 97, truncate_prompt_tokens=3)) == vectors(embed(s, input="aaa"))
        for path in ("/v1/completions", "/v1/chat/completions"):
            code, _, body = s.ask(path, {"prompt": "a", "messages": [{"role": "user", "content": "a"}]})
            assert code == 400 and "/v1/embeddings" in body["error"]["message"], body


def test_ollama():
    with Server(model=ENCODER) as s:
        want = vectors(embed(s, input=["a", "b"]))
        code, _, body = s.ask("/api/embed", {"model": ENCODER, "input": ["a", "b"], "keep_alive": "5m", "options": {"num_ctx": 64}})
        assert code == 200 and body["embeddings"] == want and body["prompt_eval_count"] == 2 and body["total_duration"] > 0, body
        assert s.ask("/api/embed", {"model": ENCODER, "input": "a"})[2]["embeddings"] == want[:1]
        assert s.ask("/api/embeddings", {"model": ENCODER, "prompt": "a"})[2] == {"embedding": want[0]}
        assert s.ask("/api/embed", {"model": ENCODER, "input": "a" * 200})[0] == 200  # cut, unless told otherwise
        code, _, body = s.ask("/api/embed", {"model": ENCODER, "input": "a" * 200, "truncate": False})
        assert code == 400 and "maximum context length" in body["error"], body
        assert s.ask("/api/show", {"model": ENCODER})[2]["capabilities"] == ["embedding"]


def test_beside_a_generator():
    with Server("synthetic:gpt2-test", "--ctx", "128", model=ENCODER) as s:
        code, _, body = embed(s, model="synthetic:gpt2-test", input="a")
        assert code == 400 and "generates text" in body["error"]["message"] and body["error"]["param"] == "model", body
        want, failures = vectors(embed(s, model=ENCODER, input=TEXTS[:2])), []

        def ask(i):
            try:
                for _ in range(20):
                    if i % 2:
                        assert vectors(embed(s, model=ENCODER, input=TEXTS[:2])) == want
                    else:
                        code, _, body = s.ask("/v1/completions", {"model": "synthetic:gpt2-test", "prompt": "a", "max_tokens": 9, "ignore_eos": True})
                        assert code == 200 and body["usage"]["completion_tokens"] == 9, body
            except Exception as e:
                failures.append(e)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not failures, failures
        c = s.connect()  # one that leaves before its answer
        c.sendall(request_bytes("/v1/embeddings", {"model": ENCODER, "input": ["a" * 90] * 2000}))
        c.close()
        wait_until(lambda: any("texts=2000" in line for line in s.lines), "its end")
        assert vectors(embed(s, model=ENCODER, input=TEXTS[:2])) == want


def has(package):
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # of the package that it is in
        found = None
    if not found:
        print(f"  no {package} package: its client is not tried")
    return bool(found)


def test_clients():
    """Vectors as Python's own floats, f32 on the wire or nine digits."""

    def near(have, want):
        return len(have) == len(want) and all(abs(x - y) < 1e-7 for x, y in zip(have, want))

    with Server(model=ENCODER) as s:
        a, b = vectors(embed(s, input=["a", "b"]))
        base = dict(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="none")
        if has("openai"):
            import openai

            got = openai.OpenAI(**base).embeddings.create(model=ENCODER, input=["a", "b"])  # base64, unless told otherwise
            assert near(got.data[0].embedding, a) and near(got.data[1].embedding, b) and got.usage.total_tokens == 2
        if has("ollama"):
            import ollama

            c = ollama.Client(host=f"http://127.0.0.1:{s.port}")
            assert [list(v) for v in c.embed(model=ENCODER, input=["a", "b"]).embeddings] == [a, b]
            assert list(c.embeddings(model=ENCODER, prompt="a").embedding) == a
        if has("litellm"):
            import litellm

            got = litellm.embedding(model="openai/" + ENCODER, input=["a", "b"], api_base=base["base_url"], api_key="none")
            assert near(got.data[0]["embedding"], a) and near(got.data[1]["embedding"], b)
        if has("langchain_openai"):
            from langchain_openai import OpenAIEmbeddings

            # Otherwise it sends tokens of OpenAI's vocabulary, whatever the model.
            c = OpenAIEmbeddings(model=ENCODER, check_embedding_ctx_length=False, **base)
            assert near(c.embed_query("a"), a) and near(c.embed_documents(["a", "b"])[1], b)
        if has("llama_index.embeddings.openai_like"):
            from llama_index.embeddings.openai_like import OpenAILikeEmbedding

            c = OpenAILikeEmbedding(model_name=ENCODER, api_base=base["base_url"], api_key="none")
            assert near(c.get_text_embedding("a"), a) and near(c.get_text_embedding_batch(["a", "b"])[1], b)


if __name__ == "__main__":
    run(globals())
