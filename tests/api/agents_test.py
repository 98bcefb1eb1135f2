"""Frameworks that people use, unmodified: agents call a tool, get its result and come to an end; chats are chats."""

import importlib.util
import sys

from serving import Server, run

if not importlib.util.find_spec("openai"):
    print("skipped: no openai package; scripts/install-deps --all installs it")
    sys.exit(77)

import json
import os
import subprocess
import tempfile
from typing import Literal

import openai
from pydantic import BaseModel, Field

MODEL = "muai-tiny"
CITIES = Literal["Paris", "Rome"]


class City(BaseModel):
    """A city."""

    name: CITIES
    days: int = Field(ge=1, le=9)


def served(s):
    return f"http://127.0.0.1:{s.port}/v1"


def has(package):
    if importlib.util.find_spec(package):
        return True
    print(f"  no {package} package: its agent is not run")
    return False


def test_the_tool_loop_of_openai():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {**City.model_json_schema(), "title": "c"}}}]
    with Server(model=MODEL) as s:
        c = openai.OpenAI(base_url=served(s), api_key="none", max_retries=0)
        messages = [{"role": "user", "content": "Hi"}]
        for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
            answer = c.chat.completions.create(model=MODEL, messages=messages, tools=tools, tool_choice=choice, parallel_tool_calls=False)
            call = answer.choices[0].message.tool_calls[0]
            assert answer.choices[0].finish_reason == "tool_calls" and call.function.name == "weather"
            City.model_validate_json(call.function.arguments)
        messages += [answer.choices[0].message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        last = c.chat.completions.create(model=MODEL, messages=messages, tools=tools, tool_choice="none", max_tokens=8)
        assert last.choices[0].message.content and not last.choices[0].message.tool_calls, last
        with c.chat.completions.stream(model=MODEL, messages=messages[:1], tools=[openai.pydantic_function_tool(City)],
                                       tool_choice="required", parallel_tool_calls=False) as stream:
            done = stream.get_final_completion()
        assert isinstance(done.choices[0].message.tool_calls[0].function.parsed_arguments, City), done


def test_instructor_gets_its_object():
    if not has("instructor"):
        return
    import instructor

    with Server(model=MODEL) as s:
        c = openai.OpenAI(base_url=served(s), api_key="none", max_retries=0)
        for mode in (m for m in instructor.Mode if m.name in ("TOOLS", "TOOLS_STRICT", "JSON_SCHEMA")):
            city = instructor.from_openai(c, mode=mode).chat.completions.create(
                model=MODEL, response_model=City, messages=[{"role": "user", "content": "Hi"}], max_retries=0)
            assert isinstance(city, City), (mode, city)


def test_pydantic_ai_comes_to_its_output():
    if not has("pydantic_ai"):
        return
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    with Server(model=MODEL) as s:
        model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=served(s), api_key="none"))
        city = Agent(model, output_type=City).run_sync("Hi").output
        assert isinstance(city, City), city


def test_langchain_binds_tools_and_structure():
    if not has("langchain_openai"):
        return
    from langchain_openai import ChatOpenAI

    with Server(model=MODEL) as s:
        model = ChatOpenAI(model=MODEL, base_url=served(s), api_key="none", max_retries=0)
        for method in ("function_calling", "json_schema"):
            city = model.with_structured_output(City, method=method).invoke("Hi")
            assert isinstance(city, City), (method, city)
        bound = model.bind_tools([City], tool_choice="any", parallel_tool_calls=False)
        (call,) = bound.invoke("Hi").tool_calls
        assert call["name"] == "City" and City(**call["args"]), call
        chunks = None
        for chunk in bound.stream("Hi"):
            chunks = chunk if chunks is None else chunks + chunk
        assert City(**chunks.tool_calls[0]["args"]), chunks


def test_a_langchain_agent_comes_to_its_answer():
    if not has("langchain_openai") or not has("langchain"):
        return
    from langchain.agents import create_agent
    from langchain.agents.structured_output import ToolStrategy
    from langchain_openai import ChatOpenAI

    with Server(model=MODEL) as s:
        model = ChatOpenAI(model=MODEL, base_url=served(s), api_key="none", max_retries=0, temperature=0, max_tokens=100)
        agent = create_agent(model, tools=[], response_format=ToolStrategy(City))
        said = agent.invoke({"messages": [{"role": "user", "content": "Hi"}]})
        assert isinstance(said["structured_response"], City), said


def test_litellm_passes_calls_on():
    if not has("litellm"):
        return
    import litellm

    tools = [{"type": "function", "function": {"name": "weather", "parameters": City.model_json_schema()}}]
    with Server(model=MODEL) as s:
        answer = litellm.completion(model=f"openai/{MODEL}", api_base=served(s), api_key="none", messages=[{"role": "user", "content": "Hi"}],
                                    tools=tools, tool_choice="required", parallel_tool_calls=False)
        City(**json.loads(answer.choices[0].message.tool_calls[0].function.arguments))


def test_llama_index_chats():
    if not has("llama_index") or not importlib.util.find_spec("llama_index.llms.openai_like"):
        return
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    with Server(model=MODEL) as s:
        args = dict(model=MODEL, api_base=served(s), api_key="none", max_tokens=8, temperature=0)
        chat, messages = OpenAILike(is_chat_model=True, **args), [ChatMessage(role="user", content="Hi")]
        whole = chat.chat(messages).message.content
        assert whole and "".join(c.delta or "" for c in chat.stream_chat(messages)) == whole
        assert OpenAILike(**args).complete("Once").text


def test_llm_on_the_command_line():
    program = os.path.join(os.path.dirname(sys.executable), "llm")
    if not has("llm"):
        return
    with Server(model=MODEL) as s, tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "extra-openai-models.yaml"), "w") as out:
            out.write(f"- model_id: mine\n  model_name: {MODEL}\n  api_base: {served(s)}\n")
        told = subprocess.run([program, "-m", "mine", "--key", "none", "-o", "max_tokens", "8", "Hi"], env={**os.environ, "LLM_USER_PATH": folder},
                              capture_output=True, text=True, timeout=60)
        assert told.returncode == 0 and told.stdout.strip(), told


if __name__ == "__main__":
    run(globals())
