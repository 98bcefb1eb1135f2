"""Structured output: whatever the model is, what it says has the form that was asked for."""

import json
import re

from serving import Server, events, run

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3},
        "ok": {"type": ["boolean", "null"]},
    },
    "required": ["name", "age", "tags", "ok"],
    "additionalProperties": False,
}


def is_person(text):
    p = json.loads(text)
    assert set(p) == set(PERSON["properties"]), p
    assert isinstance(p["name"], str) and 1 <= len(p["name"]) <= 12, p
    assert type(p["age"]) is int and 0 <= p["age"] <= 120, p
    assert len(p["tags"]) <= 3 and set(p["tags"]) <= {"a", "b", "c"}, p
    assert p["ok"] in (True, False, None), p


def matches(pattern):
    def check(text):
        assert re.fullmatch(pattern, text), text

    return check


def is_sum(text):
    assert re.fullmatch(r"([1-9][0-9]?|\([1-9]\+[1-9]\))(\+([1-9][0-9]?|\([1-9]\+[1-9]\))){0,3}", text), text


SUM = 'root ::= term ("+" term){0,3}\nterm ::= [1-9] [0-9]? | "(" [1-9] "+" [1-9] ")"'
FORMS = [
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON, "strict": True}}}, is_person),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}}, is_person),
    ({"response_format": {"type": "json_object", "schema": PERSON}}, is_person),
    ({"json_schema": PERSON}, is_person),
    ({"guided_json": json.dumps(PERSON)}, is_person),
    ({"structured_outputs": {"json": PERSON}}, is_person),
    ({"guided_regex": "[A-Z]{2}-[0-9]{3}(\\.x)?"}, matches(r"[A-Z]{2}-[0-9]{3}(\.x)?")),
    ({"structured_outputs": {"regex": "(yes|no)!"}}, matches("(yes|no)!")),
    ({"guided_choice": ["red", "green", "greenish"]}, matches("red|green|greenish")),
    ({"structured_outputs": {"choice": ["one", "two"]}}, matches("one|two")),
    ({"grammar": SUM}, is_sum),
    ({"guided_grammar": SUM}, is_sum),
    ({"structured_outputs": {"grammar": SUM}}, is_sum),
]


def test_output_has_the_form_that_was_asked_for():
    with Server(model="muai-tiny") as s:
        for form, check in FORMS:
            for i, more in enumerate(({"temperature": 0}, {"temperature": 1.2, "seed": 7, "n": 3}, {"logprobs": 2, "temperature": 2, "seed": 1})):
                body = {"prompt": "Once there was", "max_tokens": 250, **form, **more}
                code, _, answer = s.ask("/v1/completions", body)
                assert code == 200, (form, answer)
                for choice in answer["choices"]:
                    assert choice["finish_reason"] == "stop", (form, choice)
                    check(choice["text"])
                assert len(answer["choices"]) == more.get("n", 1)


def test_strict_keeps_the_order_of_the_schema():
    form = {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON, "strict": True}}}
    with Server(model="muai-tiny") as s:
        for seed in range(8):
            body = {"prompt": "x", "max_tokens": 250, "temperature": 2, "seed": seed, **form}
            text = s.ask("/v1/completions", body)[2]["choices"][0]["text"]
            assert list(json.loads(text)) == list(PERSON["properties"]), text


def test_chat_and_streams_are_bound_too():
    form = {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}}
    body = {"messages": [{"role": "user", "content": "Who?"}], "max_tokens": 250, "temperature": 1, "seed": 5, **form}
    with Server(model="muai-tiny") as s:
        whole = s.ask("/v1/chat/completions", body)[2]["choices"][0]["message"]["content"]
        is_person(whole)
        lines = events(s.ask("/v1/chat/completions", {**body, "stream": True})[2])
        parts = [json.loads(line) for line in lines if line != "[DONE]"]
        assert "".join(p["choices"][0]["delta"].get("content") or "" for p in parts if p["choices"]) == whole
        answer = s.ask("/v1/chat/completions", {**body, "response_format": {"type": "json_object"}, "temperature": 0})[2]
        if answer["choices"][0]["finish_reason"] == "stop":
            assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)


def test_drafts_change_no_answer():
    bodies = [{"prompt": "a", "max_tokens": 200, "temperature": t, "seed": 3, "json_schema": PERSON} for t in (0, 1)]
    texts = []
    for options in ((), ("--no-prompt-lookup",)):
        with Server(*options, model="muai-tiny") as s:
            texts.append([s.ask("/v1/completions", body)[2]["choices"][0]["text"] for body in bodies])
    assert texts[0] == texts[1], texts


def test_what_cannot_be_done_is_refused_and_named():
    def schema(value):
        return {"response_format": {"type": "json_schema", "json_schema": {"schema": value}}}

    rows = [
        (schema({"properties": {"a": {"uniqueItems": True}}}), "response_format", "#/properties/a/uniqueItems: not supported"),
        (schema({"anyOf": [{"pattern": "("}]}), "response_format", "#/anyOf/0/pattern"),
        (schema({"$ref": "#/$defs/x"}), "response_format", "#/$ref"),
        (schema(False), "response_format", "no value is valid"),
        ({"json_schema": {"type": "text"}}, "json_schema", "#/type"),
        ({"guided_json": "{"}, "guided_json", "not a schema"),
        ({"response_format": {"type": "xml"}}, "response_format", "type must be"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "schema is missing"),
        ({"response_format": 3}, "response_format", "must be an object"),
        ({"grammar": "root ::= x"}, "grammar", "rule x"),
        ({"grammar": "root ::= root"}, "grammar", "rule root"),
        ({"guided_regex": "(?=a)b"}, "guided_regex", "lookahead"),
        ({"guided_choice": []}, "guided_choice", "1 to 1000"),
        ({"guided_choice": [1]}, "guided_choice", "texts"),
        ({"structured_outputs": {"regex": 5}}, "structured_outputs", "must be texts"),
        ({"grammar": 'root ::= "a"', "guided_regex": "a"}, "guided_regex", "another field"),
        ({"grammar": "root ::= " + "(" * 60000}, "grammar", "nested"),
        ({"guided_regex": "(a{500}){500}"}, "guided_regex", "too many states"),
    ]
    with Server(model="muai-tiny") as s:
        for extra, param, says in rows:
            code, _, answer = s.ask("/v1/completions", {"prompt": "a", "max_tokens": 4, **extra})
            assert code == 400, (str(extra)[:200], code, answer)
            assert answer["error"]["param"] == param and says in answer["error"]["message"], (str(extra)[:200], answer)
        assert s.ask("/v1/completions", {"prompt": "a", "max_tokens": 4, "response_format": {"type": "text"}})[0] == 200


if __name__ == "__main__":
    run(globals())
