"""Every part of the motion method against what the authors' program computed.

Weights, inputs and results are described in tests/golden/official/README.md; tolerances are about
three times the program's own rounding there.
"""

import json

import numpy as np
import pytest
import torch
from reference import official
from reference.official import assert_array, assert_set, normal, read_official, tensor

from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.motion.augment import augment, draw_augmentation
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.image_discriminator import ImageDiscriminator, copy_frozen, update_average
from mocotool.motion.losses import contrastive_loss, mutual_information_loss
from mocotool.motion.memory_bank import MemoryBank
from mocotool.motion.patch_discriminator import PairDiscriminator, VideoDiscriminator
from mocotool.training.optimizers import build_adam

VALUES, GRADIENTS = 6e-6, 3e-5


def make_motion(step_size):
    basis = official.official_basis()
    motion = MotionGenerator(
        latent_dim=512,
        noise_dim=512,
        hidden_dim=384,
        components=torch.from_numpy(basis.components),
        stdev=torch.from_numpy(basis.stdev),
        step_size=step_size,
    )
    official.fill(motion, read_official("motion")["weights"])
    return motion


@pytest.mark.parametrize("step_size", [0.2, 0.5])
def test_motion_walks_as_in_the_program(step_size):
    golden, motion = read_official("motion"), make_motion(step_size)
    latent = normal(71, (2, 512)).requires_grad_()

    rollout = motion.rollout(latent, normal(72, (2, 5, 512)))
    (rollout.trajectory.flatten(0, 1) * normal(73, (12, 512))).sum().backward()

    assert_array(golden, f"step_{step_size}/latents", rollout.trajectory, tolerance=VALUES)
    grads = {name: p.grad for name, p in official.list_parameters(motion).items()}
    key = f"step_{step_size}/latents_grad"
    assert_set(golden, key, grads | {"z": latent.grad}, tolerance=GRADIENTS)


def test_noise_is_guessed_as_in_the_program():
    golden, motion, noise = read_official("motion"), make_motion(0.2), normal(72, (2, 5, 512))

    latent = normal(71, (2, 512)).requires_grad_()

    guess = motion.rollout(latent, noise).noise_pred
    loss = mutual_information_loss(noise_pred=guess, noise=noise)
    loss.backward()

    assert_array(golden, "noise_guess", guess, tolerance=VALUES)
    assert float(loss.detach()) == pytest.approx(float(golden["mutual"]), abs=1e-7)
    grads = {name: p.grad for name, p in official.list_parameters(motion).items()}
    assert_set(golden, "mutual_grad", grads | {"z": latent.grad}, tolerance=GRADIENTS)


@pytest.mark.parametrize(
    ("domain", "num_frames"), [("in", 5), ("in", 17), ("in", 18), ("cross", 16), ("cross", 17)]
)
def test_videos_are_scored_as_in_the_program(domain, num_frames):
    golden = read_official("forward")
    network = VideoDiscriminator(with_first_frame=domain == "in", width=4)
    official.fill(network, read_official(f"{domain}_domain")["video_weights"])
    channels, t = (6, num_frames - 1) if domain == "in" else (3, num_frames)

    scores = network(official.integers(51, -128, 128, (2, channels, t, 32, 32)))

    for scale, score in enumerate(scores):
        key = f"video_{domain}_{num_frames}/scores_{scale}"
        assert_array(golden, key, score, tolerance=VALUES)


def test_pairs_are_scored_as_in_the_program():
    network = PairDiscriminator(width=4)
    official.fill(network, read_official("in_domain")["pair_weights"])

    scores = network(official.integers(52, -128, 128, (2, 6, 64, 64)))

    for scale, score in enumerate(scores):
        key = f"pair_64/scores_{scale}"
        assert_array(read_official("forward"), key, score, tolerance=VALUES)


