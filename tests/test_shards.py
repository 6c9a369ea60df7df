"""Work divided into shards: parts that are merged are the whole, and nothing less passes for it."""

import dataclasses

import numpy as np
import pytest

from mocotool import pca, pca_parts
from mocotool.basis import write_basis
from mocotool.configs.pca import PCAConfig
from mocotool.configs.sample import SampleConfig
from mocotool.configs.shard import check_complete, parse_shard, take_share
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.latents import merge_latents, read_latents, write_latents
from mocotool.pca import fit_pca_basis, iter_latents, measure_pca_part, merge_pca_parts
from mocotool.pca_parts import read_pca_part, write_pca_part
from mocotool.training.distributed import Processes
from mocotool.trajectory import sample_trajectory
from mocotool.video.pictures import write_png
from mocotool.video.writing import write_video


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(pca, "DRAW_ROWS", 50)
    monkeypatch.setattr(pca_parts, "MAX_PIECES", 8)


CONFIG = PCAConfig(num_samples=990, seed=3)


def make_parts(generator, count, folder, config=CONFIG):
    paths = [folder / f"part-{index}.npz" for index in range(count)]
    for index, path in enumerate(paths):
        write_pca_part(measure_pca_part(generator, config=config, shard=(index, count)), path)
    return paths


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_merged_pca_is_that_of_one_machine_to_the_last_bit(toy_generator, tmp_path, count):
    parts = [read_pca_part(path) for path in make_parts(toy_generator, count, tmp_path)]

    merged = merge_pca_parts(parts[::-1])
    assert len(merged.meta.history) == 1  # the command that made a part
    merged = dataclasses.replace(merged, meta=dataclasses.replace(merged.meta, history=()))

    for name, basis in (
        ("merged", merged),
        ("whole", fit_pca_basis(toy_generator, config=CONFIG)),
    ):
        write_basis(basis, tmp_path / name)
    assert (tmp_path / "merged").read_bytes() == (tmp_path / "whole").read_bytes()


class Alone(Processes):
    """A process that hears nothing of the others."""

    def gather_objects(self, value):
        return [value]


@pytest.mark.parametrize("count", [2, 3, 11])  # more processes than pieces
def test_processes_share_a_pca_to_the_last_bit(toy_generator, tmp_path, count):
    parts = [
        measure_pca_part(toy_generator, config=CONFIG, processes=Alone(rank, count))
        for rank in range(count)
    ]
    pieces = [part.pieces for part in parts]

    class Together(Processes):
        def gather_objects(self, value):
            assert value.keys() == pieces[self.rank].keys()
            return pieces

    shared = fit_pca_basis(toy_generator, config=CONFIG, processes=Together(1, count))

    write_basis(shared, tmp_path / "shared")
    write_basis(fit_pca_basis(toy_generator, config=CONFIG), tmp_path / "alone")
    assert (tmp_path / "shared").read_bytes() == (tmp_path / "alone").read_bytes()
    assert sum(len(part) for part in pieces) == 8  # nothing was done twice


def test_the_pieces_add_up_to_numpys_covariance(toy_generator):
    rows = np.concatenate([part.numpy() for part in iter_latents(toy_generator, config=CONFIG)])
    part = measure_pca_part(toy_generator, config=CONFIG)

    moments = pca_parts.join_parts([part], num_pieces=8)

    assert moments.count == len(rows) == 990
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0, dtype=np.float64), rtol=1e-6)
    expected = np.cov(rows.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(moments.covariance(), expected, rtol=1e-9, atol=1e-12)


def test_a_pca_that_is_not_whole_is_refused(toy_generator, tmp_path, run_moco):
    paths = make_parts(toy_generator, 3, tmp_path)
    (tmp_path / "other").mkdir()
    other = make_parts(toy_generator, 3, tmp_path / "other", PCAConfig(num_samples=990, seed=4))
    out = tmp_path / "pca.npz"

    for parts, message in (
        (paths[:2], "3 of 8 pieces are missing, given were shards 0/3, 1/3"),
        ([*paths, paths[1]], "shard 1/3 overlaps with another"),
        ([*paths[:2], other[2]], "were made with different generators or settings"),
    ):
        result = run_moco("merge", *parts, "-o", out)
        assert (result.exit_code, out.exists()) == (4, False)
        assert message in result.stderr
    with pytest.raises(ConfigError, match="shard 0/9 is empty: only 8 in all"):
        measure_pca_part(toy_generator, config=CONFIG, shard=(0, 9))


def test_a_spoilt_part_is_refused(toy_generator, tmp_path):
    (path, _) = make_parts(toy_generator, 2, tmp_path)
    arrays = dict(np.load(path))
    arrays["means"] = arrays["means"][:, :-1]
    np.savez(path, **arrays)

    with pytest.raises(FileFormatError, match="are inconsistent"):
        read_pca_part(path)
    np.savez(path, x=np.zeros(2))
    with pytest.raises(FileFormatError, match="not a part of a PCA"):
        read_pca_part(path)


def test_merged_latents_are_those_of_one_call(toy_motion, toy_generator, tmp_path):
    config = SampleConfig(num_videos=10, num_frames=4, batch_size=2)
    whole = sample_trajectory(toy_motion, toy_generator, config=config)
    parts = {}
    for index in (2, 0, 1):
        path = tmp_path / f"{index}.npz"
        write_latents(
            sample_trajectory(toy_motion, toy_generator, config=config, shard=(index, 3)), path
        )
        parts[str(path)] = read_latents(path)

    merged = merge_latents(parts)

    np.testing.assert_array_equal(merged.latents, whole.latents)
    assert merged.meta == whole.meta
    assert sorted(part.num_videos for part in parts.values()) == [2, 4, 4]
    with pytest.raises(MismatchError, match="missing parts: 1/3"):
        merge_latents({name: part for name, part in parts.items() if part.meta.shard != (1, 3)})
    with pytest.raises(MismatchError, match="whole: does not say which part it is"):
        merge_latents(parts | {"whole": whole})


def test_rendered_shards_are_the_files_of_one_call(toy_latents_path, run_moco, tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    options = ["--noise", "random", "--precision", "fp32"]
    run_moco("render", toy_latents_path, "-o", tmp_path / "whole" / "a.apng", *options)
    for index in (1, 0):
        out = tmp_path / "parts" / "a.apng"
        result = run_moco("render", toy_latents_path, "-o", out, "--shard", f"{index}/2", *options)
        assert result.exit_code == 0, result.stderr

    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "parts" / path.name).read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "parts").iterdir())) == 3
    refused = run_moco(
        "render", toy_latents_path, "-o", tmp_path / "x.mp4", "--grid", "--shard=0/2"
    )
    assert refused.exit_code == 2
    assert "--shard divides videos that get a file each" in refused.stderr


