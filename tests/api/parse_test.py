"""The official Python client's parse(): a pydantic model goes out as a schema and comes back as an object."""

import sys
from enum import Enum
from typing import List, Optional

try:
    import openai
    from pydantic import BaseModel, Field
except ImportError as e:
    print(f"skipped: no {e.name} package; scripts/install-deps --all installs openai, and pydantic with it")
    sys.exit(77)

from serving import Server, run


class Color(str, Enum):
    RED = "red"
    GREEN = "green"


class Part(BaseModel):
    color: Color
    ok: bool


class Thing(BaseModel):
    kind: Color
    parent: Optional[Part]
    parts: List[Part] = Field(max_length=2)


def chat(c, model, **more):
    return c.chat.completions.parse(
        model="muai-tiny", messages=[{"role": "user", "content": "Name one."}], response_format=model, **more)


def test_an_object_comes_back():
    with Server(model="muai-tiny") as s:
        c = openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="none", max_retries=0)
        for seed in range(4):
            answer = chat(c, Part, seed=seed, temperature=1, max_tokens=200)
            assert answer.choices[0].finish_reason == "stop", answer
            assert isinstance(answer.choices[0].message.parsed, Part), answer
        for seed in range(4):
            answer = chat(c, Thing, seed=seed, temperature=1, max_tokens=400)
            assert isinstance(answer.choices[0].message.parsed, Thing), answer


def test_a_cut_answer_is_the_clients_length_error():
    with Server(model="muai-tiny") as s:
        c = openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="none", max_retries=0)
        try:
            chat(c, Thing, temperature=0, max_tokens=2)
            raise AssertionError("LengthFinishReasonError")
        except openai.LengthFinishReasonError as e:
            assert e.completion.usage.completion_tokens == 2, e


if __name__ == "__main__":
    run(globals())
