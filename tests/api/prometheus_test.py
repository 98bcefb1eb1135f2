"""promtool and a real Prometheus read /metrics."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request

from serving import Server, run, wait_until

if not shutil.which("promtool") or not shutil.which("prometheus"):
    print("skipped: no prometheus; scripts/install-deps --all installs it")
    sys.exit(77)

BODY = {"prompt": "a", "max_tokens": 4}


def test_promtool_finds_nothing():
    with Server() as s:
        s.ask("/v1/completions", BODY)
        text = s.ask("/metrics")[2]
        check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert check.returncode == 0 and check.stdout + check.stderr == "", check


def test_prometheus_scrapes():
    with Server("--metrics-compat", "vllm") as s, tempfile.TemporaryDirectory() as folder:
        s.ask("/v1/completions", BODY)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(folder + "/p.yml", "w") as f:
            f.write(f"scrape_configs: [{{job_name: muai, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{s.port}']}}]}}]\n")
        p = subprocess.Popen(["prometheus", "--config.file", folder + "/p.yml", "--storage.tsdb.path", folder + "/data",
                              "--web.listen-address", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL)

        def value(name):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={name}", timeout=5) as r:
                    result = json.load(r)["data"]["result"]
                return float(result[0]["value"][1]) if result else None
            except OSError:
                return None

        try:
            wait_until(lambda: value("muai_generation_tokens_total") == 4, "scraped", timeout=60)
            wait_until(lambda: value("vllm:generation_tokens_total") == 4, "under vLLM's name", timeout=60)
            assert value("up") == 1
        finally:
            p.terminate()
            p.wait()


if __name__ == "__main__":
    run(globals())
