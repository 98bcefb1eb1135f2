"""Calls of tools that are required, named or strict: whatever the model is, it answers in form."""

import json
import tempfile

from chats import TEMPLATE
from serving import Server, events, run


CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": CITY}},
    {"type": "function", "function": {"name": "clock", "parameters": {"properties": {"utc": {"type": "boolean"}}, "required": ["utc"],
                                                                    "additionalProperties": False}}},
]
SHOWN = "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}"
SAID = """{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}
{% endfor %}{{ '<assistant>' if add_generation_prompt }}"""
# By the marks in them the templates tell how calls are written.
TEMPLATES = {
    "hermes": SHOWN + "{# <tool_call> #}" + SAID,
    "none": SAID.replace("{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}", ""),
    "mistral": SHOWN + "{# [TOOL_CALLS] [ARGS] #}" + SAID,
    "mistral-json": SHOWN + "{# [TOOL_CALLS] #}" + SAID,
    "granite": SHOWN + "{# <|tool_call|> #}" + SAID,
    "kimi": SHOWN + "{# <|tool_call_begin|> <|tool_call_argument_begin|> #}" + SAID,
    "deepseek": SHOWN + "{# <｜tool▁call▁begin｜> #}" + SAID,
    "lfm2": SHOWN + "{# List of tools: #}List of tools: " + SAID,
    "llama": SHOWN + '{# <|start_header_id|> "parameters": #}' + SAID,
    "qwen-coder": SHOWN + "{# <tool_call> <function= <parameter= #}" + SAID,
    "glm": SHOWN + "{# <tool_call> <arg_key> #}" + SAID,
}
CHAT = {"messages": [{"role": "user", "content": "Hi"}], "tools": TOOLS, "temperature": 1}
NAMED = {"type": "function", "function": {"name": "clock"}}


class Chat:
    def __init__(self, template, *options):
        self.template, self.options = template, options

    def __enter__(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".jinja")
        self.file.write(self.template)
        self.file.flush()
        self.server = Server("--chat-template", self.file.name, *self.options, model=None)
        return self.server

    def __exit__(self, *failure):
        self.server.__exit__(*failure)
        self.file.close()


def check(name, arguments):
    a = json.loads(arguments)
    if name == "clock":
        assert set(a) == {"utc"} and isinstance(a["utc"], bool), a
    else:
        assert name == "weather" and set(a) == {"city", "days"} and a["city"] in CITY["properties"]["city"]["enum"] and 1 <= a["days"] <= 9, a


def answer_of(s, **fields):
    code, _, answer = s.ask("/v1/chat/completions", {**CHAT, **fields})
    assert code == 200, answer
    return answer["choices"][0]


def test_a_call_is_required_of_every_format():
    for name, template in TEMPLATES.items():
        with Chat(template) as s:
            for seed in range(4):
                choice = answer_of(s, tool_choice="required", parallel_tool_calls=seed > 0, seed=seed)
                message = choice["message"]
                calls = message.get("tool_calls", [])
                if seed > 0 and choice["finish_reason"] == "length":
                    continue  # it called and called
                assert choice["finish_reason"] == "tool_calls" and message["content"] is None, (name, choice)
                assert calls and (seed > 0 or len(calls) == 1), (name, choice)
                for c in calls:
                    check(c["function"]["name"], c["function"]["arguments"])
            choice = answer_of(s, tool_choice=NAMED, seed=5)
            assert [c["function"]["name"] for c in choice["message"]["tool_calls"]] == ["clock"], (name, choice)
            check("clock", choice["message"]["tool_calls"][0]["function"]["arguments"])
            among = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}
            choice = answer_of(s, tool_choice=among, parallel_tool_calls=False)
            assert [c["function"]["name"] for c in choice["message"]["tool_calls"]] == ["clock"], (name, choice)


def test_a_stream_brings_the_call():
    with Chat(TEMPLATES["hermes"]) as s:
        text = s.ask("/v1/chat/completions", {**CHAT, "tool_choice": NAMED, "stream": True})[2]
        chunks = [json.loads(e)["choices"][0] for e in events(text)[:-1]]
        calls = [c for chunk in chunks for c in chunk["delta"].get("tool_calls", [])]
        assert not any(chunk["delta"].get("content") for chunk in chunks), chunks
        assert calls[0]["function"]["name"] == "clock" and calls[0]["id"] and all(c["index"] == 0 for c in calls), calls
        assert not any("id" in c or "name" in c["function"] for c in calls[1:]), calls
        check("clock", "".join(c["function"]["arguments"] for c in calls))
        assert chunks[-1]["finish_reason"] == "tool_calls", chunks


