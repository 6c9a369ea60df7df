"""What the authors' program was fed and gave: see tests/golden/official/README.md."""

import functools
import json

import numpy as np
import torch
from reference.golden_files import HERE
from torch import nn

from mocotool.basis import PCABasis
from mocotool.generators.base import Generator
from mocotool.motion.augment import Augmentation
from mocotool.motion.context import TrainingContext
from mocotool.motion.official import official_names
from mocotool.motion.trainer import MotionTrainer

NUM_CLIPS, NUM_FRAMES, FRAME_SIZE, EMBED_DIM, BANK_SIZE = 3, 5, 32, 16, 12
SIZES = {
    "batch_size": NUM_CLIPS,
    "num_frames": NUM_FRAMES,
    "frame_size": FRAME_SIZE,
    "video_width": 4,
    "pair_width": 4,
    "image_width": 4,
    "embed_dim": EMBED_DIM,
    "bank_size": BANK_SIZE,
}


@functools.cache
def read_official(name):
    """Return the arrays of one file."""
    with np.load(HERE / "official" / f"{name}.npz") as file:
        return dict(file)


def normal(seed, shape, scale=1.0):
    """Draw the numbers that the README calls N(seed, shape), times `scale`."""
    drawn = np.random.RandomState(seed).standard_normal(shape) * scale
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32))


def integers(seed, low, high, shape):
    return torch.from_numpy(np.random.RandomState(seed).randint(low, high, shape)).float() / 128


def tensor(golden, key):
    return torch.from_numpy(np.asarray(golden[key], dtype=np.float32))


def frames(golden, key):
    return torch.from_numpy(golden[key].astype(np.float32)) / 128


def list_parameters(network):
    """Return the parameters by the authors' names, in their order."""
    ours = dict(network.named_parameters())
    return {theirs: ours[name] for name, theirs in official_names(network).items() if name in ours}


@torch.no_grad()
def fill(network, weights, *, override=None, average_of=None):
    """Give a network the weights that a file's rule describes."""
    rules = json.loads(str(weights))
    parameters = list_parameters(network)
    assert [rule["name"] for rule in rules] == list(parameters)
    for i, rule in enumerate(rules):
        value = normal(rule["seed"], rule["shape"], rule["scale"])
        value = (override or {}).get(rule["name"], value)
        if average_of is not None:
            value = value + normal(average_of + i, rule["shape"], 0.01)
        parameters[rule["name"]].copy_(value)


@torch.no_grad()
def settle(network):
    """Put every u of a single-frame D_I where power iterations leave it."""
    for layer in network.modules():
        if hasattr(layer, "u"):
            matrix = layer.weight.flatten(1).double()
            layer.u.copy_(torch.linalg.svd(matrix, full_matrices=False)[0][:, 0])


@torch.no_grad()
def unsettle(network, seed):
    """Start every u where `cross_domain_unconverged.npz` does."""
    for j, layer in enumerate(x for x in network.modules() if hasattr(x, "u")):
        u = normal(seed + j, layer.u.shape)
        layer.u.copy_(u / u.norm())


def image_override():
    golden = read_official("cross_domain")
    return {
        name: tensor(golden, f"image_override/{name}") for name in ("proj0.bias", "linear.bias")
    }


def fill_image_game(game):
    """Give D_I, its average and its banks what `cross_domain.npz` begins with."""
    golden = read_official("cross_domain")
    for network, average_of in ((game.network, None), (game.average, 4000)):
        fill(network, golden["image_weights"], override=image_override(), average_of=average_of)
        settle(network)
    for name, seed in (("first", 21), ("later", 22)):
        game.banks[name].entries.copy_(normal(seed, (BANK_SIZE, EMBED_DIM)))


def drawn_augmentation(golden, prefix, idx=...):
    """Read a change of n pictures as ours."""
    kind = torch.from_numpy(golden[f"{prefix}/kind"][idx])
    cutout = torch.from_numpy(golden[f"{prefix}/cutout"][idx].astype(np.int64))
    shift = torch.from_numpy(golden[f"{prefix}/shift"][idx])
    return Augmentation(
        cutout=cutout,
        flip=torch.from_numpy(golden[f"{prefix}/flip"][idx]) & (kind == 0),
        shift=shift * (kind == 1)[:, None],
        theta=torch.nan_to_num(torch.from_numpy(golden[f"{prefix}/theta"][idx])),
        is_affine=kind == 2,
    )


