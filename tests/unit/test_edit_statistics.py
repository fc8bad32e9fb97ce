"""The edit benchmark's own numbers, on truths that are known by construction."""

from math import inf, isnan, nan, sqrt

import numpy as np
import pytest

from pack.benchmarks.edit import statistics

SEEN = [["fox", "fox", "pig", "cat"], ["pig", None, "pig", "fox"]]


def test_edit_accuracy_and_leak():
    asked, others = ["fox", "pig"], [{"pig"}, {"fox"}]
    assert statistics.edit_acc(SEEN, asked) == pytest.approx(4 / 7)  # a region out of sight counts nowhere
    assert statistics.leak(SEEN, asked, others) == pytest.approx(2 / 7)  # "cat" is wrong, but no one's
    assert statistics.leak(SEEN, ["fox", "fox"], [{"fox"}, {"fox"}]) == 0  # both -> fox: one's own word is no leak
    assert statistics.kept([["cow", "pig"]], ["cow"]) == 0.5
    assert isnan(statistics.kept([], [])) and isnan(statistics.edit_acc([[None]], ["fox"]))


def test_interval_against_a_known_value():
    mean, low, high = statistics.mean_interval([1.0, 2.0, 3.0, 4.0])
    half = 3.182446 * sqrt(5 / 3) / 2  # t(0.975, 3) from tables
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - half, 2.5 + half), abs=1e-5)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(5, 2, (4000, 6))
    bounds = np.array([statistics.mean_interval(row.tolist())[1:] for row in draws])
    coverage = ((bounds[:, 0] <= 5) & (bounds[:, 1] >= 5)).mean()
    assert coverage == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors
    assert statistics.mean_interval(draws[0].tolist(), 0.5)[1] > bounds[0, 0]


def test_intervals_of_few_or_odd_values():
    assert statistics.mean_interval([3.0])[0] == 3 and isnan(statistics.mean_interval([3.0])[1])
    assert all(isnan(value) for value in statistics.mean_interval([]))
    assert statistics.mean_interval([1.0, nan, 3.0])[0] == 2
    assert statistics.mean_interval([1.0, inf])[0] == inf and isnan(statistics.mean_interval([1.0, inf])[1])


def test_pairing_removes_what_clips_have_in_common():
    generator = np.random.default_rng(1)
    difficulty, noise = generator.normal(0, 10, 24), generator.normal(0, 0.1, 24)
    theirs, ours = difficulty, difficulty + 0.5 + noise
    mean, low, high = statistics.paired_interval(ours.tolist(), theirs.tolist())
    assert 0.4 < low < mean < high < 0.6
    ours_alone, theirs_alone = (statistics.mean_interval(side.tolist()) for side in (ours, theirs))
    assert ours_alone[1] < theirs_alone[2]  # unpaired, the intervals overlap
    with pytest.raises(ValueError):
        statistics.paired_interval([1.0], [1.0, 2.0])