def test_anthropics_stream_brings_it_too():
    body = {"model": "muai-tiny", "max_tokens": 200, "messages": CHAT["messages"], "stream": True, "tool_choice": {"type": "tool", "name": "clock"},
            "tools": [{"name": t["function"]["name"], "input_schema": t["function"]["parameters"] | {"type": "object"}} for t in TOOLS]}
    with Chat(TEMPLATES["hermes"]) as s:
        told = [json.loads(line[6:]) for line in s.ask("/v1/messages", body)[2].splitlines() if line.startswith("data: ")]
        types = [e["type"] for e in told]
        pieces = [e["delta"]["partial_json"] for e in told if e["type"] == "content_block_delta"]
        assert types[:2] == ["message_start", "content_block_start"] and types[-3:] == ["content_block_stop", "message_delta", "message_stop"], types
        assert types.count("content_block_start") == types.count("content_block_stop") == 1, types
        assert told[1]["content_block"]["name"] == "clock" and told[-2]["delta"]["stop_reason"] == "tool_use", told
        check("clock", "".join(pieces))


def test_a_call_that_is_cut_says_so():
    """As OpenAI has it: what there is of the arguments, and that the length was the reason."""
    with Chat(TEMPLATES["hermes"]) as s:
        whole = answer_of(s, tool_choice=NAMED, seed=3)["message"]["tool_calls"][0]["function"]["arguments"]
        for n in range(1, 60):
            choice = answer_of(s, tool_choice=NAMED, seed=3, max_tokens=n)
            if choice["finish_reason"] != "length":
                assert choice["finish_reason"] == "tool_calls", choice
                break
            calls = choice["message"].get("tool_calls", [])
            assert all(c["function"]["name"] == "clock" and whole.startswith(c["function"]["arguments"]) for c in calls), choice
            text = s.ask("/v1/chat/completions", {**CHAT, "tool_choice": NAMED, "seed": 3, "max_tokens": n, "stream": True})[2]
            deltas = [d for e in events(text)[:-1] for d in json.loads(e)["choices"][0]["delta"].get("tool_calls", [])]
            streamed = "".join(d["function"]["arguments"] for d in deltas)
            assert streamed == "".join(c["function"]["arguments"] for c in calls), (n, streamed, choice)
        assert n > 5 and calls, n


def test_auto_leaves_an_answer_without_calls_as_it_is():
    """Where a call may begin is watched in every answer: it costs no word."""
    with Chat(TEMPLATES["mistral"]) as s:
        said = [answer_of(s, seed=seed, max_tokens=60, **choice)["message"]
                for seed in range(5) for choice in ({}, {"tool_choice": "auto"}, {"parallel_tool_calls": False})]
        for i in range(0, len(said), 3):
            assert said[i]["content"] and "tool_calls" not in said[i], said[i]
            assert all(m["content"] == said[i]["content"] for m in said[i:i + 3]), said[i:i + 3]


def test_reasoning_comes_before_a_required_call():
    """The grammar lets a model think first; here the prompt has begun to, and the model must end it."""
    with Chat(TEMPLATE.replace("<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n")) as s:
        for seed in range(20):
            choice = answer_of(s, tool_choice=NAMED, seed=seed, max_tokens=60)
            message = choice["message"]
            if message.get("tool_calls"):
                check("clock", message["tool_calls"][0]["function"]["arguments"])
            else:
                assert choice["finish_reason"] == "length" and message["reasoning_content"], choice


