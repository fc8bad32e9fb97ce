"""A clip: its facts, its frames with their times, its sound, and the source that they are read from.

Times are exact fractions of a second since the clip's first frame, so rounding loses or doubles no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple, Protocol

from torch import Tensor

NODE = "Load Video Frames"


class TimedFrame(NamedTuple):
    """One frame and the time it is on screen, [start, end). `picture` converts it: (H, W, 3) uint8 or float32."""

    start: Fraction
    end: Fraction
    label: str
    picture: Callable[[], Tensor]


class Facts(NamedTuple):
    """The facts of a clip, known before its frames are decoded.

    starts: the time at which each frame appears, ascending from 0; end: the time at which the last one ends. rate:
    frames per second. missing: seconds that the file promises but does not hold, 0 for a whole file.
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
    origin: Fraction = Fraction(0)  # start of these frames in the longer clip that they are a part of
    header: str = ""  # its length by its header, for a clip that was not read to its end

    @property
    def uneven(self) -> bool:
        """True if a frame appears more than 1½ frame times off an even rhythm."""
        return any(abs(start * self.rate - index) > 1.5 for index, start in enumerate(self.starts))


class Sound(NamedTuple):
    """Sound. waveform (1, channels, samples) float32, -1 to 1; sample_rate in Hz."""

    waveform: Tensor
    sample_rate: int


class Source(Protocol):
    """The source of a clip: a video file, pictures, or frames in memory."""

    facts: Facts

    def facts_until(self, enough: Callable[[Facts], bool], start: Fraction = Fraction(0)) -> Facts:
        """The facts of the clip, read only until `enough` accepts them.

        start: seconds; of the frames before it, only the first one's time needs to be known.
        """
        return self.facts

    def frames(self) -> Iterator[TimedFrame]:
        """Yields the frames in the order of their times, one in memory at a time."""

    def sound(self, start: Fraction, end: Fraction, limit: int | None = None) -> Sound | None:
        """The sound of exactly this time range, with silence where the file has none; None for a clip without sound.

        limit: bytes. Raises ValueError if the sound needs more.
        """
        return None


def timed(frames: Iterable[tuple[Fraction, str, Callable[[], Tensor]]], end: Fraction) -> Iterator[TimedFrame]:
    """Timed frames from (start, label, picture): each ends when the next one starts, the last at `end`."""
    last = None
    for start, label, picture in frames:
        if last is not None:
            start = max(start, last[0])  # broken files go back in time; such a frame lasts 0 s
            yield TimedFrame(last[0], start, *last[1:])
        last = (start, label, picture)
    if last is not None:
        yield TimedFrame(last[0], max(end, last[0]), *last[1:])
