import io
import json
import sys

import numpy as np
import pytest
import torch

from mocotool.latents import read_latents
from mocotool.layouts import to_frames_u8
from mocotool.networks.vgg16 import VGG16Features
from mocotool.video.pictures import read_image, write_png
from mocotool.video.writing import write_video

QUICK = ("--num-steps", 10, "--num-starts", 20, "--num-polish-steps", 0)
PIXELS = ("--perceptual", "none")


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pictures(toy_generator):
    with torch.no_grad():
        w = toy_generator.mapping(torch.randn(3, 8, generator=torch.Generator().manual_seed(5)))
        return to_frames_u8(toy_generator.synthesis(w)).numpy()


@pytest.fixture
def image_path(pictures, tmp_path):
    write_png(tmp_path / "photo.png", pictures[0])
    return tmp_path / "photo.png"


@pytest.fixture
def video_path(pictures, tmp_path):
    write_video(tmp_path / "clip.mkv", iter([pictures]), fps=6.0)
    return tmp_path / "clip.mkv"


@pytest.fixture
def invert(run_moco, toy_generator_path):
    def run(*args, generator=toy_generator_path):
        return run_moco("invert", *QUICK, *PIXELS, "--generator", generator, *args)

    return run


def unpack(result):
    assert result.exit_code == 0, result.stderr
    return read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")


def test_an_image_becomes_a_start_in_a_pipe(invert, image_path, toy_generator):
    trajectory = unpack(invert(image_path))

    assert trajectory.latents.shape == (1, 1, 12)
    assert trajectory.meta.generator == toy_generator.origin.file
    assert len(trajectory.meta.history) == 1


def test_the_output_says_what_was_done(invert, image_path):
    said = invert(image_path).stderr

    assert "perceptual none" in said
    assert "render with --noise const" in said
    assert "photo.png: PSNR" in said


def test_several_images_become_several_starts(invert, image_path):
    assert unpack(invert(image_path, image_path)).latents.shape == (2, 1, 12)


def test_a_video_becomes_one_trajectory(invert, video_path):
    trajectory = unpack(invert(video_path))

    assert trajectory.latents.shape == (1, 3, 12)
    assert trajectory.meta.fps == 6.0


def test_chosen_frames_of_a_video(invert, video_path):
    assert unpack(invert(video_path, "--frames", "0,2")).latents.shape == (1, 2, 12)


def test_images_as_the_frames_of_a_video(invert, image_path):
    assert unpack(invert(image_path, image_path, "--as-video")).latents.shape == (1, 2, 12)


def test_w_plus_goes_through_sample_interpolate_and_render(
    invert, run_moco, image_path, toy_motion_path, tmp_path
):
    found = invert(image_path, "--space", "w+")
    walk = run_moco("sample", toy_motion_path, "--start", "-", input=found.stdout_bytes)
    longer = run_moco("interpolate", input=walk.stdout_bytes)
    sheet = run_moco("render", "-o", tmp_path / "next.png", input=longer.stdout_bytes)

    start = unpack(found).latents[:, 0]
    assert start.shape == (1, 6, 12)
    np.testing.assert_array_equal(unpack(walk).latents[:, 0], start)
    assert unpack(longer).latents.shape == (1, 32, 6, 12)
    assert sheet.exit_code == 0, sheet.stderr


def test_the_sheet_in_place_of_the_latents(invert, image_path, pictures, tmp_path):
    result = invert(image_path, "-o", tmp_path / "sheet.png")

    sheet = read_image(tmp_path / "sheet.png")
    assert sheet.shape == (16, 48, 3)
    np.testing.assert_array_equal(sheet[:, :16], pictures[0])
    assert "--sheet" in result.stderr


def test_sheet_and_latents_and_every_figure(invert, image_path, tmp_path):
    result = invert(image_path, "-o", tmp_path / "a.npz", "--sheet", tmp_path / "a.png", "--json")

    values = json.loads(result.stdout)
    assert values["perceptual"] == "none"
    assert values["sheet"] == str(tmp_path / "a.png")
    (image,) = values["images"]
    assert set(image) == {"name", "pixel_mse", "psnr_db", "ssim", "perceptual", "num_steps"}
    assert image["num_steps"] <= 10
    assert values["mean"]["psnr_db"] == image["psnr_db"]
    assert read_latents(tmp_path / "a.npz").latents.shape == (1, 1, 12)


def test_the_table_has_a_line_for_each_image(invert, image_path, tmp_path):
    result = invert(image_path, "-o", tmp_path / "a.npz")

    assert f"{image_path}  PSNR" in result.stdout


def test_what_is_cut_is_said(invert, tmp_path):
    write_png(tmp_path / "wide.png", np.zeros((20, 40, 3), np.uint8))

    said = invert(tmp_path / "wide.png", "-o", tmp_path / "a.npz").stderr

    assert "wide.png: 40x20 -> the centre 20x20 -> 16x16" in said


def test_the_whole_picture_is_taken_when_asked_for(invert, tmp_path):
    write_png(tmp_path / "wide.png", np.zeros((20, 40, 3), np.uint8))

    said = invert(tmp_path / "wide.png", "-o", tmp_path / "a.npz", "--align", "none").stderr

    assert "wide.png: 40x20 -> 16x16" in said


