"""One step of training, in every recipe."""

import copy
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from reference.motion_plain import PlainMotionTrainer
from reference.toy_clips import ToyClips
from same_runs import assert_same_state
from torch.testing import assert_close

from mocotool.basis import read_basis
from mocotool.configs.train_motion import ABLATIONS, TrainMotionConfig
from mocotool.errors import ConfigError, DivergedError, MismatchError
from mocotool.motion.frame_game import FrameGame
from mocotool.motion.games import PairGame
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.trainer import MotionTrainer

RECIPES = [("reference", False), ("reference", True), ("paper", False), ("paper", True)]
SMALL = {
    "batch_size": 2,
    "num_frames": 4,
    "frame_size": 16,
    "hidden_dim": 12,
    "noise_dim": 6,
    "num_components": 12,
    "video_width": 2,
    "image_width": 2,
    "pair_width": 2,
    "embed_dim": 4,
    "bank_size": 8,
    "num_g_steps": 2,
}


def make_config(recipe="reference", cross_domain=False, **settings):
    return TrainMotionConfig.from_recipe(recipe, cross_domain=cross_domain, **(SMALL | settings))


@pytest.fixture
def make_trainer(toy_generator, toy_pca_path):
    def make(config=None, **parts):
        return MotionTrainer(
            toy_generator, read_basis(toy_pca_path), config or make_config(), **parts
        )

    return make


def train(trainer, num_steps, clips=None):
    clips = clips or ToyClips(batch_size=2)
    clips.position = trainer.step_idx
    return [trainer.step(next(clips)) for _ in range(num_steps)]


