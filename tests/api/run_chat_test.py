"""muai run with a model that has a chat template: at a terminal, in a pipe, bound to a form."""

import json
import os
import pty
import select
import subprocess
import tempfile

from serving import MUAI, run

MODEL = ("-m", "muai-tiny", "--greedy")
THINKS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant><think>\n{# </think> #}"


def once(*words, text=None):
    return subprocess.run([MUAI, "run", *words], input=text, capture_output=True, text=True, timeout=60)


class Terminal:
    def __init__(self, *words):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execl(MUAI, MUAI, "run", *words)
        self.pid, self.text = pid, ""

    def until(self, words):
        while words not in self.text:
            assert select.select([self.fd], [], [], 60)[0], (words, self.text)
            self.text += os.read(self.fd, 4096).decode(errors="replace")
        said, self.text = self.text.split(words, 1)
        return said

    def line(self, text):
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def test_a_prompt_is_a_message_unless_it_is_raw():
    said = once(*MODEL, "What do hens eat?")
    assert said.returncode == 0 and "corn" in said.stdout and "User:" not in said.stdout, said
    assert once(*MODEL, text="What do hens eat?\n").stdout == said.stdout
    told = json.loads(once(*MODEL, "--json", "What do hens eat?").stdout)
    assert told["text"] + "\n" == said.stdout and told["finish"] == "stop", told
    raw = json.loads(once(*MODEL, "--json", "--raw", "What do hens eat?").stdout)
    assert raw["usage"]["prompt_tokens"] < told["usage"]["prompt_tokens"], raw
    plain = json.loads(once("-m", "synthetic:gpt2-test", "--json", "Hi", "-n", "1").stdout)
    assert plain["usage"]["prompt_tokens"] == 2, plain  # its bytes: it has no template


def test_a_terminal_is_a_conversation():
    with tempfile.TemporaryDirectory() as folder:
        t = Terminal(*MODEL)
        t.until("/help lists commands")
        t.line("/help")
        t.until("/save FILE")
        t.line("/system Be brief.")
        t.line("What do hens eat?")
        t.until("corn")
        t.until("tok/s")
        t.line("/nothing")
        t.until("no such command")
        t.line(f"/save {folder}/said.json")
        t.line("/save /nowhere/said.json")
        t.until("No such file")
        messages = json.load(open(f"{folder}/said.json", encoding="utf-8"))
        assert [m["role"] for m in messages] == ["system", "user", "assistant"] and messages[0]["content"] == "Be brief.", messages
        assert "corn" in messages[2]["content"], messages
        t.line("/clear")
        t.line("/system")
        t.line(f"/save {folder}/empty.json")
        t.line("/bye")
        assert t.end() == 0
        assert json.load(open(f"{folder}/empty.json", encoding="utf-8")) == []


def test_old_turns_give_way():
    """More turns than the context of 512 tokens holds: the answers go on, the system message stays."""
    with tempfile.TemporaryDirectory() as folder:
        t = Terminal(*MODEL, "-n", "20", "--system", "Stay.")
        for i in range(12):
            t.line(f"What is the color of a flamingo, and what is the color of a frog number {i}, and what does it eat all day long?")
            t.until("tok/s")
        t.line(f"/save {folder}/said.json")
        t.line("x " * 600)
        t.until("leave room for an answer")
        t.line("/bye")
        assert t.end() == 0
        messages = json.load(open(f"{folder}/said.json", encoding="utf-8"))
        assert messages[0]["content"] == "Stay." and messages[1]["role"] == "user" and 3 <= len(messages) < 25, messages


def test_reasoning_is_dimmed_and_not_in_a_pipe():
    with tempfile.NamedTemporaryFile("w", suffix=".jinja") as f:
        f.write(THINKS)
        f.flush()
        words = ("-m", "muai-tiny", "-n", "20", "--greedy", "--chat-template", f.name)
        told = json.loads(once(*words, "--json", "Hi").stdout)
        assert told["text"] == "" and told["reasoning"] and told["finish"] == "length", told
        assert once(*words, "Hi").stdout == "\n"
        assert once(*words, "Hi", "--grammar", 'root ::= "yes"').stdout == "yes\n"
        t = Terminal(*words, "Hi")
        said = t.until("20 tokens")
        dim = "".join(part.split("\x1b[0m")[0] for part in said.split("\x1b[2m")[1:])
        assert told["reasoning"] in dim.replace("\r\n", "\n"), (said, told)
        t.until("tok/s")
        assert t.end() == 0


def test_an_answer_in_form():
    schema = '{"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}'
    grammar = 'root ::= "yes" | "no"'
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("schema.json", schema), ("answer.gbnf", grammar)):
            open(f"{folder}/{name}", "w", encoding="utf-8").write(text)
        for seed in ("1", "2"):
            for given in (schema, f"{folder}/schema.json"):
                said = once("-m", "muai-tiny", "Hi", "-s", seed, "--json-schema", given)
                assert json.loads(said.stdout)["a"] in (1, 2), said
            for given in (grammar, f"{folder}/answer.gbnf"):
                assert once("-m", "muai-tiny", "Hi", "-s", seed, "--raw", "--grammar", given).stdout in ("yes\n", "no\n")
    rows = [(("--json-schema", "{"), "--json-schema: line 1"), (("--json-schema", '{"type": 1}'), "--json-schema: #/type"),
            (("--grammar", "root ::= x"), "--grammar: "), (("--grammar", "/nowhere"), "/nowhere"),
            (("--grammar", grammar, "--json-schema", schema), "one of them")]
    for words, said in rows:
        done = once("-m", "muai-tiny", "Hi", *words)
        assert done.returncode == 1 and said in done.stderr and done.stdout == "" and len(done.stderr.splitlines()) == 1, (words, done)


run(globals())
