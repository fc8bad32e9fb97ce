"""A video file, read by FFmpeg through PyAV: one pass over its packets for the times, one for the pictures."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from heapq import heappop, heappush
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
from .limits import LARGEST_FRAME, check_frame, check_frames, check_sound
from .shots import Facts, Shot, Sound, held, mean_rate

logger = logging.getLogger("videograin")

# Containers that hold their own frames. A playlist names other files or addresses instead, and is refused, before
# FFmpeg sees it: its own whitelists crash older versions on MPEG files.
PLAYLISTS = (b"#EXTM3U", b"ffconcat")
CONTAINERS = frozenset(
    "mov matroska avi gif apng mpeg mpegts mpegvideo asf flv ogg mxf nut dv rm swf ivf h264 hevc m4v mjpeg obu "
    "yuv4mpegpipe wav mp3 flac aac aiff caf".split()
)
REORDER = 3  # frames whose times may be swapped
FRAME_LIMIT = {"max_pixels": str(LARGEST_FRAME)}  # for the decoder: a clip's frames may grow
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders of these leave transparency out
Matrix = tuple[tuple[int, int], tuple[int, int]]
GAP = 0.1  # seconds between two sounds; below it a timestamp is merely rounded


class VideoFile:
    """A clip in a file, or in memory as a file.

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
        self.facts = self._scan()

    def shots(self) -> Iterator[Shot]:
        pictures = ((time - self.origin, f"frame {i}", p) for i, (time, p) in enumerate(self._pictures()))
        return held(pictures, self.facts.end)

    def sound(self, start: Fraction, end: Fraction, limit: int | None = None) -> Sound | None:
        with self._opened() as container:
            stream = container.streams.best("audio")
            if stream is None or stream.codec_context is None or not stream.codec_context.sample_rate:
                return None
            context = stream.codec_context
            check_sound(self.name, end - start, context.sample_rate, context.layout.nb_channels, limit)
            return read_sound(container, stream, self.origin + start, end - start)

    def _inside(self, time: Fraction) -> bool:
        return (self.first is None or time >= self.first) and (self.stop is None or time < self.stop)

    @contextmanager
    def _opened(self) -> Iterator[InputContainer]:
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

    def _scan(self) -> Facts:
        with self._opened() as container:
            stream = video_stream(container, self.name)
            check_frame(self.name, stream.codec_context.width, stream.codec_context.height)
            nominal = [stream.average_rate, stream.guessed_rate]
            times, end, latest, cut = packet_times(container, stream, self.name)
            times = sorted(time for time in times if self._inside(time))
            if not times:
                raise ValueError(f"{self.name} has no frames in the chosen part of it. Trim the video differently.")
            self.origin = times[0]
            starts = [time - self.origin for time in times]
            missing = lost(container, latest, cut)
            rate = mean_rate(starts, nominal, nominal_only=missing > 0)
            end = max(min(end, self.stop or end) - self.origin, starts[-1])
            if end == starts[-1]:
                end += 1 / rate  # the file does not say how long its last frame lasts
            audio = audio_text(container)
            kind = f"{container.format.name.split(',')[0]}, {stream.codec_context.name}"
            aspect = stream.sample_aspect_ratio
        frame = next(self._frames(), None)
        if frame is None:
            raise ValueError(f"{self.name}: not one of its frames can be decoded. It is damaged; copy it again.")
        self.matrix = display_matrix(frame)
        height, width = upright(np.empty((frame.height, frame.width, 0)), self.matrix).shape[:2]
        notes = (
            (f"pixels are not square ({aspect}); frames keep the stored size",) if aspect not in (None, 0, 1) else ()
        )
        return Facts(self.name, kind, width, height, starts, end, rate, missing, audio, notes)

    def _frames(self) -> Iterator[av.VideoFrame]:
        """Decodes the video stream. Like a player it leaves out what is damaged."""
        damaged = False
        try:
            with self._opened() as container:
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

    def _pictures(self) -> Iterator[tuple[Fraction, partial[Tensor]]]:
        """(time on the file's clock, conversion) of the frames inside the window."""
        convert = Converter(self.name, self.background, self.matrix)
        for time, frame in in_order(self._frames(), 1 / self.facts.rate):
            if self.stop is not None and time >= self.stop:
                return
            if self._inside(time):
                yield time, partial(convert, frame)


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


def packet_times(
    container: InputContainer, stream: av.VideoStream, name: str
) -> tuple[list[Fraction], Fraction, Fraction, bool]:
    """Reads all packets, decoding none.

    Returns the video frames' times, when the last of them ends, when the last packet of any stream ends (seconds on
    the file's clock), and whether the last video packet is incomplete.
    """
    times, end, latest, cut = [], Fraction(0), Fraction(0), False
    step = 1 / (stream.guessed_rate or stream.average_rate or 25)
    try:
        for packet in container.demux():
            if not packet.size or packet.is_discard:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            video = packet.stream_index == stream.index
            if stamp is None and not video:
                continue
            time = len(times) * step if stamp is None else stamp * packet.time_base
            until = time + (packet.duration or 0) * packet.time_base
            latest = max(latest, until)
            if video:
                times.append(time)
                check_frames(name, len(times))
                end, cut = max(end, until), packet.is_corrupt
    except av.error.FFmpegError:
        cut = True
    return times, end, latest, cut


def lost(container: InputContainer, latest: Fraction, cut: bool) -> float:
    """Seconds that the file's header promises beyond its last packet; 0 for a whole file.

    A header may round, or count a last frame's time that no packet tells: up to 0.5 s or 5 % is no loss.
    """
    promised = (container.duration or 0) / av.time_base
    missing = promised - float(latest - Fraction(container.start_time or 0, av.time_base))
    return max(missing, 0.01) if cut or missing > max(0.5, promised / 20) else 0.0


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
    for packet in container.demux(stream):
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
