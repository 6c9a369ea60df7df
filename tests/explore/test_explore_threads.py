"""How many threads render: whichever number is quicker at the moment."""

import time

import pytest
import torch

from mocotool.configs.explore import ExploreConfig
from mocotool.explore.opening import load_explorer
from mocotool.explore.threads import settle_threads


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("slow", "left"), [(2, 1), (1, 2)])
@pytest.mark.usefixtures("two_threads")
def test_the_quicker_number_of_threads_stays(slow, left):
    asked = []

    def render():
        asked.append(torch.get_num_threads())
        time.sleep(0.02 if asked[-1] == slow else 0.0)

    assert settle_threads(render) == (left == 1)

    assert torch.get_num_threads() == left
    assert set(asked) == {1, 2}


def test_one_thread_alone_is_not_timed():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert not settle_threads(lambda: pytest.fail("rendered"))
    finally:
        torch.set_num_threads(before)


def test_frames_for_timing_are_rendered_each_time(toy_motion_path, toy_pca_path, monkeypatch):
    explorer = load_explorer(toy_motion_path, pca=toy_pca_path, config=ExploreConfig())
    sizes = []
    monkeypatch.setattr(explorer, "_render_frames", lambda _, idxs: sizes.append(len(idxs)))

    explorer.render_anew()
    explorer.render_anew()

    assert sizes == [4, 4]
