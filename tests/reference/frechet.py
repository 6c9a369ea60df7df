"""The Frechet distance and the kernel distance the slow, textbook way."""

import numpy as np


def frechet_distance_by_eigenvalues(x, y, ddof=1):
    """Take tr((C1 C2)^(1/2)) from the eigenvalues of the unsymmetric product."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    cov_x, cov_y = np.cov(x.T, ddof=ddof), np.cov(y.T, ddof=ddof)
    roots = np.sqrt(np.linalg.eigvals(cov_x @ cov_y).astype(complex)).real
    return ((mean_x - mean_y) ** 2).sum() + np.trace(cov_x + cov_y) - 2 * roots.sum()


def frechet_distance_by_newton(x, y, ddof=1, steps=60):
    """Take the root of C1 C2 by Denman and Beavers' iteration, for covariances of full rank."""
    cov_x, cov_y = np.cov(x.T, ddof=ddof), np.cov(y.T, ddof=ddof)
    root, inverse = cov_x @ cov_y, np.eye(len(cov_x))
    for _ in range(steps):
        root, inverse = (
            (root + np.linalg.inv(inverse)) / 2,
            (inverse + np.linalg.inv(root)) / 2,
        )
    difference = x.mean(axis=0) - y.mean(axis=0)
    return difference @ difference + np.trace(cov_x + cov_y - 2 * root)


def kernel_distance_by_loops(x, y):
    """Sum (x.y / d + 1)^3 over all pairs of different samples."""

    def kernel(a, b):
        return (a @ b / len(a) + 1.0) ** 3

    m, n = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(kernel(a, b) for a in x for b in y) / (m * n)
    return xx + yy - 2 * xy
