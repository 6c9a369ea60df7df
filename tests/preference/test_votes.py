"""What votes say, against the textbook."""

import json

import numpy as np
import pytest
from scipy.stats import beta

from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.preference.votes import fit_strengths, read_ballot, tally_votes


def record(votes, *, voter="v1", sides=("ours", "theirs"), study="s"):
    """What the page saves, for votes (left, right, chosen)."""
    return {
        "schema": "moco.votes/1",
        "study": study,
        "question": "Which?",
        "sides": list(sides),
        "voter": voter,
        "votes": [
            {"trial": i, "left": left, "right": right, "chosen": chosen, "seconds": 1.5}
            for i, (left, right, chosen) in enumerate(votes)
        ],
    }


@pytest.fixture
def ballot(tmp_path):
    def make(votes, **settings):
        path = tmp_path / f"votes-{settings.get('voter', 'v1')}.json"
        path.write_text(json.dumps(record(votes, **settings)))
        return read_ballot(path)

    return make


def test_shares_have_clopper_and_pearsons_interval(ballot):
    votes = [(0, 1, "left")] * 4 + [(1, 0, "right")] * 3 + [(0, 1, "right")] * 3
    tally = tally_votes([ballot(votes)])

    (pair,) = tally.pairs
    assert (pair.a, pair.num_a, pair.num_votes) == ("ours", 7, 10)
    assert pair.share == pytest.approx(0.7)
    assert pair.interval == pytest.approx((beta.ppf(0.025, 7, 4), beta.ppf(0.975, 8, 3)))
    assert tally.share_left == pytest.approx(0.4)


def test_votes_of_several_people_are_added(ballot):
    one = ballot([(0, 1, "left")] * 3, voter="a")
    two = ballot([(1, 0, "left"), (0, 1, "left")], voter="b")

    tally = tally_votes([one, two])

    assert (tally.num_voters, tally.num_votes, tally.pairs[0].num_a) == (2, 5, 4)


def climb_by_hand(wins, rounds):
    """Zermelo's iteration for the strengths, one side after the other."""
    strengths = np.ones(len(wins))
    for _ in range(rounds):
        for i in range(len(wins)):
            others = [j for j in range(len(wins)) if j != i]
            strengths[i] = wins[i].sum() / sum(
                (wins[i, j] + wins[j, i]) / (strengths[i] + strengths[j]) for j in others
            )
        strengths /= strengths.prod() ** (1 / len(wins))
    return np.log(strengths)


def test_strengths_are_the_most_likely_ones():
    wins = np.array([[0, 9, 7, 5], [3, 0, 6, 8], [4, 5, 0, 2], [1, 2, 9, 0]])

    found = fit_strengths(wins, "abcd")

    assert [s.value for s in found] == pytest.approx(climb_by_hand(wins, 500), abs=1e-6)


def test_two_sides_have_the_interval_of_a_logarithm_of_odds():
    a, b = fit_strengths(np.array([[0, 30], [20, 0]]), "ab")

    error = np.sqrt(1 / 30 + 1 / 20)
    assert a.value - b.value == pytest.approx(np.log(30 / 20))
    assert a.interval[1] - a.interval[0] == pytest.approx(2 * 1.959964 * error / 2, rel=1e-5)


@pytest.mark.parametrize(
    "wins",
    [
        [[0, 5, 5], [0, 0, 3], [0, 2, 0]],
        [[0, 5, 0, 0], [5, 0, 0, 0], [0, 0, 0, 5], [0, 0, 5, 0]],
    ],
    ids=["one is never beaten", "two groups never met"],
)
def test_votes_that_leave_strengths_open_give_none(wins):
    assert fit_strengths(np.array(wins), "abcd"[: len(wins)]) is None


def test_votes_for_one_place_whatever_stands_there_are_warned_of(ballot):
    left = [(0, 1, "left"), (1, 0, "left")] * 10
    fair = [(0, 1, "left"), (1, 0, "right")] * 10

    assert "are for the left" in tally_votes([ballot(left)]).warnings[0]
    assert tally_votes([ballot(fair)]).warnings == ()


def test_votes_that_do_not_belong_together_are_refused(ballot):
    votes = [(0, 1, "left")]

    with pytest.raises(MismatchError, match="given twice"):
        tally_votes([ballot(votes), ballot(votes)])
    with pytest.raises(MismatchError, match="votes of the studies s and t"):
        tally_votes([ballot(votes), ballot(votes, voter="b", study="t")])
    with pytest.raises(ConfigError, match="no votes to count"):
        tally_votes([])


def change(**values):
    return json.dumps(record([(0, 1, "left")]) | values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nonsense",
        '{"schema": "moco.eval/1"}',
        change(sides=["ours"]),
        change(sides=["ours", 3]),
        change(voter=None),
        change(votes=[]),
        change(votes=[1]),
        change(votes=[{"trial": 0, "left": 0, "right": 2, "chosen": "left"}]),
        change(votes=[{"trial": 0, "left": 1, "right": 1, "chosen": "left"}]),
        change(votes=[{"trial": 0, "left": 0, "right": 1, "chosen": "both"}]),
        change(votes=2 * [{"trial": 0, "left": 0, "right": 1, "chosen": "left"}]),
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_ballot_is_a_sentence(tmp_path, text):
    path = tmp_path / "votes.json"
    path.write_text(text)

    with pytest.raises(FileFormatError, match=r"^.*votes\.json: "):
        read_ballot(path)
