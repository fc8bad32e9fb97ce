"""Schedules: the noise levels at which a feature acts, one rule for all."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple


class Schedule(NamedTuple):
    """The noise levels at which a feature acts: from `start` down to `end`, without `end` itself.

    A step goes from a level to the next lower one, so the step that ends at `end` is the last.
    """

    start: float = inf
    end: float = 0.0

    def active(self, sigma: float) -> bool:
        """Whether the feature acts at noise level sigma."""
        return self.end < sigma <= self.start

    def reaches(self, last: float) -> bool:
        """Whether the feature acts in the step that ends at a run's last level."""
        return self.end <= last <= self.start


def of_shares(start_percent: float, end_percent: float, to_sigma: Callable[[float], float]) -> Schedule:
    """The schedule between two shares of the noise schedule, 0 to 1. to_sigma: the model's map from share to sigma."""
    return Schedule(float(to_sigma(start_percent)), float(to_sigma(end_percent)))
