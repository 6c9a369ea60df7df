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
from mocotool.motion.compilation import Compilation, compile_failures_named
from mocotool.motion.rendering import measure_graph_bytes
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

    def make(config, *, backend=None):
        return MotionTrainer(
            load_generator(toy_generator_path),
            read_basis(toy_pca_path),
            config,
            compilation=None if backend is None else Compilation(backend=backend),
        )

    return make


def assert_same_steps(make_trainer, config, *, backend, num_steps=2):
    plain, compiled = make_trainer(config), make_trainer(config, backend=backend)

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
    plain, compiled = make_trainer(config), make_trainer(config, backend=TRACED)
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
        Compilation().check(CPU)


class Observed:
    """What torch's compiler was asked for."""

    def __init__(self):
        self.compiled, self.modes, self.marks = [], set(), 0


@pytest.fixture
def observed(monkeypatch):
    """Nothing is compiled, and what a GPU's compiler would be asked for is noted."""
    found = Observed()

    def compile(network, *, mode=None, **_):
        found.compiled.append(network)
        found.modes.add(mode)

    def mark():
        found.marks += 1

    monkeypatch.setattr(Compilation, "check", lambda *_: None)
    monkeypatch.setattr(torch.nn.Module, "compile", compile)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", mark)
    return found


@pytest.fixture
def with_graphs(observed, toy_generator_path, toy_pca_path):
    generator, basis = load_generator(toy_generator_path), read_basis(toy_pca_path)
    compilation = Compilation(graphs=True)
    return MotionTrainer(generator, basis, make_config(num_g_steps=3), compilation=compilation)


def test_graphs_are_asked_of_every_network_that_is_compiled(observed, with_graphs):
    networks = [with_graphs.generator.synthesis]
    networks += [game.network for game in with_graphs.games.values()]

    assert observed.compiled == networks
    assert observed.modes == {"reduce-overhead"}


def test_what_graphs_gave_is_overwritten_between_moves_only(observed, with_graphs):
    before = observed.marks

    train(with_graphs, 1)

    assert observed.marks - before == 4  # three moves of the generator, one of the games


def test_graphs_need_a_gpu():
    with pytest.raises(UnavailableError, match="--cuda-graphs: needs a CUDA device.*on cpu"):
        Compilation(graphs=True).check(CPU)


def test_memory_is_that_of_compiled_networks(observed, make_trainer, monkeypatch):
    def measure(renderer, *, latent_dim):
        is_compiled = renderer.generator.synthesis in observed.compiled
        return 2**20 if is_compiled else 2**21

    monkeypatch.setattr("mocotool.motion.render_budget.measure_graph_bytes", measure)

    plain, compiled = (make_trainer(make_config(), backend=name) for name in (None, TRACED))

    assert (plain.config.graph_mb, compiled.config.graph_mb) == (12, 6)  # two clips of three frames


@pytest.mark.slow
def test_the_graph_of_a_compiled_frame_can_be_weighed(make_trainer):
    plain, compiled = (make_trainer(make_config(), backend=name) for name in (None, TRACED))

    weights = [measure_graph_bytes(x.renderer, latent_dim=12) for x in (plain, compiled)]

    assert 0 < weights[1] != weights[0]
