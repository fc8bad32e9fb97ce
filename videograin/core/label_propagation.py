"""Label propagation between frames: a token has the labels of the tokens most like it in the marked frames.

An image diffusion model's features find the same place in another picture (DIFT, arXiv 2306.03881), and its
self-attention between frames carries labels (Drift, arXiv 2511.19936). Here keys are compared with keys, and with no window
around a token's own place, so that a thing that was hidden is found wherever it comes back. Memory is linear in frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .token_likeness import Tokens

PAIRS = 2**22  # most pairs of tokens that are compared at once: 16 MiB
SURE = 0.65  # confidence below which a region is probably wrong

Settle = Callable[[int, Tensor], Tensor]  # a frame's number and labels (n, L) -> the labels to remember of it


@dataclass(frozen=True)
class Settings:
    """nearest: tokens that vote for a token's labels. temperature: of their softmax, for a mean of cosines. recent: frames
    remembered besides the marked ones, 0 or more. sure: confidence of every region it shows from which on a frame is remembered.
    handicap: taken off the similarity to a remembered frame, whose labels may be wrong."""

    nearest: int = 16
    temperature: float = 0.04
    recent: int = 3
    sure: float = SURE
    handicap: float = 0.02


class Reference(NamedTuple):
    """A frame that labels are taken from. keys: (n, C) float32. labels: (n, L). handicap: taken off its similarities."""

    keys: Tensor
    labels: Tensor
    handicap: float = 0.0


class Labelled(NamedTuple):
    """A frame's labels. labels: (n, L) float32, each token's shares. confidence: (L - 1,) float32, of each region."""

    frame: int
    labels: Tensor
    confidence: Tensor


def shares(masks: Tensor, rows: int, columns: int) -> Tensor:
    """The share of each token that each mask covers, and last the background's: (rows * columns, K + 1) float32.

    Args: masks (K, H, W), above 0.5 inside; where some overlap, a pixel is divided among them.
    """
    inside = (masks > 0.5).float()
    labels = torch.cat([inside, 1 - inside.amax(0, keepdim=True)])
    return F.adaptive_avg_pool2d(labels / labels.sum(0), (rows, columns)).flatten(1).T.contiguous()


def propagate(
    features: Tensor | Tokens,
    known: Mapping[int, Tensor],
    settings: Settings | None = None,
    settle: Settle = lambda frame, labels: labels,
    device: torch.device | None = None,
) -> Iterator[Labelled]:
    """The labels of every unmarked frame, each as soon as it is known; tensors on the CPU.

    A frame is reached from its nearest marked one, of two the earlier, and takes its labels from all marked frames and
    those remembered on the way. Args: features, F times (n, C), whose products are similarities; known, labels (n, L) of the
    marked frames, at least one; settle, called once for each frame, to correct its labels; device, to compute on.
    """
    settings, device = settings or Settings(), device or torch.device("cpu")
    marked = {f: Reference(features[f].to(device, torch.float32), known[f].to(device)) for f in known}
    for start, way in ((start, way) for start in known for way in (1, -1)):
        remembered: list[Reference] = []
        for frame in reached(start, way, list(known), len(features)):
            keys = features[frame].to(device, torch.float32)
            labels = taken(keys, [*marked.values(), *remembered], settings).cpu()
            found = Reference(keys, settle(frame, labels).to(device), settings.handicap)
            confidence = returning(found, witnesses(frame, marked), settings).cpu()
            shown = [k for k in range(len(confidence)) if (found.labels.argmax(1) == k).any()]
            if settings.recent and shown and float(confidence[shown].min()) >= settings.sure:
                remembered = [*remembered, found][-settings.recent :]
            yield Labelled(frame, labels, confidence)


def witnesses(frame: int, marked: Mapping[int, Reference]) -> list[Reference]:
    """For each region, the marked frame nearest to `frame` that shows it, or the nearest of all."""
    near = [marked[f] for f in sorted(marked, key=lambda other: (abs(other - frame), other))]
    regions = range(near[0].labels.shape[1] - 1)
    return [next((each for each in near if each.labels[:, k].any()), near[0]) for k in regions]


def returning(found: Reference, known: Sequence[Reference], settings: Settings) -> Tensor:
    """Confidence in each region of a frame, (L - 1,) float32 in 0 to 1: how much of its marks comes back from there.

    The found labels are taken back to the frame in which the region is marked. What is lost or slipped off on the way does
    not return; what comes to other places there, beyond half the region's size, has leaked. 0 for a region that is not
    found at all. known: for each region, the frame in which it is marked.
    """
    back = {id(each): taken(each.keys, [found._replace(handicap=0.0)], settings) for each in known}
    sure = []
    for k, each in enumerate(known):
        came, own = back[id(each)][:, k], each.labels[:, k]
        area = own.sum().clamp(min=1e-6)
        sure.append((came * own).sum() / area / (0.5 + (came * (1 - own)).sum() / area).clamp(min=1))
    return torch.stack(sure).clamp(max=1)


def reached(start: int, way: int, marked: Sequence[int], frames: int) -> Iterator[int]:
    """The unmarked frames on one side of a marked one, 1 or -1, that have none nearer, from the nearest on."""
    frame = start + way
    while 0 <= frame < frames and min(marked, key=lambda other: (abs(other - frame), other)) == start:
        yield frame
        frame += way


def taken(queries: Tensor, references: Sequence[Reference], settings: Settings) -> Tensor:
    """The labels of the tokens most like each query: (n, L) float32.

    Args: queries (n, C) float32. No more than PAIRS products, or one query's with one frame, are held at once.
    """
    rows = max(1, PAIRS // max(len(each.keys) for each in references))
    return torch.cat([_voted(some, references, settings) for some in queries.split(rows)])


def _voted(queries: Tensor, references: Sequence[Reference], settings: Settings) -> Tensor:
    scores, labels = [], []
    for keys, theirs, handicap in references:
        score, index = (queries @ keys.T).topk(min(settings.nearest, len(keys)), 1)
        scores.append(score - handicap)
        labels.append(theirs[index])
    score, index = torch.cat(scores, 1).topk(scores[0].shape[1], 1)
    votes = torch.cat(labels, 1).gather(1, index[..., None].expand(-1, -1, labels[0].shape[-1]))
    return torch.einsum("nk,nkl->nl", (score / settings.temperature).softmax(1), votes)
