"""A video file, read by FFmpeg through PyAV: one pass over its packets for the times, one for the pictures.

Neither pass reads further than needed, and both begin near a late start.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from torch import Tensor

from .backdrop import Colour
from .clip import Facts, Sound, Source, TimedFrame, timed
from .header import audio_text, container_kind, length_text, picture_remarks, video_stream
from .limits import LARGEST_FRAME, check_frame, check_sound
from .packets import Packets, in_order, seek
from .rates import Rhythm, mean_rate, rhythm
from .selection import Trim
from .sound import read_sound
from .to_rgb import Matrix, ToRGB, display_matrix, upright

logger = logging.getLogger("videograin")

# Containers that hold their own frames. A playlist names other files or addresses, and is refused before FFmpeg opens
# it: FFmpeg's own whitelists crash older versions on MPEG files.
PLAYLISTS = (b"#EXTM3U", b"ffconcat")
CONTAINERS = frozenset(
    "mov matroska avi gif apng mpeg mpegts mpegvideo asf flv ogg mxf nut dv rm swf ivf h264 hevc m4v mjpeg obu "
    "yuv4mpegpipe wav mp3 flac aac aiff caf".split()
)
READ_AHEAD = 24  # frames whose packets are read first
PREROLL = Fraction(1)  # seconds of sound that a decoder needs before its output is correct
FRAME_LIMIT = {"max_pixels": str(LARGEST_FRAME)}  # for the decoder: later frames may be larger than the first
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders of these leave transparency out


class VideoFile(Source):
    """A clip in a file, or in the bytes of a file. Packets are read as far as needed, at first to the first frame.

    window: the part that is read, in seconds of the file's own clock.
    background: the colour behind transparent parts.
    Raises ValueError with the file's name and the fix if no video in it can be read.
    """

    def __init__(self, file: Path | BytesIO, name: str, window: Trim, background: Colour):
        self.file, self.name, self.window, self.background = file, name, window, background
        head = first_bytes(file)
        if not head:
            raise ValueError(f"{name} is empty (0 bytes). Copy or upload the file again.")
        if head.startswith(PLAYLISTS) or min(head) >= 9:  # text has no bytes below 9, and every video has
            raise ValueError(self._unreadable("it is text"))
        self.matrix, self.width, self.height, self.notes = self._first_frame()
        self._facts: Facts | None = None
        self._near: Fraction | None = None  # reading starts at a key frame before this time; None: at the first packet

    @property
    def facts(self) -> Facts:
        return self.facts_until(lambda facts: False)

    def facts_until(self, enough: Callable[[Facts], bool], start: Fraction = Fraction(0)) -> Facts:
        if self._facts is None or self._facts.header:
            self._facts = self._scan(enough, start)
        return self._facts

    def frames(self) -> Iterator[TimedFrame]:
        facts = self._facts or self.facts
        pictures = ((time - self.origin, f"frame {i}", p) for i, (time, p) in enumerate(self._pictures(facts)))
        return timed(pictures, facts.end)

    def sound(self, start: Fraction, end: Fraction, limit: int | None = None) -> Sound | None:
        late = start + self.window.start > PREROLL
        near = self.origin + start - PREROLL if late else None
        with self._opened(near, "audio", PREROLL) as container:
            stream = container.streams.best("audio")
            if stream is None or stream.codec_context is None or not stream.codec_context.sample_rate:
                return None
            context = stream.codec_context
            check_sound(self.name, end - start, context.sample_rate, context.layout.nb_channels, limit)
            return read_sound(container, stream, self.origin + start, end - start)

    @contextmanager
    def _opened(self, near: Fraction | None = None, kind: str = "video", slack: Fraction = Fraction(0)
                ) -> Iterator[InputContainer]:  # fmt: skip
        """The open file, at its beginning, or at a key frame at or before `near` if its index has one.

        kind: the stream that is read. slack: seconds after `near` at which that stream may begin there.
        """
        if near is not None:
            with self._opened() as container:
                if seek(container, container.streams.best(kind), near, near + slack) is not None:
                    yield container
                    return
        if isinstance(self.file, BytesIO):
            self.file.seek(0)
        source = self.file if isinstance(self.file, BytesIO) else str(self.file)
        try:
            container = av.open(source)
        except (av.error.FFmpegError, ValueError) as error:
            raise ValueError(self._unreadable(getattr(error, "strerror", None) or str(error))) from None
        with container:
            kind = container_kind(container)
            if kind not in CONTAINERS:
                raise ValueError(self._unreadable(f"it is a file of type {kind}"))
            yield container

    def _unreadable(self, reason: str) -> str:
        return (
            f"{self.name} is not a video that can be read ({reason}): it is damaged, cut off before its index, or "
            "something else. Copy it again, or convert it to MP4 (H.264)."
        )

    def _first_frame(self) -> tuple[Matrix, int, int, tuple[str, ...]]:
        """The frames' display matrix, their width and height when upright, and remarks on them."""
        with self._opened() as container:
            stream = video_stream(container, self.name)
            check_frame(self.name, stream.codec_context.width, stream.codec_context.height)
            frame = next(self._decoded(container), None)
            if frame is None:
                raise ValueError(f"{self.name}: not one of its frames can be decoded. It is damaged; copy it again.")
            matrix = display_matrix(frame)
            height, width = upright(np.empty((frame.height, frame.width, 0)), matrix).shape[:2]
            return matrix, width, height, picture_remarks(stream, frame)

    def _scan(self, enough: Callable[[Facts], bool], start: Fraction) -> Facts:
        """Reads packets until `enough` accepts the facts; it skips those between the first ones and a late start."""
        for skipping in (True, False):  # without an index, the file is read again from its beginning
            with self._opened() as container:
                packets = Packets(container, video_stream(container, self.name), self.name)
                packets.read(READ_AHEAD)
                self._near = packets.gap_before(start, self.window.start) if skipping else None
                if self._near is not None and not packets.skip_to(self._near):
                    continue
                while True:
                    facts = self._facts_of(packets)
                    if facts is not None and (packets.over or not facts.header or enough(facts)):
                        return facts
                    packets.read(2 * packets.count)

    def _facts_of(self, packets: Packets) -> Facts | None:
        """The facts from the packets read so far; None if none of them is in the window and more will follow.

        Sets `origin`, the first frame's time on the file's clock, and `rhythm`.
        """
        window, container, stream = self.window, packets.container, packets.stream
        stamps, end = packets.times()
        self.rhythm = rhythm(stamps, packets.nominal, stream.time_base) if stamps else Rhythm(Fraction(0))
        exact = sorted(map(self.rhythm.exact, stamps))
        times = list(filter(window.contains, exact))
        complete = packets.over or any(map(window.ends_before, exact))
        if not times:
            if not complete:
                return None
            raise ValueError(f"{self.name} has no frames in the chosen part of it. Trim the video differently.")
        self.origin = times[0]
        starts = [time - self.origin for time in times]
        missing = packets.missing()
        skipped = min(bisect_left(times, self._near), len(times) - 1) if self._near is not None else 0
        steady = [time - times[skipped] for time in times[skipped:]]
        rate = mean_rate(steady, [self.rhythm.rate, *packets.nominal], missing > 0)
        stop = min([self.rhythm.exact(end, 2), *filter(window.ends_before, [*exact, window.stop or end])])
        end = max(stop - self.origin, starts[-1])
        if end == starts[-1]:
            end += 1 / rate  # the file has no duration for its last frame
        kind = f"{container_kind(container)}, {stream.codec_context.name}"
        counted = complete and (self._near is None or window.start)
        header = "" if counted else length_text(container, stream, rate, window)
        return Facts(self.name, kind, self.width, self.height, starts, end, rate, missing, audio_text(container),
                     self.notes, header=header)  # fmt: skip

    def _decoded(self, container: InputContainer) -> Iterator[av.VideoFrame]:
        """Decoded frames of the video stream. Like a player, it leaves out damaged frames."""
        damaged = False
        try:
            stream = video_stream(container, self.name)
            decoder = decoder_of(stream)
            for packet in container.demux(stream):
                try:
                    yield from decoder.decode(packet)
                except av.error.FFmpegError:
                    damaged = True
        except av.error.FFmpegError:  # the file ends within a packet
            damaged = True
        finally:
            if damaged:
                logger.warning("%s is damaged; frames that cannot be decoded were left out.", self.name)

    def _pictures(self, facts: Facts) -> Iterator[tuple[Fraction, partial[Tensor]]]:
        """Frames in the window, as (time on the file's clock, conversion to a picture)."""
        convert = ToRGB(self.name, self.background, self.matrix)
        with self._opened(self._near) as container:
            for stamp, frame in in_order(self._decoded(container), 1 / facts.rate):
                time = self.rhythm.exact(stamp)
                if self.window.ends_before(time):
                    return
                if self.window.contains(time):
                    yield time, partial(convert, frame)


def first_bytes(file: Path | BytesIO) -> bytes:
    if isinstance(file, BytesIO):
        return bytes(file.getbuffer()[:1024])
    with file.open("rb") as opened:
        return opened.read(1024)


def decoder_of(stream: av.VideoStream) -> av.VideoCodecContext:
    """The decoder of a stream: FFmpeg's choice, unless that would drop transparency."""
    decoder = stream.codec_context
    name = ALPHA_DECODERS.get(decoder.name) if stream.metadata.get("alpha_mode") == "1" else None
    if name in av.codecs_available:
        decoder = av.CodecContext.create(name, "r")
        decoder.colorspace, decoder.color_range = stream.codec_context.colorspace, stream.codec_context.color_range
    decoder.thread_type, decoder.options = "AUTO", FRAME_LIMIT
    return decoder
