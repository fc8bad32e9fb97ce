"""A clip in memory, as a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import torch
from torch import Tensor

from .backdrop import WHITE, Colour, frame_over
from .clip import Facts, Sound, Source, TimedFrame, timed
from .limits import check_sound


class Frames(Source):
    """Images (F, H, W, 3 or 4) float in 0…1, at `rate` per second, and their sound.

    background: the colour behind transparent parts.
    """

    def __init__(self, images: Tensor, rate: Fraction, sound: Sound | None = None, name: str = "the video input",
                 background: Colour = WHITE):  # fmt: skip
        self.images, self._sound, self.background = images, sound, background
        starts = [index / rate for index in range(len(images))]
        height, width = images.shape[1:3]
        audio = f"audio, {sound.sample_rate} Hz, {sound.waveform.shape[1]} channels" if sound else "no audio"
        self.facts = Facts(name, "frames", width, height, starts, len(images) / rate, rate, audio=audio)

    def frames(self) -> Iterator[TimedFrame]:
        pictures = ((start, f"frame {i}", partial(frame_over, self.images[i], self.background))
                    for i, start in enumerate(self.facts.starts))  # fmt: skip
        return timed(pictures, self.facts.end)

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
