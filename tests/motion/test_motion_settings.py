"""What `moco train-motion` may be asked for."""

import dataclasses

import pytest

from mocotool.configs.train_motion import PRESETS, TrainMotionConfig
from mocotool.errors import ConfigError


@pytest.mark.parametrize(
    "settings",
    [
        {"feature_weight": 5.0},
        {"contrastive_weight": 1.0},
        {"temperature": 0.2},
        {"momentum": 0.9},
        {"ablate": "contrastive"},
    ],
)
def test_what_the_pair_d_i_has_no_place_for_is_refused_by_name(settings):
    (name,) = settings

    with pytest.raises(ConfigError, match="pairs of frames") as error:
        TrainMotionConfig.from_recipe("reference", **settings)

    assert (name if name == "ablate" else name.replace("_", " ")) in str(error.value)
    for recipe, cross_domain in (("reference", True), ("paper", False), ("paper", True)):
        assert TrainMotionConfig.from_recipe(recipe, cross_domain=cross_domain, **settings)


def test_a_form_of_penalty_without_penalty_is_refused():
    with pytest.raises(ConfigError, match="penalty norm clip: without effect"):
        TrainMotionConfig.from_recipe("paper", penalty_norm="clip")

    assert TrainMotionConfig.from_recipe("paper", penalty_norm="clip", penalty_weight=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mutual_info_loss": "step", "mutual_info_weight": 0.0}, "mutual info loss step: without"),
        ({"mutual_info_loss": "infonce", "ablate": "mutual-info"}, "leaves that loss out"),
        ({"step_noise": 0.3}, "step noise 0.3: without effect, only mutual_info_loss"),
        ({"mutual_info_loss": "steps"}, "state"),
    ],
)
def test_terms_of_mutual_information_that_would_change_nothing_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainMotionConfig.from_recipe("paper", **settings)


def test_a_term_that_reads_steps_has_its_noise():
    config = TrainMotionConfig.from_recipe("paper", mutual_info_loss="step", step_noise=0.3)

    assert config.reads_steps
    assert TrainMotionConfig.from_recipe(**dataclasses.asdict(config)) == config


def test_a_part_may_be_turned_off_by_its_weight():
    config = TrainMotionConfig.from_recipe("reference", cross_domain=True, feature_weight=0.0)

    assert not config.has_feature_matching


@pytest.mark.parametrize(("num_videos", "steps"), [(16, 3), (47, 6), (5, 3)])
def test_an_epoch_is_one_clip_of_each_video_in_whole_batches(num_videos, steps):
    config = TrainMotionConfig(num_epochs=3, batch_size=16).count_steps(num_videos)

    assert config.num_steps == steps


def test_no_epochs_leave_the_steps_alone():
    assert TrainMotionConfig(num_steps=7).count_steps(100).num_steps == 7
    with pytest.raises(ConfigError, match="epochs"):
        TrainMotionConfig(num_epochs=0)


def test_every_preset_is_a_run():
    for name, settings in PRESETS.items():
        assert TrainMotionConfig.from_recipe(**settings).num_frames == 16, name


@pytest.mark.parametrize("ablate", ["contrastive", "image-disc", "video-disc", "residual"])
def test_the_record_of_an_ablation_is_a_valid_setting(ablate):
    config = TrainMotionConfig.from_recipe(
        "reference", cross_domain=True, ablate=ablate, feature_weight=5.0
    )

    assert TrainMotionConfig.from_recipe(**dataclasses.asdict(config)) == config
