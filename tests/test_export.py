import dataclasses
import io

import av
import numpy as np
import pytest
import torch

from mocotool.configs.render import RenderConfig
from mocotool.errors import ConfigError, MocoWarning
from mocotool.export import describe_video, draw_sheet, export_trajectory, reduce_frames
from mocotool.frames import render_video
from mocotool.generators.dcgan import DCGAN
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.training.distributed import Processes
from mocotool.video.listing import list_videos
from mocotool.video.opening import open_video
from mocotool.video.pictures import read_image
from mocotool.video.reading import read_frames


def make_trajectory(num_videos, num_frames, **meta):
    latents = np.random.default_rng(0).standard_normal((num_videos, num_frames, 12))
    return Trajectory(latents=latents.astype(np.float32), meta=LatentsMeta(space="w", **meta))


def test_one_video_goes_to_the_name_that_was_asked_for(toy_generator, tmp_path):
    out = tmp_path / "clip.mp4"

    paths = export_trajectory(toy_generator, make_trajectory(1, 6), out, format="mp4")

    assert paths == [out]
    assert open_video(out).num_frames == 6


def test_several_videos_get_numbers(toy_generator, tmp_path):
    paths = export_trajectory(
        toy_generator, make_trajectory(3, 2), tmp_path / "clip.gif", format="gif"
    )

    assert [path.name for path in paths] == ["clip-0000.gif", "clip-0001.gif", "clip-0002.gif"]
    assert sorted(tmp_path.iterdir()) == paths


def test_a_grid_shows_all_videos_in_one(toy_generator, tmp_path):
    out = tmp_path / "grid.mkv"

    export_trajectory(toy_generator, make_trajectory(4, 20), out, format="mkv", grid=True)

    video = open_video(out)
    assert (video.num_frames, video.width, video.height) == (20, 32, 32)


def test_a_stream_gets_one_video(toy_generator):
    stream = io.BytesIO()

    paths = export_trajectory(toy_generator, make_trajectory(2, 3), stream, format="mp4")

    assert paths == []
    assert stream.getvalue()[4:8] == b"ftyp"


def test_frames_a_second_come_from_the_option_then_the_latents_then_twelve():
    quick = make_trajectory(1, 1, fps=30.0)

    assert RenderConfig(fps=5.0).choose_fps(quick.meta.fps) == 5.0
    assert RenderConfig().choose_fps(quick.meta.fps) == 30.0
    assert RenderConfig().choose_fps(None) == 12.0


def test_the_file_plays_at_the_rate_of_the_latents(toy_generator, tmp_path):
    out = tmp_path / "clip.mp4"

    export_trajectory(toy_generator, make_trajectory(1, 6, fps=7.5), out, format="mp4")

    assert float(open_video(out).fps) == 7.5


def test_a_contact_sheet_has_a_row_for_each_video(toy_generator, tmp_path):
    trajectory = make_trajectory(2, 3)

    export_trajectory(toy_generator, trajectory, tmp_path / "sheet.png", format="png")

    sheet = read_image(tmp_path / "sheet.png")
    (row,) = render_video(toy_generator, trajectory, 1)
    assert sheet.shape == (32, 48, 3)
    np.testing.assert_array_equal(sheet[16:, 32:], row[2])


def test_captions_stand_above_rows_and_columns_and_leave_the_pictures(toy_generator, tmp_path):
    trajectory = make_trajectory(2, 3, seeds=[4, 5], names=["a$b", "\u4eba"])
    plain = draw_sheet(toy_generator, trajectory, config=RenderConfig())

    sheet = draw_sheet(toy_generator, trajectory, config=RenderConfig(captions=True))

    assert sheet.shape == (20 + 2 * (20 + 16), 48, 3)
    np.testing.assert_array_equal(sheet[40:56], plain[:16])
    np.testing.assert_array_equal(sheet[76:], plain[16:])
    for strip in (sheet[:20], sheet[20:40], sheet[56:76]):
        assert strip.min() < 100
    assert (sheet[20:40] != sheet[56:76]).any()
    assert describe_video(trajectory, 0) == "a$b, seed 4"
    assert describe_video(make_trajectory(1, 1), 0) == "video 0"
    with pytest.raises(ConfigError, match="--captions is for contact sheets"):
        export_trajectory(
            toy_generator,
            trajectory,
            tmp_path / "a.mp4",
            format="mp4",
            config=RenderConfig(captions=True),
        )


