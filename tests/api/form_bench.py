"""What it costs to bind an answer: decode of one stream with a schema, and with tools that may be called, beside decode without.

tests/api/run tests/api/form_bench.py [MODEL [ROUNDS]]

Turns of each on one server, again and again; tokens after the first, over the time from the first to the last. With
prompt lookup off a mask is all that differs; with it on, text that has one way on only is taken several tokens a step.
"""

import json
import statistics
import sys
import tempfile
import time

from serving import Server, request_bytes

TEMPLATE = "{# [TOOL_CALLS] [ARGS] #}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% for t in tools or [] %}{{ t | tojson }}{% endfor %}<assistant>"
TEXT = {"type": "string", "minLength": 20, "maxLength": 40, "pattern": "^[a-z ]*$"}
RECORD = {"type": "object", "properties": {f"{name}_of_the_person": TEXT for name in ("first", "last", "street", "city", "country", "job")}}
RECORD["required"] = list(RECORD["properties"])
# A name that needs escapes leaves calls unbound, and the prompt is the same but for a letter.
TOOLS = {end: [{"type": "function", "function": {"name": f"tool{i}{end}", "parameters": RECORD}} for i in range(2)] for end in '_"'}
BODY = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 1, "stream": True, "max_tokens": 150}
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": RECORD, "strict": True}}}


def rate(s, fields):
    """Tokens a second after the first."""
    start_s = None
    c = s.connect(300)
    c.sendall(request_bytes("/v1/chat/completions", {**BODY, **fields, "stream_options": {"include_usage": True}}))
    text = b""
    while b"[DONE]" not in text:
        got = c.recv(65536)
        assert got, text
        text += got
        if start_s is None and text.count(b"data: ") > 1:  # the first is sent before the prompt is read
            start_s = time.monotonic()
    end_s = time.monotonic()
    usage = json.loads([line for line in text.decode().splitlines() if '"usage":{' in line][-1][6:])["usage"]
    c.close()
    return (usage["completion_tokens"] - 1) / (end_s - start_s)


def measure(s, cells, rounds):
    rates = {name: [] for name in cells}
    for i in range(rounds):
        for name, fields in cells.items():
            rates[name].append(rate(s, {**fields, "seed": i}))
    return {name: statistics.median(r) for name, r in rates.items()}, rates


def main():
    model = sys.argv[1] if len(sys.argv) > 1 else "synthetic:smollm2-135m:q8"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 11
    for options in (("--no-prompt-lookup",), ()):
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as f:
            f.write(TEMPLATE)
            f.flush()
            with Server("--chat-template", f.name, *options, model=model) as s:
                cells = {"nothing": {"ignore_eos": True}, "a schema": SCHEMA,
                         "tools, free": {"tools": TOOLS['"'], "ignore_eos": True}, "tools, bound": {"tools": TOOLS["_"], "ignore_eos": True}}
                medians, all_rates = measure(s, cells, rounds)
        print(f"{model} {' '.join(options)}")
        for name, median in medians.items():
            than = "tools, free" if name.startswith("tools") else "nothing"
            ratios = [a / b for a, b in zip(all_rates[name], all_rates[than])]
            print(f"  {name:12} {median:8.1f} tok/s   ratio {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


main()
