"""The packets of a video file, none decoded: when its frames appear, and whether the file is whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from heapq import heappop, heappush
from itertools import islice
from math import floor

import av
from av.container import InputContainer

from .limits import check_frames
from .rates import MILLISECOND

INDEXED = ("mov", "matroska")  # containers that tell where key frames lie, and every packet's time
NEARBY = 500  # packets among which every stream has one
APART = Fraction(15)  # seconds that sound and picture of one time may be stored apart
REORDER = 3  # frames whose times may be swapped
MOST_REORDERED = 16  # frames that may be stored before one that is shown earlier: H.264's and HEVC's limit


class Packets:
    """What the packets read so far tell; times are seconds on the file's clock.

    count: video frames read. end: when the last of them ends. latest: when the last packet of any stream ends. cut: the
    last video packet is incomplete. over: the file has no more.
    """

    def __init__(self, container: InputContainer, stream: av.VideoStream, name: str):
        self.container, self.stream, self.name = container, stream, name
        self.nominal = [stream.average_rate, stream.guessed_rate]  # frames per second by the header; None, 0: not told
        self.end, self.latest, self.cut, self.over = Fraction(0), Fraction(0), False, False
        self._packets = container.demux()
        self._times: list[Fraction] = []

    @property
    def count(self) -> int:
        return len(self._times)

    def read(self, count: int) -> None:
        """Reads on until so many video frames are known, or the file is over."""
        try:
            while self.count < count:
                packet = next(self._packets, None)
                if packet is None:
                    self.over = True
                    return
                if packet.size and not packet.is_discard:
                    self._note(packet)
        except av.error.FFmpegError:
            self.cut = self.over = True

    def times(self) -> tuple[list[Fraction], Fraction]:
        """When the frames appear, ascending, and when the last of them ends; only those that no other can precede."""
        times = sorted(self._times)
        return (times, self.end) if self.over else (times[:-MOST_REORDERED], times[-MOST_REORDERED])

    def before(self, start: Fraction, first: Fraction | None) -> Fraction | None:
        """A moment just before frames are wanted; None if it comes with the packets that are read, or at the beginning.

        start: seconds after the first frame. first: where a window begins, on the file's clock.
        """
        if not self._times:
            return None
        near = (min(self._times) + start if first is None else first) - 2 * MILLISECOND
        return near if near > max(self._times) and not self.over else None

    def pass_to(self, near: Fraction) -> bool:
        """Goes on at a key frame at or before `near`, which lies further on. False: start again, where this stands is unknown."""
        time = sought(self.container, self.stream, near, near)
        self._packets = self.container.demux()
        return time is not None and time > max(self._times)

    def _note(self, packet: av.Packet) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        video = packet.stream_index == self.stream.index
        if stamp is None and not video:
            return
        step = 1 / (self.stream.guessed_rate or self.stream.average_rate or 25)
        time = self.count * step if stamp is None else stamp * packet.time_base
        until = time + (packet.duration or 0) * packet.time_base
        self.latest = max(self.latest, until)
        if video:
            self._times.append(time)
            check_frames(self.name, self.count)
            self.end, self.cut = max(self.end, until), packet.is_corrupt


def sought(container: InputContainer, stream: av.stream.Stream, near: Fraction, by: Fraction) -> Fraction | None:
    """Goes to a key frame of the video at or before `near`. Returns when the stream's first packet there begins.

    None if the file has no index to trust, or that packet comes after `by`; then the file stands anywhere.
    """
    if container.format.name.split(",")[0] not in INDEXED or stream is None:
        return None
    video = container.streams.best("video")
    place = floor(near / video.time_base)
    try:
        container.seek(place, stream=video)
        found = (packet for packet in islice(container.demux(), NEARBY) if packet.stream_index == stream.index)
        packet = next(found, None)
        if packet is None or packet.pts is None or not packet.is_keyframe or packet.pts * packet.time_base > by:
            return None
        container.seek(place, stream=video)
    except av.error.FFmpegError:
        return None
    return packet.pts * packet.time_base


def sounding(container: InputContainer, stream: av.AudioStream, end: Fraction) -> Iterator[av.Packet]:
    """The packets of a sound, until the pictures stored beside them are well past `end`: it may be over long before."""
    for packet in container.demux(*{stream, container.streams.best("video")}):
        if packet.stream_index == stream.index:
            yield packet
        elif packet.dts is not None and packet.dts * packet.time_base > end + APART:
            return


def in_order(frames: Iterator[av.VideoFrame], step: Fraction) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Gives each frame its time: (time, frame).

    Frames come as they are shown, but an AVI stores no times, and those made up for it may be swapped among a few
    neighbours: the earliest of the next few times is the frame's own. step: seconds between frames without any.
    """
    times, waiting = [], deque()
    for index, frame in enumerate(frames):
        heappush(times, index * step if frame.pts is None else frame.pts * frame.time_base)
        waiting.append(frame)
        if len(waiting) > REORDER:
            yield heappop(times), waiting.popleft()
    while waiting:
        yield heappop(times), waiting.popleft()


def lost(container: InputContainer, latest: Fraction, cut: bool) -> float:
    """Seconds that the file's header promises beyond its last packet; 0 for a whole file.

    A header may round, or count a last frame's time that no packet tells: up to 0.5 s or 5 % is no loss.
    """
    promised = (container.duration or 0) / av.time_base
    begins = 0 if "matroska" in container.format.name else container.start_time or 0  # Matroska counts from 0
    missing = promised - float(latest - Fraction(begins, av.time_base))
    return max(missing, 0.01) if cut or missing > max(0.5, promised / 20) else 0.0


def promised(container: InputContainer, stream: av.VideoStream, rate: Fraction, first: Fraction | None,
             stop: Fraction | None) -> str:  # fmt: skip
    """What the header says of a clip's length, as text; of the part of it in [first, stop)."""
    seconds = video_seconds(container, stream)
    if seconds is None:
        return "of untold length"
    seconds = max(min(stop or seconds, seconds) - (first or 0), Fraction(0))
    frames = stream.frames if stream.frames and first is stop is None else round(seconds * rate)
    return f"{frames} frames, {float(seconds):.2f} s by its header"


def video_seconds(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    if stream.duration:
        return stream.duration * stream.time_base
    with suppress(KeyError, ValueError):  # Matroska's, H:MM:SS.s
        hours, minutes, seconds = map(Fraction, stream.metadata["DURATION"].split(":"))
        return hours * 3600 + minutes * 60 + seconds
    return Fraction(container.duration, av.time_base) if container.duration else None
