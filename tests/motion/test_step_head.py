"""The head that reads steps: it sees amplitude, and feels for motion that has collapsed."""

import pytest
import torch

from mocotool.motion.generator import MotionGenerator
from mocotool.motion.losses import mutual_information_loss
from mocotool.motion.step_head import StepHead, measure_steps
from mocotool.training.distributed import Processes

BLUR = 0.5
NUM_DIRECTIONS = 4


def make_motion(**settings):
    torch.manual_seed(0)
    rows = torch.linalg.qr(torch.randn(6, NUM_DIRECTIONS))[0].T.contiguous()
    settings = {"step_size": 0.3} | settings
    return MotionGenerator(
        latent_dim=6,
        noise_dim=NUM_DIRECTIONS,
        hidden_dim=8,
        components=rows,
        stdev=torch.tensor([3.0, 2.0, 1.0, 0.5]),
        **settings,
    )


@pytest.mark.parametrize("rows", ["stdev", "unit"])
def test_steps_are_the_coefficients_that_the_motion_model_chose(rows):
    motion = make_motion(basis_rows=rows)
    latent, noise = torch.randn(3, 6), torch.randn(3, 5, NUM_DIRECTIONS)

    steps = measure_steps(motion, motion(latent, noise))

    hiddens = [hidden for hidden, _, _ in motion._walk(latent, noise.unbind(dim=1))]
    expected = torch.stack([motion.to_coefficients(hidden) for hidden in hiddens], dim=1)
    torch.testing.assert_close(steps, expected, rtol=1e-3, atol=1e-5)


def test_a_model_that_takes_no_steps_has_steps_of_zero():
    motion = make_motion(step_size=0.0)

    steps = measure_steps(motion, motion(torch.randn(2, 6), torch.randn(2, 3, NUM_DIRECTIONS)))

    assert not steps.any()


def ask(head, steps, noise, *, seed=0):
    rng = torch.Generator().manual_seed(seed)
    blur = BLUR * torch.randn(steps.shape, generator=rng)
    return head.mutual_information_loss(steps, noise=noise, blur=blur, processes=Processes())


@pytest.mark.parametrize("amplitude", [0.1, 0.5, 2.0])
def test_the_best_guess_errs_as_much_as_a_noisy_channel_must(amplitude):
    """Of steps a * noise seen through noise of deviation s, the error is s^2 / (a^2 + s^2)."""
    head = StepHead(make_motion(), loss="step", seed=0)
    noise = torch.randn(500, 20, NUM_DIRECTIONS, generator=torch.Generator().manual_seed(1))
    # The best head is linear here.
    gain = amplitude / (amplitude**2 + BLUR**2)
    head.layers = torch.nn.Linear(NUM_DIRECTIONS, NUM_DIRECTIONS, bias=False)
    with torch.no_grad():
        head.layers.weight.copy_(gain * torch.eye(NUM_DIRECTIONS))

    loss = float(ask(head, amplitude * noise, noise).detach())

    assert loss == pytest.approx(BLUR**2 / (amplitude**2 + BLUR**2), rel=0.05)


@pytest.mark.parametrize("loss", ["step", "infonce"])
def test_a_trained_head_finds_more_in_larger_steps(loss):
    rng = torch.Generator().manual_seed(0)
    found = []
    for amplitude in (0.1, 1.0):
        head = StepHead(make_motion(), loss=loss, seed=0)
        optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
        for i in range(60):
            noise = torch.randn(16, 4, NUM_DIRECTIONS, generator=rng)
            value = ask(head, amplitude * noise, noise, seed=i)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        found.append(float(value.detach()))

    assert found[1] < found[0] - 0.3


@pytest.mark.parametrize("loss", ["step", "infonce"])
def test_motion_that_has_collapsed_is_pulled_out_by_the_steps_and_not_by_the_state(loss):
    motion = make_motion()
    with torch.no_grad():
        motion.coefficient_weight.zero_()  # every step is zero, whatever the noise
    head = StepHead(motion, loss=loss, seed=0)
    latent, noise = torch.randn(8, 6), torch.randn(8, 5, NUM_DIRECTIONS)
    rollout = motion.rollout(latent, noise)
    weight = motion.coefficient_weight

    of_state = mutual_information_loss(noise_pred=rollout.noise_pred, noise=noise)
    (from_state,) = torch.autograd.grad(of_state, weight, allow_unused=True, retain_graph=True)
    of_steps = ask(head, measure_steps(motion, rollout.trajectory), noise)
    (from_steps,) = torch.autograd.grad(of_steps, weight)

    assert not measure_steps(motion, rollout.trajectory).any()
    assert from_state is None
    assert float(from_steps.norm()) > 1e-3

    # and down that slope the steps begin to differ from each other
    with torch.no_grad():
        weight -= 0.5 * from_steps
        steps = measure_steps(motion, motion(latent, noise))
    assert float(steps.std(dim=0).mean()) > 1e-3
