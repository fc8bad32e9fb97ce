"""Report on regions before an edit: their areas, gaps, overlaps, lost frames, and words."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.cells import same_clip
from ..core.frame_numbers import frames_text, runs
from ..core.phrase_search import closest, places
from ..core.regions import Regions
from ..core.spelling import read

GRIDS = (16, 8)  # tokens along the longer side: the coarse attention levels of Stable Diffusion at 512×512
SHARED = 0.01  # share of the smaller region: less is a shared edge, not an overlap


MARKS = {  # in English; js/words.js has them in all languages
    "free": "{share} of the clip belongs to no region.",
    "loose": "The prompt has a “{sign}” without its other half: it is read as a sign, and a weight there as words.",
    "size": "has masks of {size} pixels, not of {expected}: they are resized to fit",
    "count": "has masks for {count} frames, another region for {frames}",
    "empty": "is empty in {where}",
    "lost": "vanishes at {side} by {side} tokens in {where}: it covers half of no token there",
    "overlap": "overlaps region {other} in {where}, by up to {share} of the smaller",
    "wordless": "has no words of its own",
    "appended": "was not in the prompt and was appended",
    "closest": "was not in the prompt and was appended; the closest there is “{near}”",
}


class Mark(NamedTuple):
    """A remark on a region. key: of MARKS. values: for the {names} in its text; `where`: runs of frames."""

    key: str
    values: dict[str, str | int | list[list[int]]]

    def __str__(self) -> str:
        words = {name: frames_text(value) if name == "where" else value for name, value in self.values.items()}
        return MARKS[self.key].format(**words)


class Finding(NamedTuple):
    """The findings on one region. area: its share of each frame, 0 to 1."""

    phrase: str
    area: list[float]
    marks: list[Mark]


class Overview(NamedTuple):
    """The report on all regions of a clip.

    masks: (K, F, H, W) bool. findings: one per region. prompt: the encoded prompt in pieces, each with the number of
    its region, or None. marks: remarks on no single region.
    """

    masks: Tensor
    findings: list[Finding]
    prompt: list[tuple[str, int | None]]
    marks: list[Mark]


def look(regions: Regions, prompt: str, encoded: str, size: tuple[int, int] | None = None) -> Overview:
    """The report. prompt: as given; encoded: with the appended phrases; size: (height, width) of the frames."""
    masks, short = stacked(regions)
    resized = size_marks(regions, size or tuple(masks.shape[2:]))
    spans = phrase_spans(encoded, [region.phrase for region in regions])
    appended = missing(regions, prompt, encoded)
    overlaps = overlap_marks(masks)
    findings = []
    for number, region in enumerate(regions):
        marks = [short[number]] if number in short else []
        marks += word_marks(region.phrase, prompt, number in appended) + place_marks(masks[number])
        marks += overlaps[number] + resized.get(number, [])
        findings.append(Finding(region.phrase, masks[number].float().mean((1, 2)).tolist(), marks))
    marks = [Mark("loose", {"sign": sign}) for sign in dict.fromkeys(read(encoded).loose)]
    if regions:
        free = float((~masks.any(0)).float().mean())
        marks.insert(0, Mark("free", {"share": f"{free:.0%}"}))
    return Overview(masks, findings, pieces(encoded, spans), marks)


# ---- masks ----------------------------------------------------------------------------------------------------------


def stacked(regions: Regions) -> tuple[Tensor, dict[int, Mark]]:
    """All masks as (K, F, H, W) bool at the size of the largest, and a mark for each region with fewer frames.

    A single mask is used for all frames. Frames without a mask are empty.
    """
    if not regions:
        return torch.zeros(0, 1, 1, 1, dtype=torch.bool), {}
    frames, height, width = (max(region.mask.shape[axis] for region in regions) for axis in range(3))
    masks, short = torch.zeros(len(regions), frames, height, width, dtype=torch.bool), {}
    for number, region in enumerate(regions):
        count = len(region.mask)
        mask = region.mask
        if mask.shape[1:] != (height, width):
            mask = F.interpolate(mask[:, None].float(), (height, width), mode="nearest-exact")[:, 0]
        masks[number, : frames if count == 1 else count] = mask > 0.5
        if count not in (1, frames):
            short[number] = Mark("count", {"count": count, "frames": frames})
    return masks, short


def size_marks(regions: Regions, size: tuple[int, int]) -> dict[int, list[Mark]]:
    """A mark for each region whose masks do not fit a clip of `size`, (height, width)."""
    marks = {}
    for number, region in enumerate(regions):
        own = tuple(region.mask.shape[1:])
        if not same_clip(size, own) and not same_clip(own, size):
            values = {"size": f"{own[1]}×{own[0]}", "expected": f"{size[1]}×{size[0]}"}
            marks[number] = [Mark("size", values)]
    return marks


def extent(mask: Tensor) -> list[float]:
    """The bounding box of a region over the whole clip: left, top, right, bottom in shares of the sides, 0 to 1.

    mask: (F, H, W) bool. For an empty region it is the whole picture.
    """
    ever = mask.any(0)
    if not ever.any():
        return [0.0, 0.0, 1.0, 1.0]
    columns, rows = (ever.any(axis).nonzero()[:, 0] for axis in (0, 1))
    height, width = ever.shape
    edges = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    return [float(edge) for edge in edges]


def place_marks(mask: Tensor) -> list[Mark]:
    """Marks on a region's place in the clip. mask: (F, H, W) bool."""
    there, marks = mask.flatten(1).any(1), []
    if not there.all():
        marks.append(Mark("empty", {"where": runs((~there).nonzero()[:, 0].tolist())}))
    for side in GRIDS:
        lost = lost_frames(mask, side)
        if lost:
            marks.append(Mark("lost", {"side": side, "where": runs(lost)}))
    return marks


