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
    """Sort key under which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)]


def images_in(folder: Path) -> list[Path]:
    """The images directly in a folder, in their natural order."""
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
    """An image file; an animated WebP plays its frames for their own times, which FFmpeg cannot read."""

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
    """True for what Pillow reads and FFmpeg does not or need not: images, and animated WebP. Content decides."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.format == "WEBP" or getattr(image, "n_frames", 1) == 1
    except TOO_LARGE:
        return True
    except Exception:  # Pillow lets through whatever a damaged header makes it stumble over
        return False


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """An image file, opened by its content. Raises ValueError, also for damage found while it is being read."""
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
    except Exception as error:  # Pillow lets through whatever damage makes it stumble over
        raise ValueError(f"{path.name} is damaged ({error}). Copy it again, or choose another one.") from error
    raise too_large(path.name, large)


def read_image(path: Path, background: Colour) -> Tensor:
    with open_image(path) as image:
        return pixels(image, background)


def pixels(image: Image.Image, background: Colour) -> Tensor:
    """(H, W, 3) uint8, upright as the camera's tag says, on a colour where it is transparent."""
    with suppress(Exception):  # Pillow lets through whatever a broken tag makes it stumble over; then it says nothing
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        grey = np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8)
        image = Image.fromarray(grey)
    if image.has_transparency_data:
        return torch.from_numpy(over(np.asarray(image.convert("RGBA")), background))
    return torch.from_numpy(np.array(image.convert("RGB")))


def webp_durations(path: Path) -> list[Fraction]:
    """Seconds of each frame, from the file's ANMF chunks (Pillow tells them only while decoding)."""
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
