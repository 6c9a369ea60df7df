"""Confidence intervals of proportions."""

LEVEL = 0.95


def exact_interval(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of the proportion `count` / `total`.

    Source:
        Paper: Clopper and Pearson, Biometrika 26, 1934 (its coverage is at least 95 %).
    """
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(LEVEL, method="exact")
    return float(interval.low), float(interval.high)
