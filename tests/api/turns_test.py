"""Models that do not fit together: loaded when they are asked for, seen and moved by an operator, kept under keys."""

import json
import os
import subprocess
import threading

from serving import MUAI, Server, events, run, wait_until

A, B, C = "synthetic:gpt2-test", "synthetic:llama-test", "synthetic:gpt2-test:q8"
KV = ("--kv-cache-bytes", "16000000", "--parallel", "4")
BODY = {"prompt": "Once upon", "max_tokens": 20, "ignore_eos": True, "temperature": 0}


def needs(*models):
    """What each takes when it is loaded, and the rest."""
    with Server(*models[1:], *KV, "--lazy", "--memory-budget", "900000000", model=models[0]) as s:
        listed = s.ask("/admin/models")[2]
        return [m["needs_bytes"] for m in listed["data"]], 900000000 - listed["loaded_bytes_max"]


def server_of(n_bytes, *options):
    """Three models and n_bytes for those that are loaded. What the process needs besides differs by some pages from
    start to start: the budget that the server says it has is the one that counts."""
    return Server(B, C, *KV, "--memory-budget", str(n_bytes), *options, model=A)


def states(s):
    return {m["id"]: m for m in s.ask("/admin/models")[2]["data"]}


def text_of(s, model):
    code, _, answer = s.ask("/v1/completions", {**BODY, "model": model})
    assert code == 200, answer
    return answer["choices"][0]["text"]


def wait_for(s, name, status):
    wait_until(lambda: states(s)[name]["status"] == status, f"{name} is {status}")


def test_models_take_turns_and_say_what_they_say_alone():
    parts, rest = needs(A, B, C)
    names = [A, B, C]
    alone = {}
    for name in names:
        with Server(*KV, model=name) as s:
            alone[name] = text_of(s, name)
    budget = rest + max(parts) + min(parts) // 2  # the largest alone, and no two with it
    with server_of(budget) as s:
        assert any("loaded by turns" in line for line in s.lines), s.lines
        listed = {m["id"]: m["status"]["value"] for m in s.ask("/v1/models")[2]["data"]}
        assert set(listed) == set(names) and listed[A] == "loaded" and "unloaded" in listed.values(), listed
        for _ in range(3):
            for name in names:
                assert text_of(s, name) == alone[name], name
        wrong = []

        def client(name):
            for stream in (False, True):
                answer = s.ask("/v1/completions", {**BODY, "model": name, "stream": stream})[2]
                if stream:
                    answer = {"choices": [{"text": "".join(json.loads(e)["choices"][0]["text"] for e in events(answer)[:-1])}]}
                if answer["choices"][0]["text"] != alone[name]:
                    wrong.append((name, answer))

        threads = [threading.Thread(target=client, args=(name,)) for name in names * 3]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            listed = s.ask("/admin/models")[2]
            assert listed["loaded_bytes"] <= listed["loaded_bytes_max"], listed
        for t in threads:
            t.join()
        assert not wrong, wrong
        text = s.ask("/metrics")[2]
        assert f'muai_model_evictions_total{{model="{A}",reason="room"}} 0' not in text
        assert f'muai_model_loads_total{{model="{B}"}} 0' not in text


