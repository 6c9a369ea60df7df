"""Going on from a run of the authors' program, whose files are made here by the golden rules."""

import numpy as np
import pytest
import torch
from reference import official
from reference.official import assert_array, read_official, tensor
from reference.toy_clips import ToyClips

from mocotool.basis import read_basis
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.motion.checkpoint import load_motion
from mocotool.motion.image_discriminator import ImageDiscriminator, copy_frozen
from mocotool.motion.official import official_names
from mocotool.motion.patch_discriminator import PairDiscriminator, VideoDiscriminator
from mocotool.motion.start import find_start
from mocotool.motion.trainer import MotionTrainer


def write_tensors(network, path, prefixes=("",), extra=()):
    state = network.state_dict()
    names = official_names(network)
    tensors = {
        f"module.{prefix}{theirs}": state[ours]
        for prefix in prefixes
        for ours, theirs in names.items()
    }
    torch.save(tensors | dict(extra), path)


@pytest.fixture
def make_run(tmp_path):
    """Write modelR, modelD_3d and modelD_img of epoch 3, and the PCA folder."""

    def make(*, cross_domain):
        folder, pca = tmp_path / "checkpoints", tmp_path / "pca_stats"
        for path in (folder, pca):
            path.mkdir()
        basis = official.official_basis()
        np.save(pca / "pca_comp.npy", basis.components)
        np.save(pca / "pca_stdev.npy", basis.stdev)
        motion = MotionTrainer(
            official.TanhGenerator(), basis, TrainMotionConfig(**official.SIZES)
        ).motion
        official.fill(motion, read_official("motion")["weights"])
        names = official_names(motion)
        torch.save(
            {theirs: motion.state_dict()[ours] for ours, theirs in names.items()},
            folder / "modelR_epoch_3.pth",
        )
        golden = read_official("cross_domain" if cross_domain else "in_domain")
        video = VideoDiscriminator(with_first_frame=not cross_domain, width=4)
        official.fill(video, golden["video_weights"])
        # Theirs have statistics of instance norms too, which nothing reads.
        more = {"module.netD.scale0_layer1.1.running_mean": torch.zeros(8)}
        write_tensors(video, folder / "modelD_3d_epoch_3.pth", extra=more)
        if not cross_domain:
            pair = PairDiscriminator(width=4)
            official.fill(pair, golden["pair_weights"])
            write_tensors(pair, folder / "modelD_img_epoch_3.pth")
            return folder, pca
        live = ImageDiscriminator(32, width=4, embed_dim=16)
        official.fill(live, golden["image_weights"], override=official.image_override())
        official.settle(live)
        average = copy_frozen(live)
        override = official.image_override()
        official.fill(average, golden["image_weights"], override=override, average_of=4000)
        official.settle(average)
        tensors = {}
        for prefix, network in (("modelD", live), ("modelD_ema", average)):
            state = network.state_dict()
            for ours, theirs in official_names(network).items():
                tensors[f"module.{prefix}.{theirs}"] = state[ours]
        tensors |= {
            "module.q_real": official.normal(21, (12, 16)),
            "module.q_fake": official.normal(22, (12, 16)),
            "module.q_ptr": torch.tensor([6]),
        }
        torch.save(tensors, folder / "modelD_img_epoch_3.pth")
        return folder, pca

    return make


def start_trainer(folder, pca, *, cross_domain, notes, **settings):
    start = find_start(None, init_run=folder, epoch="3", pca=pca)
    sizes = {"batch_size": 3, "num_frames": 5, "frame_size": 32} | settings
    asked = TrainMotionConfig.from_recipe("reference", cross_domain=cross_domain, **sizes)
    config = start.settle(asked, note=notes.append)
    return start.make_trainer(official.TanhGenerator(), read_basis(pca), config, note=notes.append)


