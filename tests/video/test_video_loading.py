import subprocess
import sys

import numpy as np
import pytest
import torch
from reference.video_files import encode_clip, numbered_frames

from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.video.clips import ClipDataset
from mocotool.video.listing import list_videos
from mocotool.video.loading import BatchLoader, load_clips, load_images


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for index in range(5):
        frames = numbered_frames(8 + index, 16, 16)
        frames[..., 1] = index * 50
        encode_clip(folder / f"{index}.mkv", "ffv1", frames=frames, pix_fmt="bgr0", g="4")
    return list_videos(folder)


def load(listing, **options):
    return load_clips(
        listing, num_frames=4, size=16, **{"batch_size": 4, "num_workers": 0} | options
    )


def take(loader, num_batches):
    return torch.stack([next(loader) for _ in range(num_batches)])


def test_batches_are_bytes_and_endless(listing):
    batches = take(load(listing), 7)

    assert batches.shape == (7, 4, 4, 3, 16, 16)
    assert batches.dtype == torch.uint8


def test_decoded_and_on_demand_loading_agree(listing):
    torch.testing.assert_close(take(load(listing), 5), take(load(listing, memory_bytes=0), 5))


def test_a_global_batch_is_the_same_for_any_number_of_processes(listing):
    whole = take(load(listing), 3)
    parts = [take(load(listing, rank=rank, world_size=2), 3) for rank in range(2)]

    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


def test_a_resumed_loader_goes_on_exactly(listing):
    loader = load(listing)
    take(loader, 3)
    state = loader.state_dict()
    expected = take(loader, 3)

    resumed = load(listing)
    resumed.load_state_dict(state)

    torch.testing.assert_close(take(resumed, 3), expected)


def test_a_loader_resumes_with_another_batch_size(listing):
    loader = load(listing)
    take(loader, 2)
    resumed = load(listing, batch_size=2)
    resumed.load_state_dict(loader.state_dict())

    torch.testing.assert_close(take(resumed, 2).flatten(0, 1), next(loader))


@pytest.mark.parametrize("change", [{"seed": 1}, {"num_frames": 3}])
def test_resuming_on_other_data_is_refused(listing, change):
    state = load(listing).state_dict()
    other = load_clips(listing, **{"num_frames": 4, "size": 16, "batch_size": 4} | change)

    with pytest.raises(MismatchError, match="not those the run began with"):
        other.load_state_dict(state)


def test_uneven_shares_are_refused_with_the_nearest_size(listing):
    with pytest.raises(ConfigError, match="cannot be shared evenly") as caught:
        load(listing, batch_size=7, world_size=2)

    assert caught.value.hint == "--batch-size 8"


def test_loading_leaves_the_random_numbers_of_the_run_alone(listing):
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)

    take(load(listing), 2)

    torch.testing.assert_close(torch.rand(3), expected)


def test_damaged_videos_are_named_once(listing):
    class Damaged(ClipDataset):
        def read(self, position):
            if self.locate(position)[0] == 1:
                raise FileFormatError("1.mkv: frame 3 cannot be decoded")
            return super().read(position)

    warnings = []
    dataset = Damaged(listing, num_frames=4, size=16)
    loader = BatchLoader(dataset, batch_size=5, num_workers=0, warn=warnings.append)
    take(loader, 4)

    assert warnings == ["1.mkv: frame 3 cannot be decoded; another sample takes its place"]


def test_images_come_as_single_frames(listing):
    loader = load_images(listing, resolution=8, batch_size=6)

    assert take(loader, 2).shape == (2, 6, 3, 8, 8)
    assert loader.num_workers == 0


@pytest.mark.slow
def test_workers_give_the_same_batches_and_leave_random_numbers_alone(listing):
    expected = take(load(listing), 6)
    torch.manual_seed(0)
    numbers = torch.rand(3)
    torch.manual_seed(0)

    with load(listing, memory_bytes=0, num_workers=2) as loader:
        torch.testing.assert_close(take(loader, 6), expected)
    torch.testing.assert_close(torch.rand(3), numbers)


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips

if __name__ == "__main__":
    listing = list_videos(Path(sys.argv[1]))
    loader = load_clips(
        listing, num_frames=4, size=16, batch_size=4, memory_bytes=0, num_workers=2
    )
    caught = []
    signal.signal(signal.SIGINT, lambda *_: caught.append(1))
    for step in range(40):
        next(loader)
        if step == 3:
            os.killpg(0, signal.SIGINT)
    loader.close()
    print("caught", len(caught))
"""


@pytest.mark.slow
def test_ctrl_c_reaches_the_trainer_and_not_the_workers(listing, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    done = subprocess.run(
        [sys.executable, script, listing.folder],
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "caught 1\n", "")


class SpoiltDataset:
    """Samples that are their positions; every fifth cannot be decoded."""

    seed, is_decoded, contents, fingerprint = 0, True, {}, "spoilt"

    def prepare(self, positions):
        pass

    def read(self, position):
        if position % 5 == 2:
            raise FileFormatError(f"clip {position}: cannot be decoded")
        return np.full((1, 1), position % 251, np.uint8)


def test_a_spoilt_clip_is_replaced_alike_and_named_where_it_is_read():
    warnings = [[], [], []]
    whole = BatchLoader(SpoiltDataset(), batch_size=4, warn=warnings[2].append)
    ranks = [
        BatchLoader(
            SpoiltDataset(), batch_size=4, rank=rank, world_size=2, warn=warnings[rank].append
        )
        for rank in range(2)
    ]

    for _ in range(5):
        expected = next(whole)
        assert torch.equal(torch.cat([next(loader) for loader in ranks]), expected)

    assert all(warnings)
    assert sorted(warnings[0] + warnings[1]) == sorted(warnings[2])
    assert all("another sample takes its place" in line for line in warnings[0])
