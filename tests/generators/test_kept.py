"""What frozen layers keep of their weights is never older than the weights."""

import copy
import pickle

import pytest
import torch
from torch import nn

from mocotool.generators.biggan import BigGAN
from mocotool.generators.kept import Kept
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.generators.stylegan3 import StyleGAN3
from mocotool.training.distributed import Processes
from mocotool.training.optimizers import build_scaler, move_weights

BUILT = {
    "stylegan2": lambda: StyleGAN2(
        z_dim=6,
        w_dim=6,
        img_resolution=16,
        channels=[6, 5, 4],
        num_mapping_layers=1,
        architecture="resnet",
    ),
    "stylegan3": lambda: StyleGAN3(
        z_dim=6,
        w_dim=6,
        num_mapping_layers=1,
        img_resolution=16,
        channel_base=64,
        channel_max=8,
        num_layers=3,
        num_critical=1,
    ),
    "biggan": lambda: BigGAN(
        z_dim=6,
        num_classes=1,
        shared_dim=4,
        is_hierarchical=False,
        channels=[8, 8],
        attention_blocks=[0],
    ),
}


def build(family):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = BUILT[family]().freeze()
        for name, value in generator.named_buffers():
            if name.endswith(("up_filter", "down_filter")):  # StyleGAN3's come from files
                value.fill_(1 / len(value))
    return generator.set_precision(torch.bfloat16)


def render(generator):
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        c = generator.one_hot(None, 2)
        return generator.synthesis(generator.mapping(z, c)).clone()


def write_in_place(generator):
    with torch.no_grad():
        for weight in generator.parameters():
            weight.mul_(1.5)


def average(generator):
    weights = list(generator.parameters())
    torch._foreach_lerp_(weights, [torch.ones_like(weight) for weight in weights], 0.3)


def load(generator, **how):
    state = generator.state_dict()
    generator.load_state_dict({name: 0.7 * value for name, value in state.items()}, **how)


def replace(generator):
    load(generator, assign=True)
    generator.freeze()


def round_off(generator):
    generator.half().float()


def learn(generator):
    generator.requires_grad_(True)
    render(generator)
    write_in_place(generator)
    generator.freeze()


def step_fused(generator):
    """Take a training's step, which torch's count of changes does not see by itself."""
    generator.requires_grad_(True)
    weights = list(generator.parameters())
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer = torch.optim.Adam(weights, lr=0.3, fused=True)
    scaler = build_scaler(torch.float32, torch.device("cpu"))
    move_weights(weights, optimizer, scaler, Processes())
    generator.freeze()


@pytest.mark.parametrize("family", BUILT)
@pytest.mark.parametrize(
    "change", [write_in_place, average, load, replace, round_off, learn, step_fused]
)
def test_changed_weights_are_seen(change, family):
    generator = build(family)
    before = render(generator)
    assert torch.equal(render(generator), before)

    change(generator)

    # A copy has nothing kept; pictures of weights rounded to half may be the same in bf16.
    assert torch.equal(render(generator), render(copy.deepcopy(generator)))
    assert change is round_off or not torch.equal(render(generator), before)


def test_the_precision_is_seen():
    generator = build("stylegan2")
    half = render(generator)

    full = render(generator.set_precision(torch.float32))

    assert not torch.equal(full, half)
    assert torch.equal(render(generator.set_precision(torch.bfloat16)), half)


def test_what_was_kept_in_inference_mode_passes_gradients():
    generator = build("stylegan2")
    render(generator)
    w = torch.randn(1, 6, requires_grad=True)

    generator.synthesis(w).sum().backward()

    assert w.grad.abs().max() > 0


# The keeping itself


@pytest.fixture
def weight():
    return nn.Parameter(torch.ones(3), requires_grad=False)


@pytest.fixture
def made():
    """A function that notes its calls."""

    def make():
        make.calls += 1
        return make.calls

    make.calls = 0
    return make


def test_a_frozen_value_is_made_once(weight, made):
    kept = Kept()

    assert [kept.get(made, sources=(weight,)) for _ in range(3)] == [1, 1, 1]


def test_a_learning_one_is_made_each_time(weight, made):
    kept = Kept()
    weight.requires_grad_(True)

    assert [kept.get(made, sources=(weight,)) for _ in range(3)] == [1, 2, 3]


def test_a_value_depends_on_what_is_given(weight, made):
    kept = Kept()

    assert [kept.get(made, sources=(weight,), given=x) for x in "aab"] == [1, 1, 2]


def test_another_weight_with_the_same_numbers_is_another(weight, made):
    kept = Kept()

    assert [kept.get(made, sources=(weight.clone(),)) for _ in range(2)] == [1, 2]


def test_files_and_copies_hold_nothing(weight, made):
    layer = nn.Module()
    layer.kept = Kept()
    layer.kept.get(made, sources=(weight,))

    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]

    assert [c.kept.get(made, sources=(weight,)) for c in copies] == [2, 3]
    assert layer.state_dict() == {}
