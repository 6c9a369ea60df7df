"""`moco merge` puts parts together by what they are."""

import json

import pytest

from mocotool.basis import read_basis
from mocotool.latents import read_latents


@pytest.mark.parametrize("kind", ["pca", "latents"])
def test_parts_by_command_are_merged(kind, toy_motion_path, toy_generator_path, run_moco, tmp_path):
    parts = [tmp_path / f"{index}.npz" for index in range(2)]
    command = {
        "pca": ["pca", toy_generator_path, "--num-samples", 9000],
        "latents": ["sample", toy_motion_path, "--num-videos", 3],
    }[kind]
    for index, part in enumerate(parts):
        result = run_moco(*command, "--shard", f"{index}/2", "-o", part)
        assert result.exit_code == 0, result.stderr

    result = run_moco("merge", *parts, "-o", tmp_path / "all.npz", "--json")

    values = json.loads(result.stdout)
    if kind == "pca":
        assert (values["what"], values["num_samples"]) == ("PCA basis", 9000)
        assert len(read_basis(tmp_path / "all.npz").meta.history) == 2
    else:
        assert (values["what"], values["num_videos"]) == ("latents", 3)
        assert len(read_latents(tmp_path / "all.npz").meta.history) == 2


def test_files_of_two_kinds_are_refused(toy_latents_path, toy_pca_path, run_moco, tmp_path):
    out = ["-o", tmp_path / "all.npz"]

    assert run_moco("merge", toy_latents_path, *out).exit_code == 2
    result = run_moco("merge", toy_latents_path, toy_pca_path, *out)
    assert result.exit_code == 3
    part = tmp_path / "part.npz"
    run_moco("pca", "--num-samples", 9000, "--shard", "0/2", "-o", part)
    result = run_moco("merge", toy_latents_path, part, *out)
    assert result.exit_code == 4
    assert "holds latents" in result.stderr
