"""Scaled losses: what float16 alone needs, kept to the bit, and nothing elsewhere."""

import copy
import math

import pytest
import torch
from torch import nn

from mocotool.training.distributed import Processes
from mocotool.training.optimizers import (
    build_adam,
    build_scaler,
    move_weights,
    restore_scaler,
    take_step,
)

CPU = torch.device("cpu")


class Player:
    """A network, its optimiser and its scale."""

    def __init__(self, precision=torch.float16, *, beta1=0.5):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network = nn.Linear(3, 2)
        self.optimizer = build_adam(self.network, lr=0.01, beta1=beta1)
        self.scaler = build_scaler(precision, CPU)
        self.scaler.set_growth_interval(2)

    def step(self, factor=1.0):
        x = torch.arange(6.0).reshape(2, 3)
        loss = self.network(x).square().mean() * factor
        self.scaler.scale(loss).backward()
        return take_step(self.network, self.optimizer, self.scaler, Processes())

    def state_dict(self):
        return {
            name: copy.deepcopy(getattr(self, name).state_dict())
            for name in ("network", "optimizer", "scaler")
        }


def copy_weights(network):
    return [p.detach().clone() for p in network.parameters()]


def are_equal(first, second):
    return all(map(torch.equal, first, second))


@pytest.mark.parametrize("beta1", [0.5, 0.0])
@pytest.mark.parametrize("broken", [math.inf, math.nan])
def test_an_infinite_gradient_moves_nothing_and_halves_the_scale(broken, beta1):
    player = Player(beta1=beta1)
    player.step()
    weights = copy_weights(player.network)
    before = player.state_dict()
    state = before["optimizer"]["state"][0]

    norm = player.step(broken)

    assert norm == 0.0
    assert are_equal(copy_weights(player.network), weights)
    assert player.scaler.get_scale() == before["scaler"]["scale"] / 2
    after = player.optimizer.state_dict()["state"][0]
    assert all(torch.equal(torch.as_tensor(after[k]), torch.as_tensor(state[k])) for k in state)


def test_the_scale_doubles_after_so_many_good_steps():
    player = Player()
    first = player.scaler.get_scale()

    scales = []
    for _ in range(4):
        player.step()
        scales.append(player.scaler.get_scale() / first)

    assert scales == [1, 2, 2, 4]


def test_scaled_steps_are_those_without_a_scale():
    scaled, plain = Player(torch.float16), Player(torch.float32)

    norms = [(scaled.step(), plain.step()) for _ in range(3)]

    # A power of two changes no bit of what stays in range.
    assert all(torch.equal(*pair) for pair in norms)
    assert are_equal(copy_weights(scaled.network), copy_weights(plain.network))
    assert plain.state_dict()["scaler"] == {}


def test_a_restored_player_goes_on_to_the_bit():
    whole, second = Player(), Player()
    whole.step()
    whole.step(math.inf)
    whole.step()  # the first of two good ones
    state = whole.state_dict()

    second.network.load_state_dict(state["network"])
    second.optimizer.load_state_dict(state["optimizer"])
    restore_scaler(second.scaler, state["scaler"])
    whole.step()
    second.step()

    assert second.scaler.state_dict() == whole.scaler.state_dict()
    assert second.scaler.get_scale() == 2**16
    assert are_equal(copy_weights(second.network), copy_weights(whole.network))


@pytest.mark.parametrize("state", [{}, None])
def test_a_run_of_another_precision_leaves_the_scale_at_first(state):
    scaler = build_scaler(torch.float16, CPU)
    restore_scaler(scaler, state)
    assert scaler.get_scale() == 2**16


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_elsewhere_there_is_no_scale(precision):
    assert not build_scaler(precision, CPU).is_enabled()


def test_gradients_too_small_for_float16_arrive_by_the_scale():
    player = Player()
    small = 2.0**-30  # float16 ends at 2**-24

    def differentiate(scale):
        player.network.zero_grad()
        loss = player.network(torch.ones(1, 3)).to(torch.float16).float().sum() * small
        scale(loss).backward()
        return player.network.weight.grad.abs().max()

    assert differentiate(lambda loss: loss) == 0.0
    assert differentiate(player.scaler.scale) == small * 2**16


def test_images_move_their_weights_in_the_same_way():
    ours, other = Player(), Player()
    for player in (ours, other):
        loss = player.network(torch.ones(1, 3)).sum()
        player.scaler.scale(loss).backward()

    take_step(ours.network, ours.optimizer, ours.scaler, Processes())
    move_weights(other.network.parameters(), other.optimizer, other.scaler, Processes())

    assert are_equal(copy_weights(ours.network), copy_weights(other.network))
    assert all(p.grad is None for p in other.network.parameters())