def test_a_contact_sheet_of_a_long_video_shows_first_and_last(toy_generator):
    trajectory = make_trajectory(1, 100)

    sheet = draw_sheet(toy_generator, trajectory, config=RenderConfig())

    ends = np.concatenate(
        list(render_video(toy_generator, trajectory, 0, frame_idxs=np.array([0, 99])))
    )
    assert sheet.shape == (16, 256, 3)
    assert np.abs(sheet[:, :16].astype(int) - ends[0]).max() <= 1
    assert np.abs(sheet[:, -16:].astype(int) - ends[1]).max() <= 1


def test_a_contact_sheet_renders_only_what_is_seen(toy_generator):
    done = []

    draw_sheet(toy_generator, make_trajectory(40, 100), config=RenderConfig(), progress=done.append)

    assert sum(done) == 32 * 16


def test_a_contact_sheet_stays_of_a_size_that_opens(toy_generator, monkeypatch):
    monkeypatch.setattr("mocotool.export.MAX_SHEET_PIXELS", 40)

    sheet = draw_sheet(toy_generator, make_trajectory(2, 5), config=RenderConfig())

    assert sheet.shape == (2 * 8, 5 * 8, 3)


def test_reduced_frames_are_averages():
    frames_u8 = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)

    np.testing.assert_array_equal(
        reduce_frames(frames_u8, 2)[0, :, :, 0], np.round([[2.5, 4.5], [10.5, 12.5]])
    )


def test_numbered_frames_are_what_was_rendered_bit_for_bit(toy_generator, tmp_path):
    trajectory = make_trajectory(1, 20)

    paths = export_trajectory(
        toy_generator, trajectory, tmp_path / "frames" / "%05d.png", format="png"
    )

    assert paths == [tmp_path / "frames" / "%05d.png"]
    shown = np.concatenate(list(render_video(toy_generator, trajectory, 0)))
    entry = open_video(tmp_path / "frames")
    np.testing.assert_array_equal(read_frames(entry, range(20)), shown)


def test_several_videos_get_a_folder_each(toy_generator, tmp_path):
    out = tmp_path / "frames" / "%d.png"

    for num_videos in (3, 2):
        export_trajectory(
            toy_generator, make_trajectory(num_videos, 4), out, format="png", force=True
        )

    listing = list_videos(tmp_path / "frames")
    assert [(entry.path.name, entry.num_frames) for entry in listing.entries] == [
        ("0000", 4),
        ("0001", 4),
    ]


def test_what_is_written_has_the_size_that_was_asked_for(toy_generator, tmp_path):
    config = RenderConfig(size=(40, 20))
    trajectory = make_trajectory(2, 3)

    export_trajectory(
        toy_generator, trajectory, tmp_path / "a.mkv", format="mkv", config=config, grid=True
    )
    export_trajectory(toy_generator, trajectory, tmp_path / "a.png", format="png", config=config)

    video = open_video(tmp_path / "a.mkv")
    assert (video.num_frames, video.width, video.height) == (3, 40, 20)
    assert read_image(tmp_path / "a.png").shape == (20, 40, 3)


