"""The report on a loaded clip, for the user: the file, the loaded part, and remarks."""

from __future__ import annotations

from fractions import Fraction

from torch import Tensor

from .clip import NODE, Facts, Sound

MANY = 48  # frames; more are hardly meant by somebody who leaves `cap` at 0


def info(whole: Facts, frames: Tensor, fps: Fraction, start: Fraction, end: Fraction, sound: Sound | None) -> list[str]:
    """One line on the file, one on the loaded part: frames (F, H, W, 3) that last from `start` to `end`."""
    count, height, width = frames.shape[:3]
    audio = f"{sound.waveform.shape[-1] / sound.sample_rate:.2f} s of sound" if sound else "no sound"
    length = whole.header or f"{len(whole.starts)} frames, {float(whole.end):.2f} s"
    return [
        f"{whole.name}: {whole.kind}, {whole.width}×{whole.height}, {float(whole.rate):.6g} fps, {length}, {whole.audio}",
        f"loaded: {count} frames, {width}×{height}, {float(fps):.6g} fps, "
        f"from {float(start):.2f} to {float(end):.2f} s, {audio}",
    ]


def remarks(facts: Facts, height: int, width: int) -> tuple[str, ...]:
    """Remarks on a clip and on the size of its frames, a line each."""
    lines = list(facts.notes)
    if facts.uneven:
        lines.append("the frames are not evenly spaced in time")
    if facts.missing:
        lines.append(f"the file is cut off: about {facts.missing:.2f} s are missing")
    if width % 2 or height % 2:  # H.264 with 4:2:0 colours needs even sides
        lines.append(
            f"{width}×{height} is odd, and Save Video needs even sides: {NODE}' `size` “multiple of 8, padded” gives them, "
            "or crop the edit before you save it"
        )
    return tuple(lines)


def remark_on_count(count: int, height: int, width: int, cap: int) -> tuple[str, ...]:
    """A remark on a whole long clip, which nobody asked for by name: what its frames take, and what to set."""
    if cap or count <= MANY:
        return ()
    size = count * height * width * 3 * 4 / 1e9  # float32
    return (
        f"all {count} frames are loaded: {size:.1f} GB at {width}×{height}, and as much again in each node that changes "
        f"them. All nodes but Edit in Chunks work on them at once. For a first try set {NODE}' `cap` to 16",
    )


def remark_on_groups(left_out: int, group: int) -> tuple[str, ...]:
    """A remark on frames at the end that would not fill a group."""
    if not left_out:
        return ()
    return (f"{left_out} frame{'s' * (left_out > 1)} at the end left out: the count is 1 and a multiple of {group}",)
