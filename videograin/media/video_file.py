"""A video file, read by FFmpeg through PyAV: one pass over its packets for the times, one for the pictures.

Neither goes further into the file than what is asked of it, and both begin near a late start.
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
import av.filter
import numpy as np
import torch
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from torch import Tensor

from .backdrop import WHITE, Colour, over
from .limits import LARGEST_FRAME, check_frame, check_sound
from .packets import Packets, in_order, lost, promised, sought, sounding
from .rates import Rhythm, rhythm
from .timing import Facts, Shot, Sound, Source, before, held, mean_rate

logger = logging.getLogger("videograin")

# Containers that hold their own frames. A playlist names other files or addresses instead, and is refused, before
# FFmpeg sees it: its own whitelists crash older versions on MPEG files.
PLAYLISTS = (b"#EXTM3U", b"ffconcat")
CONTAINERS = frozenset(
    "mov matroska avi gif apng mpeg mpegts mpegvideo asf flv ogg mxf nut dv rm swf ivf h264 hevc m4v mjpeg obu "
    "yuv4mpegpipe wav mp3 flac aac aiff caf".split()
)
READ_AHEAD = 24  # frames whose packets are read at first
PREROLL = Fraction(1)  # seconds of sound that a decoder needs before it is right
FRAME_LIMIT = {"max_pixels": str(LARGEST_FRAME)}  # for the decoder: a clip's frames may grow
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders of these leave transparency out
Matrix = tuple[tuple[int, int], tuple[int, int]]
HDR = {16: "PQ", 18: "HLG"}  # FFmpeg's numbers of transfer curves
GAP = 0.1  # seconds between two sounds; below it a timestamp is merely rounded


class VideoFile(Source):
    """A clip in a file, or in memory as a file. Its packets are read as far as is asked, at first to its first frame.

    window: (start, duration) in seconds of the file's own clock, duration 0 to the end.
    background: what shows through transparent parts.
    Raises ValueError, naming the file and the way out, if there is no video in it that can be read.
    """

    def __init__(self, file: Path | BytesIO, name: str, window: tuple[float, float] = (0.0, 0.0),
                 background: Colour = WHITE):  # fmt: skip
        self.file, self.name, self.background = file, name, background
        start, duration = (Fraction(seconds).limit_denominator(1_000_000) for seconds in window)
        self.first, self.stop = start or None, start + duration if duration else None
        head = bytes(file.getbuffer()[:1024]) if isinstance(file, BytesIO) else read_head(file)
        if not head:
            raise ValueError(f"{name} is empty (0 bytes). Copy or upload the file again.")
        if head.startswith(PLAYLISTS) or min(head) >= 9:  # text has no such bytes, and every video has
            raise ValueError(self._unreadable("it is text"))
        self.matrix, self.width, self.height, self.notes = self._first_frame()
        self._facts: Facts | None = None

    @property
    def facts(self) -> Facts:
        return self.known(lambda facts: False)

    def known(self, enough: Callable[[Facts], bool], start: Fraction = Fraction(0)) -> Facts:
        if self._facts is None or self._facts.header:
            self._facts = self._scan(enough, start)
        return self._facts

    def shots(self) -> Iterator[Shot]:
        facts = self._facts or self.facts
        pictures = ((time - self.origin, f"frame {i}", p) for i, (time, p) in enumerate(self._pictures(facts)))
        return held(pictures, facts.end)

    def sound(self, start: Fraction, end: Fraction, limit: int | None = None) -> Sound | None:
        late = start + (self.first or 0) > PREROLL
        near = self.origin + start - PREROLL if late else None
        with self._opened(near, "audio", PREROLL) as container:
            stream = container.streams.best("audio")
            if stream is None or stream.codec_context is None or not stream.codec_context.sample_rate:
                return None
            context = stream.codec_context
            check_sound(self.name, end - start, context.sample_rate, context.layout.nb_channels, limit)
            return read_sound(container, stream, self.origin + start, end - start)

    def _inside(self, time: Fraction) -> bool:
        return not (self.first is not None and before(time, self.first)) and not self._past(time)

    def _past(self, time: Fraction) -> bool:
        return self.stop is not None and not before(time, self.stop)

    @contextmanager
    def _opened(self, near: Fraction | None = None, kind: str = "video", slack: Fraction = Fraction(0)
                ) -> Iterator[InputContainer]:  # fmt: skip
        """The file, to be read from its beginning; or from a key frame at or before `near`, if its index knows one.

        slack: seconds after `near` at which the stream of a kind may begin there.
        """
        if near is not None:
            with self._opened() as container:
                if sought(container, container.streams.best(kind), near, near + slack) is not None:
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
            kind = container.format.name.split(",")[0]
            if kind not in CONTAINERS:
                raise ValueError(self._unreadable(f"it is a file of type {kind}"))
            yield container

    def _unreadable(self, reason: str) -> str:
        return (
            f"{self.name} is not a video that can be read ({reason}): it is damaged, cut off before its index, or "
            "something else. Copy it again, or convert it to MP4 (H.264)."
        )

    def _first_frame(self) -> tuple[Matrix, int, int, tuple[str, ...]]:
        """How the frames are turned, their size when they are, and what a person should know of them."""
        with self._opened() as container:
            stream = video_stream(container, self.name)
            check_frame(self.name, stream.codec_context.width, stream.codec_context.height)
            frame = next(self._frames(container), None)
            if frame is None:
                raise ValueError(f"{self.name}: not one of its frames can be decoded. It is damaged; copy it again.")
            matrix = display_matrix(frame)
            height, width = upright(np.empty((frame.height, frame.width, 0)), matrix).shape[:2]
            return matrix, width, height, remarks(stream, frame)

    def _scan(self, enough: Callable[[Facts], bool], start: Fraction) -> Facts:
        """Reads packets until what they tell is enough, without those between the first ones and a late start."""
        for passing in (True, False):  # over what lies before, if that can be done
            with self._opened() as container:
                packets = Packets(container, video_stream(container, self.name), self.name)
                packets.read(READ_AHEAD)
                self._near = packets.before(start, self.first) if passing else None
                if self._near is not None and not packets.pass_to(self._near):
                    continue
                while True:
                    facts = self._told(packets)
                    if facts is not None and (packets.over or not facts.header or enough(facts)):
                        return facts
                    packets.read(2 * packets.count)

    def _told(self, packets: Packets) -> Facts | None:
        """What the packets read so far tell; None if none of them lies in the window and more are to come."""
        container, stream, nominal = packets.container, packets.stream, packets.nominal
        stamps, end = packets.times()
        self.rhythm = rhythm(stamps, nominal, stream.time_base) if stamps else Rhythm(Fraction(0))
        exact = sorted(map(self.rhythm.exact, stamps))
        times = [time for time in exact if self._inside(time)]
        over = packets.over or any(map(self._past, exact))
        if not times and not over:
            return None
        if not times:
            raise ValueError(f"{self.name} has no frames in the chosen part of it. Trim the video differently.")
        self.origin = times[0]
        starts = [time - self.origin for time in times]
        missing = lost(container, packets.latest, packets.cut) if packets.over else 0.0
        passed = min(bisect_left(times, self._near), len(times) - 1) if self._near is not None else 0
        rate = mean_rate([time - times[passed] for time in times[passed:]], [self.rhythm.rate, *nominal], missing > 0)
        stop = min([self.rhythm.exact(end, 2), *filter(self._past, [*exact, self.stop or end])])
        end = max(stop - self.origin, starts[-1])
        if end == starts[-1]:
            end += 1 / rate  # the file does not say how long its last frame lasts
        kind = f"{container.format.name.split(',')[0]}, {stream.codec_context.name}"
        counted = over and (self._near is None or self.first is not None)
        header = "" if counted else promised(container, stream, rate, self.first, self.stop)
        return Facts(self.name, kind, self.width, self.height, starts, end, rate, missing, audio_text(container),
                     self.notes, header=header)  # fmt: skip

    def _frames(self, container: InputContainer) -> Iterator[av.VideoFrame]:
        """Decodes the video stream. Like a player it leaves out what is damaged."""
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
        """(time on the file's clock, conversion) of the frames inside the window."""
        convert = Converter(self.name, self.background, self.matrix)
        with self._opened(self._near) as container:
            for stamp, frame in in_order(self._frames(container), 1 / facts.rate):
                time = self.rhythm.exact(stamp)
                if self._past(time):
                    return
                if self._inside(time):
                    yield time, partial(convert, frame)


def read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1024)


