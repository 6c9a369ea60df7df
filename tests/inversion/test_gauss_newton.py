"""Gauss-Newton steps against linear algebra that solves the same small problems outright."""

import pytest
import torch
from torch.testing import assert_close

from mocotool.inversion.gauss_newton import GaussNewtonRows, find_direction

NUM_ROWS, NUM_COORDS, NUM_RESIDUALS = 3, 5, 9


@pytest.fixture
def linear_problem():
    """One matrix and one aim a row."""
    rng = torch.Generator().manual_seed(0)
    matrix = torch.randn(NUM_ROWS, NUM_RESIDUALS, NUM_COORDS, generator=rng, dtype=torch.float64)
    aim = torch.randn(NUM_ROWS, NUM_RESIDUALS, generator=rng, dtype=torch.float64)
    return matrix, aim


def linear_residuals(matrix, aim):
    return lambda x: torch.einsum("npd,nd->np", matrix, x) - aim


def rosenbrock(x):
    """A valley with a bend in it; zero at (1, 1)."""
    return torch.stack([10 * (x[:, 1] - x[:, 0] ** 2), 1 - x[:, 0]], dim=1)


def test_without_damping_a_linear_problem_is_solved_in_one_step(linear_problem):
    matrix, aim = linear_problem
    coords = torch.ones(NUM_ROWS, NUM_COORDS, dtype=torch.float64)

    found = coords + find_direction(
        linear_residuals(matrix, aim), coords, damping=torch.zeros(NUM_ROWS, dtype=torch.float64)
    )

    wanted = torch.linalg.lstsq(matrix, aim[:, :, None]).solution[:, :, 0]
    assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_damping_is_a_share_of_the_curvature_along_the_gradient(linear_problem):
    matrix, aim = linear_problem
    coords = torch.zeros(NUM_ROWS, NUM_COORDS, dtype=torch.float64)
    damping = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)

    found = find_direction(linear_residuals(matrix, aim), coords, damping=damping)

    for row in range(NUM_ROWS):
        curvature = matrix[row].T @ matrix[row]
        slope = matrix[row].T @ -aim[row]
        along = slope @ curvature @ slope / (slope @ slope)
        damped = curvature + damping[row] * along * torch.eye(NUM_COORDS, dtype=torch.float64)
        assert_close(found[row], torch.linalg.solve(damped, -slope), rtol=1e-6, atol=1e-8)


def test_a_bent_valley_is_followed_to_its_end():
    rows = GaussNewtonRows.begin(torch.tensor([[-1.2, 1.0], [3.0, -2.0]]), rosenbrock)

    for _ in range(40):
        rows.step(rosenbrock)

    assert_close(rows.coords, torch.ones(2, 2), rtol=1e-2, atol=1e-2)
    assert rows.loss.max() < 1e-5


def test_the_loss_never_rises_and_belongs_to_the_coordinates():
    def wavy(x):
        return torch.cat([torch.sin(5 * x), x - 2], dim=1)

    rng = torch.Generator().manual_seed(1)
    rows = GaussNewtonRows.begin(3 * torch.randn(20, 2, generator=rng), wavy)
    for _ in range(10):
        before = rows.loss
        rows.step(wavy)
        assert (rows.loss <= before).all()
        assert_close(rows.loss, wavy(rows.coords).square().sum(dim=1))


def test_rows_do_not_know_of_each_other():
    starts = torch.tensor([[-1.2, 1.0], [3.0, -2.0], [0.0, 0.0]])
    together = GaussNewtonRows.begin(starts, rosenbrock)
    alone = GaussNewtonRows.begin(starts[1:2], rosenbrock)

    for _ in range(5):
        together.step(rosenbrock)
        alone.step(rosenbrock)

    assert_close(alone.coords, together.coords[1:2])
    assert_close(alone.damping, together.damping[1:2])


def test_where_nothing_is_to_gain_rows_stay():
    rows = GaussNewtonRows.begin(torch.ones(1, 2), rosenbrock)

    rows.step(rosenbrock)

    assert torch.equal(rows.coords, torch.ones(1, 2))
    assert torch.isfinite(rows.damping).all()


def test_a_step_that_only_breaks_things_is_not_taken():
    def brittle(x):
        return torch.where(x == 0, 1.0 + x, torch.nan)

    rows = GaussNewtonRows.begin(torch.zeros(1, 2), brittle)
    rows.step(brittle)

    assert torch.equal(rows.coords, torch.zeros(1, 2))
    assert rows.loss.item() == 2.0
