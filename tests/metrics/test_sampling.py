"""Which clips are measured: by length, by choice, by seed."""

import numpy as np
import pytest

from mocotool.errors import FileFormatError
from mocotool.metrics.sampling import plan_clips, plan_frames

LENGTHS = np.array([10, 3, 16, 8], np.int64)


def clips_of(**settings):
    return plan_clips(LENGTHS, name="toys", **({"choice": "first", "num_frames": 4} | settings))


def test_short_videos_are_skipped_and_counted():
    plan = clips_of()

    assert plan.num_short == 1
    assert [plan[i] for i in range(len(plan))] == [
        (0, range(0, 4)),
        (2, range(0, 4)),
        (3, range(0, 4)),
    ]


def test_stride_counts_towards_the_length():
    plan = clips_of(frame_stride=3)  # 4 frames at stride 3 span 10

    assert [plan[i][0] for i in range(len(plan))] == [0, 2]
    assert list(plan[0][1]) == [0, 3, 6, 9]


def test_all_videos_too_short_is_an_error_that_says_how_long():
    with pytest.raises(FileFormatError, match="the longest of 4 videos has 16 frames, expected 20"):
        clips_of(num_frames=20)


def test_all_clips_do_not_overlap():
    plan = clips_of(choice="all")

    assert [plan[i] for i in range(len(plan)) if plan[i][0] == 0] == [
        (0, range(0, 4)),
        (0, range(4, 8)),
    ]
    assert plan.num_samples == 2 + 4 + 2


def test_the_centre_is_the_centre():
    assert clips_of(choice="centre")[0] == (0, range(3, 7))


def test_random_clips_depend_on_the_seed_and_stay_inside():
    plans = [clips_of(choice="random", seed=seed) for seed in range(20)]

    starts = {plan[1][1].start for plan in plans}
    assert len(starts) > 5
    assert max(starts) <= 12
    assert clips_of(choice="random", seed=3).identify() == plans[3].identify()


def test_a_video_keeps_its_clip_when_others_come_or_go():
    longer = np.append(LENGTHS, [40, 40])

    plan = plan_clips(longer, name="toys", choice="random", num_frames=4, seed=5)

    assert plan[0] == clips_of(choice="random", seed=5)[0]


def test_a_count_draws_without_replacement():
    plan = clips_of(choice="all", count=5, seed=1)

    assert plan.num_samples == 5
    assert len({plan[i] for i in range(5)}) == 5


def test_frames_of_a_video_are_read_together():
    plan = plan_frames(LENGTHS)

    assert plan.num_samples == 37
    assert [plan[i] for i in range(len(plan))] == [
        (0, list(range(10))),
        (1, [0, 1, 2]),
        (2, list(range(16))),
        (3, list(range(8))),
    ]


def test_some_frames_keep_their_order():
    plan = plan_frames(LENGTHS, count=9, seed=2)

    pairs = [
        (video, frame) for i in range(len(plan)) for video, frames in [plan[i]] for frame in frames
    ]
    assert len(pairs) == 9
    assert pairs == sorted(set(pairs))


def test_one_frame_of_each_video():
    plan = plan_frames(LENGTHS, one_each=True)

    assert [plan[i][0] for i in range(len(plan))] == [0, 1, 2, 3]
    assert all(len(plan[i][1]) == 1 for i in range(4))
