"""How far chance may have moved a share."""

LEVEL = 0.95


def exact_interval(count: int, total: int) -> tuple[float, float]:
    """Return the interval that holds the true share of `count` out of `total` 95 times in 100.

    Source:
        Paper: Clopper and Pearson, Biometrika 26, 1934 (which holds it at least so often).
    """
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(LEVEL, method="exact")
    return float(interval.low), float(interval.high)