def video_stream(container: InputContainer, name: str) -> av.VideoStream:
    """The stream a player shows. Raises ValueError if there is none, or no decoder for it."""
    stream = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        raise ValueError(f"{name} has no video stream: it holds {audio_text(container)}. Choose a video in `file`.")
    if stream.codec_context is None:
        raise ValueError(f"{name}: there is no decoder for its video. Convert it to MP4 (H.264).")
    return stream


def decoder_of(stream: av.VideoStream) -> av.VideoCodecContext:
    """What decodes a stream: FFmpeg's own choice, unless that would leave out transparency."""
    decoder = stream.codec_context
    name = ALPHA_DECODERS.get(decoder.name) if stream.metadata.get("alpha_mode") == "1" else None
    if name in av.codecs_available:
        decoder = av.CodecContext.create(name, "r")
        decoder.colorspace, decoder.color_range = stream.codec_context.colorspace, stream.codec_context.color_range
    decoder.thread_type, decoder.options = "AUTO", FRAME_LIMIT
    return decoder


def upright(array: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Turns and mirrors a picture (H, W, …) as its file asks for: phones film sideways, some mirror who holds them.

    matrix: maps a stored pixel x, y to (ax + cy, bx + dy); what that does to the axes is all that counts here.
    """
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):  # a quarter turn: what was stored as columns becomes rows
        array, a, d = array.swapaxes(0, 1), c, b
    return array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def display_matrix(frame: av.VideoFrame) -> Matrix:
    """((a, b), (c, d)) of a clip's first frame, 65536 for 1. A frame that is asked lives until Python looks for cycles."""
    data = frame.side_data.get(SideData.DISPLAYMATRIX)
    if data is None:
        return (1, 0), (0, 1)
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32).tolist()
    return (a, b), (c, d)


