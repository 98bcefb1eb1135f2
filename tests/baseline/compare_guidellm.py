"""guidellm and `muai bench` on the same running server, the same shape, in turn; see docs/benchmarking-baseline.md.

The order is turned in every round (guidellm, muai, muai, guidellm, ...), and the figures are medians of
the rounds, so that a machine that gets slower or faster does not favour either.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import time

import serving
import vocabulary
from figures import median_of

FIGURES = (("requests/s", "requests_s"), ("TTFT median, ms", "ttft_ms"), ("output tokens/s", "output_tok_s"))


def cpu_seconds(session):
    """CPU time of the processes of a session that are still there."""
    ticks = 0
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def run_watched(command, log, env, seconds):
    """Exit code, and the cores that the program used in the second half of its load, when it was started long ago."""
    process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
    samples = []
    while process.poll() is None:
        samples.append((time.monotonic(), cpu_seconds(process.pid)))
        time.sleep(1)
    end = samples[-1][0] - seconds / 7
    late = [s for s in samples if end - seconds / 2 <= s[0] <= end]
    cores = (late[-1][1] - late[0][1]) / (late[-1][0] - late[0][0]) if len(late) > 1 else None
    return process.returncode, cores


def run_guidellm(args, url, clients, name):
    prompt, output = args.shape
    path = os.path.join(args.folder, name + ".json")
    body = {"temperature": 0, "min_tokens": output, "cache_prompt": False}
    spec = {
        "backend": {"kind": "openai_http", "target": url, "request_format": "/v1/completions", "stream": True,
                    "model": args.model_id, "extras": {"body": body}},
        # A seventh of the run is warm-up and as much cool-down at its end, both outside the figures.
        "profile": {"kind": "concurrent", "streams": [clients],
                    "warmup": {"value": args.seconds / 7, "mode": "duration"},
                    "cooldown": {"value": args.seconds / 7, "mode": "duration"}},
        "constraints": [{"kind": "max_duration", "seconds": args.seconds * 9 / 7}],
        "data": [{"kind": "synthetic_text", "prompt_tokens": prompt, "output_tokens": output}],
        "tokenizer": {"kind": "huggingface_auto", "load_kwargs": {}, "model": args.processor},
        "outputs": [{"kind": "json", "path": path}],
        "metrics": {"kind": "generative", "sample_size": 0},
        "seed": {"kind": "static", "value": args.seed},
    }
    scenario = os.path.join(args.folder, name + ".scenario.json")
    with open(scenario, "w") as file:
        json.dump({"spec": spec}, file, indent=1)
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    guidellm = os.path.join(os.path.dirname(sys.executable), "guidellm")
    with open(os.path.join(args.folder, name + ".log"), "w") as log:
        command = [guidellm, "run", "--disable-console", "--scenario", scenario]
        code, cores = run_watched(command, log, env, args.seconds)
    if code != 0:
        raise SystemExit(f"guidellm failed ({code}): {args.folder}/{name}.log")
    return path, cores


def figures_of_guidellm(path, cores):
    with open(path) as file:
        benchmark = json.load(file)["benchmarks"][0]
    metrics = benchmark["metrics"]

    def of(name, statistic):
        return metrics[name]["successful"][statistic]

    totals = metrics["request_totals"]
    return {
        "requests_s": of("requests_per_second", "mean"), "ttft_ms": of("time_to_first_token_ms", "median"),
        "output_tok_s": of("output_tokens_per_second", "mean"), "prompt": of("prompt_token_count", "mean"),
        "output": of("output_token_count", "mean"), "requests": totals["successful"], "errors": totals["errored"],
        "client_cores": cores,
    }


def run_muai(args, url, clients, name):
    folder = os.path.join(args.folder, name)
    command = [args.muai, "bench", "throughput", "--target", url, "--shape", "{}/{}".format(*args.shape), "--clients", str(clients),
               "--seconds", str(args.seconds), "--runs", "1", "--no-targets", "--no-history", "--quiet", "--seed", str(args.seed),
               "--output", folder]
    with open(folder + ".log", "w") as log:
        code = subprocess.call(command, stdout=log, stderr=log)
    path = os.path.join(folder, "report.json")
    if code == 4 or not os.path.exists(path):
        raise SystemExit(f"muai bench failed ({code}): {folder}.log")
    return path


def figures_of_muai(path, clients):
    with open(path) as file:
        document = json.load(file)
    cell = next(c for c in document["cells"] if c["load"]["kind"] == "closed" and c["load"]["clients"] == clients)
    if cell["validity"]["flags"]:
        print(f"{path}: {cell['validity']['status']}", [f["id"] for f in cell["validity"]["flags"]], file=sys.stderr)
    return {
        "requests_s": cell["throughput"]["requests_s"]["value"], "ttft_ms": median_of(cell["metrics"]["ttft_service_ms"]),
        "output_tok_s": cell["throughput"]["output_tok_s"]["value"], "prompt": cell["tokens"]["prompt_mean"],
        "output": cell["tokens"]["output_mean"], "requests": cell["window"]["requests"], "errors": cell["reliability"]["failed"],
        "client_cores": cell["client"]["cpu_share"],
    }


def measure(args, url):
    """rows[clients][tool]: figures of each round."""
    rows = {clients: {"guidellm": [], "muai": []} for clients in args.clients}
    for round_number in range(args.rounds):
        for clients in args.clients:
            tools = ("guidellm", "muai") if round_number % 2 == 0 else ("muai", "guidellm")
            for tool in tools:
                name = f"{tool}-c{clients}-r{round_number + 1}"
                args.seed = 1 + round_number
                if tool == "guidellm":
                    figures = figures_of_guidellm(*run_guidellm(args, url, clients, name))
                else:
                    figures = figures_of_muai(run_muai(args, url, clients, name), clients)
                print(name, json.dumps(figures), file=sys.stderr, flush=True)
                rows[clients][tool].append(figures)
    return rows


def table(args, rows):
    worst = 0.0
    lines = [f"| {args.shape[0]}/{args.shape[1]} tokens, clients | figure | guidellm | muai bench | difference |", "|--:|---|--:|--:|--:|"]
    for clients, tools in rows.items():
        for label, key in FIGURES:
            known = [[f[key] for f in tools[tool] if f[key]] for tool in ("guidellm", "muai")]
            if not all(known):  # guidellm writes 0 for what it did not see
                worst = float("inf")
                lines.append(f"| {clients} | {label} | " + " | ".join("not known" if not k else f"{statistics.median(k):.2f}" for k in known) + " | |")
                continue
            a, b = map(statistics.median, known)
            difference = 100 * (b / a - 1)
            worst = max(worst, abs(difference))
            lines.append(f"| {clients} | {label} | {a:.2f} | {b:.2f} | {difference:+.1f}% |")
        g, m = tools["guidellm"], tools["muai"]
        for label, key in (("prompt tokens", "prompt"), ("output tokens", "output"), ("requests", "requests"), ("errors", "errors")):
            lines.append(f"| {clients} | {label}, a round | {statistics.mean(f[key] for f in g):g} | {statistics.mean(f[key] for f in m):g} | |")
        cores = [[f["client_cores"] for f in tools[tool] if f["client_cores"] is not None] for tool in ("guidellm", "muai")]
        lines.append(f"| {clients} | cores that the client uses | " + " | ".join(f"{statistics.median(c):.3f}" if c else "not known" for c in cores) + " | |")
    lines.append(f"\nLargest difference {worst:.1f}%; medians of {args.rounds} rounds of {args.seconds:g} s.")
    return "\n".join(lines), worst


def parse():
    parser = argparse.ArgumentParser(prog="scripts/compare-guidellm")
    parser.add_argument("folder", nargs="?", default="build/compare-guidellm-" + datetime.datetime.now().strftime("%Y%m%dT%H%M%S"))
    parser.add_argument("--muai", default="build/release/muai", help=argparse.SUPPRESS)
    parser.add_argument("--url")
    parser.add_argument("--model", default="synthetic:gpt2:q8")
    parser.add_argument("--shape", default="128/64")
    parser.add_argument("--clients", default="1,8")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    args.shape = [int(n) for n in args.shape.split("/")]
    args.clients = [int(n) for n in args.clients.split(",")]
    args.folder = os.path.abspath(args.folder)
    return args


def model_of(url):
    with serving.urllib.request.urlopen(url + "/v1/models", timeout=30) as answer:
        return json.load(answer)["data"][0]["id"]


def main():
    args = parse()
    os.makedirs(args.folder, exist_ok=True)
    args.processor = vocabulary.make(os.path.join(args.folder, "cache"))
    vocabulary.check(args.processor)
    if args.url:
        args.model_id = model_of(args.url)
        rows = measure(args, args.url)
    else:
        command = [args.muai, "serve", args.model, "--port", "PORT", "--no-prompt-lookup", "--log-format", "none"]
        with serving.Server(command, args.folder, "server", {"HF_HOME": os.path.join(args.folder, "cache")}) as server:
            args.model_id = model_of(server.url)
            rows = measure(args, server.url)
    text, worst = table(args, rows)
    with open(os.path.join(args.folder, "comparison.md"), "w") as file:
        file.write(text + "\n")
    with open(os.path.join(args.folder, "comparison.json"), "w") as file:
        json.dump(rows, file, indent=1)
    print(text)
    sys.exit(1 if worst > 5 else 0)


if __name__ == "__main__":
    main()
