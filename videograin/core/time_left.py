"""Time left: what the rest of some steps will take, judged by those so far, in words that do not flicker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

CLOSEST = 5  # seconds, as the words are rounded
SAME = 1e-4  # of a noise level: what rounding makes of it


class TimeLeft:
    """The time that the rest of `total` steps needs. clock: () -> seconds."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic):
        self.total, self.clock = total, clock
        self.first: tuple[int, float] | None = None  # steps done when it was first asked, and when that was

    def words(self, done: int) -> str:
        """ ", about 3 min left" when `done` steps are over; empty the first time, and when none is left.

        The mean is of the steps since the first time it was asked: what was before may have loaded the model.
        """
        now = self.clock()
        if self.first is None:
            self.first = done, now
        before, began = self.first
        if done <= before or done >= self.total:
            return ""
        return f", about {in_words((now - began) / (done - before) * (self.total - done))} left"


def in_words(seconds: float) -> str:
    """ "35 s", or from a minute on "3 min"."""
    near = max(1, round(seconds / CLOSEST)) * CLOSEST
    return f"{near} s" if near < 60 else f"{round(seconds / 60)} min"


def step_at(sigma: float, levels: Sequence[float]) -> int:
    """The step, from 0, that a call of the network at a noise level belongs to; levels descend, one more than steps.

    Calls between two levels, as of samplers of second order, belong to the step from the upper to the lower one.
    """
    reached = sum(level >= sigma * (1 - SAME) for level in levels)
    return max(0, min(reached, len(levels) - 1) - 1)
