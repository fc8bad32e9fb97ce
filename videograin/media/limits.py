"""Limits of a clip, so that no file can use up the machine's memory or time."""

from __future__ import annotations

from fractions import Fraction

from .clip import NODE
from .resize import EXACT

LARGEST_FRAME = 2**26  # pixels, 8192×8192: the most that `width` and `height` allow
MOST_FRAMES = 1_000_000  # in a file or folder: nine hours at 30 frames per second


def check_frame(name: str, width: int, height: int) -> None:
    """Check of a picture's size from its header, before anything is decoded; raises ValueError if it is too large."""
    if width * height > LARGEST_FRAME:
        raise too_large(name, f"{width}×{height}")


def too_large(name: str, size: str) -> ValueError:
    return ValueError(
        f"{name} says it is {size} pixels, but {NODE} reads at most {LARGEST_FRAME:,} pixels a frame (LARGEST_FRAME, as "
        "many as 8192×8192). Make it smaller with another program, or choose another `file`."
    )


def check_frames(name: str, count: int) -> None:
    """Check of the number of frames in a file or folder; raises ValueError above MOST_FRAMES."""
    if count > MOST_FRAMES:
        raise ValueError(
            f"{name} holds more than {MOST_FRAMES:,} frames, the most that {NODE} lists (MOST_FRAMES). Cut it into "
            "parts with another program, or choose another `file`."
        )


def check_memory(count: int, height: int, width: int, limit: int | None) -> None:
    """Check of the frames' memory; raises ValueError if they take more than `limit` bytes."""
    size = height * width * 3 * 4  # float32
    if limit is None or count * size <= limit:
        return
    raise ValueError(
        f"{count} frames of {width}×{height} pixels take {count * size / 1e9:.1f} GB, but the limit is "
        f"{limit / 1e9:.1f} GB, a part of the memory that is free now. Set {NODE}' `cap` to at most "
        f"{max(1, limit // size)}, raise `every_nth`, lower `force_rate`, or make the frames smaller with `size` “{EXACT}”."
    )


def check_sound(name: str, duration: Fraction, rate: int, channels: int, limit: int | None) -> None:
    """Check of the sound's memory; raises ValueError above `limit` bytes: a broken file's times can jump by years."""
    size = float(duration) * rate * channels * 4  # float32
    if limit is None or size <= limit:
        return
    raise ValueError(
        f"{name}: the sound of {float(duration):.0f} s at {rate} Hz takes {size / 1e9:.1f} GB, but "
        f"{max(limit, 0) / 1e9:.1f} GB are left, a part of the memory that is free now. Set {NODE}' `duration` or `cap` "
        "to load less."
    )