@pytest.mark.parametrize(
    ("resolution", "width", "tolerance"),
    [(32, 4, 3e-5), (64, 2, 3e-5), (128, 2, 6e-5), (256, 1, 1.5e-4)],
)
def test_single_frames_are_judged_as_in_the_program(resolution, width, tolerance):
    golden, key = read_official("forward"), f"image_{resolution}"
    network = ImageDiscriminator(resolution, width=width, embed_dim=16)
    official.fill(network, golden[f"{key}/weights"])
    official.settle(network)
    rng = np.random.RandomState(53)
    coarse = rng.randint(-96, 97, (2, 3, 4, 4)).repeat(resolution // 4, 2)
    img = coarse.repeat(resolution // 4, 3) + rng.randint(-16, 17, (2, 3, resolution, resolution))

    judged = network(torch.from_numpy(img).float() / 128)
    (judged.scores.sum() + judged.embedding.square().sum()).backward()

    assert_array(golden, f"{key}/score", judged.scores, tolerance=VALUES)
    assert_array(golden, f"{key}/embedding", judged.embedding, tolerance=VALUES)
    grads = {name: p.grad for name, p in official.list_parameters(network).items()}
    assert_set(golden, f"{key}/grad", grads, tolerance=tolerance)


@pytest.mark.parametrize("size", [12, 8])
def test_banks_fill_in_the_order_of_the_program(size):
    golden = read_official("bank")
    banks = {name: MemoryBank(size, 16, batch_size=3) for name in ("first", "later")}
    for i, bank in enumerate(banks.values()):
        bank.entries.copy_(normal(81 + i, (size, 16)))
    usable = int(golden[f"size_{size}/usable"])

    for k in range(5):
        for i, (name, bank) in enumerate(banks.items()):
            bank.push(normal(83 + 2 * k + i, (3, 16)))
            assert int(bank.next_idx) == int(golden[f"size_{size}/next_{k}"])
            stored = tensor(golden, f"size_{size}/{name}_{k}")
            # Deviation: ours are unit vectors, theirs are not; only the direction is ever used.
            assert len(bank.negatives) == usable
            likeness = torch.cosine_similarity(bank.entries, stored, dim=1)
            assert float(likeness.min()) == pytest.approx(1.0, abs=1e-6)

    views = [normal(seed, (3, 16)).requires_grad_() for seed in (93, 94, 95, 96)]
    losses = [
        contrastive_loss(
            a=views[2 * i],
            b=views[2 * i + 1],
            negatives=bank.negatives,
            temperature=0.07,
            denominator="reference",
        )
        for i, bank in enumerate(banks.values())
    ]
    sum(losses).backward()
    assert_array(golden, f"size_{size}/contrastive", sum(losses), tolerance=VALUES)
    for name, view in zip(("first_a", "first_b", "later_a", "later_b"), views, strict=True):
        assert_array(golden, f"size_{size}/grad_{name}", view.grad, tolerance=GRADIENTS)


def test_the_average_moves_as_in_the_program():
    golden, start = read_official("bank"), read_official("cross_domain")
    live = ImageDiscriminator(32, width=4, embed_dim=16)
    average = copy_frozen(live)
    override = official.image_override()
    official.fill(average, start["image_weights"], override=override, average_of=4000)
    u = average.proj0.u.clone()

    for k in range(3):
        with torch.no_grad():
            for i, value in enumerate(official.list_parameters(live).values()):
                value.copy_(normal(7000 + 100 * k + i, value.shape, 0.1))
        update_average(average, live, decay=0.999)
        values = official.list_parameters(average)
        assert_set(golden, f"average_{k}", values, tolerance=1e-6)
    assert torch.equal(average.proj0.u, u)


@pytest.mark.parametrize("name", ["motion", "video", "pair", "image"])
def test_optimisers_step_as_in_the_program(name):
    golden = read_official("optimisers")
    config = TrainMotionConfig.from_recipe("reference", cross_domain=name == "image")
    networks = {
        "motion": lambda: make_motion(0.2),
        "video": lambda: VideoDiscriminator(with_first_frame=True, width=4),
        "pair": lambda: PairDiscriminator(width=4),
        "image": lambda: ImageDiscriminator(32, width=4, embed_dim=16),
    }
    network = networks[name]()
    betas = {"beta1": config.image_beta1, "eps": config.image_eps} if name == "image" else {}
    optimizer, parameters = (
        build_adam(network, lr=config.learning_rate, **betas),
        official.list_parameters(network),
    )
    torch.nn.utils.vector_to_parameters(
        torch.zeros(sum(p.numel() for p in network.parameters())), network.parameters()
    )

    for k in range(3):
        for i, parameter in enumerate(parameters.values()):
            parameter.grad = normal(8000 + 100 * k + i, parameter.shape, 1e-6)
        optimizer.step()
        assert_set(golden, f"{name}_{k}", parameters, tolerance=2e-6)


@pytest.mark.parametrize(
    ("kind", "view"),
    [("d", x) for x in ("first_a", "first_b", "later_a", "later_b")]
    + [("g", "first"), ("g", "later")],
)
def test_pictures_are_changed_as_in_the_program(kind, view):
    golden = read_official("cross_domain")
    name = view.split("_")[0]
    idx = 0 if name == "first" else int(golden[f"{kind}/frame_index"])
    img = official.frames(golden, "fake_int8")[:, idx]

    changed = augment(img, official.drawn_augmentation(golden, f"{kind}/augment_{view}"))

    assert_array(golden, f"{kind}/view_{view}", changed, tolerance=VALUES)


def draw_many(size, n=20_000):
    rng = torch.Generator().manual_seed(0)
    return draw_augmentation(n, size=size, augment_set="reference", rng=rng)


def assert_same_counts(found, stored):
    """Two samples of one distribution differ by what chance allows (chi square, 5 sigma)."""
    found, stored = np.asarray(found, dtype=float), np.asarray(stored, dtype=float)
    assert found.sum() == pytest.approx(stored.sum(), rel=0.05)
    is_seen = found + stored > 10
    square = (found - stored) ** 2 / (found + stored).clip(min=1)
    degrees = max(int(is_seen.sum()) - 1, 1)
    assert square[is_seen].sum() < degrees + 5 * (2 * degrees) ** 0.5 + 5
    assert abs(found[~is_seen].sum() - stored[~is_seen].sum()) < 30


@pytest.mark.parametrize("size", [32, 128])
def test_holes_are_where_the_program_makes_them(size):
    golden, n = read_official("augment_statistics"), 20_000
    cutout = draw_many(size).cutout
    top, bottom, left, _ = cutout.unbind(dim=1)

    key = f"cutout{size}"
    sides = torch.bincount(bottom - top, minlength=size + 1)
    assert_same_counts(sides, golden[f"{key}/side_counts"])
    for name, starts in (("top", top), ("left", left)):
        counts = torch.bincount(starts, minlength=size)
        assert_same_counts(counts, golden[f"{key}/{name}_counts"])
    if size == 32:
        pairs = torch.bincount(top * size + left, minlength=size * size)
        assert_same_counts(pairs, golden[f"{key}/top_left_counts"].ravel())

    coverage = measure_coverage(cutout.numpy(), size)
    stored = golden[f"{key}/coverage"]
    spread = np.sqrt(2 * stored * (1 - stored) / n)
    assert (np.abs(coverage - stored) < 5 * spread + 1e-3).all()
    assert coverage[-1].max() == stored[-1].max() == 0


def measure_coverage(cutout, size):
    """Return the share of holes over each pixel, from their corners."""
    corners = np.zeros((size + 1, size + 1))
    top, bottom, left, right = cutout.T
    for row, column, sign in (
        (top, left, 1),
        (bottom, right, 1),
        (top, right, -1),
        (bottom, left, -1),
    ):
        np.add.at(corners, (row, column), sign)
    return corners.cumsum(0).cumsum(1)[:size, :size] / len(cutout)


def test_changes_are_as_frequent_and_as_strong_as_in_the_program():
    golden, drawn = read_official("augment_statistics"), draw_many(32)
    is_colour = drawn.shift.abs().sum(dim=1) > 0
    others = ~drawn.is_affine & ~is_colour
    mirror, colour, affine = golden["kind_counts"]
    assert_same_counts(
        [int(drawn.flip.sum()), int(is_colour.sum()), int(drawn.is_affine.sum())],
        [golden["flip_counts"][1], colour, affine],
    )
    assert int(others.sum()) == pytest.approx(mirror, rel=0.05)

    shifts = drawn.shift[is_colour]
    is_single = (shifts != 0).sum(dim=1) == 1
    channels = [int((~is_single).sum())]
    channels += [int((is_single & (shifts[:, c] != 0)).sum()) for c in range(3)]
    assert_same_counts(channels, golden["channel_counts"])
    values = shifts.abs().amax(dim=1) * shifts.sum(dim=1).sign()
    matrix = drawn.theta[drawn.is_affine]
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
    scale = matrix[:, :2, 0].norm(dim=1)
    moves = {"move_x": matrix[:, 0, 2], "move_y": matrix[:, 1, 2]}
    for name, found in {"shift": values, "angle": angle, "scale": scale, **moves}.items():
        counts, _ = np.histogram(found.double().numpy(), bins=golden[f"{name}_edges"])
        assert_same_counts(counts, golden[f"{name}_counts"])
        assert float(found.min()) == pytest.approx(golden[f"{name}_range"][0], rel=0.01)
        assert float(found.max()) == pytest.approx(golden[f"{name}_range"][1], rel=0.01)


def test_the_weights_rule_is_the_one_the_page_describes():
    rules = json.loads(str(read_official("motion")["weights"]))

    assert [rule["seed"] for rule in rules] == list(range(5000, 5014))