def test_statistics_of_all_shards_are_wanted(real_clips_folder, run_moco, tmp_path):
    paths = [tmp_path / f"{index}.npz" for index in range(2)]
    for index, path in enumerate(paths):
        shard = ["--shard", f"{index}/3", "--detector", "motion", "--real-clips", "all"]
        result = run_moco("eval", "stats", real_clips_folder, *shard, "-o", path)
        assert result.exit_code == 0, result.stderr

    result = run_moco("merge", *paths, "-o", tmp_path / "all.npz")

    assert result.exit_code == 4
    assert "missing parts: 2/3" in result.stderr


@pytest.mark.parametrize(
    ("number", "count", "multiple", "starts"),
    [
        (10, 3, 1, [0, 3, 6]),
        (10, 3, 2, [0, 2, 6]),
        (200, 2, 64, [0, 128]),
        (5, 2, 64, [0, 2]),
    ],
)
def test_shares_are_blocks_of_everything(number, count, multiple, starts):
    shares = [take_share(number, (index, count), multiple=multiple) for index in range(count)]

    assert [share.start for share in shares] == starts
    assert [place for share in shares for place in share] == list(range(number))


@pytest.mark.parametrize("text", ["1", "2/2", "a/2", "-1/2", "0/0", "1/", "0/2000000"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ConfigError, match="expected"):
        parse_shard(text)


def test_parts_are_put_in_order():
    assert check_complete({"b": (1, 2), "a": (0, 2)}) == ["a", "b"]
    with pytest.raises(MismatchError, match="part of 3, others are of 2 and 3"):
        check_complete({"b": (1, 3), "a": (0, 2)})
    with pytest.raises(MismatchError, match="part 0/2 again"):
        check_complete({"b": (0, 2), "a": (0, 2)})


@pytest.mark.parametrize("kind", ["clips", "images"])
def test_merged_inversions_are_those_of_one_call(kind, toy_generator_path, run_moco, tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        frames = np.repeat(rng.integers(0, 256, (1, 16, 16, 3), np.uint8), 4, axis=0)
        if kind == "clips":
            write_video(folder / f"{index}.mkv", iter([frames]), fps=24.0 / (index + 1))
        else:
            write_png(folder / f"{index}.png", frames[0])
    options = {
        "clips": ["--num-frames", 2, "--num-axes", 2],
        "images": [
            *("--apart", "--perceptual", "none", "--num-steps", 10, "--num-starts", 9),
            *("--num-polish-steps", 0, "--batch-size", 1),
        ],
    }[kind]

    def invert(name, *more):
        out = tmp_path / f"{name}.npz"
        result = run_moco(
            *("invert", folder, "--generator", toy_generator_path, *options, *more, "-o", out)
        )
        assert result.exit_code == 0, result.stderr
        return out

    whole = read_latents(invert("whole"))
    parts = [invert(index, "--shard", f"{index}/2") for index in (1, 0)]
    result = run_moco("merge", *parts, "-o", tmp_path / "merged.npz")

    assert result.exit_code == 0, result.stderr
    merged = read_latents(tmp_path / "merged.npz")
    np.testing.assert_array_equal(merged.latents, whole.latents)
    assert dataclasses.replace(merged.meta, history=()) == dataclasses.replace(
        whole.meta, history=()
    )
    if kind == "clips":  # which takes as long again
        return
    other = invert("other", "--seed", 1, "--shard", "1/2")
    result = run_moco("merge", other, parts[1], "-o", tmp_path / "x.npz")
    assert (result.exit_code, (tmp_path / "x.npz").exists()) == (4, False)
    assert "settings or inputs" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "part.mp4"], "--shard makes a part of the latents"),
        (["-o", "part.npz", "--tune", "me.safetensors"], "--tune fits one generator"),
        (["-o", "part.npz", "--as-video"], "--shard divides images or clips"),
    ],
)
def test_what_no_part_of_an_inversion_can_be_is_refused(
    options, message, toy_generator_path, run_moco, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name, np.zeros((16, 16, 3), np.uint8))

    result = run_moco(
        *("invert", "a.png", "b.png", "--perceptual", "none", "--shard", "0/2"),
        *("--generator", toy_generator_path, *options),
    )

    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "part.npz").exists()
