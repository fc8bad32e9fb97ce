"""The edit benchmark's own numbers, on truths that are known by construction."""

from math import inf, isnan, nan, sqrt

import numpy as np
import pytest

from pack.benchmarks.ruler import statistics


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


def test_the_bootstrap_agrees_with_the_t_interval_and_says_what_is_chance():
    ours = np.random.default_rng(3).normal(0.5, 1, 36)
    mean, low, high, p = statistics.bootstrapped(ours.tolist())
    _, t_low, t_high = statistics.mean_interval(ours.tolist())
    assert mean == pytest.approx(ours.mean()) and (low, high) == pytest.approx((t_low, t_high), abs=0.08)
    assert p < 0.05 and (low > 0) == (p < 0.05)
    assert statistics.bootstrapped(ours.tolist()) == (mean, low, high, p)  # the same draws every time
    *_, chance = statistics.bootstrapped([-1.0, 1.0] * 10)
    assert chance > 0.5
    assert statistics.bootstrapped([0.25, nan])[0] == 0.25 and isnan(statistics.bootstrapped([0.25, nan])[3])


def test_holm_against_known_values():
    # Sorted: 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 -> monotone.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    few = statistics.holm([0.6, nan, 0.7])
    assert few[0] == 1 and isnan(few[1]) and few[2] == 1
