"""Light of the toy world: each place tints things, shades them from above, and has them cast a shadow."""

from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image


class Thing(Protocol):
    """Where a thing stands: centre and longest side, in pixels."""

    x: float
    y: float
    size: float


class Light(NamedTuple):
    """The light of a place. tint: of red, green, blue. shade: how much darker the lower edge is than the middle, and
    the upper one brighter. shadow: how dark the middle of a shadow is, 1 is black."""

    tint: tuple[float, float, float]
    shade: float
    shadow: float


LIGHTS = {  # place -> its light
    "grass": Light((0.98, 1.03, 0.94), 0.18, 0.40),
    "snow": Light((0.95, 0.99, 1.06), 0.12, 0.30),
    "sand": Light((1.07, 1.00, 0.88), 0.22, 0.42),
    "sea": Light((0.90, 1.00, 1.08), 0.16, 0.30),
    "night": Light((0.50, 0.54, 0.80), 0.10, 0.35),
    "brick": Light((1.02, 0.93, 0.88), 0.26, 0.38),
    "road": Light((0.96, 0.96, 1.00), 0.22, 0.45),
    "sunset": Light((1.16, 0.84, 0.74), 0.30, 0.40),
}
REACH = 0.02  # least darkness that counts as shadow


def lit(layer: Image.Image, thing: Thing, light: Light) -> Image.Image:
    """A thing's picture, RGBA in the frame's size, in this light."""
    pixels = np.asarray(layer).astype(np.float32)
    height = (thing.y - np.arange(layer.height, dtype=np.float32) - 0.5) / thing.size  # 0.5 at the upper edge
    shade = 1 + 2 * light.shade * np.clip(height, -0.5, 0.5)[:, None, None]
    pixels[..., :3] *= shade * np.float32(light.tint)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shadow(thing: Thing, size: tuple[int, int], light: Light) -> np.ndarray:
    """The shadow of a thing on the ground at its feet, (H, W) float32: 0 is none. size: (H, W)."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) + 0.5
    across, down = (x - thing.x) / (0.46 * thing.size), (y - thing.y - 0.47 * thing.size) / (0.13 * thing.size)
    dark = light.shadow * np.clip(1.3 - across**2 - down**2, 0, 1)
    return np.where(dark < REACH, 0, dark)


def shadowed(background: np.ndarray, shadows: list[np.ndarray]) -> np.ndarray:
    """A background (H, W, 3) uint8 under shadows (H, W) each; where two meet, the darker one counts."""
    left = 1 - np.max(shadows, 0)[..., None] if shadows else np.float32(1)
    return (background * left).astype(np.uint8)
