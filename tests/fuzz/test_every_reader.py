"""Mutated files of every kind: a sentence, or what the file holds, in bounded time and memory."""

import pytest
from fuzz.cost_survey import OTHER_WEIGHTS, find_faults, list_cases, measure_all
from fuzz.fuzzer import fuzz


def test_some_mutated_files_end_in_sentences(tmp_path):
    counts, failures = fuzz(tmp_path, count=100, seed=1)

    assert failures == {}
    assert counts["refused"] > counts.total() // 4


@pytest.mark.slow
def test_two_thousand_mutated_files_end_in_sentences(tmp_path):
    counts, failures = fuzz(tmp_path, count=2000, seed=2, keep=tmp_path / "failures")

    assert failures == {}
    assert counts["refused"] > counts.total() // 4


@pytest.mark.slow
def test_hostile_files_cost_little_time_and_memory(tmp_path):
    # The others are opened one by one in tests/weights/test_hostile_files.py.
    cases = [case for case in list_cases() if case.group != OTHER_WEIGHTS]

    costs = measure_all(tmp_path, cases)

    assert len(costs) == len(cases) > 40
    assert find_faults(costs) == []
