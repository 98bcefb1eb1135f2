"""Which clients work unmodified, as a table: runs the tests that use them and writes docs/clients.md with the versions that were there.

    python3 tests/api/clients.py PYTHON... > docs/clients.md

PYTHON: interpreters of environments with the packages; a row is of the first that has its own, and left out where none has. (pydantic-ai
and instructor, for one, do not live in the same.)
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = [  # package, what of it, and the tests that try it
    ("openai", "completions, chat, streams, tools, parse, errors, cancel", ["openai_test.py", "parse_test.py", "agents_test.py:test_the_tool_loop_of_openai"]),
    ("openai", "embeddings", ["embeddings_test.py:test_clients"]),
    ("anthropic", "messages, streams, tools, thinking, count_tokens, errors", ["anthropic_test.py:test_its_client"]),
    ("ollama", "chat, generate, tags, show, ps, errors", ["ollama_test.py:test_its_client"]),
    ("ollama", "embed, embeddings", ["embeddings_test.py:test_clients"]),
    ("litellm", "chat with tools; embedding", ["agents_test.py:test_litellm_passes_calls_on", "embeddings_test.py:test_clients"]),
    ("langchain-openai", "chat, tools, structured output, agent; embeddings with `check_embedding_ctx_length=False`, without which it sends tokens of OpenAI's vocabulary",
     ["agents_test.py:test_langchain_binds_tools_and_structure", "agents_test.py:test_a_langchain_agent_comes_to_its_answer", "embeddings_test.py:test_clients"]),
    ("llama-index-llms-openai-like", "complete, chat, stream_chat", ["agents_test.py:test_llama_index_chats"]),
    ("llama-index-embeddings-openai-like", "embeddings of one text and of many", ["embeddings_test.py:test_clients"]),
    ("instructor", "an object of a pydantic model", ["agents_test.py:test_instructor_gets_its_object"]),
    ("pydantic-ai-slim", "an agent with a tool and an output type", ["agents_test.py:test_pydantic_ai_comes_to_its_output"]),
    ("llm", "a prompt from the command line", ["agents_test.py:test_llm_on_the_command_line"]),
]


def version_of(python, package):
    ask = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()


def passes(python, test, known={}):
    if (python, test) not in known:
        file, _, name = test.partition(":")
        done = subprocess.run([python, os.path.join(HERE, file), *([name] if name else [])], capture_output=True, text=True)
        print(f"{test}: {'ok' if done.returncode == 0 else done.stdout[-2000:] + done.stderr[-2000:]}", file=sys.stderr)
        known[python, test] = done.returncode == 0
    return known[python, test]


def main():
    print("# Clients\n\nWhat was tried unmodified against `muai serve`, with no setting but the address; written by `tests/api/clients.py`.\n")
    print("| package | version | what | tests | |\n|---|---|---|---|---|")
    failed = False
    for package, what, tests in ROWS:
        python, version = next(((p, v) for p in sys.argv[1:] if (v := version_of(p, package))), (None, None))
        if not version:
            print(f"{package}: not installed, left out", file=sys.stderr)
            continue
        ok = all([passes(python, t) for t in tests])
        failed |= not ok
        print(f"| {package} | {version} | {what} | {', '.join(f'`{t}`' for t in dict.fromkeys(t.partition(':')[0] for t in tests))} | {'works' if ok else 'fails'} |")
    sys.exit(failed)


main()