def test_aligning_faces_without_dlib_says_what_to_install(invert, image_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)

    result = invert(image_path, "--align", "face")

    assert result.exit_code == 5
    assert "mocotool[faces]" in result.stderr
    assert "--align center" in result.stderr


def test_vgg16_weights_from_a_file(run_moco, toy_generator_path, image_path, tmp_path):
    torch.save(VGG16Features().state_dict(), tmp_path / "vgg16.pth")

    result = run_moco(
        *("invert", image_path, "--perceptual-weights", tmp_path / "vgg16.pth"),
        *("--generator", toy_generator_path, *QUICK),
    )

    assert unpack(result).latents.shape == (1, 1, 12)
    assert "perceptual vgg16" in result.stderr


def test_vgg16_without_its_weights_says_what_to_download(invert, image_path):
    result = invert(image_path, "--perceptual", "vgg16")

    assert result.exit_code == 5
    assert "moco fetch vgg16" in result.stderr
    assert "vgg16-397923af.pth" in result.stderr


def test_pictures_are_compared_by_squeezenet_unless_told(run_moco, toy_generator_path, image_path):
    result = run_moco(
        *("invert", image_path, "--generator", toy_generator_path, "--num-starts", 20),
        *("--num-steps", 10, "--num-polish-steps", 0),
    )

    assert unpack(result).latents.shape == (1, 1, 12)
    assert "perceptual squeezenet: LPIPS (SqueezeNet, Caffe weights)" in result.stderr


def test_weights_and_none_contradict_each_other(invert, image_path):
    result = invert(image_path, "--perceptual", "none", "--perceptual-weights", image_path)

    assert result.exit_code == 2


def dot(folder):
    write_png(folder / "dot.png", np.zeros((1, 1, 3), np.uint8))
    return [folder / "dot.png"]


def text(folder):
    (folder / "notes.txt").write_text("no picture")
    return [folder / "notes.txt"]


def mixed(folder):
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    write_video(folder / "clip.mkv", iter([frames]), fps=6.0)
    write_png(folder / "a.png", frames[0])
    return [folder / "a.png", folder / "clip.mkv"]


@pytest.mark.parametrize(
    ("make", "code", "sentence"),
    [
        (lambda folder: [folder / "no.png"], 3, "no such file or folder"),
        (text, 3, "neither an image nor a video that can be decoded"),
        (dot, 3, "1x1 pixels, expected at least 8x8"),
        (lambda folder: [folder], 3, "no images in this folder"),
        (mixed, 2, "clip.mkv: a video of 2 frames, expected an image like the others"),
    ],
    ids=["missing", "not an image", "one pixel", "empty folder", "video among images"],
)
def test_bad_input_is_a_sentence(invert, tmp_path, make, code, sentence):
    folder = tmp_path / "input"
    folder.mkdir()

    result = invert(*make(folder), "-o", tmp_path / "a.npz")

    assert result.exit_code == code
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_generator_without_a_mapping_has_no_w(invert, image_path, tmp_path):
    from mocotool.generators.dcgan import DCGAN
    from mocotool.generators.loading import save_generator

    save_generator(DCGAN(z_dim=4, channels=[4, 4]).freeze(), tmp_path / "dcgan.safetensors")

    result = invert(image_path, "--space", "w", generator=tmp_path / "dcgan.safetensors")

    assert result.exit_code == 4
    assert "has no mapping network" in result.stderr
    assert "--space z" in result.stderr


def test_a_generator_of_another_channel_count_is_refused(invert, image_path, tmp_path):
    from mocotool.generators.dcgan import DCGAN
    from mocotool.generators.loading import save_generator

    grey = DCGAN(z_dim=4, channels=[4, 4], img_channels=1).freeze()
    save_generator(grey, tmp_path / "grey.safetensors")

    result = invert(image_path, generator=tmp_path / "grey.safetensors")

    assert result.exit_code == 4
    assert "the images have 3 channels, the generator renders 1" in result.stderr


@pytest.mark.parametrize(
    "args",
    [("--num-steps", "3"), ("--noise", "random"), ("--learning-rate", "0"), ("--frames", "0")],
    ids=" ".join,
)
def test_settings_out_of_range_are_usage_errors(invert, run_moco, image_path, args, tmp_path):
    result = run_moco("invert", image_path, "-o", tmp_path / "a.npz", *args)

    assert result.exit_code == 2


def test_tuning_goes_through_the_pipe(invert, run_moco, image_path, toy_motion_path, tmp_path):
    photo, tuned = tmp_path / "photo.npz", tmp_path / "tuned.safetensors"

    result = invert(image_path, "--tune", tuned, "--num-tune-steps", 3, "-o", photo, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["tuned"] == str(tuned)
    assert read_latents(photo).meta.generator.path == str(tuned)

    # the motion of the generator as it was, from that start, belongs to the tuned one
    result = run_moco("sample", toy_motion_path, "--start", photo, "--num-frames", 3)
    assert unpack(result).meta.generator.path == str(tuned)
    assert "was trained with" not in result.stderr
    assert run_moco("info", tuned, "--json").stdout.count("tuned generator") == 1


def test_whole_clips_are_not_tuned_to(run_moco, video_path, tmp_path):
    tuned = tmp_path / "tuned.safetensors"
    result = run_moco("invert", video_path, "--together", "--tune", tuned)
    assert result.exit_code != 0
    assert "--tune is for pictures" in " ".join(result.stderr.split())
