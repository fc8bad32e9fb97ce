"""Label propagation between frames: a token has the labels of the tokens most like it in the marked frames.

An image diffusion model's features find the same place in another picture (DIFT, arXiv 2306.03881), and its
self-attention between frames carries labels (Drift, arXiv 2511.19936). Here keys are compared with keys, and with no window
around a token's own place, so that a thing that was hidden is found wherever it comes back. Memory is linear in frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PAIRS = 2**22  # most pairs of tokens that are compared at once: 16 MiB

Settle = Callable[[int, Tensor], Tensor]  # a frame's number and labels (n, L) -> the labels to remember of it


@dataclass(frozen=True)
class Settings:
    """nearest: tokens that vote for a token's labels. temperature: of their softmax, for a mean of cosines. recent: frames
    remembered besides the marked ones, 0 or more. sure: confidence of every region from which on a frame is remembered."""

    nearest: int = 16
    temperature: float = 0.04
    recent: int = 3
    sure: float = 0.25


def shares(masks: Tensor, rows: int, columns: int) -> Tensor:
    """The share of each token that each mask covers, and last the background's: (rows * columns, K + 1) float32.

    Args: masks (K, H, W), above 0.5 inside; where some overlap, a pixel is divided among them.
    """
    inside = (masks > 0.5).float()
    labels = torch.cat([inside, 1 - inside.amax(0, keepdim=True)])
    return F.adaptive_avg_pool2d(labels / labels.sum(0), (rows, columns)).flatten(1).T.contiguous()


def propagate(
    features: Tensor,
    known: Mapping[int, Tensor],
    settings: Settings | None = None,
    settle: Settle = lambda frame, labels: labels,
    device: torch.device | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """The labels of every frame, each as soon as it is known: (its number, (n, L) float32 on the CPU).

    A frame is reached from its nearest marked one, of two the earlier, and takes its labels from all marked frames and
    those remembered on the way. Args: features (F, n, C), whose products are similarities; known, labels (n, L) of the
    marked frames, at least one; settle, called once for each frame, to correct what is remembered of it; device, to compute on.
    """
    settings = settings or Settings()
    device = device or features.device
    marked = [(features[frame].to(device, torch.float32), labels.to(device)) for frame, labels in known.items()]
    for start, way in ((start, way) for start in known for way in (1, -1)):
        remembered: list[tuple[Tensor, Tensor]] = []
        for frame in reached(start, way, list(known), len(features)):
            queries = features[frame].to(device, torch.float32)
            labels = taken(queries, [*marked, *remembered], settings).cpu()
            settled = settle(frame, labels)
            if settings.recent and float(confidence(labels).min()) >= settings.sure:
                remembered = [*remembered, (queries, settled.to(device))][-settings.recent :]
            yield frame, labels


def reached(start: int, way: int, marked: Sequence[int], frames: int) -> Iterator[int]:
    """The unmarked frames on one side of a marked one, 1 or -1, that have none nearer, from the nearest on."""
    frame = start + way
    while 0 <= frame < frames and min(marked, key=lambda other: (abs(other - frame), other)) == start:
        yield frame
        frame += way


def taken(queries: Tensor, references: Sequence[tuple[Tensor, Tensor]], settings: Settings) -> Tensor:
    """The labels of the tokens most like each query: (n, L) float32.

    Args: queries (n, C) float32; references, the features (m, C) and labels (m, L) of each frame to take from. No more
    than PAIRS products, or one query's with one frame, are held at once.
    """
    rows = max(1, PAIRS // max(len(keys) for keys, _ in references))
    return torch.cat([_voted(some, references, settings) for some in queries.split(rows)])


def _voted(queries: Tensor, references: Sequence[tuple[Tensor, Tensor]], settings: Settings) -> Tensor:
    scores, labels = [], []
    for keys, theirs in references:
        score, index = (queries @ keys.T).topk(min(settings.nearest, len(keys)), 1)
        scores.append(score)
        labels.append(theirs[index])
    score, index = torch.cat(scores, 1).topk(scores[0].shape[1], 1)
    votes = torch.cat(labels, 1).gather(1, index[..., None].expand(-1, -1, labels[0].shape[-1]))
    return torch.einsum("nk,nkl->nl", (score / settings.temperature).softmax(1), votes)


def confidence(labels: Tensor) -> Tensor:
    """Confidence in each region of a frame, (L - 1,) float32 in 0…1; the background has none.

    It is the lead of a region over the strongest other label on its own tokens, in the mean, 0 where it has none. A thing
    of which only a sliver shows has little lead; a thing that is hidden has no token, and 1: nothing of it is doubtful.

    Args: labels (n, L), which sum to 1.
    """
    first, second = labels.topk(2, 1).values.T
    owner = labels.argmax(1)
    own = F.one_hot(owner, labels.shape[1]).float()[:, :-1]
    count = own.sum(0)
    lead = ((first - second)[:, None] * own).sum(0) / count.clamp(min=1)
    return torch.where(count > 0, lead, torch.ones_like(lead))
