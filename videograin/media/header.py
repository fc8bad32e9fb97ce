"""The header of a video file: its streams, their length, and remarks on them."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Disposition

from .selection import Trim

HDR = {16: "PQ", 18: "HLG"}  # FFmpeg's numbers of transfer curves


def container_kind(container: InputContainer) -> str:
    """FFmpeg's first name of the container, such as mov of "mov,mp4,m4a"."""
    return container.format.name.split(",")[0]


def video_stream(container: InputContainer, name: str) -> av.VideoStream:
    """The video stream that a player shows. Raises ValueError if there is none, or no decoder for it."""
    stream = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        raise ValueError(f"{name} has no video stream: it holds {audio_text(container)}. Choose a video in `file`.")
    if stream.codec_context is None:
        raise ValueError(f"{name}: there is no decoder for its video. Convert it to MP4 (H.264).")
    return stream


def audio_text(container: InputContainer) -> str:
    """The audio stream's codec, rate and channels as text, or the text that there is none."""
    stream = container.streams.best("audio")
    if stream is None or stream.codec_context is None:
        return "no audio"
    context = stream.codec_context
    return f"audio {context.name}, {context.sample_rate} Hz, {context.layout.name}"


def picture_remarks(stream: av.VideoStream, frame: av.VideoFrame) -> tuple[str, ...]:
    """Remarks on a clip's pictures, from its header and its first frame."""
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


def length_text(container: InputContainer, stream: av.VideoStream, rate: Fraction, window: Trim) -> str:
    """The length of a window of the clip as text, from the header."""
    seconds = video_seconds(container, stream)
    if seconds is None:
        return "of untold length"
    seconds = max(min(window.stop or seconds, seconds) - window.start, Fraction(0))
    frames = stream.frames if stream.frames and window == Trim() else round(seconds * rate)
    return f"{frames} frames, {float(seconds):.2f} s by its header"


def video_seconds(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    """The length of the video in seconds, from the header; None without one."""
    if stream.duration:
        return stream.duration * stream.time_base
    with suppress(KeyError, ValueError):  # Matroska's form is H:MM:SS.s
        hours, minutes, seconds = map(Fraction, stream.metadata["DURATION"].split(":"))
        return hours * 3600 + minutes * 60 + seconds
    return Fraction(container.duration, av.time_base) if container.duration else None
