"""Loading a clip: it is opened, sampled in time, fitted to a size and written into one tensor.

Peak memory is the frames returned plus a constant: the tensor is allocated once, and each picture is written directly
to its place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .backdrop import WHITE, Colour
from .clip import NODE, Facts, Sound, Source, TimedFrame
from .images import Folder, Picture, is_picture
from .limits import check_memory
from .report import info, remark_on_count, remark_on_groups, remarks
from .resize import EXACT, Fit
from .selection import Pick, Trim
from .video_file import VideoFile

logger = logging.getLogger("videograin")

WHOLE, EVERYTHING, AS_IT_IS = Trim(), Pick(), Fit()
UNEVEN = (
    f"The frames of %s are not evenly spaced in time. Set {NODE}' `force_rate` to keep motion and sound at their speed."
)


class Clip(NamedTuple):
    """A loaded clip.

    frames: (F, H, W, 3) float32 in 0…1. fps: of these frames. sound: of their time, or None. info: a report as text.
    notes: the lines of the report that are shown without being asked for.
    """

    frames: Tensor
    fps: float
    sound: Sound | None
    info: str
    notes: tuple[str, ...] = ()


def open_clip(file: Path | BytesIO, rate: Fraction = Fraction(0), name: str = "", window: Trim = WHOLE,
              background: Colour = WHITE) -> Source:  # fmt: skip
    """The source for a file, chosen by its content; the header is read.

    rate: frames per second of a folder or a single image, which have no timing; 0 for 24.
    window: the part of a video that is read, in seconds of its own clock.
    background: the colour behind transparent parts.
    Raises ValueError: no file, empty, damaged, no video in it, a folder without images, frames too large.
    """
    if isinstance(file, BytesIO):
        return VideoFile(file, name or "the video input", window, background)
    name = name or file.name
    if file.is_dir():
        return Folder(file, name, rate, background)
    if not file.is_file():
        raise ValueError(f"There is no file or folder {name}. Choose another one in {NODE}' `file`.")
    return Picture(file, name, rate, background) if is_picture(file) else VideoFile(file, name, window, background)


def load(
    source: Source,
    pick: Pick = EVERYTHING,
    fit: Fit = AS_IT_IS,
    limit: int | None = None,
    watch: Callable[[float], None] = lambda done: None,
    trim: Trim = WHOLE,
) -> Clip:
    """Loads a clip: `trim` first, then the frames of `pick`, at the size of `fit`, and the sound of their time.

    limit: bytes for frames and sound. watch: called with the share done, 0…1, for every frame read; an exception from
    it ends the loading.
    Raises ValueError with the input to change: no frame left, more than `limit`, a file that is cut off, frames of
    different sizes.
    """
    whole = source.facts_until(partial(sufficient, pick, trim), trim.start)
    asked = pick._replace(group=1)
    facts = asked.facts(trim.facts(whole))
    asked, pick = asked.at_own_rate(facts), pick.at_own_rate(facts).in_groups(facts)
    check_available(facts, asked)
    height, width = fit.size(facts.height, facts.width)
    check_memory(pick.count(facts), height, width, limit)
    if facts.uneven and not pick.rate:
        logger.warning(UNEVEN, facts.name)
    frames = torch.empty(pick.count(facts), height, width, 3)
    count, start, end = 0, Fraction(0), Fraction(0)
    passing = watched(source.frames(), facts.origin + pick.end(facts), watch)
    for frame in pick.take(trim.take(passing, facts)):
        picture = frame.picture()
        check_size(facts, fit, frame, picture)
        if count == len(frames):  # a packet held two frames, and its time counted as one
            more = 1 + count // 8
            check_memory(count + more, height, width, limit)
            frames = torch.cat([frames, frames.new_empty(more, height, width, 3)])
        fit.place(picture, frames[count])
        start, end, count = frame.start if not count else start, frame.end, count + 1
    if not count:
        raise ValueError(f"{facts.name}: none of the frames asked for can be decoded. Lower {NODE}' `skip`.")
    frames = frames[:count]
    start, end = facts.origin + start, facts.origin + end
    sound = source.sound(start, end, None if limit is None else limit - frames.nbytes)
    fps = pick.fps(facts)
    left_out = remark_on_groups(asked.count(facts) - pick.count(facts), pick.group)
    notes = (*remarks(facts, height, width), *remark_on_count(count, height, width, asked.cap), *left_out)
    lines = info(whole, frames, fps, start, end, sound)
    return Clip(frames, float(fps), sound, "\n".join([*lines, *notes]), notes)


def sufficient(pick: Pick, trim: Trim, known: Facts) -> bool:
    """True if the known facts of a clip are enough for `pick` and `trim`."""
    with suppress(ValueError):  # no frame of the part is known yet
        return pick.satisfied_by(trim.facts(known)) or trim.satisfied_by(known)
    return False


def watched(frames: Iterable[TimedFrame], end: Fraction, watch: Callable[[float], None]) -> Iterator[TimedFrame]:
    for frame in frames:
        watch(min(1.0, float(frame.end / end)))
        yield frame


def check_available(facts: Facts, pick: Pick) -> None:
    """Check that frames are left, and that the file is not cut off before the last of them; raises ValueError."""
    available, total = pick.available(facts), pick.total(facts)
    at_rate = f" at {float(pick.rate):g} frames per second" if pick.rate else ""
    if not available:
        raise ValueError(
            f"{NODE}' `skip` is {pick.skip}, but {facts.name} has {total} frames{at_rate}. Set `skip` to at most "
            f"{total - 1}."
        )
    if facts.missing and not 0 < pick.cap <= available:
        raise ValueError(
            f"{facts.name} is cut off: {total} frames{at_rate} ({float(facts.end):.2f} s) can be read, about "
            f"{facts.missing:.2f} s are missing. To use what is there, set {NODE}' `cap` to {available} or less; "
            "otherwise copy or download the file again."
        )


def check_size(facts: Facts, fit: Fit, frame: TimedFrame, picture: Tensor) -> None:
    """Check that a picture has the size of the clip's first one, unless `fit` resizes it; raises ValueError."""
    if fit.mode != EXACT and picture.shape[:2] != (facts.height, facts.width):
        raise ValueError(
            f"{facts.name}: {facts.first} is {facts.width}×{facts.height} pixels, but {frame.label} is "
            f"{picture.shape[1]}×{picture.shape[0]}. Make them one size, or set {NODE}' `size` to “{EXACT}”."
        )
