"""What the API tests share: a server process, raw requests, metrics. Standard library only."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import traceback

MUAI = os.environ.get("MUAI", "build/release/muai")
MODEL = "synthetic:gpt2-test"


class Server:
    """`with Server("--parallel", "2") as s:`; s.stop() gives the exit code."""

    def __init__(self, *options, model=MODEL, env=None):
        self.process = subprocess.Popen(
            [MUAI, "serve", *([model] if model else []), "--port", "0", *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.lines = []
        while True:
            line = self.process.stderr.readline()
            if not line:
                raise RuntimeError("the server did not start: " + "".join(self.lines))
            self.lines.append(line)
            found = re.search(r" on https?://[^:]+:(\d+)$", line)
            if found or " on " in line:
                self.port = int(found.group(1)) if found else 0
                break
        self.drainer = None
        import threading

        self.drainer = threading.Thread(target=self._drain, daemon=True)
        self.drainer.start()

    def _drain(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            code = self.stop()
            if kind is None:
                assert code == 0, (code, "".join(self.lines)[-3000:])
        elif kind is None:
            assert self.process.returncode == 0, "".join(self.lines)[-3000:]
        else:
            print("".join(self.lines)[-3000:], file=sys.stderr)

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        code = self.process.wait(timeout=120)
        self.drainer.join(5)
        return code

    def connect(self, timeout=30):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def raw(self, data, timeout=30):
        """Send bytes, read until the server closes or one answer is whole."""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
                return read_answer(s)
            except (ConnectionError, TimeoutError):
                return b""

    def ask(self, path, body=None, method=None, headers=None, timeout=120):
        """(status, headers, JSON or text)."""
        with self.connect(timeout) as s:
            s.sendall(request_bytes(path, body, method, headers))
            answer = read_answer(s, method != "HEAD")
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        fields = {l.split(": ", 1)[0].lower(): l.split(": ", 1)[1] for l in lines[1:] if ": " in l}
        if fields.get("transfer-encoding") == "chunked":
            rest = unchunk(rest)
        text = rest.decode("utf-8")
        is_json = fields.get("content-type") == "application/json"
        return int(lines[0].split()[1]), fields, json.loads(text) if is_json and text else text

    def metrics(self):
        text = self.ask("/metrics")[2]
        values = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[re.sub(r'model="[^"]*",?', "", name).replace("{}", "")] = float(value)
        return values

    def wait_started(self, n):
        """Until n requests, of all since the start, have begun to be generated. How many are running is no such
        sign: one may begin and end between two looks."""
        wait_until(lambda: self.metrics()["muai_request_queue_time_seconds_count"] >= n, f"{n} requests begin")

    def wait_queued(self, n):
        """Until n requests are queued, behind one that does not end by itself meanwhile."""
        wait_until(lambda: self.metrics()["muai_requests_waiting"] == n, f"{n} requests are queued")

    def n_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def request_bytes(path, body=None, method=None, headers=None):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    method = method or ("GET" if body is None else "POST")
    fields = {"Host": "localhost", **({"Content-Type": "application/json"} if body is not None else {})}
    if body is not None:
        fields["Content-Length"] = str(len(data))
    fields.update(headers or {})
    lines = [f"{method} {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def read_answer(s, has_body=True):
    """One whole answer (or what came before the end)."""
    out = b""
    while True:
        head, sep, rest = out.partition(b"\r\n\r\n")
        if sep and head.startswith(b"HTTP/1.1 100"):
            out = rest
            continue
        if sep and not has_body:
            return out
        if sep:
            length = re.search(rb"\r\nContent-Length: (\d+)", head)
            if length and len(rest) >= int(length.group(1)):
                return out
            if b"chunked" in head and rest.endswith(b"0\r\n\r\n"):
                return out
            if b" 204 " in head.split(b"\r\n")[0]:
                return out
        data = s.recv(1 << 16)
        if not data:
            return out
        out += data


def unchunk(data):
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        n = int(size, 16)
        out += data[:n]
        data = data[n + 2 :]
    return out


def events(text):
    return [l[6:] for l in text.split("\n") if l.startswith("data: ")]


def wait_until(condition, what, timeout=120):
    """For what stays once it is there: it is looked for, not waited for."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(0.005)


def show_failure():
    """The traceback, and the values of the frame that failed: a bare assert does not tell them."""
    frame = sys.exc_info()[2]
    while frame.tb_next:
        frame = frame.tb_next
    traceback.print_exc()
    for name, value in frame.tb_frame.f_locals.items():
        print(f"  {name} = {repr(value)[:500]}", file=sys.stderr)


def run(tests):
    """Run the functions whose name starts with test_, or those named on the command line."""
    names = sys.argv[1:] or [n for n in tests if n.startswith("test_")]
    for name in names:
        start = time.monotonic()
        try:
            tests[name]()
        except Exception:
            print(f"{name}: failed", flush=True)
            show_failure()
            sys.exit(1)
        print(f"{name}: ok, {time.monotonic() - start:.1f} s", flush=True)
