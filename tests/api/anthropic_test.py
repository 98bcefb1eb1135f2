"""Anthropic's Messages API: bodies, answers, the order of a stream's events, errors; its client where there is one."""

import json

from chats import CALL, Chat
from serving import Server, run

TOOL = {"name": "f", "description": "does f", "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}
ASK = {"model": "muai-tiny", "max_tokens": 120, "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
TURNS = [
    {"role": "user", "content": [{"type": "text", "text": "What is f of 1?", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "Let me see."},
                                      {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "one"}]},
                                 {"type": "text", "text": "and now?"}]},
]


def events_of(text):
    """[(name, data)], each of which says its name twice."""
    found = []
    for part in text.strip().split("\n\n"):
        name, data = part.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        assert found[-1][0] == found[-1][1]["type"], part
    return found


def test_an_answer_is_a_message_of_blocks():
    with Chat() as s:
        code, headers, a = s.ask("/v1/messages", {**ASK, "temperature": 0})
        assert code == 200 and a["type"] == "message" and a["role"] == "assistant" and a["id"].startswith("msg_"), a
        assert a["content"][0]["type"] == "text" and a["content"][0]["text"] and headers["request-id"], a
        same = s.ask("/v1/chat/completions", {**ASK, "temperature": 0})[2]
        assert same["choices"][0]["message"]["content"] == a["content"][0]["text"]
        usage = a["usage"]
        assert usage["input_tokens"] + usage["cache_read_input_tokens"] == same["usage"]["prompt_tokens"], (usage, same)
        assert usage["output_tokens"] == same["usage"]["completion_tokens"]
        a = s.ask("/v1/messages", {**ASK, "max_tokens": 3, "grammar": 'root ::= "one two three four five six"'})[2]
        assert a["stop_reason"] == "max_tokens" and a["stop_sequence"] is None, a
        a = s.ask("/v1/messages", {**ASK, "stop_sequences": ["zzz", "three"], "grammar": 'root ::= "one two three four"'})[2]
        assert (a["stop_reason"], a["stop_sequence"]) == ("stop_sequence", "three"), a
        assert a["content"] == [{"type": "text", "text": "one two "}], a
        a = s.ask("/v1/messages", {**ASK, "output_config": {"format": {"type": "json_schema", "schema": {"enum": ["ab"]}}}})[2]
        assert json.loads(a["content"][0]["text"]) == "ab" and a["stop_reason"] == "end_turn", a
        a = s.ask("/v1/messages", {**ASK, "tools": [TOOL], "grammar": CALL})[2]
        assert [b["type"] for b in a["content"]] == ["thinking", "text", "tool_use"] and a["stop_reason"] == "tool_use", a
        assert a["content"][0]["thinking"] == "a b" and a["content"][2]["input"] == {"x": 1}, a
        assert a["content"][2]["name"] == "f" and a["content"][2]["id"].startswith("toolu_"), a


def test_a_stream_says_the_same_in_its_order():
    with Chat() as s:
        body = {**ASK, "tools": [TOOL], "grammar": CALL, "stream": True}
        told = events_of(s.ask("/v1/messages", body)[2])
        names = [name for name, _ in told]
        assert names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"], names
        start = told[0][1]["message"]
        assert start["content"] == [] and start["stop_reason"] is None and start["usage"]["input_tokens"] > 0, start
        blocks, is_open = [], False
        for name, data in told[1:-2]:
            if name == "content_block_start":
                assert not is_open and data["index"] == len(blocks)
                blocks.append(dict(data["content_block"], json=""))
                is_open = True
            elif name == "content_block_delta":
                assert is_open and data["index"] == len(blocks) - 1
                delta, block = data["delta"], blocks[-1]
                kind = {"thinking_delta": "thinking", "text_delta": "text", "input_json_delta": "partial_json"}[delta["type"]]
                block["json" if kind == "partial_json" else kind] += delta[kind]
            else:
                assert name == "content_block_stop" and is_open and data["index"] == len(blocks) - 1
                is_open = False
        assert not is_open and [b["type"] for b in blocks] == ["thinking", "text", "tool_use"], blocks
        assert blocks[0]["thinking"] == "a b" and blocks[1]["text"].strip() == "Yes." and json.loads(blocks[2]["json"]) == {"x": 1}
        assert blocks[2]["input"] == {} and told[-2][1]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
        whole = s.ask("/v1/messages", {**body, "stream": False})[2]
        assert told[-2][1]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


