"""Pictures that are not square: learnt from, moved and explored as square ones are."""

import numpy as np
import PIL.Image
import pytest
import torch
from reference.video_files import encode_clip, numbered_frames
from same_runs import assert_same_run
from torch.testing import assert_close

import mocotool as moco
from mocotool.configs.explore import ExploreConfig, ExploreView
from mocotool.explore.opening import load_explorer
from mocotool.explore.page import describe_explorer
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.image_training.projected_discriminator import ProjectedDiscriminator
from mocotool.image_training.stylegan2_discriminator import StyleGAN2Discriminator
from mocotool.inversion.objective import SqueezeNetFeatures
from mocotool.motion.rendering import ClipRenderer
from mocotool.video.cutting import square_frames
from mocotool.video.decoded import decode_all
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_images
from mocotool.video.pictures import decode_image

HEIGHT, WIDTH = 16, 28


@pytest.fixture(scope="module")
def wide():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return StyleGAN2(
            z_dim=8,
            w_dim=8,
            img_resolution=16,
            channels=[8, 8, 8],
            num_mapping_layers=2,
            first_size=[4, 7],
        ).freeze()


@pytest.fixture(scope="module")
def wide_path(wide, tmp_path_factory):
    path = tmp_path_factory.mktemp("wide") / "wide.safetensors"
    moco.save_generator(wide, path)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in "ab":
        frames = numbered_frames(36, 18, 40)
        encode_clip(folder / f"{name}.mkv", "ffv1", frames=frames, pix_fmt="bgr0")
    return folder


# Cut


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (28, 16), (8, 32)])
@pytest.mark.parametrize("shape", [(40, 64), (33, 27)])
def test_the_largest_centre_of_the_wanted_shape_is_cut(shape, size):
    frame = numbered_frames(1, *shape)[0]
    rows, columns = shape
    if columns * size[0] > rows * size[1]:
        columns = round(rows * size[1] / size[0])
    else:
        rows = round(columns * size[0] / size[1])
    top, left = (shape[0] - rows) // 2, (shape[1] - columns) // 2
    image = PIL.Image.fromarray(frame[top : top + rows, left : left + columns])
    expected = np.asarray(image.resize(size[::-1], PIL.Image.Resampling.BICUBIC)).astype(int)

    got = square_frames(frame[None], size)[0].transpose(1, 2, 0)

    assert np.abs(got - expected).max() <= 1


def test_images_to_train_on_have_the_shape_that_is_asked_for(clips):
    listing = list_videos(clips)
    images = load_images(listing, resolution=(HEIGHT, WIDTH), batch_size=2, num_workers=0)
    again = load_images(
        listing, resolution=(HEIGHT, WIDTH), batch_size=2, num_workers=0, memory_bytes=0
    )

    first = next(images)

    assert first.shape == (2, 3, HEIGHT, WIDTH)
    assert torch.equal(first, next(again))
    decoded = decode_all(listing.entries, size=(HEIGHT, WIDTH))
    assert decoded.array.shape == (72, 3, HEIGHT, WIDTH)


# Train


@pytest.mark.parametrize("make", [StyleGAN2Discriminator, ProjectedDiscriminator])
def test_discriminators_look_at_the_whole_picture(make):
    sizes = {"channels": [4] * 4} if make is StyleGAN2Discriminator else {}
    torch.manual_seed(0)
    discriminator = make(img_resolution=32, first_size=(4, 7), **sizes)
    img = torch.randn(2, 3, 32, 56, requires_grad=True)

    discriminator.generator_loss(discriminator(img)).backward()

    assert (img.grad.abs().sum(dim=(0, 1)) > 0).all()


def test_training_goes_on_from_a_wide_generator_and_resumes_to_the_last_bit(
    clips, wide_path, tmp_path
):
    def train(out, **options):
        config = moco.TrainImageConfig(
            num_images=12, batch_size=4, head_start=0, save_every=1, preview_every=0
        )
        return moco.train_image_run(
            clips, tmp_path / out, config=config, generator=wide_path, precision="fp32", **options
        )

    trained = train("whole")
    shown = []
    with pytest.raises(moco.StoppedError):
        train(
            "parts",
            progress=lambda told: shown.append(told.done) if told.stage == "images" else None,
            stop=lambda: shown[-1] == 4,
        )
    train("parts", resume=True)

    assert moco.load_generator(trained.generator).img_size == (HEIGHT, WIDTH)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_motion_is_judged_by_the_centre_square(wide):
    renderer = ClipRenderer(generator=wide, frame_size=8, chunk_size=2, noise_mode="const")
    latents = torch.randn(1, 3, 8)

    frames = renderer.render(latents)

    img = wide.synthesis(latents[0], noise_mode="const")[:, :, :, 6:22]
    expected = img.reshape(3, 3, 8, 2, 8, 2).mean(dim=(3, 5))
    assert_close(frames[0], expected)


# Invert


def test_the_latents_of_wide_pictures_are_found(wide):
    with torch.no_grad():
        images = wide.synthesis(wide.mapping(torch.randn(2, 8)))

    found = moco.invert(wide, images, config=moco.InvertConfig(num_steps=60, num_starts=50))

    assert found.img.shape == (2, 3, HEIGHT, WIDTH)
    assert found.psnr.min() > 35
    with pytest.raises(moco.MismatchError, match="images has shape"):
        moco.invert(wide, images[..., :HEIGHT])


def test_photos_are_cut_to_the_shape_of_wide_pictures(run_moco, wide_path, tmp_path):
    frame = numbered_frames(1, 40, 56)[0]
    moco.write_png(tmp_path / "photo.png", frame)
    quick = ("--num-steps", 10, "--num-polish-steps", 0, "--num-starts", 10, "--perceptual", "none")

    result = run_moco(
        *("invert", tmp_path / "photo.png", "--generator", wide_path, *quick),
        *("-o", tmp_path / "found.npz", "--sheet", tmp_path / "sheet.png"),
    )

    assert result.exit_code == 0, result.stderr
    assert "photo.png: 56x40 -> the centre 56x32 -> 28x16" in result.stderr
    target = moco.read_image(tmp_path / "sheet.png")[:, :WIDTH]
    cut = square_frames(frame[None], (HEIGHT, WIDTH))[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(target, cut)


def test_whole_clips_of_wide_pictures_are_found(run_moco, wide_path, clips, tmp_path):
    result = run_moco(
        *("invert", clips, "--generator", wide_path, "-o", tmp_path / "found.npz"),
        *("--num-frames", 4, "--json"),
    )

    assert result.exit_code == 0, result.stderr
    assert moco.read_latents(tmp_path / "found.npz").latents.shape == (2, 4, 8)


def test_large_pictures_keep_their_shape_where_they_are_reduced():
    img = torch.linspace(-1, 1, 512).expand(1, 3, 288, 512)

    maps = SqueezeNetFeatures(moco.load_lpips())(img)

    assert maps[0].shape[-1] / maps[0].shape[-2] == pytest.approx(512 / 288, rel=0.02)


# Explore


def test_a_wide_generator_is_explored(wide, wide_path, tmp_path):
    explorer = load_explorer(wide_path, config=ExploreConfig(num_samples=100))

    frames = dict(explorer.frames(ExploreView(num_frames=2, seed=1, motion_seed=2)))
    facts = describe_explorer(explorer, ExploreConfig())

    path = tmp_path / "frame.png"
    path.write_bytes(frames[0])
    assert decode_image(path).shape == (HEIGHT, WIDTH, 3)
    assert (facts["width"], facts["height"]) == (WIDTH, HEIGHT)
