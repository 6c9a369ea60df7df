"""The Frechet distance of two Gaussians, from which FVD and FID are computed."""

import numpy as np

from mocotool.errors import MismatchError
from mocotool.metrics.statistics import FeatureStats, Float64


def frechet_distance(a: FeatureStats, b: FeatureStats, *, ddof: int = 1) -> float:
    """Compute the squared Frechet distance between Gaussians fitted to two sets of features.

    |mu_a - mu_b|^2 + tr(C_a) + tr(C_b) - 2 tr((C_a C_b)^(1/2)), in float64. Symmetric, and zero
    for equal statistics up to rounding.

    Args:
        a: One side.
        b: The other side.
        ddof: 1 divides covariances by n - 1, 0 by n.

    Returns:
        At least 0, in squared units of the features.

    Raises:
        MismatchError: The features differ in dimension, or a side has too few samples.

    Source:
        Paper: Dowson and Landau, "The Frechet distance between multivariate normal
        distributions", 1982.
        Official code: StyleGAN-V divides by n and takes scipy's sqrtm; the original FVD divides by
        n - 1 and takes an SVD.
    """
    if a.feature_dim != b.feature_dim:
        raise MismatchError(
            f"features of {a.feature_dim} and of {b.feature_dim} dimensions cannot be compared"
        )
    cov_a, cov_b = a.covariance(ddof=ddof), b.covariance(ddof=ddof)
    shift = a.mean - b.mean
    trace = np.trace(cov_a) + np.trace(cov_b) - 2.0 * trace_sqrt_product(cov_a, cov_b)
    return max(0.0, float(shift @ shift + trace))


def trace_sqrt_product(cov_a: Float64, cov_b: Float64) -> float:
    """Compute tr((C_a C_b)^(1/2)) of two covariances, singular ones included.

    C_a C_b has the eigenvalues of the symmetric R C_b R with R = C_a^(1/2), so no root of a
    nonsymmetric matrix is needed, nothing is complex, and nothing is added to the diagonal.

    Args:
        cov_a: Symmetric, positive semidefinite, [d, d].
        cov_b: The same.

    Returns:
        The sum of the square roots of the product's eigenvalues.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
    product = root @ cov_b @ root
    # Rounding leaves it slightly asymmetric, and eigvalsh reads only one triangle.
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2.0)
    return float(np.sqrt(eigenvalues.clip(min=0.0)).sum())