class OfficialContext(TrainingContext):
    """Draws what the program drew.

    `script` turns ("g", iteration, step) or ("d", iteration) into what was drawn there.
    """

    script = None

    def coin(self, _, kind, *path):
        return bool(self.script(path, f"{kind}_reversed"))

    def later_frame(self, _, *path):
        return int(self.script(path, "frame_index"))

    def mixture(self, *path):
        return 1 - self.script(path, "mix")  # theirs is the share of the real clip

    def augmentation(self, size, name, *path):
        if isinstance(path[0], int):  # the first or the second view
            return self.script(path[1:], f"augment_{name}_{'ab'[path[0]]}")
        return self.script(path, f"augment_{name}")


def one_step_script(golden):
    """Read draws of a file with one step of each kind."""

    def look_up(path, what):
        prefix = f"{path[0]}/{what}"
        if what.startswith("augment"):
            return drawn_augmentation(golden, prefix)
        return tensor(golden, prefix)

    return look_up


def trajectory_script(golden):
    """Read draws of a file with two iterations."""

    def look_up(path, what):
        kind, iteration = path[0], path[1]
        step = path[2] if kind == "g" else 5
        if what.startswith("augment"):
            prefix = what.replace("augment_", f"augment_{kind}_")
            return drawn_augmentation(
                golden, prefix, 5 * iteration + step if kind == "g" else iteration
            )
        return tensor(golden, what)[iteration if what == "mix" else 6 * iteration + step]

    return look_up


class TanhSynthesis(nn.Module):
    """What stood in for the image generator: frame = tanh(latent @ A)."""

    compute_dtype = torch.float32

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(normal(31, (512, 3 * FRAME_SIZE**2), 512**-0.5))

    def forward(self, latent, **_):
        return torch.tanh(latent @ self.matrix).unflatten(1, (3, FRAME_SIZE, FRAME_SIZE))


class TanhGenerator(Generator):
    """A generator whose latents are the z that the golden iterations began with."""

    kind, space = "stylegan2", "w"
    resolution, img_channels, z_dim, latent_dim, num_ws, c_dim = FRAME_SIZE, 3, 512, 512, 1, 0

    def __init__(self):
        super().__init__()
        self.mapping, self.synthesis = (lambda z, c=None: z), TanhSynthesis()
        self.freeze()


def official_basis():
    rows = np.random.RandomState(61).standard_normal((512, 512))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return PCABasis(
        components=rows[:384].astype(np.float32),
        stdev=(2 * 0.99 ** np.arange(384)).astype(np.float32),
    )


class OfficialTrainer(MotionTrainer):
    """Takes the start latents and the motion noise of the golden iterations.

    `grads` holds the gradients of each discriminator's and the motion generator's last step.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.grads = {}
        for player in (*self.games.values(), self):
            network = self.motion if player is self else player.network
            player.optimizer.register_step_pre_hook(functools.partial(self.keep, network))

    def keep(self, network, *_):
        self.grads[network] = {
            name: p.grad.clone()
            for name, p in list_parameters(network).items()
            if p.grad is not None
        }

    def draw(self, kind, iteration, g_step=5):
        k = 6 * iteration + g_step
        noise = normal(200 + k, (NUM_CLIPS, NUM_FRAMES - 1, 512))
        return normal(100 + k, (NUM_CLIPS, 512)), None, noise


def assert_set(golden, key, tensors, *, tolerance, skip=()):
    """Compare tensors by the authors' names with a stored set: norms, products, first entries."""
    names = [str(name) for name in golden[f"{key}/names"]]
    assert set(names) <= tensors.keys()
    for i, name in enumerate(names):
        if any(part in name for part in skip):
            continue
        value = tensors[name].detach().double().flatten()
        norm = float(golden[f"{key}/norm"][i])
        probes = torch.stack(
            [
                torch.from_numpy(np.random.RandomState(seed).standard_normal(len(value)))
                for seed in (7, 8)
            ]
        )
        first = torch.zeros(16, dtype=torch.float64)
        first[: min(16, len(value))] = value[:16]
        found = torch.cat([value.norm()[None], probes @ value, first]).numpy()
        stored = np.concatenate(
            [[norm], golden[f"{key}/dot"][i], golden[f"{key}/first"][i]]
        ).astype(np.float64)
        error = np.abs(found - stored).max() / max(norm, 1e-30)
        assert error <= tolerance, f"{key}, {name}: {error:.2e}"


def assert_array(golden, key, value, *, tolerance):
    """Compare an array or a scalar by the norm of its error."""
    expected = np.asarray(golden[key], dtype=np.float64)
    found = (
        value.detach().double().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    )
    assert found.shape == expected.shape, key
    error = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)
    assert error <= tolerance, f"{key}: {error:.2e}"
