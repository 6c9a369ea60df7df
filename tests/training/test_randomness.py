"""What a step draws follows from seed, use and step alone."""

import torch

from mocotool.training.randomness import derive_rng, derive_seed


def test_the_same_use_draws_the_same():
    first = torch.randn(5, generator=derive_rng(3, "z", 17))
    again = torch.randn(5, generator=derive_rng(3, "z", 17))

    assert torch.equal(first, again)


def test_seed_use_and_step_each_change_what_is_drawn():
    seeds = {derive_seed(0, "z", 1), derive_seed(1, "z", 1), derive_seed(0, "g", 1)}
    seeds |= {derive_seed(0, "z", 2), derive_seed(0, "z", "1"), derive_seed(0, "z1")}

    assert len(seeds) == 6


def test_seeds_are_the_same_on_every_machine():
    assert derive_seed(0, "preview") == 5902958353392553181


def test_seeds_fit_torch():
    assert all(0 <= derive_seed(seed, "x") < 2**63 for seed in range(200))


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()

    torch.rand(3, generator=derive_rng(0, "x"))

    assert torch.equal(torch.get_rng_state(), before)
