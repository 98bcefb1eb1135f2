"""Scores of pairs: Jina's and Cohere's form, vLLM's, errors. What the scores are is the engine's test (embedding_test)."""

from serving import Server, run

SCORER = "tests/golden/models/bert-score"  # 48 positions; bytes as tokens, of which it knows the first 131
ENCODER = "synthetic:bert-test"
QUERY, DOCUMENTS = "who?", ["a cat", "", "zzz 42", "a cat", "{}"]


def test_rerank():
    with Server(model=SCORER) as s:
        code, _, body = s.ask("/v1/rerank", {"query": QUERY, "documents": DOCUMENTS, "return_documents": True})
        assert code == 200 and body["model"] == "bert-score", body
        results = body["results"]
        assert sorted(r["index"] for r in results) == [0, 1, 2, 3, 4]
        scores = [r["relevance_score"] for r in results]
        assert scores == sorted(scores, reverse=True) and 0 < scores[-1] < scores[0] < 1, scores
        assert all(r["document"] == {"text": DOCUMENTS[r["index"]]} for r in results)
        of = {r["index"]: r["relevance_score"] for r in results}
        places = [r["index"] for r in results]
        assert of[0] == of[3] and places.index(3) == places.index(0) + 1  # ties by index
        assert len({of[i] for i in range(5)}) == 4

        for path in ("/rerank", "/v2/rerank"):  # objects as documents, fewer results
            code, _, body = s.ask(path, {"query": QUERY, "documents": [{"text": d} for d in DOCUMENTS], "top_n": 2})
            assert code == 200 and body["results"] == [{k: r[k] for k in ("index", "relevance_score")} for r in results[:2]], body
        code, _, body = s.ask("/v1/score", {"text_1": QUERY, "text_2": DOCUMENTS})
        assert code == 200 and [d["score"] for d in body["data"]] == [of[i] for i in range(5)] and body["usage"]["prompt_tokens"] > 0
        code, _, body = s.ask("/v1/score", {"text_1": [QUERY] * 5, "text_2": DOCUMENTS})
        assert [d["score"] for d in body["data"]] == [of[i] for i in range(5)]
        assert s.ask("/v1/score", {"text_1": QUERY, "text_2": "a cat"})[2]["data"] == [{"index": 0, "object": "score", "score": of[0]}]
        assert s.ask("/v1/score", {"text_1": "a cat", "text_2": QUERY})[2]["data"][0]["score"] != of[0]

        def one(document):
            return s.ask("/v1/score", {"text_1": QUERY, "text_2": document})[2]["data"][0]["score"]

        assert one("x" * 44) == one("x" * 45) == one("x" * 5000) != one("x" * 43)  # what does not fit is left out


def test_errors():
    with Server(ENCODER, model=SCORER) as s:
        ask = {"model": "bert-score", "query": "q", "documents": ["d"]}
        for change, param, word in [
            ({"documents": []}, "documents", "1 to 2048"),
            ({"documents": ["d"] * 2049}, "documents", "1 to 2048"),
            ({"documents": [3]}, "documents", "must be a text"),
            ({"documents": None}, "documents", "must be a text"),
            ({"query": {"a": "b"}}, "query", "must be a text"),
            ({"query": ["a", "b"]}, "query", "as many"),
            ({"query": "q" * 60}, "documents", "maximum context length"),
            ({"top_n": -1}, "top_n", ""),
            ({"model": ENCODER}, "model", "scores no pairs"),
        ]:
            code, _, body = s.ask("/v1/rerank", {**ask, **change})
            assert code == 400 and body["error"]["param"] == param and word in body["error"]["message"], (change, body)
        code, _, body = s.ask("/v1/embeddings", {"model": "bert-score", "input": "a"})
        assert code == 400 and "scores pairs" in body["error"]["message"], body
        assert s.ask("/v1/rerank", ask)[0] == 200


if __name__ == "__main__":
    run(globals())