@pytest.fixture(scope="module")
def glass():
    """A generator of transparent pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DCGAN(z_dim=12, channels=[8, 4], img_channels=4).freeze()


def test_transparent_pictures_stay_so_where_the_file_can_hold_it(glass, tmp_path):
    trajectory = dataclasses.replace(make_trajectory(1, 3), meta=LatentsMeta(space="z"))
    rgba = np.concatenate(list(render_video(glass, trajectory, 0, keep_alpha=True)))
    config = RenderConfig(codec="ffv1")

    export_trajectory(glass, trajectory, tmp_path / "f" / "%d.png", format="png")
    export_trajectory(glass, trajectory, tmp_path / "a.mkv", format="mkv", config=config)

    for source in (tmp_path / "f" / "%d.png", tmp_path / "a.mkv"):
        with av.open(str(source), options={"start_number": "0"}) as container:
            frames = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
        np.testing.assert_array_equal(np.stack(frames), rgba)


def test_transparent_pictures_are_shown_on_white_elsewhere(glass, tmp_path):
    trajectory = dataclasses.replace(make_trajectory(1, 3), meta=LatentsMeta(space="z"))
    rgba = np.concatenate(list(render_video(glass, trajectory, 0, keep_alpha=True))) / 255
    expected = 255 * (rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:])

    shown = np.concatenate(list(render_video(glass, trajectory, 0)))
    with pytest.warns(MocoWarning, match=r"\.mp4 is not: they are shown on white"):
        export_trajectory(glass, trajectory, tmp_path / "a.mp4", format="mp4")

    assert np.abs(shown - expected).max() <= 0.51
    assert open_video(tmp_path / "a.mp4").num_frames == 3


def test_a_file_that_exists_stops_before_any_is_written(toy_generator, tmp_path):
    (tmp_path / "clip-0002.mp4").touch()

    with pytest.raises(ConfigError, match="clip-0002.mp4: already exists"):
        export_trajectory(toy_generator, make_trajectory(3, 2), tmp_path / "clip.mp4", format="mp4")

    assert [path.name for path in tmp_path.iterdir()] == ["clip-0002.mp4"]


def test_force_replaces_files(toy_generator, tmp_path):
    (tmp_path / "a.mp4").touch()

    export_trajectory(
        toy_generator, make_trajectory(1, 2), tmp_path / "a.mp4", format="mp4", force=True
    )

    assert open_video(tmp_path / "a.mp4").num_frames == 2


def test_processes_share_the_files(toy_generator, tmp_path):
    for rank, names in [(0, ["a-0000.gif", "a-0002.gif"]), (1, ["a-0001.gif"])]:
        folder = tmp_path / str(rank)
        folder.mkdir()

        paths = export_trajectory(
            toy_generator,
            make_trajectory(3, 2),
            folder / "a.gif",
            format="gif",
            processes=Processes(rank=rank, world_size=2),
        )

        assert sorted(path.name for path in folder.iterdir()) == names
        assert len(paths) == 3


def test_a_grid_is_written_by_the_first_process(toy_generator, tmp_path):
    export_trajectory(
        toy_generator,
        make_trajectory(2, 2),
        tmp_path / "a.gif",
        format="gif",
        grid=True,
        processes=Processes(rank=1, world_size=2),
    )

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_video_that_failed(toy_generator, tmp_path):
    wrong = Trajectory(latents=np.ones((1, 2, 11), np.float32), meta=LatentsMeta(space="w"))

    with pytest.raises(Exception, match="11"):
        export_trajectory(toy_generator, wrong, tmp_path / "clip.mp4", format="mp4")

    assert list(tmp_path.iterdir()) == []


def test_a_shorter_set_leaves_nothing_of_the_longer_one_before(
    toy_generator, toy_trajectory, tmp_path
):
    for index in (0, 3, 12):
        (tmp_path / f"walk-{index:04d}.gif").write_bytes(b"old")
    for name in ("walk-0003.mp4", "walk-x.gif", "other-0003.gif"):
        (tmp_path / name).write_bytes(b"mine")

    export_trajectory(
        toy_generator, toy_trajectory, tmp_path / "walk.gif", format="gif", force=True
    )

    assert sorted(path.name for path in tmp_path.glob("walk-0*.gif")) == [
        f"walk-{index:04d}.gif" for index in range(3)
    ]
    assert len(list(tmp_path.iterdir())) == 6
