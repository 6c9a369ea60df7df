"""The Adam that keeps no mean of gradients: what torch's own does, with less to remember."""

import torch

from mocotool.training.optimizers import SecondMomentAdam


def make_weights():
    rng = torch.Generator().manual_seed(0)
    shapes = [(7, 5), (3, 4, 3, 3), (6,)]
    return [torch.randn(*shape, generator=rng).requires_grad_() for shape in shapes]


def take_steps(weights, optimizer, num_steps):
    rng = torch.Generator().manual_seed(1)
    for _ in range(num_steps):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=rng)
        optimizer.step()


def test_it_goes_where_torchs_adam_goes_without_a_first_moment():
    ours, theirs = make_weights(), make_weights()
    take_steps(ours, SecondMomentAdam(ours, lr=0.1, beta2=0.9, eps=1e-6), 5)
    take_steps(theirs, torch.optim.Adam(theirs, lr=0.1, betas=(0.0, 0.9), eps=1e-6), 5)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_it_keeps_one_number_for_each_weight():
    weights = make_weights()
    optimizer = SecondMomentAdam(weights, lr=0.1, beta2=0.9, eps=1e-6)
    take_steps(weights, optimizer, 1)
    for weight in weights:
        kept = [x for x in optimizer.state[weight].values() if x.numel() > 1]
        assert [x.shape for x in kept] == [weight.shape]


def test_a_weight_without_a_gradient_stays():
    weights = make_weights()
    SecondMomentAdam(weights, lr=0.1, beta2=0.9, eps=1e-6).step()
    assert all(torch.equal(a, b) for a, b in zip(weights, make_weights(), strict=True))


def test_it_goes_on_from_its_own_state_and_from_torchs():
    for kind in ("ours", "torch"):
        whole, halves = make_weights(), make_weights()
        optimizer = SecondMomentAdam(whole, lr=0.1, beta2=0.9, eps=1e-6)
        take_steps(whole, optimizer, 3)
        if kind == "ours":
            first = SecondMomentAdam(halves, lr=0.1, beta2=0.9, eps=1e-6)
        else:
            first = torch.optim.Adam(halves, lr=0.1, betas=(0.0, 0.9), eps=1e-6)
        take_steps(halves, first, 3)
        second = SecondMomentAdam(halves, lr=0.5, beta2=0.5, eps=1.0)
        second.load_state_dict(first.state_dict())
        take_steps(whole, optimizer, 2)
        take_steps(halves, second, 2)
        for a, b in zip(whole, halves, strict=True):
            torch.testing.assert_close(a, b)
