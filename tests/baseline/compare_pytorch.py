"""MuAI beside PyTorch, measured in turn by `muai bench`; Markdown on standard output.

Systems: muai with f32 weights (the same numbers as the baseline), muai with q8 weights, the baseline one
request at a time, the baseline with static batching. All run from start to end; only one is loaded at a
time. `muai bench` interleaves them in blocks (throughput and latency); its reports are in FOLDER.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys

import serving
import vocabulary
from figures import median_of

HERE = os.path.dirname(os.path.abspath(__file__))


def servers(args):
    muai = [args.muai, "serve", args.model, "--port", "PORT", "--no-prompt-lookup", "--log-format", "none", "--dtype"]
    torch = [sys.executable, os.path.join(HERE, "server.py"), "--model", args.model, "--port", "PORT", "--dtype", args.dtype]
    known = {
        "muai-f32": [*muai, "f32"],
        "muai-q8": [*muai, "q8"],
        "pytorch": torch,
        "pytorch-static": [*torch, "--batching", "static"],
    }
    unknown = [name for name in args.systems if name not in known]
    if unknown:
        raise SystemExit(f"--systems: {unknown[0]} is none of {', '.join(known)}")
    return [(name, known[name]) for name in args.systems]


def bench(args, running):
    folder = os.path.join(args.folder, "bench")
    command = [args.muai, "bench", "throughput", "--shape", args.shape, "--clients", args.clients, "--seconds", str(args.seconds),
               "--blocks", str(args.blocks), "--no-targets", "--no-history", "--output", folder]
    for server in running:
        command += ["--target", server.url]
    command += ["--target-pid", ",".join(str(server.process.pid) for server in running)]
    code = subprocess.call(command, stdout=sys.stderr)
    path = os.path.join(folder, "report.json")
    if code == 4 or not os.path.exists(path):
        raise SystemExit(f"muai bench failed ({code})")
    with open(path) as file:
        return json.load(file)


def pss_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line and "kB" in line)
    return int(fields["Pss"].split()[0]) / 1024


def table(document, running, memory):
    urls = {server.url: server.name for server in running}
    names = {system["id"]: urls.get(system["url"], system["name"]) for system in document["systems"]}
    groups = {}
    for cell in document["cells"]:
        if cell["load"]["kind"] == "closed":
            groups.setdefault((cell["load"]["clients"], names[cell["system"]]), []).append(cell)
    lines = ["| clients | system | requests/s | output tok/s | TTFT p50 ms | time per token p50 ms | failed | cells |",
             "|--:|---|--:|--:|--:|--:|--:|--:|"]

    def median(cells, read):
        values = [value for value in map(read, cells) if value is not None]
        return f"{statistics.median(values):.1f}" if values else "not known"

    for (clients, name), cells in sorted(groups.items()):
        columns = (
            lambda c: c["throughput"]["requests_s"]["value"], lambda c: c["throughput"]["output_tok_s"]["value"],
            lambda c: median_of(c["metrics"]["ttft_service_ms"]), lambda c: median_of(c["metrics"]["tpot_ms"]))
        failed = sum(cell["reliability"]["failed"] for cell in cells)
        lines.append(f"| {clients} | {name} | " + " | ".join(median(cells, read) for read in columns) + f" | {failed} | {len(cells)} |")
    lines += ["", "| system | resident after the run, proportional (PSS), MB |", "|---|--:|"]
    lines += [f"| {name} | {mb:.0f} |" for name, mb in memory.items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="scripts/baseline-pytorch compare")
    parser.add_argument("folder", nargs="?", default="build/compare-pytorch-" + datetime.datetime.now().strftime("%Y%m%dT%H%M%S"))
    parser.add_argument("--muai", default="build/release/muai", help=argparse.SUPPRESS)
    parser.add_argument("--model", default="synthetic:gpt2")
    parser.add_argument("--dtype", default="f32", help="of the baseline")
    parser.add_argument("--systems", default="muai-f32,muai-q8,pytorch,pytorch-static", type=lambda text: text.split(","))
    parser.add_argument("--shape", default="128/64")
    parser.add_argument("--clients", default="1,8")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--blocks", type=int, default=8, help="fewer than 8 cannot decide after Holm")
    args = parser.parse_args()
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    vocabulary.make(os.path.join(args.folder, "cache"))
    env = {"HF_HOME": os.path.join(args.folder, "cache")}
    running = []
    try:
        for name, command in servers(args):
            running.append(serving.Server(command, args.folder, name, env).__enter__())
        document = bench(args, running)
        memory = {server.name: pss_mb(server.process.pid) for server in running}
    finally:
        for server in running:
            server.__exit__()
    text = table(document, running, memory)
    with open(os.path.join(args.folder, "comparison.md"), "w") as file:
        file.write(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
