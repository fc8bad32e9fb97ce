"""A clip becomes frames: opened, sampled in time, fitted to a size and written into one tensor.

Peak memory is the frames returned plus a constant: the tensor is allocated once, and each picture goes straight
into its place.
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

from .backdrop import WHITE, Colour, frame_over
from .images import Folder, Picture, is_picture
from .limits import check_memory, check_sound
from .resize import EXACT, Fit
from .timing import NODE, Facts, Pick, Shot, Sound, Source, Trim, held, taken
from .video_file import VideoFile

logger = logging.getLogger("videograin")

WHOLE, EVERYTHING, AS_IT_IS = Trim(), Pick(), Fit()
UNEVEN = (
    "The frames of %s are not evenly spaced in time. Set Load Video Frames' `force_rate` to keep motion and sound at "
    "their speed."
)


class Clip(NamedTuple):
    """frames (F, H, W, 3) float32 in 0…1 · fps, of these frames · sound of their time, or None · info, as text.

    notes: the lines of info that a person should see unasked.
    """

    frames: Tensor
    fps: float
    sound: Sound | None
    info: str
    notes: tuple[str, ...] = ()


class Frames(Source):
    """A clip that is in memory already: images (F, H, W, 3 or 4) float in 0…1, at `rate` per second.

    background: what shows through their transparent parts.
    """

    def __init__(self, images: Tensor, rate: Fraction, sound: Sound | None = None, name: str = "the video input",
                 background: Colour = WHITE):  # fmt: skip
        self.images, self._sound, self.background = images, sound, background
        starts = [index / rate for index in range(len(images))]
        height, width = images.shape[1:3]
        audio = f"audio, {sound.sample_rate} Hz, {sound.waveform.shape[1]} channels" if sound else "no audio"
        self.facts = Facts(name, "frames", width, height, starts, len(images) / rate, rate, audio=audio)

    def shots(self) -> Iterator[Shot]:
        pictures = ((start, f"frame {i}", partial(frame_over, self.images[i], self.background))
                    for i, start in enumerate(self.facts.starts))  # fmt: skip
        return held(pictures, self.facts.end)

    def sound(self, start: Fraction, end: Fraction, limit: int | None = None) -> Sound | None:
        if self._sound is None:
            return None
        waveform, rate = self._sound
        check_sound(self.facts.name, end - start, rate, waveform.shape[1], limit)
        first, last = round(start * rate), round(end * rate)
        part = torch.zeros(*waveform.shape[:-1], last - first)
        inside = waveform[..., first:last]
        part[..., : inside.shape[-1]] = inside
        return Sound(part, rate)


def open_clip(file: Path | BytesIO, rate: Fraction = Fraction(0), name: str = "", window=(0.0, 0.0),
              background: Colour = WHITE) -> Source:  # fmt: skip
    """Finds out what a file is, by its content, and reads what is known of it before its frames.

    rate: frames per second of what has no timing of its own (a folder, a single image); 0 for 24.
    window: (start, duration) in seconds of a video's own clock; duration 0 for all of it.
    background: what shows through transparent parts.
    Raises ValueError: nothing there, empty, damaged, no video in it, a folder without images, frames too large.
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
    """Reads the frames that `pick` takes of what `trim` leaves, at the size of `fit`, and the sound of their time.

    limit: most bytes the frames and the sound may take. watch: called with the part done, 0…1, for every frame that is
    passed; what it raises ends the loading.
    Raises ValueError, naming the input to change: nothing left to take, too much for `limit`, a file that is cut off,
    frames of different sizes.
    """
    whole = source.known(partial(sufficient, pick, trim), trim.start)
    facts = pick.facts(trim.facts(whole))
    pick = pick.own(facts)
    check(facts, pick)
    height, width = fit.size(facts.height, facts.width)
    check_memory(pick.count(facts), height, width, limit)
    if facts.uneven and not pick.rate:
        logger.warning(UNEVEN, facts.name)
    frames = torch.empty(pick.count(facts), height, width, 3)
    count, start, end = 0, Fraction(0), Fraction(0)
    shots = watched(source.shots(), facts.origin + pick.finish(facts), watch)
    for shot in taken(trim.shots(shots, facts), pick):
        picture = shot.picture()
        check_size(facts, fit, shot, picture)
        if count == len(frames):  # a packet held two frames, which the times read before did not tell
            more = 1 + count // 8
            check_memory(count + more, height, width, limit)
            frames = torch.cat([frames, frames.new_empty(more, height, width, 3)])
        fit.place(picture, frames[count])
        start, end, count = shot.start if not count else start, shot.end, count + 1
    if not count:
        raise ValueError(f"{facts.name}: none of the frames asked for can be decoded. Lower {NODE}' `skip`.")
    frames = frames[:count]
    start, end = facts.origin + start, facts.origin + end
    sound = source.sound(start, end, None if limit is None else limit - frames.nbytes)
    notes = (*remarks(facts), *unsavable(width, height))
    told = info(whole, facts, pick, frames, start, end, sound)
    return Clip(frames, float(pick.fps(facts)), sound, "\n".join([*told, *notes]), notes)


