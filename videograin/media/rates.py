"""Frame rates as exact fractions, and the even rhythm behind times that a container has rounded.

Matroska, WebM, FLV and animated WebP store times in milliseconds, QuickTime often in 1/600 s, GIF in 1/100 s. At 30
frames per second the second frame then appears at 0.033 s, too early, and the third at 0.067 s, too late.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

NTSC = tuple(Fraction(1000 * whole, 1001) for whole in (24, 30, 48, 60, 120, 240))
MILLISECOND = Fraction(1, 1000)  # the least rounding assumed: clips are copied from containers that round to it
NEAR = Fraction(3, 1000)  # relative error that a container's stated rate may have
FITTING = 0.9  # share of the frames that must keep the rhythm; a few odd times are allowed
UNTIMED_RATE = Fraction(24)  # frames per second of pictures that have no timing of their own
COARSE = 3  # ticks between frames; with fewer, a left-out frame looks like rounding


class Rhythm(NamedTuple):
    """The even rhythm of a clip's frames, origin + i / rate, rounded by up to `tick` seconds; rate 0 for no rhythm."""

    origin: Fraction
    rate: Fraction = Fraction(0)
    tick: Fraction = MILLISECOND

    def exact(self, time: Fraction, ticks: int = 1) -> Fraction:
        """A time before it was rounded; unchanged if it is more than `ticks` off the rhythm."""
        if not self.rate:
            return time
        turn = self.origin + round((time - self.origin) * self.rate) / self.rate
        return turn if abs(turn - time) <= self.tick * ticks else time


def exact_rate(rate: float | Fraction) -> Fraction:
    """The exact rate that a decimal number stands for: 29.97 is 30000/1001, 23.976 and 23.98 are 24000/1001."""
    near = (ntsc for ntsc in NTSC if abs(ntsc - Fraction(rate)) < Fraction(1, 200))
    return next(near, Fraction(rate).limit_denominator(1001))


def rhythm(times: list[Fraction], nominal: Iterable[Fraction | None], tick: Fraction) -> Rhythm:
    """The rhythm of a clip: the first candidate that fits, unless a later one fits more than twice as well.

    times: start times of its frames, ascending. nominal: rates stated by its file. tick: the unit of its times.
    """
    tick, origin = max(tick, MILLISECOND), times[0]
    seconds = np.array([float(time - origin) for time in times])
    best, least = Rhythm(origin, tick=tick), np.inf
    for rate in candidates(seconds, nominal):
        allowed = min(float(tick), float(1 / (2 * rate)))
        turns = np.rint(seconds * float(rate))
        off = np.abs(seconds - turns / float(rate))
        fits = off <= allowed * (1 + 1e-6)
        coarse = rate * tick * COARSE <= 1 and (np.diff(turns[fits]) > 0).all()
        apart = coarse or (np.diff(turns) == 1).all()
        error = np.minimum(off, allowed).mean()
        if fits.mean() >= FITTING and apart and error < least / 2:  # a short clip cannot tell 29.97 from 30
            best, least = Rhythm(origin, rate, min(tick, 1 / (2 * rate))), error
    return best


def candidates(seconds: np.ndarray, nominal: Iterable[Fraction | None]) -> list[Fraction]:
    """Rates that a clip may have: whole and NTSC rates near each nominal or measured rate, then that rate itself."""
    guesses = [Fraction(rate) for rate in nominal if rate]
    if seconds[-1] > 0:
        guesses.append(Fraction((len(seconds) - 1) / seconds[-1]).limit_denominator(100_000))
    found = []
    for rate in guesses:
        usual = [usual for usual in (Fraction(round(rate)), *NTSC) if abs(usual - rate) <= rate * NEAR]
        found += [*sorted(usual, key=lambda usual: abs(usual - rate)), rate]
    return list(dict.fromkeys(rate for rate in found if rate))


def mean_rate(starts: list[Fraction], nominal: list[Fraction | None], nominal_only: bool = False) -> Fraction:
    """Frames per second over the whole clip.

    The first nominal rate, else the whole number, that drifts less than half a frame over the clip replaces the mean,
    since timestamps are often rounded to milliseconds. nominal_only: the frames' times are unreliable.
    """
    nominal = [Fraction(rate) for rate in nominal if rate]
    if starts[-1] == 0 or (nominal and nominal_only):  # one frame, or some are missing
        return nominal[0] if nominal else UNTIMED_RATE
    mean = (len(starts) - 1) / starts[-1]
    fitting = (
        rate
        for rate in (*nominal, Fraction(round(mean)))
        if abs(starts[-1] * rate - (len(starts) - 1)) < Fraction(1, 2)
    )
    return next(fitting, mean.limit_denominator(100_000) or mean)  # broken times can jump by years
