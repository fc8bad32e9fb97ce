"""Clips made of pictures, read by Pillow: a folder of images, an animated WebP, a single image."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .backdrop import Colour, over
from .clip import Facts, Source, TimedFrame, timed
from .limits import LARGEST_FRAME, check_frames, too_large
from .rates import MILLISECOND, UNTIMED_RATE, mean_rate, rhythm

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"))
FORMATS = ("WEBP", "PNG", "JPEG", "BMP", "TIFF")
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # a warning where those are errors


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)]


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, without subfolders, in natural order."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted((path for path in files if not path.name.startswith(".")), key=lambda path: natural_order(path.name))


class Folder(Source):
    """The images of a folder as a clip of `rate` frames per second. Raises ValueError if there are none."""

    def __init__(self, folder: Path, name: str, rate: Fraction, background: Colour):
        self.files, self.background = images_in(folder), background
        check_frames(name, len(self.files))
        if not self.files:
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            raise ValueError(f"The folder {name} holds no images ({kinds}). Choose another one in `file`.")
        rate = rate or UNTIMED_RATE
        height, width = read_image(self.files[0], background).shape[:2]
        starts = [index / rate for index in range(len(self.files))]
        end = len(self.files) / rate
        self.facts = Facts(name, "folder of images", width, height, starts, end, rate, first=self.files[0].name)

    def frames(self) -> Iterator[TimedFrame]:
        pictures = ((start, path.name, partial(read_image, path, self.background))
                    for start, path in zip(self.facts.starts, self.files, strict=True))  # fmt: skip
        return timed(pictures, self.facts.end)


class Picture(Source):
    """An image file as a clip. An animated WebP keeps its frames' times; FFmpeg cannot read them."""

    def __init__(self, path: Path, name: str, rate: Fraction, background: Colour):
        self.path, self.background = path, background
        with open_image(path) as image:
            count = getattr(image, "n_frames", 1)
            kind = f"{'animated ' if count > 1 else ''}{image.format}"
            height, width = pixels(image, background).shape[:2]
        check_frames(name, count)
        durations = webp_durations(path) if count > 1 else []
        if len(durations) != count:
            durations = [1 / (rate or UNTIMED_RATE)] * count
        *starts, end = accumulate(durations, initial=Fraction(0))
        found = rhythm(starts, [], MILLISECOND)
        starts, end = [found.exact(start) for start in starts], found.exact(end, 2)
        self.facts = Facts(
            name, kind, width, height, starts, end, mean_rate(starts, [rate if count == 1 else found.rate])
        )

    def frames(self) -> Iterator[TimedFrame]:
        with open_image(self.path) as image:
            yield from timed(self._decoded(image), self.facts.end)

    def _decoded(self, image: Image.Image) -> Iterator[tuple[Fraction, str, partial[Tensor]]]:
        for index, start in enumerate(self.facts.starts):
            image.seek(index)
            image.load()
            yield start, f"frame {index}", partial(pixels, image.copy(), self.background)


def is_picture(path: Path) -> bool:
    """True for files that Pillow reads instead of FFmpeg: images, and animated WebP. Content decides, not the name."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.format == "WEBP" or getattr(image, "n_frames", 1) == 1
    except TOO_LARGE:
        return True
    except Exception:  # Pillow raises many errors on a damaged header
        return False


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Opens an image file by its content. Raises ValueError, also for damage found while the image is read."""
    large = None
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height <= LARGEST_FRAME:
                yield image
                return
            large = f"{image.width}×{image.height}"
    except TOO_LARGE:
        large = f"over {Image.MAX_IMAGE_PIXELS:,}"
    except UnidentifiedImageError:
        found = "is not an image that can be read" if path.stat().st_size else "is empty (0 bytes)"
        raise ValueError(f"{path.name} {found}. Copy it again, or choose another one.") from None
    except Exception as error:  # Pillow raises many errors on damage
        raise ValueError(f"{path.name} is damaged ({error}). Copy it again, or choose another one.") from error
    raise too_large(path.name, large)


def read_image(path: Path, background: Colour) -> Tensor:
    with open_image(path) as image:
        return pixels(image, background)


def pixels(image: Image.Image, background: Colour) -> Tensor:
    """Pixels of an image, (H, W, 3) uint8: upright by the camera's tag, transparent parts on a colour."""
    with suppress(Exception):  # Pillow raises many errors on a broken tag; it is then ignored
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey; Pillow would clip it at 255
        grey = np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8)
        image = Image.fromarray(grey)
    if image.has_transparency_data:
        return torch.from_numpy(over(np.asarray(image.convert("RGBA")), background))
    return torch.from_numpy(np.array(image.convert("RGB")))


def webp_durations(path: Path) -> list[Fraction]:
    """Seconds of each frame, from the file's ANMF chunks (Pillow gives them only while decoding)."""
    durations = []
    with path.open("rb") as file:
        file.seek(12)  # RIFF, size, WEBP
        while len(header := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", header)
            following = file.tell() + size + size % 2
            if kind == b"ANMF":
                durations.append(Fraction(int.from_bytes(file.read(15)[12:], "little"), 1000))
            file.seek(following)
    return durations