def sufficient(pick: Pick, trim: Trim, known: Facts) -> bool:
    """True if a clip is known far enough to load from it what is asked for."""
    with suppress(ValueError):  # none of the part's frames is known yet
        return pick.known(trim.facts(known)) or trim.known(known)
    return False


def watched(shots: Iterable[Shot], finish: Fraction, watch: Callable[[float], None]) -> Iterator[Shot]:
    for shot in shots:
        watch(min(1.0, float(shot.end / finish)))
        yield shot


def check(facts: Facts, pick: Pick) -> None:
    """Raises ValueError if nothing is left to take, or if the file is cut off before the last frame asked for."""
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


def check_size(facts: Facts, fit: Fit, shot: Shot, picture: Tensor) -> None:
    """Raises ValueError if a picture is not as large as the clip's first one and is not resized anyway."""
    if fit.mode != EXACT and picture.shape[:2] != (facts.height, facts.width):
        raise ValueError(
            f"{facts.name}: {facts.first} is {facts.width}×{facts.height} pixels, but {shot.label} is "
            f"{picture.shape[1]}×{picture.shape[0]}. Make them one size, or set {NODE}' `size` to “{EXACT}”."
        )


def info(whole: Facts, facts: Facts, pick: Pick, frames: Tensor, start: Fraction, end: Fraction,
         sound: Sound | None) -> list[str]:  # fmt: skip
    """What the file is and what was loaded of it, for a person to read."""
    count, height, width = frames.shape[:3]
    heard = f"{sound.waveform.shape[-1] / sound.sample_rate:.2f} s of sound" if sound else "no sound"
    length = whole.header or f"{len(whole.starts)} frames, {float(whole.end):.2f} s"
    return [
        f"{whole.name}: {whole.kind}, {whole.width}×{whole.height}, {float(whole.rate):.6g} fps, {length}, {whole.audio}",
        f"loaded: {count} frames, {width}×{height}, {float(pick.fps(facts)):.6g} fps, "
        f"from {float(start):.2f} to {float(end):.2f} s, {heard}",
    ]


def unsavable(width: int, height: int) -> list[str]:
    """What to know of a size that core's Save Video cannot write: H.264 in the usual colours has even sides."""
    if width % 2 == 0 and height % 2 == 0:
        return []
    return [
        f"{width}×{height} is odd, and Save Video needs even sides: {NODE}' `size` “multiple of 8, padded” gives them, or crop the edit "
        "before you save it"
    ]


def remarks(facts: Facts) -> tuple[str, ...]:
    """What a person should know of a clip, a line each."""
    uneven = "the frames are not evenly spaced in time"
    cut = f"the file is cut off: about {facts.missing:.2f} s are missing"
    return (*facts.notes, *[uneven] * facts.uneven, *[cut] * bool(facts.missing))
