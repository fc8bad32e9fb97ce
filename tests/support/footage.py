"""Small real clips, encoded by PyAV, and what the ffmpeg and ffprobe programs say about a clip."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

TIME = "best_effort_timestamp_time"
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program is not installed")


def scene(count: int, height: int = 96, width: int = 128) -> np.ndarray:
    """(count, H, W, 3) uint8: moving colour ramps with a bar whose place tells the frame's number."""
    y, x = np.mgrid[:height, :width]
    frames = np.empty((count, height, width, 3), np.uint8)
    for i in range(count):
        frames[i] = np.stack([(x + 2 * i) % 256, (2 * y + i) % 256, (x + y + 3 * i) % 256], -1)
        frames[i, :, 4 * i % width : (4 * i % width) + 4] = 255
    return frames


def write(path: Path, frames: np.ndarray, codec: str, rate: Fraction | int = 25, *, pixels: str = "yuv420p",
          times: Iterable[Fraction] | None = None, audio: np.ndarray | None = None, options: dict | None = None,
          container: dict | None = None, colour: tuple[int, int] = (2, 0), aspect: Fraction | int = 1) -> Path:  # fmt: skip
    """Encodes frames (F, H, W, 3 or 4) uint8. times: seconds of each; audio: (channels, samples) float32 at 48 kHz;
    colour: FFmpeg's numbers of colour matrix and range; aspect: of a pixel."""
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        stream.codec_context.colorspace, stream.codec_context.color_range = colour
        sound = None
        if audio is not None:
            sound = file.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000)
            sound.layout = "stereo" if len(audio) == 2 else "mono"
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        unit = Fraction(1, 1000) if times is not None else 1 / Fraction(rate)
        stamps = [round(time * 1000) for time in times] if times is not None else range(len(frames))
        heard = 0  # samples encoded: sound is stored beside its frames, as cameras do
        for stamp, array in zip(stamps, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(array, "rgba" if array.shape[-1] == 4 else "rgb24")
            frame = frame.reformat(
                format=pixels, dst_colorspace=colour[0] % 2 and colour[0], dst_color_range=colour[1] or None
            )
            frame.pts, frame.time_base = stamp, unit
            file.mux(stream.encode(frame))
            if sound is not None:
                heard = mux_sound(file, sound, audio, heard, stamp * unit)
        file.mux(stream.encode())
        if sound is not None:
            mux_sound(file, sound, audio, heard, None)
            file.mux(sound.encode())
    return path


def mux_sound(file, stream: av.AudioStream, audio: np.ndarray, start: int, until: Fraction | None) -> int:
    """Encodes audio (channels, samples) at 48 kHz from sample `start` to a time, or to its end; returns how far it came."""
    while start < audio.shape[1] and (until is None or Fraction(start, 48000) <= until):
        part = np.ascontiguousarray(audio[:, start : start + 960])
        frame = av.AudioFrame.from_ndarray(part, "fltp", stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        file.mux(stream.encode(frame))
        start += 960
    return start


def ffmpeg_frames(path: Path, height: int, width: int, *options: str) -> np.ndarray:
    """(F, H, W, 3) uint8: the clip as the ffmpeg program converts it to rgb24."""
    sync = [] if "-vf" in options else ["-vsync", "passthrough"]
    command = ["ffmpeg", "-v", "error", "-i", path, *options, *sync, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def ffmpeg_sound(path: Path) -> np.ndarray:
    """(channels, samples) float32: the sound as the ffmpeg program decodes it, from its first sample on."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-vn", "-c:a", "pcm_f32le", "-f", "f32le", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.float32).reshape(-1, probe(path, "a:0")["channels"]).T


def probe(path: Path, stream: str = "v:0") -> dict:
    """ffprobe's account of a stream, with the times of its decoded frames under "times"."""
    entries = "stream=width,height,codec_name,channels,sample_rate:frame=" + TIME
    command = ["ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", entries, "-of", "json", path]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    frames = found["frames"]
    times = [float(frame[TIME]) for frame in frames if TIME in frame]  # some AVIs' last frame has none
    return found["streams"][0] | {"frames": len(frames), "times": times}
