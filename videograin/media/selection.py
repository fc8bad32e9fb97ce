"""Selection of frames: first a part of the clip by seconds, then frames of that part by rate and number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from .clip import NODE, Facts, TimedFrame
from .rates import mean_rate

TYPED = Fraction(1, 1000)  # precision of a typed time, in seconds
SAME_RATE = Fraction(1, 200)  # precision of a typed rate, in frames per second


class Trim(NamedTuple):
    """The frames that start in [start, start + duration), in seconds since the clip's first frame.

    duration: 0 for the rest of the clip. As in FFmpeg's trim filter, a frame already on screen at `start` is left out.
    """

    start: Fraction = Fraction(0)
    duration: Fraction = Fraction(0)

    @classmethod
    def seconds(cls, start: float, duration: float = 0.0) -> Trim:
        """A Trim from decimal numbers, rounded to the microsecond."""
        return cls(*(Fraction(time).limit_denominator(1_000_000) for time in (start, duration)))

    @property
    def stop(self) -> Fraction | None:
        return self.start + self.duration if self.duration else None

    def contains(self, time: Fraction) -> bool:
        """True if a frame that starts at `time` is taken."""
        return not (self.start and before(time, self.start)) and not self.ends_before(time)

    def ends_before(self, time: Fraction) -> bool:
        """True if a frame that starts at `time` comes too late."""
        return bool(self.duration) and not before(time, self.stop)

    def facts(self, whole: Facts) -> Facts:
        """The facts of the part, times since its own first frame. Raises ValueError if it has no frame."""
        if self == Trim():
            return whole
        starts = list(filter(self.contains, whole.starts))
        if not starts:
            raise ValueError(
                f"No frame of {whole.name} appears {self}: it lasts {float(whole.end):.2f} s, and its last frame "
                f"appears at {float(whole.starts[-1]):.3f} s. Lower {NODE}' `start_time`"
                f"{', or raise `duration` (0: to the end)' if self.duration else ''}."
            )
        end, missing = whole.end, whole.missing
        if self.duration:
            stop = min([self.stop, *filter(self.ends_before, whole.starts)])
            end, missing = (stop, 0.0) if stop <= end else (end, missing)
        return whole._replace(
            name=f"{whole.name} ({self})",
            starts=[start - starts[0] for start in starts],
            end=end - starts[0],
            missing=missing,
            origin=starts[0],
        )

    def satisfied_by(self, known: Facts) -> bool:
        """True if this part needs no frames beyond the known ones."""
        return 0 < self.duration <= known.end - self.start

    def take(self, frames: Iterable[TimedFrame], part: Facts) -> Iterator[TimedFrame]:
        """The frames of the part, times since its first frame."""
        for frame in frames:
            if self.ends_before(frame.start):
                return
            if self.contains(frame.start):
                end = min(frame.end, self.stop) if self.duration else frame.end
                yield frame._replace(start=frame.start - part.origin, end=end - part.origin)

    def __str__(self) -> str:
        return f"from {float(self.start):g} s on" + (f" for {float(self.duration):g} s" if self.duration else "")


def before(time: Fraction, typed: Fraction) -> bool:
    """True if a time comes before a typed one, within typing precision: 0.067 means the frame at 2/30 s."""
    return time < typed - TYPED / 2


class Pick(NamedTuple):
    """Frames by rate and number, applied in this order: rate, skip, every, cap, group.

    rate: frames per second; output frame i is the frame on screen at i / rate; 0 takes each source frame once.
    skip: leading frames left out. every: n takes one frame of n. cap: most frames taken, 0 for all. group: g takes one frame and
    whole groups of g after it, 1 + k·g in all, as a video model's VAE does.
    """

    rate: Fraction = Fraction(0)
    skip: int = 0
    every: int = 1
    cap: int = 0
    group: int = 1

    def at_own_rate(self, facts: Facts) -> Pick:
        """The Pick with the clip's own rate if the typed one is the same: 29.97 is 2997/100 for a clip of that rate."""
        same = self.rate and abs(self.rate - facts.rate) < SAME_RATE and not facts.uneven
        return self._replace(rate=facts.rate) if same else self

    def total(self, facts: Facts) -> int:
        """Number of frames after `rate`."""
        return ceil(facts.end * self.rate) if self.rate else len(facts.starts)

    def available(self, facts: Facts) -> int:
        """Number of frames that would be taken without `cap`."""
        return max(0, ceil((self.total(facts) - self.skip) / self.every))

    def count(self, facts: Facts) -> int:
        """Number of frames that are taken."""
        count = min(self.available(facts), self.cap or self.available(facts))
        return count - (count - 1) % self.group if count else 0

    def in_groups(self, facts: Facts) -> Pick:
        """The Pick with a cap where its last group ends."""
        return self if self.group == 1 else self._replace(cap=self.count(facts))

    def satisfied_by(self, known: Facts) -> bool:
        """True if no frame beyond the known ones would be taken."""
        return 0 < self.cap <= self.available(known)

    def facts(self, clip: Facts) -> Facts:
        """The facts of the frames that are needed, with their own rate, which may differ from the whole clip's."""
        passed = self.skip + self.count(clip) * self.every
        if not self.cap or self.rate or passed >= len(clip.starts):
            return clip
        starts = clip.starts[: passed + 1]  # one more, at which the last ends
        return clip._replace(starts=starts, rate=mean_rate(starts, [clip.rate]))

    def end(self, facts: Facts) -> Fraction:
        """The time up to which the clip has to be read."""
        passed = self.skip + self.count(facts) * self.every
        if self.rate:
            return min(passed / self.rate, facts.end)
        return facts.starts[passed] if passed < len(facts.starts) else facts.end

    def fps(self, facts: Facts) -> Fraction:
        """Frames per second of the taken frames, at the source's speed."""
        return (self.rate or facts.rate) / self.every

    def take(self, frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """The taken frames; each lasts until the next one would start."""
        waiting, count = None, 0
        for index, frame in enumerate(resampled(frames, self.rate)):
            if index < self.skip:
                continue
            if (index - self.skip) % self.every:
                waiting = waiting._replace(end=frame.end)
                continue
            if waiting is not None:
                yield waiting
            if self.cap and count == self.cap:
                return
            waiting, count = frame, count + 1
        if waiting is not None:
            yield waiting


def resampled(frames: Iterable[TimedFrame], rate: Fraction) -> Iterator[TimedFrame]:
    """The frames on screen at 0, 1/rate, 2/rate …; at rate 0, every frame unchanged."""
    if not rate:
        yield from frames
        return
    tick = 0
    for frame in frames:
        while tick / rate < frame.end:
            yield frame._replace(start=tick / rate, end=(tick + 1) / rate)
            tick += 1
