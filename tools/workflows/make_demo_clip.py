"""Makes videograin/toybox/demo_clip.mp4, the clip that *Start here* opens with: Demo Clip's wolf and pig as a video file, with sound.

python tools/workflows/make_demo_clip.py
"""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from videograin.toybox import world  # noqa: E402
from videograin.toybox.clips import clip  # noqa: E402

FILE = ROOT / "videograin" / "toybox" / "demo_clip.mp4"
SOUND_RATE = 44_100  # samples a second
NOTES = (392.0, 494.0, 587.0, 784.0)  # Hz, one every quarter of the clip


def tune(seconds: float) -> np.ndarray:
    """(1, samples) float32: plucked notes that die away, and are silent at the end."""
    each = round(SOUND_RATE * seconds / len(NOTES))
    time = np.arange(each) / SOUND_RATE
    pluck = np.exp(-9 * time) * np.minimum(1, 200 * time)
    return np.concatenate([0.3 * pluck * np.sin(2 * np.pi * note * time) for note in NOTES])[None].astype(np.float32)


def encode(path: Path, frames: np.ndarray, rate: int) -> None:
    """frames (F, H, W, 3) uint8. Colours in 4:2:0, which every browser plays; crf 6 keeps what the model knows."""
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=rate, options={"crf": "6", "preset": "veryslow", "threads": "1"})
        picture.height, picture.width, picture.pix_fmt = *frames.shape[1:3], "yuv420p"
        sound = file.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for frame in frames:
            file.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(picture.encode())
        samples = av.AudioFrame.from_ndarray(tune(len(frames) / rate), format="fltp", layout="mono")
        samples.sample_rate, samples.time_base, samples.pts = SOUND_RATE, Fraction(1, SOUND_RATE), 0
        file.mux(sound.encode(samples))
        file.mux(sound.encode())


if __name__ == "__main__":
    encode(FILE, clip(("wolf", "pig"), "snow", 8, 1.0, 1).frames, round(world.FPS))
