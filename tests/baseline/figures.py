"""Figures of a muai.bench/1 document."""


def median_of(metric):
    """p50, or below its gate (few requests) the observed median from the quantile curve; None: no value."""
    if metric.get("p50") is not None:
        return metric["p50"]
    curve = metric.get("curve") or [[0.5, None]]
    return min(curve, key=lambda point: abs(point[0] - 0.5))[1]