def remarks(stream: av.VideoStream, frame: av.VideoFrame) -> tuple[str, ...]:
    """What a person should know of a clip's pictures, by its header and its first frame."""
    found, aspect = [], stream.sample_aspect_ratio
    if aspect not in (None, 0, 1):
        found.append(f"pixels are not square ({aspect}); frames keep the stored size")
    curve = HDR.get(int(stream.codec_context.color_trc or 0))
    if curve:
        found.append(
            f"HDR ({curve}): its colours are taken as they are stored, pale and grey; convert the clip to SDR first"
        )
    if frame.interlaced_frame:
        found.append("interlaced: moving edges are torn into lines; deinterlace the clip first")
    return tuple(found)


class Converter:
    """Turns decoded frames into pictures with FFmpeg's own scale filter, which knows where chroma samples lie."""

    def __init__(self, name: str, background: Colour, matrix: Matrix):
        self.name, self.background, self.matrix = name, background, matrix
        self._kind, self._graph = None, None

    def __call__(self, frame: av.VideoFrame) -> Tensor:
        """(H, W, 3) uint8, as the ffmpeg program's rgb24; upright, and on the background where it is transparent."""
        kind = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range)
        try:
            if kind != self._kind:
                self._kind, self._graph = kind, self._build(frame)
            self._graph.push(frame)
            array = self._graph.pull().to_ndarray()
        except av.error.FFmpegError as error:
            raise ValueError(
                f"{self.name}: a frame of {frame.width}×{frame.height} pixels ({frame.format.name}) cannot be turned into "
                f"RGB ({error.strerror}). Convert the file to MP4 (H.264), or leave the frame out with `cap` or `duration`."
            ) from None
        array = over(array, self.background) if array.shape[-1] == 4 else array
        return torch.from_numpy(np.ascontiguousarray(upright(array, self.matrix)))

    @staticmethod
    def _build(frame: av.VideoFrame) -> av.filter.Graph:
        alpha = any(component.is_alpha for component in frame.format.components)
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base),
            graph.add("scale", "flags=bicubic"),
            graph.add("format", "rgba" if alpha else "rgb24"),
            graph.add("buffersink"),
        ).configure()
        return graph


def audio_text(container: InputContainer) -> str:
    stream = container.streams.best("audio")
    if stream is None or stream.codec_context is None:
        return "no audio"
    context = stream.codec_context
    return f"audio {context.name}, {context.sample_rate} Hz, {context.layout.name}"


def read_sound(container: InputContainer, stream: av.AudioStream, start: Fraction, duration: Fraction) -> Sound | None:
    """Decodes one time range of an audio stream into one tensor; parts without sound are silent."""
    rate = stream.codec_context.sample_rate
    length = round(duration * rate)
    resampler = av.AudioResampler(format="fltp")
    waveform, position, broken = None, None, False
    for packet in sounding(container, stream, start + duration):
        try:
            decoded = [part for frame in packet.decode() for part in resampler.resample(frame)]
        except (av.error.FFmpegError, ValueError):  # damaged, or suddenly with other channels
            broken = True
            continue
        for frame in decoded:
            samples = frame.to_ndarray()  # (channels, samples)
            if waveform is None:
                waveform = torch.zeros(1, len(samples), length)
            stamped = position if frame.pts is None else round((frame.pts * frame.time_base - start) * rate)
            if position is None or abs(stamped - position) > GAP * rate:
                position = stamped or 0
            first, last = max(position, 0), min(position + samples.shape[1], length)
            if first < last:
                part = samples[:, first - position : last - position]
                waveform[0, :, first:last] = torch.from_numpy(part)
            position += samples.shape[1]
        if position is not None and position >= length:
            break
    if broken:
        logger.warning("Some of the sound is damaged, or its channels change in the middle; it is silent there.")
    return None if waveform is None else Sound(waveform, rate)
