"""docs/api.md: its tables are the program's, its examples run."""

import re
import subprocess
import sys

from serving import MUAI, Server, run

TEXT = open("docs/api.md", encoding="utf-8").read()


def test_tables_are_the_programs():
    printed = subprocess.run([MUAI, "serve", "--print-api"], capture_output=True, text=True, check=True).stdout
    assert TEXT.endswith(printed), "docs/api.md does not end with what muai serve --print-api prints"


def test_examples_run():
    blocks = re.findall(r"```(sh|python)\n(.*?)```", TEXT, re.S)
    assert len(blocks) >= 2
    with Server() as s:
        for kind, code in blocks:
            code = code.replace(":8686", f":{s.port}")
            if kind == "sh":
                for line in re.split(r"\n(?!    )", code.strip()):
                    p = subprocess.run(["sh", "-ec", line], capture_output=True, text=True, timeout=60)
                    assert p.returncode == 0 and p.stdout and '"error":' not in p.stdout, (line, p)
                continue
            p = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
            if "No module named 'openai'" in p.stderr:
                print("  no openai package: the Python example is not run")
                continue
            assert p.returncode == 0 and p.stdout, p


if __name__ == "__main__":
    run(globals())
