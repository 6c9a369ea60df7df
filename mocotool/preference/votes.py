"""Votes, read strictly, and their analysis: shares with intervals, and one scale for all sides."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.boundary import foreign_data
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.files import check_input_file
from mocotool.metrics.intervals import exact_interval

SCHEMA = "moco.votes/1"
MAX_FILE_BYTES = 16 << 20
MAX_SIDES = 64
NORMAL_QUANTILE = 1.959963984540054  # of 95 %, on both sides
MAX_NEWTON_STEPS = 100
CONVERGED = 1e-10

Counts = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ballot:
    """One person's votes on one study."""

    study: str
    sides: tuple[str, ...]
    question: str
    voter: str
    choices: tuple[tuple[int, int, bool], ...]
    """The side that was preferred, the other one, and whether the preferred stood on the left."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PairTally:
    """Votes on one pair of sides."""

    a: str
    b: str
    num_a: int
    """Votes for `a`."""
    num_votes: int
    share: float
    """Share of the votes for `a`."""
    interval: tuple[float, float]
    """95 % confidence interval of the share (Clopper and Pearson)."""
    p_value: float
    """Two-sided p-value under no preference."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """Strength of a side on the common scale."""

    side: str
    value: float
    """Logarithm of odds: a side is preferred to another with odds exp(difference); mean 0."""
    interval: tuple[float, float]
    """95 % interval, from the curvature of the likelihood."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """Results of a study."""

    sides: tuple[str, ...]
    num_voters: int
    num_votes: int
    share_left: float
    """Of all votes, for whatever stood on the left; far from one half, people did not look."""
    pairs: tuple[PairTally, ...]
    strengths: tuple[Strength, ...] | None
    """Of more than two sides, by Bradley and Terry; `None` where the votes leave it open."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the numbers may not be what they seem."""
        found = []
        if len(self.sides) > 2 and self.strengths is None:
            found.append(
                "no common scale: some side was always preferred, never preferred, or never "
                "compared with the rest"
            )
        low, high = exact_interval(round(self.share_left * self.num_votes), self.num_votes)
        if not low <= 0.5 <= high:
            found.append(
                f"{self.share_left:.0%} of all votes are for the left, whatever stood there"
            )
        return tuple(found)


