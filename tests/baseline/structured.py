"""Token masks of MuAI beside llguidance and xgrammar: the same schemas, vocabulary and tokens, in turn.

    python3 tests/baseline/structured.py SCHEMAS.jsonl VOCABULARY [--bench build/release/mask_speed]

VOCABULARY: a token in hexadecimal a line, an empty line for a control token (--from-gguf FILE writes one
to it first). Engines that cannot be imported are left out and named. Each is told the instances'
tokens one by one, longest match first, and asked for a mask before each; times are the CPU time of the
thread. Markdown on standard output.
"""

import argparse
import json
import statistics
import struct
import subprocess
import time


def read_gguf_tokens(path):
    """The bytes of each token of a byte-level vocabulary; b"" for control tokens."""
    data = open(path, "rb").read()
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def text(at):
        n = struct.unpack_from("<Q", data, at)[0]
        return data[at + 8 : at + 8 + n].decode("utf-8", "surrogateescape"), at + 8 + n

    def value(kind, at):
        if kind == 8:
            return text(at)
        if kind != 9:
            return data[at : at + sizes[kind]], at + sizes[kind]
        item, n = struct.unpack_from("<IQ", data, at)
        at += 12
        items = []
        for _ in range(n):
            one, at = value(item, at)
            items.append(one)
        return items, at

    fields, at = {}, 24
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        key, at = text(at)
        kind = struct.unpack_from("<I", data, at)[0]
        fields[key], at = value(kind, at + 4)
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(b): b for b in plain}
    letters.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in plain)})
    tokens = []
    for token, kind in zip(fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]):
        is_text = struct.unpack("<i", kind)[0] == 1 and all(c in letters for c in token)
        tokens.append(bytes(letters[c] for c in token) if is_text else b"")
    return tokens


class Longest:
    """Text to tokens, the longest first, as mask_speed does."""

    def __init__(self, tokens):
        self.ids = {}
        for i, token in enumerate(tokens):
            if token:
                self.ids.setdefault(token, i)
        self.n_max = max(map(len, self.ids))

    def __call__(self, data):
        at, out = 0, []
        while at < len(data):
            n = next(n for n in range(min(self.n_max, len(data) - at), 0, -1) if data[at : at + n] in self.ids)
            out.append(self.ids[data[at : at + n]])
            at += n
        return out


class Llguidance:
    name = "llguidance"

    def __init__(self, tokens, eos):
        import llguidance
        import llguidance.numpy

        self.g, self.n = llguidance, len(tokens)
        named = [t if t else b"\xff" + f"<|{i}|>".encode() for i, t in enumerate(tokens)]

        control = [i for i, t in enumerate(tokens) if not t]

        class Tokens:
            eos_token_id = eos
            bos_token_id = None
            unk_token_id = None
            special_token_ids = control
            tokens = named

            def __call__(self, text):
                return []

        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Tokens()))
        self.bits = llguidance.numpy.allocate_token_bitmask(1, self.n)

    def compile(self, schema):
        grammar = self.g.LLMatcher.grammar_from_json_schema(schema)
        matcher = self.g.LLMatcher(self.tokenizer, grammar)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        self.matcher = matcher
        return matcher

    def start(self, compiled):
        compiled.reset()
        return compiled

    def mask(self, matcher):
        self.g.numpy.fill_next_token_bitmask(matcher, self.bits)

    def take(self, matcher, token):
        return matcher.consume_token(token)


class Xgrammar:
    name = "xgrammar"

    def __init__(self, tokens, eos):
        import xgrammar

        self.g = xgrammar
        named = [t if t else f"<|{i}|>".encode() for i, t in enumerate(tokens)]
        info = xgrammar.TokenizerInfo(named, stop_token_ids=[eos])
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self.bits = xgrammar.allocate_token_bitmask(1, len(tokens))

    def compile(self, schema):
        return self.compiler.compile_json_schema(schema, any_whitespace=True, strict_mode=False)

    def start(self, compiled):
        return self.g.GrammarMatcher(compiled)

    def mask(self, matcher):
        matcher.fill_next_token_bitmask(self.bits)

    def take(self, matcher, token):
        return matcher.accept_token(token)


def measure(engine, lines, encode):
    compiles, masks, n_failed, n_refused = [], [], 0, 0
    clock = time.process_time_ns  # of the process: an engine may use threads of its own
    for line in lines:
        start = clock()
        try:
            compiled = engine.compile(json.dumps(line["schema"]))
        except Exception:
            n_failed += 1
            continue
        compiles.append(clock() - start)
        for test in line["tests"]:
            if not test["valid"]:
                continue
            matcher = engine.start(compiled)
            for token in encode(json.dumps(test["data"], ensure_ascii=False).encode()):
                start = clock()
                engine.mask(matcher)
                masks.append(clock() - start)
                if not engine.take(matcher, token):
                    n_refused += 1
                    break
    return compiles, masks, n_failed, n_refused


def row(name, compiles, masks, n_failed, n_refused):
    compiles, masks = sorted(c / 1000 for c in compiles), sorted(m / 1000 for m in masks)
    at = lambda values, q: values[min(len(values) - 1, int(len(values) * q))]
    print(
        f"| {name} | {n_failed} | {n_refused} | {at(compiles, 0.5):,.0f} | {at(compiles, 0.99):,.0f} "
        f"| {at(masks, 0.5):.1f} | {at(masks, 0.99):,.0f} | {statistics.mean(masks):.1f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schemas")
    parser.add_argument("vocabulary")
    parser.add_argument("--from-gguf")
    parser.add_argument("--bench", default="build/release/mask_speed")
    parser.add_argument("--stride", type=int, default=1, help="every n-th schema")
    args = parser.parse_args()
    if args.from_gguf:
        with open(args.vocabulary, "w") as f:
            f.writelines(t.hex() + "\n" for t in read_gguf_tokens(args.from_gguf))
    tokens = [bytes.fromhex(line) for line in open(args.vocabulary).read().split("\n")[:-1]]
    lines = [json.loads(line) for line in open(args.schemas)][:: args.stride]
    encode = Longest(tokens)
    eos = next(i for i, t in enumerate(tokens) if not t)
    print(f"{len(lines)} schemas, {len(tokens)} tokens; microseconds of CPU time\n")
    print("| engine | not compiled | valid instances refused | compile p50 | p99 | mask p50 | p99 | mean |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    command = [args.bench, args.schemas, args.vocabulary, str(args.stride)]
    own = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    c, m = own["compile_us"], own["mask_us"]
    print(
        f"| MuAI | {own['not_compiled']} | {own['refused']} | {c['p50']:,.0f} | {c['p99']:,.0f} "
        f"| {m['p50']:.1f} | {m['p99']:,.0f} | {m['mean']:.1f} |",
        flush=True,
    )
    for engine in (Llguidance, Xgrammar):
        try:
            made = engine(tokens, eos)
        except ImportError as error:
            print(f"\n{engine.name}: not measured, {error}")
            continue
        row(engine.name, *measure(made, lines, encode))


if __name__ == "__main__":
    main()