def test_reasoning_is_bounded():
    opened = TEMPLATE.replace("<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n")
    form = {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY}}
    with Chat(opened) as s:
        free = answer_of(s, tools=None, temperature=0, max_tokens=60)["message"]["reasoning_content"]
        for n in (0, 1, 5, 20):
            for name in ("thinking_token_budget", "thinking_budget_tokens"):
                message = answer_of(s, tools=None, temperature=0, max_tokens=60, **{name: n})["message"]
                said = message.get("reasoning_content", "")
                assert free.startswith(said) and (said != "" or n < 2) and (n > 0 or said == "") and message["content"], (n, message)
        unbounded = answer_of(s, tools=None, temperature=0, max_tokens=60, thinking_token_budget=-1)["message"]
        assert unbounded["reasoning_content"] == free, unbounded
        for seed in range(4):  # a bound makes a form certain
            choice = answer_of(s, tools=None, response_format=form, seed=seed, thinking_token_budget=10)
            assert choice["finish_reason"] == "stop" and choice["message"]["reasoning_content"], choice
            check("weather", choice["message"]["content"])
            choice = answer_of(s, tool_choice=NAMED, seed=seed, thinking_token_budget=10)
            check("clock", choice["message"]["tool_calls"][0]["function"]["arguments"])
        bound = answer_of(s, tools=None, structured_outputs={"regex": "[ab]{30}"}, thinking_token_budget=3)
        assert len(bound["message"]["content"]) == 30 and "reasoning_content" not in bound["message"], bound  # it leaves no room
        body = {"model": "muai-tiny", "messages": CHAT["messages"], "max_tokens": 60, "temperature": 0,
                "thinking": {"type": "enabled", "budget_tokens": 5}}
        blocks = s.ask("/v1/messages", body)[2]["content"]
        assert [b["type"] for b in blocks] == ["thinking", "text"] and free.startswith(blocks[0]["thinking"]), blocks
    with Chat(TEMPLATE) as s:  # it reasons when it likes to
        for seed in range(8):
            answer_of(s, tools=None, response_format=form, seed=seed, thinking_token_budget=4)


def test_reasoning_comes_before_a_value():
    form = {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY}}
    with Chat(TEMPLATE.replace("<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n")) as s:
        for seed in range(20):
            choice = answer_of(s, tools=None, response_format=form, seed=seed, max_tokens=60)
            if choice["finish_reason"] == "stop":
                check("weather", choice["message"]["content"])
            else:
                assert choice["message"]["reasoning_content"], choice
    with Chat(TEMPLATE) as s:
        for seed in range(8):
            choice = answer_of(s, tools=None, response_format=form, seed=seed)
            if choice["finish_reason"] == "stop":
                check("weather", choice["message"]["content"])


def test_wrong_choices_are_told():
    odd = [{"type": "function", "function": {"name": "weather", "strict": True, "parameters": {"properties": {"a": {"uniqueItems": True}}}}}]
    loose = [{"type": "function", "function": {**odd[0]["function"], "strict": False}}]
    quoted = [{"type": "function", "function": {"name": 'a"b', "parameters": {}}}]
    rows = [
        ({"tool_choice": "must"}, "tool_choice", "must be none, auto, required or a function"),
        ({"tool_choice": 1}, "tool_choice", "must be none"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice", '"x" is not one of tools'),
        ({"tool_choice": {"type": "function"}}, "tool_choice", "is not one of tools"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "all", "tools": [NAMED]}}}, "tool_choice", "needs mode"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}, "tool_choice", "needs mode"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED, {"a": 1}]}}}, "tool_choice", "is not one of"),
        ({"tool_choice": "required", "tools": []}, "tool_choice", "required needs tools"),
        ({"tool_choice": "required", "tools": None}, "tool_choice", "required needs tools"),
        ({"tool_choice": "required", "response_format": {"type": "json_object"}}, "tool_choice", "another field"),
        ({"tool_choice": "required", "tools": loose}, "tools", "weather: #/properties/a/uniqueItems: not supported"),
        ({"tools": odd}, "tools", "weather: #/properties/a/uniqueItems: not supported"),
        ({"tool_choice": "required", "tools": quoted}, "tools", "letters, digits"),
        ({"tools": {"a": 1}}, "tools", "must be an array"),
        ({"tools": [{"type": "function"}]}, "tools", "0 is not a function with a name"),
    ]
    many = [{"type": "function", "function": {"name": f"f{i}", "parameters": {}}} for i in range(1001)]
    rows.append(({"tool_choice": "required", "tools": many}, None, ""))  # more than the context, or than may be
    with Chat(TEMPLATE) as s:
        for fields, param, words in rows:
            code, _, answer = s.ask("/v1/chat/completions", {**CHAT, **fields})
            assert code == 400 and (answer["error"]["param"] == param or param is None) and words in answer["error"]["message"], (fields, answer)
        for fields in ({"tools": loose}, {"tools": quoted}, {"tool_choice": "none"}):
            answer_of(s, **fields, max_tokens=4)


run(globals())
