"""Make the vectors that src/bench/stats/ is checked against, with SciPy and NumPy from PyPI.

    python tests/golden/make_stats_vectors.py

Writes tests/golden/stats/vectors.h: the inputs and what SciPy says about them.
"""
import itertools
import os
import random
import textwrap

import numpy as np
import scipy
from scipy import stats

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stats", "vectors.h")
rng = random.Random(20261124)


def number(x):
    return "%.17g" % x


def array(name, values, columns=0):
    """values: numbers, or rows of numbers of the same length."""
    kind = "MU_VECTOR double %s[]" % name
    if columns:
        kind += "[%d]" % columns
        cells = ["{" + ", ".join(number(x) for x in row) + "}" for row in values]
    else:
        cells = [number(x) for x in values]
    lines = textwrap.wrap(", ".join(cells) + ",", 96, break_on_hyphens=False)
    return "%s = {\n    %s\n};\n" % (kind, "\n    ".join(lines))


def quantiles():
    normal = [(p, stats.norm.ppf(p)) for p in (1e-9, 1e-4, 0.01, 0.025, 0.3, 0.5, 0.8, 0.975, 0.99999)]
    student = [(p, df, stats.t.ppf(p, df)) for p in (0.01, 0.4, 0.9, 0.975, 0.9999)
               for df in (1, 2, 2.5, 5, 12, 13, 29, 100, 10000)]
    binomial = [(k, n, p, stats.binom.cdf(k, n, p)) for n, p in ((1, 0.5), (6, 0.5), (36, 0.9),
                (1000, 0.99), (3688, 0.999), (100000, 0.95)) for k in {0, n // 2, int(n * p), n - 1}]
    return (array("vectors_normal", normal, 2) + array("vectors_student", student, 3)
            + array("vectors_binomial", sorted(binomial), 4))


def order_statistics():
    """n, p, and the ranks of the two-sided 95% interval, or 0 0 when there is none."""
    rows = []
    for p in (0.5, 0.9, 0.95, 0.99, 0.999):
        for n in (5, 6, 35, 36, 71, 72, 100, 367, 368, 1000, 3687, 3688, 10000):
            low = int(stats.binom.ppf(0.025, n, p))
            high = int(stats.binom.ppf(0.975, n, p)) + 1
            rows.append((n, p, low, high) if low >= 1 and high <= n else (n, p, 0, 0))
    return array("vectors_ranks", rows, 4)


def wilson():
    rows = []
    for k, n in ((0, 1), (0, 20), (1, 7), (81, 263), (989, 1000), (20, 20), (2999, 3000)):
        ci = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        rows.append((k, n, ci.low, ci.high))
    return array("vectors_wilson", rows, 4)


def rank_tests():
    text = ""
    x = [round(rng.gauss(0.4, 1.0), 6) for _ in range(11)]
    big = [rng.gauss(0.1, 1.0) for _ in range(80)]
    tied = [rng.choice([-3, -2, -1, 1, 2, 3, 4]) for _ in range(9)]
    text += array("vectors_signed", x) + array("vectors_signed_tied", tied) + array("vectors_signed_big", big)
    ranks = stats.rankdata(np.abs(tied))
    seen = float(ranks[np.array(tied) > 0].sum())
    sums = [sum(r for r, s in zip(ranks, signs) if s) for signs in itertools.product((0, 1), repeat=len(tied))]
    tail = min(np.mean([s <= seen for s in sums]), np.mean([s >= seen for s in sums]))
    exact = stats.wilcoxon(x, method="exact")
    approx = stats.wilcoxon(big, method="approx", correction=True)
    text += array("vectors_signed_p", [exact.pvalue, min(1.0, 2 * tail), approx.pvalue])

    a = [round(rng.gauss(0.0, 1.0), 6) for _ in range(8)]
    b = [round(rng.gauss(1.0, 1.0), 6) for _ in range(9)]
    ta, tb = [rng.randint(0, 4) for _ in range(6)], [rng.randint(1, 6) for _ in range(6)]
    ba, bb = [float(rng.randint(0, 30)) for _ in range(40)], [float(rng.randint(3, 36)) for _ in range(45)]
    for name, values in (("a", a), ("b", b), ("tied_a", ta), ("tied_b", tb), ("big_a", ba), ("big_b", bb)):
        text += array("vectors_mw_" + name, values)
    ranks = stats.rankdata(ta + tb)
    seen = ranks[:len(ta)].sum()
    sums = [sum(c) for c in itertools.combinations(ranks, len(ta))]
    tail = min(np.mean([s <= seen for s in sums]), np.mean([s >= seen for s in sums]))
    exact = stats.mannwhitneyu(a, b, method="exact")
    approx = stats.mannwhitneyu(ba, bb, method="asymptotic", use_continuity=True)
    text += array("vectors_mw", [(exact.statistic, exact.pvalue),
                                 (stats.mannwhitneyu(ta, tb).statistic, min(1.0, 2 * tail)),
                                 (approx.statistic, approx.pvalue)], 2)

    walsh = [(x[i] + x[j]) / 2 for i in range(len(x)) for j in range(i, len(x))]
    text += array("vectors_hl", [np.median(walsh), np.median([q - p for p in a for q in b])])
    p = [0.011, 0.2, 0.0004, 0.049, 0.049, 0.9]
    order, adjusted, last = np.argsort(p, kind="stable"), [0.0] * len(p), 0.0
    for step, i in enumerate(order):
        last = max(last, min(1.0, (len(p) - step) * p[i]))
        adjusted[i] = last
    return text + array("vectors_holm", list(zip(p, adjusted)), 2)


def trends():
    t = sorted(round(rng.uniform(0, 100), 3) for _ in range(41))
    y = [round(0.3 * v + rng.gauss(0, 4) + (60 if rng.random() < 0.1 else 0), 3) for v in t]
    slope, intercept = stats.theilslopes(y, t)[:2]
    # SciPy's intercept is median(y) - slope median(t); ours the median of the residuals.
    residual = float(np.median(np.array(y) - slope * np.array(t)))
    tied = [rng.randint(0, 5) + i // 8 for i in range(30)]
    tau = stats.kendalltau(range(len(tied)), tied)
    return (array("vectors_trend", list(zip(t, y)), 2) + array("vectors_line", [slope, residual])
            + array("vectors_kendall", tied) + array("vectors_tau", [tau.statistic]))


def bootstrap():
    """BCa of independent values: exact up to the randomness of the replicates."""
    x = [round(rng.lognormvariate(0, 0.8), 6) for _ in range(60)]
    rows = []
    for statistic in (np.mean, np.median):
        ends = [stats.bootstrap((x,), statistic, method="BCa", n_resamples=40000, vectorized=True,
                                rng=np.random.default_rng(s)).confidence_interval for s in range(5)]
        rows.append((statistic(x), np.mean([e.low for e in ends]), np.mean([e.high for e in ends])))
    pairs = [(round(rng.uniform(10, 200), 3), round(rng.uniform(0.5, 4), 3)) for _ in range(60)]
    u, v = (np.array(c) for c in zip(*pairs))

    def ratio(a, b, axis=-1):
        return np.sum(a, axis=axis) / np.sum(b, axis=axis)
    ends = [stats.bootstrap((u, v), ratio, method="BCa", paired=True, n_resamples=40000,
                            rng=np.random.default_rng(s)).confidence_interval for s in range(5)]
    rows.append((ratio(u, v), np.mean([e.low for e in ends]), np.mean([e.high for e in ends])))
    return (array("vectors_sample", x) + array("vectors_pairs", pairs, 2)
            + array("vectors_bca", rows, 3))


def main():
    os.makedirs(os.path.dirname(OUT), exist_ok=True)
    with open(OUT, "w", encoding="ascii") as f:
        f.write("/* generated by tests/golden/make_stats_vectors.py with SciPy %s, NumPy %s */\n"
                % (scipy.__version__, np.__version__))
        f.write("/* clang-format off */\n")
        f.write("#define MU_VECTOR __attribute__((unused)) static const\n") # each test reads a few
        for part in (quantiles, order_statistics, wilson, rank_tests, trends, bootstrap):
            f.write(part())
        f.write("/* clang-format on */\n")


main()
