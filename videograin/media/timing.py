"""A clip as pictures that are on screen one after another, and which of them are taken.

Times are exact fractions of a second since the clip's first frame, so no frame is lost or doubled to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import NamedTuple, Protocol

from torch import Tensor

NODE = "Load Video Frames"
TYPED = Fraction(1, 1000)  # seconds to which a person types a time
UNTIMED_RATE = Fraction(24)  # frames per second of pictures that have no timing of their own


class Shot(NamedTuple):
    """One picture and the time it is on screen, [start, end). `picture` converts it: (H, W, 3) uint8 or float32."""

    start: Fraction
    end: Fraction
    label: str
    picture: Callable[[], Tensor]


class Facts(NamedTuple):
    """What is known of a clip before its frames are read.

    starts: when each frame appears, ascending from 0; end: when the last one goes. rate: frames per second.
    missing: seconds that the file promises and does not hold, 0 for a whole file.
    """

    name: str
    kind: str
    width: int
    height: int
    starts: list[Fraction]
    end: Fraction
    rate: Fraction
    missing: float = 0.0
    audio: str = "no audio"
    notes: tuple[str, ...] = ()
    first: str = "frame 0"  # label of the first frame
    origin: Fraction = Fraction(0)  # when these frames begin, in a longer clip that they are a part of
    header: str = ""  # its length as its header says, where the clip was not read to its end

    @property
    def uneven(self) -> bool:
        """True if a frame appears more than 1½ frame times away from an even rhythm."""
        return any(abs(start * self.rate - index) > 1.5 for index, start in enumerate(self.starts))


class Sound(NamedTuple):
    """waveform (1, channels, samples) float32, -1 to 1; sample_rate in Hz."""

    waveform: Tensor
    sample_rate: int


class Trim(NamedTuple):
    """The part of a clip whose frames appear in [start, start + duration), in seconds since the clip's first frame.

    duration: 0 to the end. As FFmpeg's trim filter: a frame that is on screen before `start` is not among them.
    """

    start: Fraction = Fraction(0)
    duration: Fraction = Fraction(0)

    def facts(self, whole: Facts) -> Facts:
        """What is known of the part, its times since its own first frame. Raises ValueError if no frame is in it."""
        if self == Trim():
            return whole
        starts = [start for start in whole.starts if not before(start, self.start) and not self._past(start)]
        if not starts:
            raise ValueError(
                f"No frame of {whole.name} appears {self.told}: it lasts {float(whole.end):.2f} s, and its last frame "
                f"appears at {float(whole.starts[-1]):.3f} s. Lower {NODE}' `start_time`"
                f"{', or raise `duration` (0: to the end)' if self.duration else ''}."
            )
        origin, stop = starts[0], min([self.start + self.duration, *filter(self._past, whole.starts)])
        inside = 0 < self.duration and stop <= whole.end
        return whole._replace(
            name=f"{whole.name} ({self.told})",
            starts=[start - origin for start in starts],
            end=(stop if inside else whole.end) - origin,
            missing=0.0 if inside else whole.missing,
            origin=origin,
        )

    def known(self, clip: Facts) -> bool:
        """True if no frame beyond those of a clip that is known in part would be left."""
        return 0 < self.duration <= clip.end - self.start

    def shots(self, shots: Iterable[Shot], part: Facts) -> Iterator[Shot]:
        """The shots of the part, at times since its first frame."""
        for shot in shots:
            if self._past(shot.start):
                return
            if not before(shot.start, self.start):
                end = min(shot.end, self.start + self.duration) if self.duration else shot.end
                yield shot._replace(start=shot.start - part.origin, end=end - part.origin)

    @property
    def told(self) -> str:
        return f"from {float(self.start):g} s on" + (f" for {float(self.duration):g} s" if self.duration else "")

    def _past(self, time: Fraction) -> bool:
        return bool(self.duration) and not before(time, self.start + self.duration)


def before(time: Fraction, typed: Fraction) -> bool:
    """True if a time comes before one that a person typed. Typing 0.067 means the frame at 2/30 s."""
    return time < typed - TYPED / 2


class Source(Protocol):
    """Where a clip comes from: a video file, pictures, frames in memory."""

    facts: Facts

    def known(self, enough: Callable[[Facts], bool], start: Fraction = Fraction(0)) -> Facts:
        """The facts, as far as they have to be read until they are enough: of the clip's frames up to some moment.

        start: of frames that appear earlier, in seconds, nothing need be known but the first one's time.
        """
        return self.facts

    def shots(self) -> Iterator[Shot]:
        """Yields the frames in the order of their times, one in memory at a time."""

    def sound(self, start: Fraction, end: Fraction, limit: int | None = None) -> Sound | None:
        """The sound of exactly this time range, silence where the file has none; None without any sound.

        limit: most bytes it may take. Raises ValueError beyond.
        """


SAME_RATE = Fraction(1, 200)  # frames per second: nobody types it closer


class Pick(NamedTuple):
    """Which frames are taken. Applied in this order: rate, skip, every, cap.

    rate: frames per second, output frame i shows what is on screen at i / rate; 0 takes each source frame once.
    skip: leading frames left out. every: takes one of so many. cap: most frames taken, 0 for all.
    """

    rate: Fraction = Fraction(0)
    skip: int = 0
    every: int = 1
    cap: int = 0

    def own(self, facts: Facts) -> Pick:
        """The same at the clip's own rate, where that is meant: 29.97 of a clip that keeps 2997/100, not 30000/1001."""
        meant = self.rate and abs(self.rate - facts.rate) < SAME_RATE and not facts.uneven
        return self._replace(rate=facts.rate) if meant else self

    def total(self, facts: Facts) -> int:
        """Frames of the clip after `rate`."""
        return ceil(facts.end * self.rate) if self.rate else len(facts.starts)

    def available(self, facts: Facts) -> int:
        """Frames that could be taken without `cap`."""
        return max(0, ceil((self.total(facts) - self.skip) / self.every))

    def count(self, facts: Facts) -> int:
        """Frames that will be taken."""
        return min(self.available(facts), self.cap or self.available(facts))

    def known(self, part: Facts) -> bool:
        """True if no frame beyond those of a clip that is known in part would be taken."""
        return 0 < self.cap <= self.available(part)

    def facts(self, clip: Facts) -> Facts:
        """A clip as far as its frames are needed, at the rate that these have, which may differ from the whole clip's."""
        passed = self.skip + self.count(clip) * self.every
        if not self.cap or self.rate or passed >= len(clip.starts):
            return clip
        starts = clip.starts[: passed + 1]  # one more, which ends the last
        return clip._replace(starts=starts, rate=mean_rate(starts, [clip.rate]))

    def finish(self, facts: Facts) -> Fraction:
        """The time up to which the clip has to be read."""
        passed = self.skip + self.count(facts) * self.every
        if self.rate:
            return min(passed / self.rate, facts.end)
        return facts.starts[passed] if passed < len(facts.starts) else facts.end

    def fps(self, facts: Facts) -> Fraction:
        """Frames per second of what is taken, at the source's speed."""
        return (self.rate or facts.rate) / self.every


