"""Broken and odd clips, each made in an empty folder: what Load Video Frames must refuse, and what it must read.

A maker writes into the folder it is given and returns what it wrote.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import footage
import numpy as np
from PIL import Image

Maker = Callable[[Path], Path]
HUGE = 60_000  # pixels of a side


def clip(folder: Path, name: str = "clip.mp4", count: int = 10, codec: str = "libx264", **settings) -> Path:
    return footage.write(folder / name, footage.scene(count, 48, 64), codec, **settings)


def holding(name: str, data: bytes) -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def changed(make: Maker, change: Callable[[bytearray], bytes]) -> Maker:
    """Another maker's file with its bytes changed."""

    def remake(folder: Path) -> Path:
        path = make(folder)
        path.write_bytes(change(bytearray(path.read_bytes())))
        return path

    return remake


def index_first(folder: Path) -> Path:
    noisy = np.random.default_rng(0).integers(0, 256, (50, 48, 64, 3), dtype=np.uint8)
    return footage.write(folder / "cut.mp4", noisy, "libx264", container={"movflags": "faststart"})


def picture(name: str, side: tuple[int, int] = (64, 48), **settings) -> Maker:
    def make(folder: Path) -> Path:
        pictures = [Image.new("RGB", side, (60 * i, 90, 30)) for i in range(3)]
        more = (
            {"save_all": True, "append_images": pictures[1:], "duration": 100} if name[-4:] in ("webp", ".gif") else {}
        )
        pictures[0].save(folder / name, **more, **settings)
        return folder / name

    return make


def sound_only(folder: Path) -> Path:
    with av.open(str(folder / "song.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        file.mux([*stream.encode(frame), *stream.encode()])
    return folder / "song.mp4"


def mono_then_stereo(folder: Path) -> Path:
    """2 seconds, as a broadcast does between a film and the advertisements."""
    with av.open(str(folder / "broadcast.ts"), "w") as file:
        video, sound = file.add_stream("libx264", rate=25), file.add_stream("mp2", rate=48000)
        video.width, video.height, video.pix_fmt, sound.layout = 64, 48, "yuv420p", "mono"
        for index, array in enumerate(footage.scene(50, 48, 64)):
            frame = av.VideoFrame.from_ndarray(array, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(video.encode(frame))
        file.mux(video.encode())
        stereo = av.CodecContext.create("mp2", "w")
        stereo.sample_rate, stereo.layout, stereo.format = 48000, "stereo", "s16"
        stereo.bit_rate, stereo.time_base = 128_000, Fraction(1, 48000)
        for index in range(83):
            encoder, channels = (sound.codec_context, 1) if index < 40 else (stereo, 2)
            samples = np.full((1, 1152 * channels), 9000, np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16", encoder.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = 48000, 1152 * index, Fraction(1, 48000)
            for packet in encoder.encode(frame):
                packet.stream = sound
                file.mux(packet)
    return folder / "broadcast.ts"


def archive(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "clip.mp4", "w") as file:
        file.writestr("clip.txt", "a clip, they said")
    return folder / "clip.mp4"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "clip.mp4")
    return folder / "clip.mp4"


# ---- pictures that say they are larger than any memory --------------------------------------------------------------


def png_header(data: bytearray) -> bytes:
    data[16:24] = struct.pack(">II", HUGE, HUGE)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return data


def webp_canvas(data: bytearray) -> bytes:
    data[24:30] = 2 * (HUGE - 1).to_bytes(3, "little")
    return data


def gif_screen(data: bytearray) -> bytes:
    data[6:10] = struct.pack("<HH", 16_000, 16_000)
    return data


def bmp_header(data: bytearray) -> bytes:
    data[18:26] = struct.pack("<ii", HUGE, HUGE)
    return data


def mov_sample_entry(data: bytearray) -> bytes:
    """QuickTime RLE takes its size from the container: stsd, its entry, 24 bytes on."""
    at = data.index(b"stsd") + 12 + 4 + 28
    data[at : at + 4] = struct.pack(">HH", 16_000, 16_000)
    return data


# ---- what a person would expect to work -----------------------------------------------------------------------------


def turned(matrix: tuple[int, int, int, int]) -> Maker:
    """A clip whose header turns and mirrors it: a stored pixel x, y is shown at (ax + cy, bx + dy)."""

    def change(data: bytearray) -> bytes:
        at = data.index(b"tkhd") + 4 + 40
        a, b, c, d = (65536 * entry for entry in matrix)
        data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        return data

    return changed(lambda folder: clip(folder, "turned.mp4", 2), change)


def glass(folder: Path, name: str, codec: str, pixels: str, **options: str) -> Path:
    """4 frames of red: opaque on the left, half transparent in the middle, invisible on the right; 32 pixels each."""
    frames = np.zeros((4, 48, 96, 4), np.uint8)
    frames[..., 0] = 200
    frames[..., :32, 3], frames[..., 32:64, 3] = 255, 128
    return footage.write(folder / name, frames, codec, pixels=pixels, options=options)


def moving_glass(folder: Path, name: str) -> Path:
    """`glass`, written by Pillow."""
    picture = Image.new("RGBA", (96, 48), (200, 0, 0, 0))
    picture.paste((200, 0, 0, 255), (0, 0, 32, 48))
    if not name.endswith("gif"):  # which knows no half
        picture.paste((200, 0, 0, 128), (32, 0, 64, 48))
    pictures = [picture.copy() for _ in range(4)]
    cleared = 1 if name.endswith("png") else 2  # before the next frame
    for place, different in enumerate(pictures):  # or they would be kept as one
        different.putpixel((place, 0), (0, 0, 200, 255))
    pictures[0].save(
        folder / name, save_all=True, append_images=pictures[1:], duration=40, disposal=cleared, lossless=True
    )
    return folder / name


def sequence(folder: Path, *colours: tuple[int, int, int]) -> Path:
    (folder / "shots" / "a").mkdir(parents=True)
    for number, colour in enumerate(colours):
        Image.new("RGB", (64, 48), colour).save(folder / "shots" / "a" / f"f{number}.png")
    return folder / "shots" / "a"
