"""corpus - draw documents of the small world: stories, and conversations about them.

Document i of seed s depends on (s, i) alone, so any part of an endless corpus can be drawn by any
number of processes and comes out the same. Held-out text is another seed.

    python3 corpus.py --seed 1 --first 0 --documents 1000 --out text.txt
    python3 corpus.py --seed 2 --documents 400 --packed --out heldout.txt     as training sees it
    python3 corpus.py --measure 20000       duplicates, vocabulary, overlap of held-out text
"""
import argparse
import hashlib
import multiprocessing
import os
import random
import re
import sys
from collections import Counter

import stories_days
import stories_friends
import stories_things
import turns
from world import Story

END = "<|endoftext|>"
SCHEMAS = stories_things.SCHEMAS + stories_days.SCHEMAS + stories_friends.SCHEMAS
SEED_TRAIN, SEED_HELDOUT, SEED_FRESH = 1, 2, 3
CHAT_SHARE = 0.45


def tell(rng):
    story = Story(rng)
    rng.choice(SCHEMAS)(story)
    story.end()
    return story


def document(seed, index):
    rng = random.Random(f"{seed}/{index}")
    if rng.random() < CHAT_SHARE:
        return turns.conversation(rng, tell)
    return tell(rng).text("\n\n" if rng.random() < 0.5 else " ")


def _chunk(job):
    seed, first, n = job
    return [document(seed, i) for i in range(first, first + n)]


def draw(seed, first, n, processes=None):
    """The documents first .. first + n - 1, in order, made by several processes."""
    step = 500
    jobs = [(seed, i, min(step, first + n - i)) for i in range(first, first + n, step)]
    with multiprocessing.Pool(processes or os.cpu_count()) as pool:
        for documents in pool.imap(_chunk, jobs):
            yield from documents


WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|[0-9]+|[^\sA-Za-z0-9]")


def grams(text, n):
    tokens = WORD.findall(text.lower())
    return [" ".join(tokens[i:i + n]) for i in range(len(tokens) - n + 1)]


def measure(n):
    """Print what a reader of the recipe wants to know; words and punctuation marks are counted."""
    seen, sentences, vocabulary, n_words, n_sentences, n_same, train13 = set(), set(), Counter(), 0, 0, 0, set()
    n_sentence_same = 0
    for text in draw(SEED_TRAIN, 0, n):
        n_same += text in seen
        seen.add(text)
        tokens = WORD.findall(text)
        n_words += len(tokens)
        vocabulary.update(t.lower() for t in tokens if t[0].isalpha())
        for s in re.split(r"(?<=[.!?])\s+", text):
            n_sentences += 1
            n_sentence_same += s in sentences
            sentences.add(s)
        train13.update(hash(g) for g in grams(text, 13))
    often = sum(1 for v in vocabulary.values() if v >= 5)
    print(f"documents {n}, words and marks {n_words}")
    print(f"distinct words {len(vocabulary)}, of these seen five times or more {often}")
    print(f"documents equal to an earlier one {n_same} ({100 * n_same / n:.3f} %)")
    print(f"sentences {n_sentences}, equal to an earlier one {100 * n_sentence_same / n_sentences:.1f} %")
    same = whole = documents_same = total = 0
    for text in draw(SEED_HELDOUT, 0, max(200, n // 50)):
        g = grams(text, 13)
        hits = sum(hash(x) in train13 for x in g)
        same, whole = same + hits, whole + len(g)
        documents_same += text in seen
        total += 1
    print(f"held-out documents {total}: equal to a training one {documents_same}, "
          f"13-grams that training has {100 * same / max(whole, 1):.1f} %")


def measure_distinct(n):
    """How much the grammar has to say: words and marks of documents that are equal to no earlier one."""
    seen, n_words = set(), 0
    for text in draw(SEED_TRAIN, 0, n):
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        if digest not in seen:
            seen.add(digest)
            n_words += len(WORD.findall(text))
    print(f"documents {n}, distinct {len(seen)}, words and marks in these {n_words}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=SEED_TRAIN)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--out", default="-")
    parser.add_argument("--packed", action="store_true", help="no line breaks beside the end tokens")
    parser.add_argument("--measure", type=int, metavar="N", help="measure N training documents")
    parser.add_argument("--distinct", type=int, metavar="N", help="count the distinct ones of N training documents")
    args = parser.parse_args()
    if args.distinct:
        measure_distinct(args.distinct)
        return
    if args.measure:
        measure(args.measure)
        return
    out = sys.stdout if args.out == "-" else open(args.out, "w", encoding="utf-8")
    for text in draw(args.seed, args.first, args.documents):
        out.write(text + END if args.packed else f"{text}\n{END}\n")
    if out is not sys.stdout:
        out.close()


if __name__ == "__main__":
    main()