def held(frames: Iterable[tuple[Fraction, str, Callable[[], Tensor]]], end: Fraction) -> Iterator[Shot]:
    """Turns (start, label, picture) into shots: each is on screen until the next one starts, the last until `end`."""
    last = None
    for start, label, picture in frames:
        if last is not None:
            start = max(start, last[0])  # broken files go back in time; a frame is then never on screen
            yield Shot(last[0], start, *last[1:])
        last = (start, label, picture)
    if last is not None:
        yield Shot(last[0], max(end, last[0]), *last[1:])


def at_rate(shots: Iterable[Shot], rate: Fraction) -> Iterator[Shot]:
    """Samples the screen at 0, 1/rate, 2/rate …; 0 passes every shot on unchanged."""
    if not rate:
        yield from shots
        return
    tick = 0
    for shot in shots:
        while tick / rate < shot.end:
            yield shot._replace(start=tick / rate, end=(tick + 1) / rate)
            tick += 1


def taken(shots: Iterable[Shot], pick: Pick) -> Iterator[Shot]:
    """The shots that `pick` takes; each lasts until the next one it would take."""
    waiting = None
    count = 0
    for index, shot in enumerate(at_rate(shots, pick.rate)):
        if index < pick.skip:
            continue
        if (index - pick.skip) % pick.every:
            waiting = waiting._replace(end=shot.end)
            continue
        if waiting is not None:
            yield waiting
        if pick.cap and count == pick.cap:
            return
        waiting, count = shot, count + 1
    if waiting is not None:
        yield waiting


def mean_rate(starts: list[Fraction], nominal: list[Fraction | None], nominal_only: bool = False) -> Fraction:
    """Frames per second over the whole clip.

    The first nominal rate, or else the whole number, that drifts less than half a frame over the clip is taken
    instead: timestamps are often rounded to milliseconds. nominal_only: the frames' times are not to be trusted.
    """
    nominal = [Fraction(rate) for rate in nominal if rate]
    if starts[-1] == 0 or (nominal and nominal_only):  # one frame, or some are missing
        return nominal[0] if nominal else UNTIMED_RATE
    mean = (len(starts) - 1) / starts[-1]
    candidates = [*nominal, Fraction(round(mean))]
    fitting = [rate for rate in candidates if abs(starts[-1] * rate - (len(starts) - 1)) < Fraction(1, 2)]
    return fitting[0] if fitting else mean.limit_denominator(100_000) or mean  # broken times may leap by years
