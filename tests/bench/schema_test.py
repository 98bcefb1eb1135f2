"""The schema of muai.bench/1 takes the fixtures and refuses documents that are broken in one place."""

import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("skipped: no jsonschema package; scripts/install-deps --all installs it")
    sys.exit(77)

ROOT = pathlib.Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/schema/muai.bench-1.schema.json").read_text())
FIXTURES = sorted((ROOT / "tests/bench/fixtures").glob("*.json"))


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def errors(doc):
    return [f"{e.json_path}: {e.message[:120]}" for e in jsonschema.Draft202012Validator(SCHEMA).iter_errors(doc)]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_fixtures_are_valid():
    assert len(FIXTURES) >= 4
    for path in FIXTURES:
        assert errors(load(path)) == [], (path.name, errors(load(path))[:5])


def test_what_the_program_writes_is_valid():
    muai = os.environ.get("MUAI", "build/release/muai")
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (
            ["latency", "--shape", "16/8", "-n", "20"],
            ["rate", "--rate", "40", "--arrivals", "poisson", "--seconds", "1"],
            ["soak", "--seconds", "3"],
            ["stress"],
        ):
            command = [muai, "bench", *arguments, "-m", "synthetic:gpt2-test", "--quick", "--quiet"]
            command += ["--no-history", "--no-instrument", "--no-targets", "-o", folder]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, (arguments, done.stderr[-500:], done.stdout[-500:])
            doc = load(pathlib.Path(folder) / "report.json")
            assert errors(doc) == [], (arguments, errors(doc)[:5])


def test_unknown_keys_are_allowed_everywhere():
    doc = load(ROOT / "tests/bench/fixtures/full.json")

    def add(value):
        if isinstance(value, dict):
            for inner in list(value.values()):
                add(inner)
            if "need" not in value and "rates" not in value:
                value["zz_later"] = None
        elif isinstance(value, list):
            for inner in value:
                add(inner)

    maps = ("metrics", "ci", "gate", "capabilities", "rates")  # their keys are data
    kept = []

    def strip(value):
        if isinstance(value, dict):
            for key in maps:
                if isinstance(value.get(key), dict) and "zz_later" in value[key]:
                    kept.append(key)
                    del value[key]["zz_later"]
            for inner in value.values():
                strip(inner)
        elif isinstance(value, list):
            for inner in value:
                strip(inner)

    add(doc)
    strip(doc)
    assert kept and errors(doc) == [], errors(doc)[:5]


# A path and what is put there; DELETE removes it.
DELETE = object()
BROKEN = [
    (("schema",), "muai.bench/2"), (("schema",), DELETE), (("run",), DELETE), (("cells",), DELETE), (("systems",), None),
    (("run", "suite"), "fast"), (("run", "stop_reason"), None), (("run", "start"), "yesterday"), (("run", "runs"), 0),
    (("cells", 0, "id"), None), (("cells", 0, "load", "kind"), "open"), (("cells", 0, "validity", "status"), "OK"),
    (("cells", 0, "metrics", "ttft_ms", "p50"), "17"), (("cells", 0, "metrics", "ttft_ms", "n"), -1),
    (("cells", 0, "metrics", "ttft_ms", "unit"), DELETE), (("cells", 0, "metrics", "ttft_ms", "mean"), DELETE),
    (("cells", 0, "metrics", "ttft_ms", "ci", "p50"), [1]), (("cells", 0, "metrics", "ttft_ms", "curve", 0), [2.0, 1.0]),
    (("cells", 0, "metrics", "ttft_ms"), {"unit": "ms", "n": 0}), (("cells", 0, "window", "stop_reason"), "bored"),
    (("cells", 0, "reliability", "failed"), 0.5), (("cells", 0, "stalls", "worst_ms"), [1.0] * 21),
    (("memory", 0, "leak", "verdict"), "MAYBE"), (("memory", 0, "loads", 0, "kind"), "tepid"),
    (("targets", 0, "verdict"), "ok"), (("targets", 0, "limit"), None), (("recommendations", 0, "severity"), "fatal"),
    (("phases", 0, "status"), "fine"), (("notes",), "text"), (("capacity", 0, "max_rate_per_s"), "14"),
]


def test_broken_documents_are_refused():
    for path, value in BROKEN:
        doc = copy.deepcopy(load(ROOT / "tests/bench/fixtures/full.json"))
        at = doc
        for key in path[:-1]:
            at = at[key]
        if value is DELETE:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        assert errors(doc), f"{path} = {value!r} was taken"
    doc = load(ROOT / "tests/bench/fixtures/compare.json")
    doc["comparisons"][0]["verdict"] = "better"
    assert errors(doc)


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"{name}: ok")
