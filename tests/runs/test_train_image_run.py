"""What holds for `train_image_run` alone, as somebody calls it who writes Python."""

import json

import pytest

import mocotool as moco

RHYTHM = {"num_images": 8, "batch_size": 4}


@pytest.fixture
def train(image_kind, few_clips, tmp_path):
    """Call `train_image_run` into the folder `run`."""

    def call(**options):
        return image_kind.train(few_clips, tmp_path / "run", **options)

    return call


def test_a_run_makes_a_generator(train, tmp_path):
    trained = train()

    assert trained == moco.TrainedGenerator(
        generator=tmp_path / "run" / "generator.safetensors", steps=4, images=16
    )
    assert moco.load_generator(trained.generator).resolution == 8


@pytest.mark.parametrize(("settings", "resolution"), [({}, 16), ({"resolution": 32}, 32)])
def test_the_start_decides_the_size_and_may_be_doubled(
    train, toy_generator_path, tmp_path, settings, resolution
):
    config = moco.TrainImageConfig(**RHYTHM, **settings)

    trained = train(config=config, generator=str(toy_generator_path))

    assert moco.load_generator(trained.generator).resolution == resolution
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["config"]["z_dim"] == 8
    assert record["inputs"]["generator"]["path"] == str(toy_generator_path)


def test_sizes_that_were_asked_for_are_not_overruled(train, toy_generator_path, tmp_path):
    with pytest.raises(moco.MismatchError, match="z_dim 7 was asked for, it has 8"):
        train(config=moco.TrainImageConfig(z_dim=7), generator=toy_generator_path)
    with pytest.raises(moco.MismatchError, match="z_dim 512 was asked for, it has 8"):
        train(config=moco.TrainImageConfig(), asked=["z_dim"], generator=toy_generator_path)

    assert not (tmp_path / "run").exists()
