"""samples - what the finished file says: twenty stories and ten answers, as samples.md.

    python3 samples.py --muai ../../build/release/muai --model muai-tiny.gguf > samples.md

Ends with status 1 if a story falls apart: its distinct 3-gram share is under 0.85, a span of more
than 8 words comes twice, it names more than 4 people (stories of the corpus name 1 to 3), or it
does not end by itself. Choosing among seeds is not done: story i has
seed i.
"""
import argparse
import json
import re
import subprocess
import sys

import words as w

STARTS = ["Once upon a time"] * 8 + ["There once was", "One winter morning", "Lily was", "A fox named Pip",
                                     "In a small village", "The old robot"] + \
    [f"User: Tell me a story about {t}.\n\nAssistant:" for t in
     ("a dog", "a lost key", "a girl named Mia", "the forest", "a bear and a bird", "a birthday")]
QUESTIONS = ["Hello", "Who are you?", "What sound does a cow make?", "What is three plus four?",
             "What is the opposite of hot?", "What comes after Friday?", "What is a hammer for?",
             "Tom has a red ball. Mia has a blue kite. Who has the red ball?", "What color is a banana?",
             "What is the capital of France?"]
DISTINCT_MIN, SPAN_MAX, NAMES_MAX = 0.85, 8, 4
NAMES = set(w.GIRLS + w.BOYS + w.ANIMAL_NAMES)


def run(args, prompt, *options):
    command = [args.muai, "run", args.model, prompt, "--json", "--stop", "\n\nUser:", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def distinct(words, n=3):
    grams = [tuple(words[i:i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


def longest_repeat(words):
    """Length of the longest span of words that comes twice (the two may not overlap)."""
    best = 0
    for i in range(len(words)):
        for j in range(i + 1, len(words)):
            k = 0
            while j + k < len(words) and i + k < j and words[i + k] == words[j + k]:
                k += 1
            best = max(best, k)
    return best


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--muai", required=True)
    p.add_argument("--model", required=True)
    args = p.parse_args()
    bad = 0
    print("# What muai-tiny says\n\nMade by `samples.py` from `muai-tiny.gguf` (q8); nothing was chosen or edited.\n")
    print("## Twenty stories, temperature 0.7\n\nStory i has seed i; the start that was given is in bold. Top-p is 0.95, the "
          "default of `muai run`.\n")
    for i, start in enumerate(STARTS):
        out = run(args, start, "-t", "0.7", "-s", str(i), "-n", "440")
        text = out["text"]
        story = text if start.startswith("User:") else start + text
        words = re.findall(r"[a-z']+", story.lower())
        d, r = distinct(words), longest_repeat(words)
        is_whole = out["finish"] == "stop"
        names = len(NAMES & set(re.findall(r"[A-Z][a-z]+", story)))
        is_bad = d < DISTINCT_MIN or r > SPAN_MAX or names > NAMES_MAX or not is_whole
        bad += is_bad
        shown = start.replace("\n\nAssistant:", "")
        print(f"**{shown}**{' ' if start.startswith('User:') else ''}{text.rstrip()}\n")
        print(f"*seed {i}: {len(words)} words, distinct 3-grams {d:.3f}, longest repeat {r} words, {names} names"
              f"{'' if is_whole else ', cut off'}{', FALLS APART' if is_bad else ''}*\n")
    print("## Ten questions, temperature 0\n")
    for q in QUESTIONS:
        out = run(args, f"User: {q}\n\nAssistant:", "--greedy", "-n", "100")
        print(f"- **{q}** {out['text'].strip()}")
    print(f"\n{len(STARTS)} stories, {bad} fall apart", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
