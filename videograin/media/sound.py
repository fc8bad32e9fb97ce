"""The sound of a video file in a time range."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction

import av
import torch
from av.container import InputContainer

from .clip import Sound

logger = logging.getLogger("videograin")

APART = Fraction(15)  # largest distance in the file between sound and picture of one time, in seconds
GAP = 0.1  # seconds without sound that count as a gap; less is a rounded timestamp


def read_sound(container: InputContainer, stream: av.AudioStream, start: Fraction, duration: Fraction) -> Sound | None:
    """A time range of an audio stream, decoded into one tensor; parts without sound are silent."""
    rate = stream.codec_context.sample_rate
    length = round(duration * rate)
    resampler = av.AudioResampler(format="fltp")
    waveform, position, broken = None, None, False
    for packet in audio_packets(container, stream, start + duration):
        try:
            decoded = [part for frame in packet.decode() for part in resampler.resample(frame)]
        except (av.error.FFmpegError, ValueError):  # damaged, or a change of channels
            broken = True
            continue
        for frame in decoded:
            samples = frame.to_ndarray()  # (channels, samples)
            if waveform is None:
                waveform = torch.zeros(1, len(samples), length)
            stamped = position if frame.pts is None else round((frame.pts * frame.time_base - start) * rate)
            if position is None or abs(stamped - position) > GAP * rate:
                position = stamped or 0
            first, last = max(position, 0), min(position + samples.shape[1], length)
            if first < last:
                part = samples[:, first - position : last - position]
                waveform[0, :, first:last] = torch.from_numpy(part)
            position += samples.shape[1]
        if position is not None and position >= length:
            break
    if broken:
        logger.warning("Some of the sound is damaged, or its channels change in the middle; it is silent there.")
    return None if waveform is None else Sound(waveform, rate)


def audio_packets(container: InputContainer, stream: av.AudioStream, end: Fraction) -> Iterator[av.Packet]:
    """Packets of an audio stream, until the video packets are well past `end`, since the sound may end long before."""
    for packet in container.demux(*{stream, container.streams.best("video")}):
        if packet.stream_index == stream.index:
            yield packet
        elif packet.dts is not None and packet.dts * packet.time_base > end + APART:
            return