def test_batch_normalisation_is_a_setting_of_both_patch_discriminators(make_trainer):
    trainer = make_trainer(make_config(patch_norm="batch", num_g_steps=1))

    (metrics,) = train(trainer, 1)

    for name, kind in (("video", torch.nn.BatchNorm3d), ("image", torch.nn.BatchNorm2d)):
        modules = list(trainer.games[name].network.modules())
        assert any(isinstance(module, kind) for module in modules), name
    assert all(math.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize(("recipe", "cross_domain"), RECIPES)
def test_a_step_moves_every_network_but_the_generator(make_trainer, recipe, cross_domain):
    trainer = make_trainer(make_config(recipe, cross_domain))
    before = copy.deepcopy(trainer.state_dict())
    generator_before = copy.deepcopy(trainer.generator.state_dict())

    train(trainer, 1)

    after = trainer.state_dict()
    for name in ("motion", "averaged"):
        moved = [k for k, v in after[name].items() if not torch.equal(v, before[name][k])]
        assert moved, name
    for name, game in after["games"].items():
        old = before["games"][name]["network"]
        assert any(not torch.equal(v, old[k]) for k, v in game["network"].items()), name
    assert_same_state(trainer.generator.state_dict(), generator_before)
    assert all(p.grad is None for p in trainer.generator.parameters())


@pytest.mark.parametrize(("recipe", "cross_domain"), RECIPES)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(make_trainer, recipe, cross_domain):
    config = make_config(recipe, cross_domain)
    whole, first, second = make_trainer(config), make_trainer(config), make_trainer(config)
    train(whole, 3)

    train(first, 1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    values = train(second, 2)

    assert_same_state(second.state_dict(), whole.state_dict())
    assert values[-1].keys() == train(whole, 1)[0].keys()


@pytest.mark.parametrize("loss", ["step", "infonce"])
def test_a_run_whose_steps_tell_the_noise_resumes_to_the_bit(make_trainer, loss):
    config = make_config("paper", mutual_info_loss=loss)
    whole, first, second = make_trainer(config), make_trainer(config), make_trainer(config)
    head = copy.deepcopy(whole.step_head.state_dict())
    train(whole, 3)

    train(first, 1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(second, 2)

    assert_same_state(second.state_dict(), whole.state_dict())
    assert all(not torch.equal(x, head[name]) for name, x in whole.step_head.state_dict().items())


def test_the_papers_term_is_the_default_and_its_state_is_what_it_was(make_trainer):
    plain, named = make_trainer(), make_trainer(make_config(mutual_info_loss="state"))
    train(plain, 1)
    train(named, 1)

    assert_same_state(plain.state_dict(), named.state_dict())
    assert plain.step_head is None
    assert "step_head" not in plain.state_dict()  # so that older states load


@pytest.mark.parametrize(("recipe", "cross_domain"), RECIPES)
def test_rendering_again_trains_like_one_graph(make_trainer, recipe, cross_domain):
    kept = make_trainer(make_config(recipe, cross_domain))
    again = make_trainer(make_config(recipe, cross_domain, graph_mb=0, chunk_size=3))
    clips = next(ToyClips(batch_size=2))

    kept_values, again_values = kept.step(clips), again.step(clips)

    assert kept.renderer.num_kept == 6
    assert again.renderer.num_kept == 0
    for name, value in kept_values.items():
        assert again_values[name] == pytest.approx(value, rel=2e-3, abs=1e-5), name


@pytest.mark.parametrize("cross_domain", [False, True], ids=["in-domain", "cross-domain"])
def test_two_steps_are_those_of_the_plain_program(make_trainer, cross_domain):
    ours = make_trainer(make_config(cross_domain=cross_domain))
    plain = PlainMotionTrainer(copy.deepcopy(ours))
    clips = ToyClips(batch_size=2)

    for clip in (next(clips), next(clips)):
        values = ours.step(clip)

        for name, expected in plain.step(clip.to(torch.float32).div(127.5).sub(1)).items():
            # Adam's first steps turn float noise in small gradients into whole steps.
            assert values[name] == pytest.approx(expected, rel=2e-3, abs=1e-4), name


def test_the_reference_in_domain_judges_pairs_and_the_others_single_frames(make_trainer):
    kinds = [type(make_trainer(make_config(*recipe)).games["image"]) for recipe in RECIPES]

    assert kinds == [PairGame, FrameGame, FrameGame, FrameGame]


@pytest.mark.parametrize("ablate", [name for name in ABLATIONS if name != "none"])
@pytest.mark.parametrize("recipe", ["reference", "paper"])
def test_every_ablation_trains(make_trainer, recipe, ablate):
    trainer = make_trainer(make_config(recipe, True, ablate=ablate))

    (values,) = train(trainer, 1)

    missing = {
        "image-disc": {"g_image", "g_feature", "contrastive", "d_image"},
        "video-disc": {"g_video", "d_video"},
        "contrastive": {"contrastive"},
        "mutual-info": {"g_mutual_info"},
        "residual": set(),
    }[ablate]
    assert not missing & values.keys()


def test_without_mutual_information_the_noise_head_learns_nothing(make_trainer):
    trainer = make_trainer(make_config(ablate="mutual-info"))
    before = copy.deepcopy(trainer.motion.noise_head.state_dict())

    train(trainer, 1)

    assert_same_state(trainer.motion.noise_head.state_dict(), before)


def test_the_memory_bank_takes_five_batches_a_step_in_the_reference(make_trainer):
    trainer = make_trainer(make_config(cross_domain=True, num_g_steps=3))
    bank = trainer.games["image"].banks["later"]
    start = bank.entries.clone()

    train(trainer, 1)

    assert int(bank.next_idx) == 6
    assert torch.equal(bank.entries[6:], start[6:])


@pytest.mark.parametrize(("cross_domain", "name"), [(False, "real"), (True, "later")])
def test_the_memory_bank_takes_one_batch_a_step_in_the_paper(make_trainer, cross_domain, name):
    trainer = make_trainer(make_config("paper", cross_domain))

    train(trainer, 1)

    assert int(trainer.games["image"].banks[name].next_idx) == 2


def test_previews_repeat_their_seeds(make_trainer):
    trainer = make_trainer()

    preview = trainer.preview()

    assert preview.shape == (8, 4, 16, 16, 3)
    assert preview.dtype == torch.uint8
    assert torch.equal(preview, trainer.preview())
    assert torch.equal(preview[0, 0], preview[1, 0])  # one content, two motions


def test_broken_clips_end_the_run(make_trainer):
    clips = torch.full((2, 4, 3, 16, 16), torch.nan)

    with pytest.raises(DivergedError, match="diverged at step 1") as error:
        make_trainer().step(clips)

    assert "motion.safetensors" not in error.value.hint  # nothing was saved yet


def test_clips_of_another_size_are_refused(make_trainer):
    with pytest.raises(MismatchError, match=r"\[2, 4, 3, 8, 8\]"):
        make_trainer().step(torch.zeros(2, 4, 3, 8, 8))


def test_more_components_than_there_are_are_refused(make_trainer):
    with pytest.raises(ConfigError, match="12 components, 13 were requested"):
        make_trainer(make_config(num_components=13))


def test_training_can_start_from_another_model(make_trainer):
    old = make_trainer(make_config(seed=5)).motion

    new = make_trainer(initial=old).motion

    assert_same_state(new.state_dict(), old.state_dict())


def test_a_start_of_another_size_is_refused(make_trainer):
    old = make_trainer(make_config(hidden_dim=7)).motion

    with pytest.raises(MismatchError, match="to start from"):
        make_trainer(initial=old)


def test_a_model_learnt_from_latents_goes_on_against_videos(make_trainer, toy_pca_path):
    basis = read_basis(toy_pca_path)
    guided = GuidedMotion(
        latent_dim=12,
        noise_dim=6,
        hidden_dim=9,
        components=torch.from_numpy(basis.components),
        stdev=torch.from_numpy(basis.stdev),
        step_size=0.5,
    )
    trainer = make_trainer(make_config(head_start=1), initial=guided)

    (first,) = train(trainer, 1)
    assert_same_state(trainer.motion.state_dict(), guided.state_dict())  # the games alone learn
    assert "g_loss" not in first
    assert first["motion_generated"] > 0
    (second,) = train(trainer, 1)

    assert math.isfinite(second["g_loss"])
    changed = trainer.motion.state_dict()
    assert not torch.equal(changed["decoder.weight_hh"], guided.state_dict()["decoder.weight_hh"])
    assert trainer.motion.pull == guided.pull


TWO_PROCESSES = """
import sys, torch
from pathlib import Path
sys.path[:0] = [{tests!r}, {tests!r} + "/motion"]
from reference.toy_clips import ToyClips
from test_motion_trainer import make_config
from mocotool.basis import read_basis
from mocotool.generators.loading import load_generator
from mocotool.motion.trainer import MotionTrainer
from mocotool.training.distributed import joined_processes

generator, basis = load_generator({generator!r}), read_basis(Path({pca!r}))
with joined_processes(torch.device("cpu")) as processes:
    results = []
    for recipe, cross_domain, loss in {recipes!r}:
        config = make_config(recipe, cross_domain, batch_size=4, mutual_info_loss=loss)
        trainer = MotionTrainer(generator, basis, config, processes=processes)
        clips = ToyClips(batch_size=4, rows=processes.rows(4))
        values = [trainer.step(next(clips)) for _ in range(2)]
        results.append((values, trainer.state_dict()))
    if processes.is_first:
        torch.save(results, {out!r})
"""


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(
    make_trainer, toy_generator_path, toy_pca_path, tmp_path
):
    out = tmp_path / "two.pt"
    recipes = [
        ("reference", False, "state"),
        ("reference", True, "state"),
        ("paper", False, "state"),
        ("paper", False, "infonce"),
    ]
    script = TWO_PROCESSES.format(
        tests=str(Path(__file__).parent.parent),
        generator=str(toy_generator_path),
        pca=str(toy_pca_path),
        recipes=recipes,
        out=str(out),
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    path = tmp_path / "two.py"
    path.write_text(script)
    done = subprocess.run(
        [*command, str(path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    for recipe, (two_values, two_state) in zip(recipes, torch.load(out), strict=True):
        *kind, loss = recipe
        one = make_trainer(make_config(*kind, batch_size=4, mutual_info_loss=loss))
        one_values = train(one, 2, ToyClips(batch_size=4))
        # norms and means of squares; sums in another order
        for ours, theirs in zip(one_values, two_values, strict=True):
            for name, value in ours.items():
                assert theirs[name] == pytest.approx(value, rel=5e-3, abs=1e-4), (recipe, name)
        for name, value in one.motion.state_dict().items():
            assert_close(value, two_state["motion"][name], rtol=1e-3, atol=2e-5)
