"""The packets of a video file: frame times, and whether the file is whole, without decoding."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from heapq import heappop, heappush
from itertools import islice
from math import floor

import av
from av.container import InputContainer

from .header import container_kind
from .limits import check_frames
from .rates import MILLISECOND

INDEXED = ("mov", "matroska")  # containers with an index of key frames and a time for every packet
NEARBY = 500  # packets among which every stream has at least one
REORDER = 3  # frames whose times may be swapped
MOST_REORDERED = 16  # frames that can be stored before one that is shown earlier: H.264's and HEVC's limit


class Packets:
    """The packets read so far; times are seconds on the file's clock.

    count: video frames read. end: the end of the last of them. latest: the end of the last packet of any stream. cut:
    the last video packet is incomplete. over: the file has no more packets.
    """

    def __init__(self, container: InputContainer, stream: av.VideoStream, name: str):
        self.container, self.stream, self.name = container, stream, name
        self.nominal = [stream.average_rate, stream.guessed_rate]  # frames per second by the header; None or 0: unknown
        self.end, self.latest, self.cut, self.over = Fraction(0), Fraction(0), False, False
        self._packets = container.demux()
        self._times: list[Fraction] = []

    @property
    def count(self) -> int:
        return len(self._times)

    def read(self, count: int) -> None:
        """Reads on until `count` video frames are known, or the file ends."""
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
        """Start times of frames, ascending, and the end of the last; only frames that no unread packet can precede."""
        times = sorted(self._times)
        return (times, self.end) if self.over else (times[:-MOST_REORDERED], times[-MOST_REORDERED])

    def missing(self) -> float:
        """Seconds that the header promises beyond the last packet; 0 for a whole file, or before the file's end.

        A header may round, or include the last frame's duration, which packets may lack: up to 0.5 s or 5 % is no loss.
        """
        if not self.over:
            return 0.0
        promised = (self.container.duration or 0) / av.time_base
        counted_from = 0 if container_kind(self.container) == "matroska" else self.container.start_time or 0
        missing = promised - float(self.latest - Fraction(counted_from, av.time_base))
        return max(missing, 0.01) if self.cut or missing > max(0.5, promised / 20) else 0.0

    def gap_before(self, start: Fraction, window_start: Fraction) -> Fraction | None:
        """The time just before the wanted frames, on the file's clock; None if the packets read so far reach it.

        start: seconds after the first frame. window_start: on the file's clock; 0 for no window.
        """
        if not self._times:
            return None
        near = (window_start or min(self._times) + start) - 2 * MILLISECOND
        return near if near > max(self._times) and not self.over else None

    def skip_to(self, near: Fraction) -> bool:
        """Continues at a key frame at or before `near`, a later time. False: the position is unknown, start again."""
        time = seek(self.container, self.stream, near, near)
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


def seek(container: InputContainer, stream: av.stream.Stream, near: Fraction, by: Fraction) -> Fraction | None:
    """Seeks a key frame of the video at or before `near`. Returns the time of the stream's first packet there.

    None if the file has no reliable index, or if that packet comes after `by`; the position is then undefined.
    """
    if container_kind(container) not in INDEXED or stream is None:
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


def in_order(frames: Iterator[av.VideoFrame], step: Fraction) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Frames with their times, as (time, frame).

    Frames arrive in the order they are shown. An AVI stores no times, and FFmpeg's guesses may be swapped among
    neighbours: so a frame takes the earliest of the next few times. step: seconds between frames without a time.
    """
    times, waiting = [], deque()
    for index, frame in enumerate(frames):
        heappush(times, index * step if frame.pts is None else frame.pts * frame.time_base)
        waiting.append(frame)
        if len(waiting) > REORDER:
            yield heappop(times), waiting.popleft()
    while waiting:
        yield heappop(times), waiting.popleft()
