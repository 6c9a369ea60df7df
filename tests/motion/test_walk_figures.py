import pytest
import torch

from mocotool.motion.generator import MotionGenerator
from mocotool.motion.walk_figures import find_walk_alarms, measure_walks

GOOD = {"content": 0.3, "common": 0.2, "motion_seed": 0.5, "walk_spread": 1.0}


class Walker(MotionGenerator):
    """Steps of a kind that the test chooses, in place of the LSTM's."""

    def __init__(self, choose):
        super().__init__(
            latent_dim=6,
            noise_dim=6,
            hidden_dim=4,
            components=torch.eye(6),
            stdev=torch.ones(6),
        )
        self.choose = choose

    def unroll(self, latent, noise):
        first = latent
        yield latent
        for step in noise:
            latent = latent + 0.1 * self.choose(first, step)
            yield latent


def _measure(choose):
    rng = torch.Generator().manual_seed(0)
    first = torch.randn(32, 6, generator=rng)
    return measure_walks(Walker(choose), first, num_frames=8, rng=rng)


def test_one_way_for_all_is_common_and_blind_to_content():
    figures = _measure(lambda first, step: torch.ones_like(first))

    assert figures["common"] == pytest.approx(1.0)
    assert set(find_walk_alarms(figures)) == {"content-blind", "motion seeds alike"}


def test_what_the_content_decides_is_told_from_what_the_seed_decides():
    by_content = _measure(lambda first, step: first.flip(1))
    by_seed = _measure(lambda first, step: step)

    assert by_content["content"] > 0.9
    assert by_seed["motion_seed"] > 0.9
    assert "motion seeds alike" in find_walk_alarms(by_content)
    assert "content-blind" in find_walk_alarms(by_seed)


def test_walks_that_never_stop_are_told_from_those_that_stay():
    far = _measure(lambda first, step: 5 * step)
    near = _measure(lambda first, step: 0.1 * step)

    assert far["walk_spread"] > 1.5
    assert near["walk_spread"] == pytest.approx(1.0, abs=0.1)
    assert "drift" in find_walk_alarms(far)
    assert "drift" not in find_walk_alarms(near)


def test_good_walks_raise_no_alarm():
    assert find_walk_alarms(GOOD) == {}
    assert find_walk_alarms(GOOD | {"own": 0.9, "liveliness": 1.1}) == {}


@pytest.mark.parametrize(
    ("changes", "alarm"),
    [
        ({"own": 0.4}, "identity lost"),
        ({"liveliness": 0.2}, "frozen"),
        ({"liveliness": 4.0}, "wild"),
    ],
)
def test_what_rendered_walks_show_is_said_with_what_to_change(changes, alarm):
    alarms = find_walk_alarms(GOOD | changes)

    assert list(alarms) == [alarm]
    assert "--step-size" in alarms[alarm]