def test_an_operator_loads_pins_and_unloads():
    parts, rest = needs(A, B, C)
    with server_of(rest + max(parts) + min(parts) // 2, "--lazy", "--pin", B) as s:
        assert {m["status"] for m in states(s).values()} == {"unloaded"}
        code, _, answer = s.ask("/admin/models/load", {"model": B})
        assert code == 202 and answer["id"] == B and answer["success"], answer
        wait_for(s, B, "loaded")
        code, _, answer = s.ask("/v1/completions", {**BODY, "model": A})
        assert code == 503 and "pinned" in answer["error"]["message"], answer
        text_of(s, B)
        assert s.ask("/admin/models/unpin", {"model": B})[0] == 202
        text_of(s, A)
        wait_for(s, B, "unloaded")
        assert s.ask("/models/unload", {"model": A})[0] == 202
        wait_for(s, A, "unloaded")
        rows = [({"model": "x"}, 404, "model"), ({}, 400, "model"), ({"model": 1}, 400, "model"),
                ({"model": A, "force": 1}, 400, "force"), ([], 400, "model"), (b"{", 400, None)]
        for body, wanted, param in rows:
            code, _, answer = s.ask("/admin/models/unload", body)
            assert code == wanted and answer["error"]["param"] == param, (body, answer)
        assert s.ask("/admin/models/load", {"model": A, "force": True})[0] == 400
        assert s.ask("/admin/models/load")[0] == 405


def test_who_may_operate():
    keys = {"none": None, "user": "user-key-1", "operator": "operator-key-1"}

    def codes(s):
        found = {}
        for who, key in keys.items():
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            asked = s.ask("/v1/completions", {**BODY, "model": A}, headers=headers)[0]
            found[who] = (asked, s.ask("/admin/models", headers=headers)[0])
        return found

    with Server(model=A) as s:
        assert codes(s) == {"none": (200, 200), "user": (200, 200), "operator": (200, 200)}
    with Server("--api-key", keys["user"], model=A) as s:  # nobody may
        assert codes(s) == {"none": (401, 401), "user": (200, 403), "operator": (401, 401)}
    with Server("--admin-key", keys["operator"], model=A) as s:
        assert codes(s) == {"none": (200, 401), "user": (200, 401), "operator": (200, 200)}
    with Server("--api-key", keys["user"], "--admin-key", keys["operator"], model=A) as s:
        assert codes(s) == {"none": (401, 401), "user": (200, 403), "operator": (200, 200)}


def command(*words):
    return subprocess.run([MUAI, *words], capture_output=True, text=True, timeout=60)


def test_the_commands_of_an_operator():
    parts, rest = needs(A, B, C)
    with server_of(rest + max(parts) + min(parts) // 2, "--admin-key", "operator-key-1") as s:
        where = ("--url", f"http://127.0.0.1:{s.port}", "--api-key", "operator-key-1")

        def admin(path):
            return {m["id"]: m for m in s.ask(path, headers={"Authorization": "Bearer operator-key-1"})[2]["data"]}

        done = command("load", B, *where)
        assert done.returncode == 0 and done.stdout == done.stderr == "", done
        assert admin("/admin/models")[B]["status"] == "loaded"
        lines = command("ps", *where).stdout.splitlines()
        assert len(lines) == 5 and lines[0].split()[0] == "model" and lines[-1].startswith("loaded: "), lines
        assert [line.split()[1] for line in lines[1:-1]] == ["unloaded", "loaded", "unloaded"], lines
        assert json.loads(command("ps", "--json", *where).stdout)["data"][1]["id"] == B
        assert command("unload", "--force", B, *where).returncode == 0
        assert admin("/admin/models")[B]["status"] == "unloaded"
        for words, said in ((("load", "x", *where), '"x" is not served'), (("ps", *where[:2]), "operator's key"),
                            (("ps", "--url", "http://127.0.0.1:1"), "--url names a running"), (("load",), "a model")):
            done = command(*words)
            assert done.returncode in (1, 2) and said in done.stderr and done.stdout == "", done
            assert len(done.stderr.splitlines()) == 1, done.stderr


def test_the_commands_end_whatever_clients_do():
    """A load that can never be is told, and so is an unload that the next request undoes."""
    parts, rest = needs(A, B, C)
    with server_of(rest + max(parts) + min(parts) // 2, "--pin", A) as s:
        where = ("--url", f"http://127.0.0.1:{s.port}")
        for _ in range(20):  # the server may have refused before it answers, or after
            done = command("load", B, *where)
            assert done.returncode == 1 and "pinned" in done.stderr and len(done.stderr.splitlines()) == 1, done
        is_over = False

        def client():
            while not is_over:
                text_of(s, A)

        threads = [threading.Thread(target=client) for _ in range(3)]
        for t in threads:
            t.start()
        try:
            for _ in range(3):
                done = command("unload", A, *where)
                assert done.returncode == 0 and done.stderr == "", done
        finally:
            is_over = True
            for t in threads:
                t.join()
        proxied = subprocess.run([MUAI, "ps", *where], capture_output=True, text=True, timeout=60,
                                 env={**os.environ, "http_proxy": "http://127.0.0.1:1"})
        assert proxied.returncode == 0, proxied


def test_wrong_starts_are_told_in_a_line():
    rows = [
        ([A, "--pin", "x"], '--pin: "x" is not one of'),
        ([A, B, "--memory-budget", "1000"], f"{A}: "),
    ]
    for options, said in rows:
        done = subprocess.run([MUAI, "serve", "--port", "0", *options], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and said in done.stderr, (options, done)
        assert len(done.stderr.splitlines()) == 1, done.stderr


run(globals())
