"""Compiled training: the same steps, the same states, and a sentence where it cannot be had."""

import copy
import shutil

import pytest
import torch
from reference.toy_clips import ToyClips
from same_runs import assert_same_state
from test_motion_trainer import make_config, train
from torch._dynamo.exc import BackendCompilerFailed

from mocotool.basis import read_basis
from mocotool.errors import UnavailableError
from mocotool.generators.loading import load_generator
from mocotool.motion.compilation import check_compiler, compile_failures_named, compile_networks
from mocotool.motion.trainer import MotionTrainer

CPU = torch.device("cpu")
# Torch's own, while it traces.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
]
TRACED = "aot_eager"  # traces and differentiates as a real compile does, and needs no C++ compiler


@pytest.fixture(autouse=True)
def forget_compiled():
    yield
    torch._dynamo.reset()


@pytest.fixture
def make_trainer(toy_generator_path, toy_pca_path):
    """Make trainers with generators of their own, since compiling stays with the generator."""

    def make(config):
        return MotionTrainer(load_generator(toy_generator_path), read_basis(toy_pca_path), config)

    return make


def assert_same_steps(make_trainer, config, *, backend, num_steps=2):
    plain, compiled = make_trainer(config), make_trainer(config)
    compile_networks(compiled, backend=backend)

    plain_values, compiled_values = train(plain, num_steps), train(compiled, num_steps)

    for ours, theirs in zip(plain_values, compiled_values, strict=True):
        for name, value in ours.items():
            assert theirs[name] == pytest.approx(value, rel=5e-3, abs=1e-4), name
    return plain, compiled


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "cross_domain"), [("reference", False), ("paper", True)])
def test_a_compiled_run_takes_the_steps_of_a_plain_one(make_trainer, recipe, cross_domain):
    assert_same_steps(make_trainer, make_config(recipe, cross_domain), backend=TRACED)


@pytest.mark.slow
def test_frames_that_are_rendered_again_compile_too(make_trainer):
    config = make_config("reference", False, graph_mb=0, chunk_size=3)

    assert_same_steps(make_trainer, config, backend=TRACED)


@pytest.mark.slow
def test_each_network_is_traced_in_one_piece(make_trainer):
    images = torch.randn(2, 3, 16, 16)
    pair, single = make_trainer(make_config()), make_trainer(make_config(cross_domain=True))
    calls = {
        pair.generator.synthesis: torch.randn(2, 12, requires_grad=True),
        pair.games["video"].network: torch.randn(2, 6, 3, 16, 16),
        pair.games["image"].network: torch.cat([images, images], dim=1),
        single.games["image"].network: images,
    }

    breaks = [torch._dynamo.explain(network)(x).graph_break_count for network, x in calls.items()]

    assert breaks == [0, 0, 0, 0]


@pytest.mark.slow
def test_states_pass_between_compiled_and_plain_runs(make_trainer):
    config = make_config("reference", True)
    plain, compiled = make_trainer(config), make_trainer(config)
    compile_networks(compiled, backend=TRACED)
    train(compiled, 1)
    state = copy.deepcopy(compiled.state_dict())

    plain.load_state_dict(copy.deepcopy(state))

    assert_same_state(plain.state_dict(), state)
    names = [name for game in state["games"].values() for name in game["network"]]
    assert not [name for name in names if "_orig_mod" in name]
    compiled.load_state_dict(state)
    assert compiled.step(next(ToyClips(batch_size=2)))["g_loss"] != 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own, on the way to g++
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler here")
def test_a_real_compiler_gives_the_same_steps(make_trainer):
    config = make_config(num_g_steps=1, num_scales=1)

    assert_same_steps(make_trainer, config, backend="inductor", num_steps=1)


@pytest.mark.parametrize(
    "error",
    [BackendCompilerFailed("inductor", RuntimeError("no g++"), None), ImportError("no triton")],
    ids=["no compiler", "no triton"],
)
def test_what_cannot_be_compiled_is_said_in_a_sentence(error):
    with (
        pytest.raises(UnavailableError, match="cannot compile for cpu here: .*no ") as caught,
        compile_failures_named(CPU),
    ):
        raise error

    assert "leave --compile out" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_other_errors_pass_unchanged():
    with pytest.raises(RuntimeError, match="out of memory"), compile_failures_named(CPU):
        raise RuntimeError("out of memory")


def test_a_machine_without_a_compiler_is_told_before_anything_else(monkeypatch):
    def fail(*_args, **_options):
        raise BackendCompilerFailed("inductor", RuntimeError("No working C++ compiler"), None)

    monkeypatch.setattr(torch, "compile", fail)

    with pytest.raises(UnavailableError, match="No working C"):
        check_compiler(CPU)