def read_ballot(path: Path | str) -> Ballot:
    """Read a file of votes.

    Raises:
        FileFormatError: It is missing, or not what the page saves.
    """
    path = check_input_file(Path(path))
    if path.stat().st_size > MAX_FILE_BYTES:
        raise FileFormatError(
            f"{path}: {path.stat().st_size:,} bytes, too large for a file of votes"
        )
    with foreign_data(path, what="a file of votes", hint="save it on the page of `moco compare`"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise FileFormatError(f"not votes of a page of `moco compare` ({SCHEMA})")
        sides = record.get("sides")
        texts = [record.get(name) for name in ("study", "question", "voter")]
        if not isinstance(sides, list) or not 2 <= len(sides) <= MAX_SIDES:
            raise FileFormatError("the votes name no sides")
        if not all(isinstance(text, str) for text in [*sides, *texts]):
            raise FileFormatError("the votes lack the names of their sides, study or voter")
        study, question, voter = map(str, texts)
        return Ballot(
            study=study,
            sides=tuple(sides),
            question=question,
            voter=voter,
            choices=_read_choices(record.get("votes"), num_sides=len(sides)),
        )


def _read_choices(votes: Any, *, num_sides: int) -> tuple[tuple[int, int, bool], ...]:
    if not isinstance(votes, list) or not votes:
        raise FileFormatError("it contains no votes")
    choices: list[tuple[int, int, bool]] = []
    trials: set[int] = set()
    for vote in votes:
        left, right, trial = (vote[name] for name in ("left", "right", "trial"))
        are_sides = all(type(side) is int and 0 <= side < num_sides for side in (left, right))
        if not are_sides or left == right or vote["chosen"] not in ("left", "right"):
            raise FileFormatError(f"vote {len(choices) + 1} is for no side of the study")
        if type(trial) is not int or trial in trials:
            raise FileFormatError(f"vote {len(choices) + 1} answers no question, or one twice")
        trials.add(trial)
        is_left = vote["chosen"] == "left"
        choices.append((left, right, True) if is_left else (right, left, False))
    return tuple(choices)


def tally_votes(ballots: Sequence[Ballot]) -> Tally:
    """Count votes.

    Args:
        ballots: Of one study, one a voter.

    Raises:
        ConfigError: There are none.
        MismatchError: They are of different studies, or one voter's are there twice.

    Source:
        Paper: Bradley and Terry, Biometrika 39, 1952.
    """
    if not ballots:
        raise ConfigError("no votes to count")
    first = ballots[0]
    voters: set[str] = set()
    for ballot in ballots:
        if (ballot.study, ballot.sides) != (first.study, first.sides):
            raise MismatchError(
                f"votes of the studies {first.study} and {ballot.study}",
                hint="count the votes of each page separately",
            )
        if ballot.voter in voters:
            raise MismatchError(f"the votes of {ballot.voter} were given twice")
        voters.add(ballot.voter)

    choices = [choice for ballot in ballots for choice in ballot.choices]
    wins = np.zeros((len(first.sides), len(first.sides)), np.int64)  # [preferred, other]
    for preferred, other, _ in choices:
        wins[preferred, other] += 1
    return Tally(
        sides=first.sides,
        num_voters=len(ballots),
        num_votes=len(choices),
        share_left=sum(is_left for *_, is_left in choices) / len(choices),
        pairs=tuple(_count_pairs(wins, first.sides)),
        strengths=fit_strengths(wins, first.sides) if len(first.sides) > 2 else None,
    )


def describe_tally(tally: Tally, *, as_text: bool) -> dict[str, Any]:
    """Return what a result says of a tally: plain JSON values, or one line for each of its rows."""
    if not as_text:
        return {"schema": "moco.tally/1"} | dataclasses.asdict(tally)
    described: dict[str, Any] = {
        "voters": tally.num_voters,
        "votes": tally.num_votes,
        "left": f"{tally.share_left:.1%}",
    }
    for pair in tally.pairs:
        low, high = pair.interval
        described[f"{pair.a} over {pair.b}"] = (
            f"{pair.share:.1%} ({low:.1%} to {high:.1%}), {pair.num_a} of {pair.num_votes}, "
            f"p {pair.p_value:.2g}"
        )
    for strength in sorted(tally.strengths or (), key=lambda found: -found.value):
        low, high = strength.interval
        described[f"strength of {strength.side}"] = (
            f"{strength.value:+.3f} ({low:+.3f} to {high:+.3f})"
        )
    return described


def _count_pairs(wins: Counts, sides: Sequence[str]) -> list[PairTally]:
    from scipy.stats import binomtest

    pairs = []
    for a in range(len(sides)):
        for b in range(a + 1, len(sides)):
            count, total = int(wins[a, b]), int(wins[a, b] + wins[b, a])
            if not total:
                continue
            pairs.append(
                PairTally(
                    a=sides[a],
                    b=sides[b],
                    num_a=count,
                    num_votes=total,
                    share=count / total,
                    interval=exact_interval(count, total),
                    p_value=float(binomtest(count, total).pvalue),
                )
            )
    return pairs


def fit_strengths(wins: Counts, sides: Sequence[str]) -> tuple[Strength, ...] | None:
    """Put all sides on one scale: the most likely strengths, whose mean is 0.

    Args:
        wins: Votes for the row's side against the column's, [n, n].
        sides: Their names.

    Returns:
        One for each side, or `None` if there is no finite answer: some sides were never preferred
        to the others, or never compared with them.
    """
    if not _is_connected(wins):
        return None

    # Newton's method on the log-likelihood of Bradley and Terry; `chance` [n, n] of being preferred
    votes = (wins + wins.T).astype(np.float64)
    strengths = np.zeros(len(sides))
    for _ in range(MAX_NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(strengths[None, :] - strengths[:, None]))
        gradient = (wins - votes * chance).sum(axis=1)
        step = np.linalg.pinv(_information(votes, chance)) @ gradient
        strengths += step / max(1.0, float(np.abs(step).max()))  # far jumps may not come back
        if np.abs(step).max() < CONVERGED:
            break

    # standard errors from the curvature at the maximum
    chance = 1.0 / (1.0 + np.exp(strengths[None, :] - strengths[:, None]))
    errors = np.sqrt(np.diag(np.linalg.pinv(_information(votes, chance))))
    return tuple(
        Strength(
            side=side,
            value=float(value),
            interval=(
                float(value - NORMAL_QUANTILE * error),
                float(value + NORMAL_QUANTILE * error),
            ),
        )
        for side, value, error in zip(sides, strengths - strengths.mean(), errors, strict=True)
    )


def _information(votes: Float64, chance: Float64) -> Float64:
    """Return the negative second derivative of the log-likelihood, [n, n]; its rows sum to 0."""
    weights = votes * chance * (1.0 - chance)
    information: Float64 = np.diag(weights.sum(axis=1)) - weights
    return information


def _is_connected(wins: Counts) -> bool:
    """Return whether each side was preferred to each other one, directly or by way of others."""
    reach = (wins > 0) | np.eye(len(wins), dtype=bool)
    for _ in range(math.ceil(math.log2(max(2, len(wins))))):
        reach = (reach.astype(np.int64) @ reach.astype(np.int64)) > 0
    return bool(reach.all())
