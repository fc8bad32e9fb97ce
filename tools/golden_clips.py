"""The clips that the golden runs edit: two moving blocks, their masks, and the ControlNets' hints."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

FRAMES, RATE, SOUND_RATE = 12, 8, 44100
HEIGHT, WIDTH = 144, 160


def write(folder: Path) -> None:
    """Writes the clips under the names in the workflows, and one as a folder of pictures."""
    left, right, wider = boxes(24, 40, 1), boxes(96, 56, -1), boxes(20, 34, 1, grow=8)
    clip = drawn(left, right)
    encode(folder / "clip.mp4", clip, sound=True)
    for name, mask in {"left_mask": left, "right_mask": right, "edit_mask": wider}.items():
        encode(folder / f"{name}.mp4", np.repeat(mask[..., None] * np.uint8(255), 3, -1))
    encode(
        folder / "depth.mp4", np.repeat((40 + 100 * left + 180 * (right & ~left))[..., None], 3, -1).astype(np.uint8)
    )
    encode(folder / "pose.mp4", np.stack([255 * left, 255 * right, 0 * left], -1).astype(np.uint8))
    (folder / "pictures").mkdir()
    for number, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / "pictures" / f"{number:03}.png")


def boxes(x: int, y: int, way: int, grow: int = 0) -> np.ndarray:
    """The mask of a block, (FRAMES, HEIGHT, WIDTH) bool: 44×56 pixels, moving by two pixels a frame."""
    found = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    for frame in range(FRAMES):
        begin = x + 2 * way * frame
        found[frame, y : y + 56 + grow, max(0, begin) : begin + 44 + grow] = True
    return found


def drawn(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The clip with both blocks, (FRAMES, HEIGHT, WIDTH, 3) uint8."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    ground = np.stack([60 + rows // 2, 160 - rows // 3, 60 + columns // 4], -1)
    pattern = np.random.default_rng(0).integers(-20, 20, (HEIGHT, WIDTH, 1))
    clip = np.repeat((ground + pattern)[None], FRAMES, 0)
    clip[left] = (200, 120, 40)
    clip[right] = (60, 70, 190)
    return clip.clip(0, 255).astype(np.uint8)


def encode(path: Path, frames: np.ndarray, sound: bool = False) -> None:
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=RATE, options={"crf": "12", "threads": "1"})
        picture.height, picture.width, picture.pix_fmt = *frames.shape[1:3], "yuv420p"
        tone = file.add_stream("aac", rate=SOUND_RATE, layout="mono") if sound else None
        for frame in frames:
            file.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(picture.encode())
        if tone:
            moments = np.arange(SOUND_RATE * len(frames) // RATE) / SOUND_RATE
            samples = (0.3 * np.sin(2 * np.pi * 220 * moments)).astype(np.float32)[None]
            block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
            file.mux(tone.encode(block))
            file.mux(tone.encode())