@pytest.mark.parametrize("cross_domain", [False, True], ids=["in-domain", "cross-domain"])
def test_a_run_goes_on_from_all_three_files(make_run, cross_domain):
    notes = []
    trainer = start_trainer(
        *make_run(cross_domain=cross_domain), cross_domain=cross_domain, notes=notes
    )

    assert any("optimiser states" in note for note in notes)
    assert trainer.config.video_width == 4
    golden = read_official("cross_domain" if cross_domain else "in_domain")
    real = official.frames(golden, "real_int8")
    if cross_domain:
        game = trainer.games["image"]
        assert trainer.config.bank_size == 12
        assert int(game.banks["later"].next_idx) == 6
        judged = game.judge(tensor(golden, "d/view_first_a"))
        assert_array(golden, "d/score_first_a", judged.scores, tolerance=3e-5)
        averaged = game.judge(tensor(golden, "g/view_first"), game.average).embedding
        assert_array(golden, "g/embedding_average_first", averaged, tolerance=6e-6)
    else:
        x = torch.cat([real[:, 0], real[:, int(golden["d/frame_index"])]], dim=1)
        scores = trainer.games["image"].score(x)
        assert_array(golden, "d/pair_scores_real_0", scores[0], tolerance=6e-6)
    walk = trainer.averaged(official.normal(71, (2, 512)), official.normal(72, (2, 5, 512)))
    assert_array(read_official("motion"), "step_0.2/latents", walk, tolerance=6e-6)

    values = trainer.step(next(ToyClips(batch_size=3, num_frames=5, size=32)))
    assert np.isfinite(list(values.values())).all()


def test_a_run_of_the_other_domain_is_refused(make_run):
    folder, pca = make_run(cross_domain=True)

    with pytest.raises(ConfigError, match="is a cross-domain run") as error:
        start_trainer(folder, pca, cross_domain=False, notes=[])

    assert error.value.hint == "add --cross-domain"


def test_an_option_that_contradicts_the_files_is_refused(make_run):
    folder, pca = make_run(cross_domain=False)

    with pytest.raises(ConfigError, match=r"video width 16: .* has 4"):
        start_trainer(folder, pca, cross_domain=False, notes=[], video_width=16)


def test_a_step_size_of_ones_own_is_kept_since_the_files_hold_none(make_run):
    folder, pca = make_run(cross_domain=False)
    notes = []

    trainer = start_trainer(folder, pca, cross_domain=False, notes=notes, step_size=0.5)

    assert trainer.motion.step_size == 0.5
    assert any("step size 0.5" in note for note in notes)


@pytest.mark.parametrize("name", ["modelR", "modelD_3d", "modelD_img"])
def test_a_missing_file_is_named(make_run, name):
    folder, pca = make_run(cross_domain=False)
    (folder / f"{name}_epoch_3.pth").unlink()

    with pytest.raises(FileFormatError, match=f"{name}_epoch_3.pth"):
        find_start(None, init_run=folder, epoch="3", pca=pca)


def test_a_missing_tensor_is_named(make_run):
    folder, pca = make_run(cross_domain=False)
    path = folder / "modelD_3d_epoch_3.pth"
    tensors = torch.load(path)
    del tensors["module.netD.scale1_layer2.0.weight"]
    torch.save(tensors, path)

    with pytest.raises(FileFormatError, match=r"has no netD.scale1_layer2.0.weight"):
        start_trainer(folder, pca, cross_domain=False, notes=[])


def test_a_discriminator_of_another_shape_is_refused(make_run):
    folder, pca = make_run(cross_domain=False)
    path = folder / "modelD_img_epoch_3.pth"
    tensors = torch.load(path)
    tensors["module.netD.scale1_layer2.0.bias"] = torch.zeros(3)
    torch.save(tensors, path)

    with pytest.raises(MismatchError, match=r"scale1_layer2.0.bias has shape \[3\]"):
        start_trainer(folder, pca, cross_domain=False, notes=[])


@pytest.mark.parametrize("name", ["modelD_3d", "modelD_img"])
@pytest.mark.parametrize("cross_domain", [False, True], ids=["in-domain", "cross-domain"])
def test_a_discriminator_given_as_motion_model_is_told_what_it_is(make_run, name, cross_domain):
    folder, pca = make_run(cross_domain=cross_domain)

    with pytest.raises(FileFormatError, match="discriminator .*of the authors' program") as error:
        load_motion(folder / f"{name}_epoch_3.pth", pca=pca)

    assert "--init-run" in error.value.hint


def test_a_model_to_start_from_brings_its_form_and_step_size(toy_motion_path, toy_generator):
    start, notes = find_start(toy_motion_path), []
    small = {"batch_size": 2, "num_frames": 4, "frame_size": 16, "video_width": 2, "pair_width": 2}
    start.motion.step_size = 0.7

    config = start.settle(TrainMotionConfig(**small), note=notes.append)

    assert config.step_size == 0.7
    assert (config.hidden_dim, config.noise_dim, config.num_components) == (10, 6, 12)
    assert any("step size 0.7 (not 0.2)" in note for note in notes)
    with pytest.raises(ConfigError, match="hidden dim 11"):
        start.settle(TrainMotionConfig(**small, hidden_dim=11), note=notes.append)