def test_turns_of_a_conversation_become_the_prompt():
    with Chat() as s:
        openai = [
            {"role": "system", "content": "Be brief.\nAlways."},
            {"role": "user", "content": "What is f of 1?"},
            {"role": "assistant", "content": "Let me see.", "reasoning_content": "hm",
             "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]},
            {"role": "tool", "tool_call_id": "t1", "content": "one"},
            {"role": "user", "content": "and now?"},
        ]
        function = {"name": "f", "parameters": TOOL["input_schema"], "description": "does f"}
        wanted = s.ask("/apply-template", {"messages": openai, "tools": [{"type": "function", "function": function}]})[2]
        body = {"model": "muai-tiny", "messages": TURNS, "tools": [TOOL],
                "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Always."}]}
        code, _, counted = s.ask("/v1/messages/count_tokens", body)
        assert code == 200 and counted == {"input_tokens": len(wanted["tokens"])}, (counted, wanted)
        usage = s.ask("/v1/messages", {**body, "max_tokens": 1})[2]["usage"]
        assert usage["input_tokens"] + usage["cache_read_input_tokens"] == counted["input_tokens"]
        assert s.ask("/v1/messages", {**body, "max_tokens": 1, "tool_choice": {"type": "none"}})[0] == 200
        strict = {**TOOL, "input_schema": {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "required": ["x"], "additionalProperties": False}}
        for choice in ({"type": "tool", "name": "f"}, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}):
            answer = s.ask("/v1/messages", {**body, "tools": [strict], "max_tokens": 100, "tool_choice": choice})[2]
            last = answer["content"][-1]
            if answer["stop_reason"] != "max_tokens":  # it thinks first, if it likes
                assert answer["stop_reason"] == "tool_use" and last["name"] == "f" and last["input"]["x"] in (1, 2), answer


def test_errors_have_its_form():
    user = ASK["messages"]
    image = [{"role": "user", "content": [{"type": "image", "source": {}}]}]
    rows = [
        ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens"), ({"max_tokens": 0}, 400, "invalid_request_error", "max_tokens"),
        ({"messages": []}, 400, "invalid_request_error", "messages"), ({"messages": image}, 400, "invalid_request_error", "image"),
        ({"messages": [{"role": "system", "content": "a"}]}, 400, "invalid_request_error", "role"),
        ({"messages": [{"role": "user", "content": 1}]}, 400, "invalid_request_error", "content"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_use"}]}]}, 400, "invalid_request_error", "tool_use"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]}]}, 400, "invalid_request_error", "tool_use"),
        ({"system": 1}, 400, "invalid_request_error", "system"), ({"tools": [{"type": "web_search_20250305"}]}, 400, "invalid_request_error", "web_search"),
        ({"tools": [{"name": "f"}]}, 400, "invalid_request_error", "input_schema"), ({"thinking": {"type": "x"}}, 400, "invalid_request_error", "thinking"),
        ({"tool_choice": {"type": "x"}}, 400, "invalid_request_error", "tool_choice"), ({"stop_sequences": 1}, 400, "invalid_request_error", "stop"),
        ({"temperature": -1}, 400, "invalid_request_error", "temperature"), ({"model": "x"}, 404, "not_found_error", "x"),
        ({"messages": user * 3 + [{"role": "user", "content": "a " * 9000}]}, 400, "invalid_request_error", "maximum context length"),
    ]
    with Chat() as s:
        for fields, code, kind, word in rows:
            found, _, e = s.ask("/v1/messages", {**ASK, **fields})
            assert found == code and e["type"] == "error" and e["error"]["type"] == kind and word in e["error"]["message"], (fields, e)
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            for body in (b"{", b"[]", b"1", b"null", b'{"messages": {}}'):
                code, _, e = s.ask(path, body)
                assert code == 400 and e["type"] == "error", (path, body, e)
        assert s.ask("/v1/messages")[0] == 405
    with Server("--api-key", "secret-key-1", model=None) as s:
        code, _, e = s.ask("/v1/messages", ASK)
        assert code == 401 and e["error"]["type"] == "authentication_error", e
        assert s.ask("/v1/messages", {**ASK, "max_tokens": 1}, headers={"x-api-key": "secret-key-1"})[0] == 200


def test_its_client():
    try:
        import anthropic
    except ImportError:
        print("  no anthropic package: its client is not run")
        return
    with Chat() as s:
        c = anthropic.Anthropic(base_url=f"http://127.0.0.1:{s.port}", api_key="none", max_retries=0)
        ask = {key: value for key, value in ASK.items() if key != "temperature"}  # which newer ones do not know
        extra = {"extra_body": {"grammar": CALL, "temperature": 0}}
        with c.messages.stream(**ask, tools=[TOOL], **extra) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        whole = c.messages.create(**ask, tools=[TOOL], **extra)
        assert text.strip() == "Yes." and [b.type for b in final.content] == ["thinking", "text", "tool_use"], final
        assert final.content[2].input == whole.content[2].input == {"x": 1} and final.stop_reason == "tool_use"
        assert final.usage.output_tokens == whole.usage.output_tokens
        assert c.messages.count_tokens(model="muai-tiny", messages=TURNS, tools=[TOOL]).input_tokens > 20
        try:
            c.messages.create(**{**ask, "model": "x"})
            raise AssertionError("no error")
        except anthropic.NotFoundError as e:
            assert "x" in e.message and e.body["error"]["type"] == "not_found_error"


if __name__ == "__main__":
    run(globals())
