"""The motion generator: what the paper says of it, and what the authors' program computes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mocotool.errors import ConfigError, MismatchError
from mocotool.motion.checkpoint import rename_official
from mocotool.motion.generator import MotionGenerator
from mocotool.weights.reading import read_state_dict

GOLDEN = Path(__file__).parent.parent / "golden"


def make_motion(*, latent_dim=12, hidden_dim=8, num_components=8, **settings):
    torch.manual_seed(0)
    components = torch.linalg.qr(torch.randn(latent_dim, num_components))[0].t().contiguous()
    return MotionGenerator(
        latent_dim=latent_dim,
        noise_dim=6,
        hidden_dim=hidden_dim,
        components=components,
        stdev=torch.linspace(2.0, 0.1, num_components),
        **settings,
    )


@pytest.fixture
def motion():
    return make_motion()


@pytest.fixture
def latent():
    return torch.randn(3, 12, generator=torch.Generator().manual_seed(1))


def test_the_authors_trajectory_is_reproduced():
    golden = np.load(GOLDEN / "motion-64.npz")
    path = GOLDEN / "motion-64-modelR_epoch_0.pth"
    motion = MotionGenerator(
        latent_dim=64,
        noise_dim=64,
        hidden_dim=48,
        components=torch.from_numpy(np.load(GOLDEN / "motion-64-pca_comp.npy")[:40]),
        stdev=torch.from_numpy(np.load(GOLDEN / "motion-64-pca_stdev.npy")[:40]),
    )
    motion.load_state_dict(rename_official(read_state_dict(path), path), strict=False)

    rollout = motion.rollout(torch.from_numpy(golden["w0"]), torch.from_numpy(golden["eps"]))

    # float32 sums in another order: one part in 10^5 at the worst
    assert_close(rollout.trajectory, torch.from_numpy(golden["trajectory"]), rtol=1e-5, atol=1e-5)
    assert_close(rollout.noise_pred, torch.from_numpy(golden["eps_rec"]), rtol=1e-5, atol=1e-5)


def test_the_full_size_model_has_as_many_weights_as_the_authors():
    motion = MotionGenerator(
        latent_dim=512,
        noise_dim=512,
        hidden_dim=384,
        components=torch.eye(384, 512),
        stdev=torch.ones(384),
    )

    assert sum(p.numel() for p in motion.parameters()) == 3_562_880


def test_zero_step_size_gives_a_still_trajectory(motion, latent):
    motion.step_size = 0.0

    trajectory = motion(latent, motion.draw_noise(3, 5))

    assert_close(trajectory, latent[:, None].expand(-1, 5, -1), rtol=0, atol=0)


def test_the_first_frame_is_the_start(motion, latent):
    trajectory = motion(latent, motion.draw_noise(3, 4))

    assert torch.equal(trajectory[:, 0], latent)


def test_a_longer_video_begins_like_a_shorter_one_of_the_same_seed(motion, latent):
    short = motion(latent, motion.draw_noise(3, 4, rng=torch.Generator().manual_seed(5)))
    long = motion(latent, motion.draw_noise(3, 9, rng=torch.Generator().manual_seed(5)))

    assert torch.equal(long[:, :4], short)


def test_a_seed_a_video_does_not_depend_on_its_neighbours(motion):
    rngs = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
    both = motion.draw_noise(2, 5, rng=rngs)
    alone = motion.draw_noise(1, 5, rng=[torch.Generator().manual_seed(4)])

    assert torch.equal(both[1:], alone)


def test_one_frame_takes_no_noise(motion, latent):
    noise = motion.draw_noise(3, 1)

    assert noise.shape == (3, 0, 6)
    assert torch.equal(motion(latent, noise), latent[:, None])
    assert torch.equal(motion.rollout(latent, noise).trajectory, latent[:, None])


def test_a_step_stays_inside_the_basis_and_its_reach(motion, latent):
    trajectory = motion(latent, 50 * motion.draw_noise(3, 6))

    coeffs = trajectory.diff(dim=1) @ motion.components.t() / motion.stdev / motion.step_size
    assert coeffs.abs().max() <= 1 + 1e-4
    assert_close(
        coeffs * motion.stdev * motion.step_size @ motion.components, trajectory.diff(dim=1)
    )


def test_per_layer_latents_all_take_the_same_steps(motion, latent):
    noise = motion.draw_noise(3, 5)
    ws = latent[:, None].repeat(1, 4, 1)

    trajectory = motion(ws, noise)

    assert trajectory.shape == (3, 5, 4, 12)
    assert_close(trajectory, motion(latent, noise)[:, :, None].expand(-1, -1, 4, -1))


def test_the_unroll_gives_what_forward_gives(motion, latent):
    noise = motion.draw_noise(3, 7)

    frames = list(motion.unroll(latent, iter(noise.unbind(1))))

    assert torch.equal(torch.stack(frames, dim=1), motion(latent, noise))


def test_the_papers_form_moves_by_the_lstm_output_itself(latent):
    motion = make_motion(form="paper", basis_rows="unit", step_size=0.5)
    noise = motion.draw_noise(3, 2)
    hidden, cell = motion.decoder(noise[:, 0], motion.encoder(latent))

    trajectory = motion(latent, noise)

    assert_close(trajectory[:, 1], latent + 0.5 * hidden @ motion.components)
    assert motion.predict_noise(hidden, cell).shape == (3, 6)


def test_the_papers_form_refuses_another_number_of_components():
    with pytest.raises(ConfigError, match="hidden size 6 and 8 components"):
        make_motion(form="paper", hidden_dim=6)


def test_without_the_residual_frames_do_not_depend_on_where_they_were(latent):
    motion = make_motion(residual=False)
    motion.encoder.weight_ih.data.zero_()
    noise = motion.draw_noise(1, 3).expand(3, -1, -1)

    trajectory = motion(latent, noise)

    assert_close(trajectory[0, 1:], trajectory[1, 1:])


def test_the_basis_is_not_trained_but_travels_with_the_weights(motion):
    assert "components" not in dict(motion.named_parameters())
    assert {"components", "stdev"} <= motion.state_dict().keys()


@pytest.mark.parametrize(
    ("latent_shape", "noise_shape"),
    [((2, 11), (2, 3, 6)), ((2, 12), (1, 3, 6)), ((2, 12), (2, 3, 5))],
)
def test_wrong_sizes_are_named(motion, latent_shape, noise_shape):
    with pytest.raises(MismatchError, match="shape"):
        motion(torch.zeros(latent_shape), torch.zeros(noise_shape))


def test_a_basis_of_another_generator_is_refused():
    with pytest.raises(MismatchError, match="12 dimensions"):
        MotionGenerator(
            latent_dim=12,
            noise_dim=6,
            hidden_dim=8,
            components=torch.eye(4, 10),
            stdev=torch.ones(4),
        )