def lost_frames(mask: Tensor, side: int) -> list[int]:
    """Frames in which a region is visible but covers half of no token. side: tokens along the longer side."""
    height, width = mask.shape[1:]
    grid = [max(1, round(side * length / max(height, width))) for length in (height, width)]
    cover = F.adaptive_avg_pool2d(mask[:, None].float(), grid).flatten(1).amax(1)
    return ((cover > 0) & (cover < 0.5)).nonzero()[:, 0].tolist()


def overlap_marks(masks: Tensor) -> list[list[Mark]]:
    """Marks on overlaps: for each region, one for every region it overlaps. masks: (K, F, H, W) bool."""
    marks: list[list[Mark]] = [[] for _ in masks]
    for a, b in combinations(range(len(masks)), 2):
        both = (masks[a] & masks[b]).flatten(1).sum(1)
        smaller = torch.minimum(*(masks[number].flatten(1).sum(1) for number in (a, b))).clamp(min=1)
        share = both / smaller
        frames = (share > SHARED).nonzero()[:, 0].tolist()
        if frames:
            for one, other in ((a, b), (b, a)):
                values = {"other": other + 1, "where": runs(frames), "share": f"{float(share.max()):.0%}"}
                marks[one].append(Mark("overlap", values))
    return marks


# ---- words ----------------------------------------------------------------------------------------------------------


def word_marks(phrase: str, prompt: str, appended: bool) -> list[Mark]:
    if not phrase:
        return [Mark("wordless", {})]
    if not appended:
        return []
    near = closest(phrase, prompt)
    return [Mark("closest", {"near": near}) if near else Mark("appended", {})]


def missing(regions: Regions, prompt: str, encoded: str) -> list[int]:
    """Numbers of the regions whose phrase had to be appended."""
    if prompt == encoded:
        return []
    spans = phrase_spans(prompt, [region.phrase for region in regions])
    return [number for number, span in enumerate(spans) if span is None and regions[number].phrase]


def phrase_spans(prompt: str, phrases: list[str]) -> list[tuple[int, int] | None]:
    """The place of each phrase in the text, as bound: its first occurrence that no earlier phrase took."""
    text = read(prompt)
    return [span and text.source(span) for span in places(text, phrases)]


def pieces(prompt: str, spans: list[tuple[int, int] | None]) -> list[tuple[str, int | None]]:
    """The prompt split at the phrases, each piece with the number of its region or None."""
    cut, at = [], 0
    for number, (start, end) in sorted(((n, span) for n, span in enumerate(spans) if span), key=lambda entry: entry[1]):
        cut += [(prompt[at:start], None), (prompt[start:end], number)]
        at = end
    return [(text, number) for text, number in (*cut, (prompt[at:], None)) if text]
