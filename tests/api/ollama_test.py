"""Ollama's API: bodies, answers, lines of a stream, lists, errors; its client where there is one."""

import json

from chats import CALL, Chat
from serving import Server, run, wait_until

FUNCTION = {"type": "function", "function": {"name": "f", "description": "does f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}}
ASK = {"model": "muai-tiny", "messages": [{"role": "user", "content": "hi"}], "options": {"temperature": 0, "num_predict": 120}}
COUNTS = ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_chats():
    with Chat() as s:
        code, headers, text = s.ask("/api/chat", ASK)  # a stream, unless told otherwise
        told = lines_of(text)
        assert code == 200 and headers["content-type"] == "application/x-ndjson", headers
        assert [t["done"] for t in told] == [False] * (len(told) - 1) + [True] and len(told) > 1
        whole = s.ask("/api/chat", {**ASK, "stream": False})[2]
        assert "".join(t["message"]["content"] for t in told) == whole["message"]["content"] != ""
        same = s.ask("/v1/chat/completions", {"messages": ASK["messages"], "temperature": 0, "max_tokens": 120})[2]
        assert whole["message"] == {"role": "assistant", "content": same["choices"][0]["message"]["content"]}
        for last in (told[-1], whole):
            assert last["done_reason"] == "stop" and last["model"] == "muai-tiny" and all(last[c] >= 0 for c in COUNTS), last
            assert (last["prompt_eval_count"], last["eval_count"]) == (same["usage"]["prompt_tokens"], same["usage"]["completion_tokens"])
        short = s.ask("/api/chat", {**ASK, "stream": False, "options": {"num_predict": 2}})[2]
        assert short["done_reason"] == "length" and short["eval_count"] == 2, short
        stopped = s.ask("/api/chat", {**ASK, "stream": False, "model": "muai-tiny:latest", "options": {"stop": ["e"], "seed": 3}})[2]
        assert "e" not in stopped["message"]["content"] and stopped["model"] == "muai-tiny:latest", stopped
        bound = s.ask("/api/chat", {**ASK, "stream": False, "format": {"enum": ["ab"]}})[2]
        assert json.loads(bound["message"]["content"]) == "ab", bound
        assert s.ask("/api/chat", {**ASK, "stream": False, "format": "json", "options": {"num_predict": 1}})[0] == 200


def test_tools_and_thinking():
    history = [{"role": "user", "content": "f of 1?"},
               {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
               {"role": "tool", "tool_name": "f", "content": "one"}]
    openai = [history[0],
              {"role": "assistant", "content": "", "reasoning_content": "hm",
               "tool_calls": [{"id": "call00000", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]},
              {"role": "tool", "tool_call_id": "call00000", "name": "f", "content": "one"}]
    with Chat() as s:
        wanted = s.ask("/apply-template", {"messages": openai, "tools": [FUNCTION]})[2]["tokens"]
        body = {**ASK, "messages": history, "tools": [FUNCTION], "stream": False, "think": True}
        assert s.ask("/api/chat", body)[2]["prompt_eval_count"] == len(wanted)
        # a grammar is no field of theirs: calls are seen through the same parts as here
        made = s.ask("/v1/chat/completions", {"messages": ASK["messages"], "tools": [FUNCTION], "grammar": CALL, "max_tokens": 120})[2]
        assert made["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "f"


def test_prompts():
    with Chat() as s:
        body = {"model": "muai-tiny", "prompt": "Once", "options": {"temperature": 0, "num_predict": 20}}
        whole = s.ask("/api/generate", {**body, "raw": True, "stream": False})[2]
        same = s.ask("/v1/completions", {"prompt": "Once", "temperature": 0, "max_tokens": 20})[2]
        assert whole["response"] == same["choices"][0]["text"] != "" and whole["done"], whole
        told = lines_of(s.ask("/api/generate", {**body, "raw": True})[2])
        assert "".join(t["response"] for t in told) == whole["response"] and told[-1]["eval_count"] == whole["eval_count"]
        chat = s.ask("/api/chat", {"model": "muai-tiny", "stream": False, "options": body["options"],
                                   "messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": "Once"}]})[2]
        assert s.ask("/api/generate", {**body, "system": "Be.", "stream": False})[2]["response"] == chat["message"]["content"]


def test_lists_and_loading():
    with Server("muai-tiny", "--lazy", model="synthetic:gpt2-test:q8") as s:
        names = [m["name"] for m in s.ask("/api/tags")[2]["models"]]
        assert names == [m["id"] for m in s.ask("/v1/models")[2]["data"]] and len(names) == 3, names
        assert s.ask("/api/ps")[2] == {"models": []}
        assert s.ask("/api/version")[2] == s.ask("/version")[2]
        loaded = s.ask("/api/generate", {"model": "muai-tiny"})[2]
        assert loaded["done_reason"] == "load" and loaded["response"] == "", loaded
        wait_until(lambda: [m["name"] for m in s.ask("/api/ps")[2]["models"]] == ["muai-tiny"], "it is loaded")
        gone = s.ask("/api/chat", {"model": "muai-tiny", "messages": [], "keep_alive": 0})[2]
        assert gone["done_reason"] == "unload" and gone["message"]["content"] == "", gone
        wait_until(lambda: s.ask("/api/ps")[2]["models"] == [], "it is unloaded")
        shown = s.ask("/api/show", {"model": "muai-tiny"})[2]
        assert shown["model_info"]["general.architecture"] == "gpt2" and "completion" in shown["capabilities"], shown
        assert shown["details"]["parameter_size"].endswith("M") and shown["model_info"]["gpt2.context_length"] > 0, shown


def test_errors_have_its_form():
    rows = [
        ("/api/chat", {"messages": 1}, 400, "messages"), ("/api/chat", {"messages": [{"content": "a"}]}, 400, "role"),
        ("/api/chat", {"messages": [{"role": "user", "content": "a", "images": ["x"]}]}, 400, "images"), ("/api/chat", {"options": 1}, 400, "options"),
        ("/api/chat", {"options": {"temperature": "x"}}, 400, "temperature"), ("/api/chat", {"format": 1}, 400, "format"),
        ("/api/chat", {"think": 1}, 400, "think"), ("/api/chat", {"model": "x"}, 404, "x"), ("/api/chat", {"model": "x", "messages": []}, 404, "x"),
        ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": [{}]}]}, 400, "tool call"),
        ("/api/generate", {"prompt": 1}, 400, "prompt"), ("/api/generate", {"prompt": "a", "suffix": "b"}, 400, "suffix"),
        ("/api/generate", {"prompt": "a", "template": "b"}, 400, "template"), ("/api/generate", {"prompt": "a", "system": 1}, 400, "system"),
        ("/api/show", {"model": "x"}, 404, "x"),
    ]
    with Chat() as s:
        for path, fields, code, word in rows:
            ask = ASK if path == "/api/chat" else {"model": "muai-tiny"}
            found, _, e = s.ask(path, {**ask, **fields})
            assert found == code and list(e) == ["error"] and word in e["error"], (path, fields, e)
        for path in ("/api/chat", "/api/generate", "/api/show"):
            for body in (b"{", b"[1", b"") + (b"1",) * (path != "/api/show"):
                code, _, e = s.ask(path, body)
                assert code == 400 and isinstance(e["error"], str), (path, body, e)
        code, _, e = s.ask("/api/nothing", {})
        assert code == 404 and isinstance(e["error"], str), e


def test_its_client():
    try:
        import ollama
    except ImportError:
        print("  no ollama package: its client is not run")
        return
    with Chat() as s:
        c = ollama.Client(host=f"http://127.0.0.1:{s.port}")
        assert [m.model for m in c.list().models] == ["muai-tiny"] and c.show("muai-tiny").capabilities[0] == "completion"
        whole = c.chat(**ASK)
        told = list(c.chat(**ASK, stream=True))
        assert "".join(t.message.content for t in told) == whole.message.content and told[-1].done, told
        assert c.generate("muai-tiny", "Once", raw=True, options={"num_predict": 5}).eval_count == 5
        assert c.chat(**{**ASK, "messages": [*ASK["messages"], {"role": "assistant", "content": "a"}]}, tools=[FUNCTION]).done
        assert [m.model for m in c.ps().models] == ["muai-tiny"]
        try:
            c.chat(model="x", messages=ASK["messages"])
            raise AssertionError("no error")
        except ollama.ResponseError as e:
            assert e.status_code == 404 and "x" in e.error


if __name__ == "__main__":
    run(globals())
