"""`moco eval` from arguments to numbers, files and sentences."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mocotool.metrics.statistics import FeatureStats, write_statistics
from mocotool.video.opening import open_video
from mocotool.video.pictures import write_png
from mocotool.video.reading import read_frames
from mocotool.video.writing import write_video

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "clips"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))


def draw(seed, num_frames, size=32):
    rng = np.random.default_rng(seed)
    frames = np.full((num_frames, size, size, 3), 255, np.uint8)
    x, dx = rng.uniform(0, 20), rng.normal(0, 1)
    for frame in frames:
        x = float(np.clip(x + dx, 0, 20))
        frame[8:20, int(x) : int(x) + 10] = rng.integers(0, 200, 3)
    return frames


def write_folder(folder, seeds, num_frames=8):
    folder.mkdir()
    for seed in seeds:
        write_video(folder / f"{seed:03d}.mp4", [draw(seed, num_frames)], fps=12)
    return folder


@pytest.fixture
def real(tmp_path):
    return write_folder(tmp_path / "real", range(6))


@pytest.fixture
def fake(tmp_path):
    return write_folder(tmp_path / "fake", range(10, 16))


MOTION = ("--detector", "motion", "--num-frames", "8")


def test_a_distance_states_its_protocol(run_moco, real, fake):
    result = run_moco("eval", "fvd", real, fake, *MOTION, "--json")

    values = json.loads(result.stdout)
    assert result.exit_code == 0
    assert values["metric"] == "frechet distance (motion features)"
    assert values["protocol"]["preset"] == "stylegan-v"
    assert values["protocol"]["num_frames"] == 8
    assert values["inputs"]["real"]["is_lossy"] is True
    assert "compressed with loss" in result.stderr
    assert "below 2,048" in result.stderr


def test_people_get_a_table_and_quiet_keeps_it(run_moco, real, fake):
    result = run_moco("eval", "fvd", real, fake, *MOTION, "-q")

    assert result.stdout.startswith("frechet distance (motion features)  ")
    assert "6 clips, 6 videos" in result.stdout
    assert result.stderr == ""


def test_every_preset_can_be_chosen_and_overridden(run_moco, real, fake):
    for preset in ("stylegan-v", "unterthiner", "videogpt", "paper", "paper-ucf101"):
        args = ("--protocol", preset, "--num-repeats", "1", "--frame-size", "16")
        result = run_moco("eval", "fvd", real, fake, *MOTION, *args, "--json")

        protocol = json.loads(result.stdout)["protocol"]
        assert (protocol["preset"], protocol["frame_size"]) == (preset, 16)


def test_saved_statistics_give_the_same_number(run_moco, real, fake, tmp_path):
    first = run_moco(
        "eval", "fvd", real, fake, *MOTION, "--json", "--save-stats", tmp_path / "stats"
    )
    stats = tmp_path / "stats"

    again = run_moco("eval", "fvd", stats / "real.npz", stats / "fake.npz", *MOTION, "--json")

    assert json.loads(again.stdout)["value"] == pytest.approx(
        json.loads(first.stdout)["value"], rel=1e-9
    )


def test_merged_shards_give_the_same_number(run_moco, real, fake, tmp_path):
    for index in range(3):
        out = tmp_path / f"part-{index}.npz"
        args = ("--shard", f"{index}/3", "-o", out)
        assert run_moco("eval", "stats", real, *MOTION, *args).exit_code == 0
    parts = [tmp_path / f"part-{index}.npz" for index in range(3)]

    merged = run_moco("eval", "merge", *parts, "-o", tmp_path / "real.npz", "--json")

    assert json.loads(merged.stdout)["num_clips"] == 6
    result = run_moco("merge", *parts, "-o", tmp_path / "same.npz", "--json")
    assert json.loads(result.stdout)["what"] == "statistics"
    assert (tmp_path / "same.npz").read_bytes() == (tmp_path / "real.npz").read_bytes()
    whole, sum_of_parts = (
        json.loads(run_moco("eval", "fvd", side, fake, *MOTION, "--json").stdout)["value"]
        for side in (real, tmp_path / "real.npz")
    )
    assert sum_of_parts == pytest.approx(whole, rel=1e-6)


def test_saved_statistics_become_those_of_other_programs(run_moco, real, tmp_path):
    features = np.random.default_rng(0).normal(size=(9, 4))
    write_statistics(FeatureStats.from_features(features), tmp_path / "ours.npz", meta={})

    result = run_moco(
        "eval",
        "stats",
        tmp_path / "ours.npz",
        "-o",
        tmp_path / "theirs.npz",
        "--layout",
        "mu-sigma",
    )

    assert result.exit_code == 0, result.stderr
    with np.load(tmp_path / "theirs.npz", allow_pickle=False) as theirs:
        np.testing.assert_allclose(theirs["sigma"], np.cov(features, rowvar=False))


def test_merging_a_part_twice_is_refused(run_moco, real, tmp_path):
    run_moco("eval", "stats", real, *MOTION, "-o", tmp_path / "part.npz")
    shutil.copy(tmp_path / "part.npz", tmp_path / "copy.npz")

    result = run_moco(
        "eval", "merge", tmp_path / "part.npz", tmp_path / "copy.npz", "-o", tmp_path / "all.npz"
    )

    assert result.exit_code == 4
    assert "the same statistics as" in result.stderr


def test_latents_are_rendered_on_the_fly(run_moco, real, toy_latents_path):
    result = run_moco(
        "eval", "fvd", real, toy_latents_path, "--detector", "motion", "--num-frames", "5", "--json"
    )

    values = json.loads(result.stdout)
    assert values["inputs"]["fake"]["kind"] == "latents"
    assert values["inputs"]["fake"]["is_lossy"] is False
    assert values["inputs"]["fake"]["sizes"] == {"16x16": 3}


def test_the_kernel_distance_has_a_standard_error(run_moco, real, fake):
    result = run_moco("eval", "kvd", real, fake, *MOTION, "--json")

    values = json.loads(result.stdout)
    assert values["metric"] == "kernel distance (motion features)"
    assert values["standard_error"] > 0


def test_frames_are_compared_without_weights(run_moco, real, fake):
    result = run_moco("eval", "fid", real, fake, "--detector", "pixels", "--json", "--ground-truth")

    values = json.loads(result.stdout)
    assert values["metric"] == "frechet distance (pixel features)"
    assert values["inputs"]["real"]["num_frames"] == 48
    assert values["details"]["ground_truth"]["num_frames_each"] == 24


@pytest.mark.parametrize(
    ("command", "metric"),
    [
        ("kid", "kernel distance (squeezenet features)"),
        ("two-sample", "nearest-neighbour accuracy (squeezenet features)"),
        ("precision-recall", "precision (squeezenet features)"),
    ],
)
def test_squeezenet_compares_a_frame_of_each_video(run_moco, real, fake, tmp_path, command, metric):
    first = run_moco("eval", command, real, fake, "--json", "--save-stats", tmp_path / "stats")
    saved = [tmp_path / "stats" / f"{role}.npz" for role in ("real", "fake")]
    again = run_moco("eval", command, *saved, "--json")

    values = json.loads(first.stdout)
    assert values["metric"] == metric
    assert values["inputs"]["real"]["num_frames"] == 6
    assert values["detector"]["feature_dim"] == 512
    assert json.loads(again.stdout)["value"] == values["value"]


def test_lpips_of_noisier_frames_is_larger(run_moco, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (3, 40, 40, 3))
    for name, amount in (("clean", 0), ("rough", 10), ("rougher", 40)):
        (tmp_path / name).mkdir()
        for number, frame in enumerate(draw(0, 3, size=40)):
            noisy = np.clip(frame + amount * noise[number], 0, 255).astype(np.uint8)
            write_png(tmp_path / name / f"{number}.png", noisy)

    values = [
        json.loads(run_moco("eval", "lpips", tmp_path / "clean", tmp_path / name, "--json").stdout)
        for name in ("clean", "rough", "rougher")
    ]

    assert values[0]["metric"] == "LPIPS (SqueezeNet, Caffe weights)"
    assert values[0]["value"] == 0.0
    assert values[0]["value"] < values[1]["value"] < values[2]["value"]
    assert values[2]["details"]["worst_frame"] > values[2]["value"]
    assert values[2]["detector"]["name"] == "squeezenet"


def test_everything_at_hand_is_measured_and_the_rest_says_why(run_moco, real, fake):
    result = run_moco("eval", "all", real, fake, "--num-frames", "8", "--json")

    values = json.loads(result.stdout)
    assert "frechet distance (motion features)" in {row["metric"] for row in values["results"]}
    assert "moco fetch inception" in values["skipped"]["FID"]
    assert "expected 16" in values["skipped"]["IS"] or "moco fetch c3d" in values["skipped"]["IS"]


def test_diversity_of_sampled_videos(run_moco, toy_folder, tmp_path):
    model = toy_folder / "motion.safetensors"
    few = ("--num-contents", "2", "--num-motions", "3", "--num-frames", "4", "--json")
    result = run_moco(
        *("eval", "diversity", "--motion", model, *few), *("--pictures", tmp_path / "pictures")
    )
    named = run_moco("eval", "diversity", model, *few)

    values = json.loads(result.stdout)
    assert values["value"] > 0
    assert len(values["details"]["contents"]) == 2
    assert values["inputs"]["videos"]["rendering"]["noise"] == "none"
    assert json.loads(named.stdout)["value"] == values["value"]
    assert (tmp_path / "pictures" / "std.png").is_file()


def test_a_motion_model_is_sampled_anew_for_each_repeat(run_moco, real, toy_motion_path, tmp_path):
    args = (*MOTION, "--num-repeats", "2", "--num-videos", "3", "--json", "-q")
    result = run_moco("eval", "fvd", real, toy_motion_path, *args)

    values = json.loads(result.stdout)
    assert result.exit_code == 0
    assert values["std"] > 0
    sampled = values["inputs"]["fake"]
    assert (sampled["kind"], sampled["num_clips"]) == ("motion model", 3)
    assert sampled["sampling"]["seeds"] == [0, 2]
    for seed, value in zip((0, 3), values["details"]["values"], strict=True):
        latents = tmp_path / f"{seed}.npz"
        run_moco("sample", toy_motion_path, "--num-videos", 3, "--seed", seed, "-o", latents)
        same = (real, latents, *MOTION, "--seed", seed // 3, "--json", "-q")
        alone = json.loads(run_moco("eval", "fvd", *same).stdout)
        assert alone["value"] == pytest.approx(value, rel=1e-9)


def test_statistics_of_a_motion_model_stand_in_for_it(run_moco, real, toy_motion_path, tmp_path):
    side = ("--side", "fake", "--num-fake", "6", *MOTION, "-o", tmp_path / "fake.npz")
    assert run_moco("eval", "stats", toy_motion_path, *side).exit_code == 0

    pair = [
        json.loads(run_moco("eval", "fvd", real, fake, *MOTION, "--json").stdout)["value"]
        for fake in (toy_motion_path, tmp_path / "fake.npz")
    ]

    assert pair[0] == pytest.approx(pair[1], rel=1e-9)


def test_psnr_and_ssim_of_the_carphone_pair(run_moco):
    paths = [CLIPS / f"carphone_{kind}.mp4" for kind in ("pristine", "distorted")]
    if not paths[0].exists():
        pytest.skip(f"{paths[0]} is not here")
    a, b = (read_frames(open_video(path), range(0, 120, 30)) for path in paths)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

    values = {}
    for metric in ("psnr", "ssim"):
        values[metric] = json.loads(run_moco("eval", metric, *paths, "--json").stdout)

    psnr = [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)]
    ssim = [
        structural_similarity(x, y, data_range=255, channel_axis=-1, **settings)
        for x, y in zip(a, b, strict=True)
    ]
    # four frames stand for 120: the deviation over frames is 0.27 dB and 0.013
    assert values["psnr"]["value"] == pytest.approx(np.mean(psnr), abs=0.3)
    assert values["ssim"]["value"] == pytest.approx(np.mean(ssim), abs=0.015)
    assert values["psnr"]["value"] == pytest.approx(23.1043, abs=1e-3)
    assert values["ssim"]["value"] == pytest.approx(0.702705, abs=1e-5)


def test_folders_of_frames_are_compared_without_loss(run_moco, tmp_path):
    for name, offset in (("a", 0), ("b", 10)):
        (tmp_path / name).mkdir()
        for number, frame in enumerate(draw(0, 3)):
            write_png(tmp_path / name / f"{number}.png", np.clip(frame, 0, 200) + np.uint8(offset))

    result = run_moco("eval", "psnr", tmp_path / "a", tmp_path / "b", "--json")

    assert json.loads(result.stdout)["value"] == pytest.approx(20 * np.log10(255 / 10), rel=1e-6)


def test_equal_videos_count_as_a_hundred_decibels_and_are_warned_of(run_moco, real):
    result = run_moco("eval", "psnr", real, real, "--json")

    values = json.loads(result.stdout)
    assert values["value"] == 100.0
    assert values["details"]["num_equal_frames"] == 48
    assert "equal in every frame" in result.stderr


BAD_INPUTS = {
    "no such folder": ("fvd", "nowhere", "real", *MOTION, 3, "nowhere: no such file or folder"),
    "too short": ("fvd", "real", "fake", "--detector", "motion", 3, "expected 16"),
    "no weights": ("fvd", "real", "fake", 5, "moco fetch i3d"),
    "no such detector": ("fvd", "real", "fake", "--detector", "vgg", 2, "no such detector"),
    "no such preset": ("fvd", "real", "fake", "--protocol", "mine", 2, "'mine' is not one of"),
    "few frames for i3d": (
        "kvd",
        "real",
        "fake",
        *MOTION[:2],
        "--num-frames",
        "3",
        2,
        "needs at least 5",
    ),
    "bad stride": (
        "fvd",
        "real",
        "fake",
        *MOTION,
        "--frame-stride",
        "0",
        2,
        "should be greater than or equal to 1",
    ),
    "stats and repeats": (
        *("fvd", "real", "fake", *MOTION, "--num-repeats", "2", "--save-stats", "stats"),
        *(2, "--save-stats saves a single repeat"),
    ),
    "not videos": ("fvd", "notes.txt", "real", *MOTION, 3, "notes.txt"),
    "not latents": ("fvd", "other.npz", "real", *MOTION, 3, "no field 'latents'"),
    "different counts": ("psnr", "real", "one", 4, "do not pair up"),
    "different sizes": ("ssim", "real", "large", 4, "32x32"),
    "different lengths": ("psnr", "real", "long", 4, "8 and 9 frames"),
    "bad shard": ("stats", "real", *MOTION, "--shard", "3/3", "-o", "s.npz", 2, "shard 3/3"),
    "no shard": ("stats", "real", *MOTION, "--shard", "x", "-o", "s.npz", 2, "expected I/N"),
    "one part": ("merge", "other.npz", "-o", "s.npz", 2, "expected at least 2 files"),
    "parts of something else": ("merge", *["other.npz"] * 2, "-o", "s.npz", 3, "no statistics"),
    "small frames": ("lpips", "tiny", "tiny", 4, "at least 32 pixels"),
    "even window": ("ssim", "real", "real", "--window-size", "8", 2, "odd number"),
    "motion and videos": (*("diversity", "real", "--motion", "notes.txt", 2, "expected one"),),
    "one video": ("diversity", "one", 4, "no content has two motions"),
}


@pytest.mark.parametrize("case", BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_input_gets_a_sentence_and_a_code(run_moco, real, fake, tmp_path, case, monkeypatch):
    *args, code, sentence = case
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    np.savez(tmp_path / "other.npz", other=np.zeros(3))
    write_folder(tmp_path / "one", [0])
    write_folder(tmp_path / "long", range(6), num_frames=9)
    (tmp_path / "large").mkdir()
    for seed in range(6):
        write_video(tmp_path / "large" / f"{seed}.mp4", [draw(seed, 8, size=48)], fps=12)

    (tmp_path / "tiny").mkdir()
    write_png(tmp_path / "tiny" / "0.png", draw(0, 1)[0, :30, :30])

    result = run_moco("eval", *args)

    assert result.exit_code == code, result.stderr
    assert sentence in " ".join(result.stderr.replace("│", " ").split())


def test_existing_statistics_are_not_overwritten(run_moco, real, tmp_path):
    out = tmp_path / "part.npz"
    out.write_bytes(b"precious")

    result = run_moco("eval", "stats", real, *MOTION, "-o", out)

    assert result.exit_code == 2
    assert out.read_bytes() == b"precious"


@pytest.mark.slow
def test_two_processes_give_what_one_gives(real, fake, tmp_path):
    command = [
        "-m",
        "mocotool",
        "eval",
        "fvd",
        str(real),
        str(fake),
        *MOTION,
        "--no-cache",
        "--json",
    ]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

    outputs = [
        subprocess.run(
            [sys.executable, *launcher, *command], capture_output=True, text=True, check=True
        ).stdout
        for launcher in ([], torchrun)
    ]

    one, two = (json.loads(output) for output in outputs)
    assert two["value"] == pytest.approx(one["value"], rel=1e-6)
    assert two["inputs"] == one["inputs"]


def test_rows_of_a_table_are_printed_in_one_form_only(run_moco, real, fake):
    rows = run_moco("eval", "all", real, fake, "--num-frames", "8", "--markdown", "-q")
    both = run_moco("eval", "all", real, fake, "--markdown", "--latex")

    lines = rows.stdout.splitlines()
    assert lines[0].startswith("| method | frechet distance (motion features) |")
    assert lines[2].startswith("| fake |")
    assert both.exit_code == 2
    assert "exclude each other" in both.stderr
