"""The clip's own layout: K-Means over self-attention features (VideoGrain §3.1), with names from cross-attention.

Features are summed while the model looks at the source once more. One sum of them is kept, on the CPU, however many
layers and steps are looked at, and it is averaged, blurred and clustered where it lies; besides it there is one frame's
attention at a time. The released code clusters each frame alone and leaves the numbers unmatched; here a cluster keeps
its number through the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

ROWS, INPUTS = FEATURES = ("attention rows", "attention inputs")
PER_FRAME, WHOLE_CLIP = SCOPES = ("per frame", "whole clip")

FITTED = 2**26  # most numbers that one K-Means looks at, 64 frames of 1024 tokens: it copies what it is given

Room = Callable[[Sequence[int]], Tensor]  # a shape to an uninitialised float32 tensor on the CPU


class ClusterLayout(NamedTuple):
    """Which cluster each part of each frame belongs to.

    labels: (frames, h, w) int64, 0 to len(names) - 1. names: one per cluster, "" where no word fits.
    height, width: size of the frames in pixels.
    """

    labels: Tensor
    names: tuple[str, ...]
    height: int
    width: int


class AttentionRows:
    """The paper's feature of a token: its row of the per-frame attention, averaged over heads, layers and steps.

    What is kept is (frames, tokens, tokens) float32 in `room`: 4 MiB a frame of 1024 tokens.
    """

    def __init__(self, room: Room = torch.empty):
        self.room, self.total, self.count = room, None, 0

    def add(self, site: tuple, q: Tensor, k: Tensor, heads: int) -> None:
        """q, k: (frames, tokens, heads × d)."""
        if self.total is None:
            self.total = self.room((*q.shape[:2], q.shape[1])).zero_()
        for kept, some_q, some_k in zip(self.total, q, k, strict=True):
            some_q, some_k = (rearrange(x, "n (h d) -> h n d", h=heads).float() for x in (some_q, some_k))
            some_q = some_q * some_q.shape[-1] ** -0.5
            seen = torch.zeros(kept.shape, device=q.device)
            # One map at a time stays in the cache: 3 to 5 times faster than all heads.
            for head_q, head_k in zip(some_q, some_k, strict=True):
                seen += (head_q @ head_k.T).softmax(-1)
            kept.add_(seen.to(kept.device), alpha=1 / heads)
        self.count += 1

    def features(self) -> Tensor:
        """(frames, tokens, tokens) float32 on the CPU; each row sums to 1. The sum itself, so to be asked for once."""
        return self.total.div_(self.count)


def blur_rows(rows: Tensor, height: int, width: int, cells: int) -> Tensor:
    """Blurs where each token looks, by a box of cells × cells (odd; 1 changes nothing).

    K-Means compares rows place by place: without it, two tokens that look at neighbouring places of one object have
    nothing in common. rows: (frames, tokens, height × width), written to; returned.
    """
    for frame in rows if cells > 1 else ():
        places = rearrange(frame, "n (h w) -> n 1 h w", h=height, w=width)
        frame.copy_(F.avg_pool2d(places, cells, stride=1, padding=cells // 2, count_include_pad=False).flatten(1))
    return rows


class AttentionInputs:
    """A feature that is faster to read: what goes into each self-attention, summed over steps, layers side by side.

    widths: channels of each layer; others are left out. What is kept is (frames, tokens, sum widths) float32 in `room`.
    """

    def __init__(self, widths: dict[tuple, int], room: Room = torch.empty):
        ends = list(accumulate(widths.values()))
        self.columns = {site: slice(end - width, end) for (site, width), end in zip(widths.items(), ends, strict=True)}
        self.room, self.total, self.width = room, None, sum(widths.values())

    def add(self, site: tuple, x: Tensor) -> None:
        """x: (frames, tokens, dim), the normed hidden states."""
        if site not in self.columns:
            return
        if self.total is None:
            self.total = self.room((*x.shape[:2], self.width)).zero_()
        for kept, seen in zip(self.total[..., self.columns[site]], x, strict=True):
            kept += seen.to(kept)

    def features(self) -> Tensor:
        """(frames, tokens, sum widths) float32 on the CPU; every layer has mean 0 and the same spread. Asked for once."""
        for columns in self.columns.values():
            layer = self.total[..., columns]
            layer -= layer.mean((0, 1))
            spread = torch.stack([frame.square().mean() for frame in layer]).mean().sqrt()
            layer /= spread if spread > 0 else 1  # a layer that another node skips stays 0
        return self.total


class WordMaps:
    """Where words look: cross-attention probability of each word's tokens, averaged over heads, layers and steps."""

    def __init__(self, positions: dict[str, list[int]]):
        self.positions = positions
        self.total: Tensor | None = None

    def add(self, q: Tensor, k: Tensor, heads: int) -> None:
        """q: (frames, pixels, heads × d), k: (frames, text tokens, heads × d)."""
        found = []
        for some_q, some_k in zip(q, k, strict=True):
            some_q, some_k = (rearrange(x, "n (h d) -> h n d", h=heads).float() for x in (some_q, some_k))
            scores = some_q @ some_k.transpose(-1, -2) * some_q.shape[-1] ** -0.5
            share = scores.softmax(-1).mean(0)  # (pixels, text tokens)
            found.append(torch.stack([share[:, tokens].sum(-1) for tokens in self.positions.values()]))
        maps = torch.stack(found, 1)
        self.total = maps if self.total is None else self.total + maps

    def maps(self) -> Tensor:
        """(words, frames, pixels) float32 on the CPU, each with mean 1."""
        return (self.total / self.total.mean((1, 2), keepdim=True)).cpu()


def cluster(
    features: Tensor, clusters: int, scope: str, seed: int, tell: Callable[[str], None] = lambda text: None
) -> Tensor:
    """K-Means labels, numbered alike through the clip.

    Args: features (frames, tokens, C) float32; scope, one of SCOPES: every frame on its own, numbers matched from
    frame to frame by their centroids, or all frames at once, in long clips by some of their tokens; tell hears the
    phase and step.
    Returns (frames, tokens) int64. Raises ValueError for more clusters than there are tokens to tell apart.
    """
    from sklearn.cluster import KMeans

    frames, tokens, _ = features.shape
    if clusters > tokens:
        raise ValueError(f"{clusters} clusters were asked for, but a frame has only {tokens} tokens at this level.")
    if scope == WHOLE_CLIP:
        tell(f"Clustering {frames} frames at once")
        points = features.flatten(0, 1)
        if points.numel() > FITTED:
            chosen = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
            points = points[chosen[: max(clusters, FITTED // points.shape[1])].sort().values]
        means = KMeans(clusters, n_init=3, random_state=seed).fit(points.numpy())
        return torch.stack([torch.from_numpy(means.predict(frame.numpy())).long() for frame in features])
    labels, previous = [], None
    for number, frame in enumerate(features, 1):
        tell(f"Clustering: frame {number} of {frames}")
        means = KMeans(clusters, n_init=3, random_state=seed).fit(frame.numpy())
        centroids, found = torch.from_numpy(means.cluster_centers_), torch.from_numpy(means.labels_).long()
        if previous is not None:
            order = match(centroids, previous)
            found, centroids = order[found], centroids[order.argsort()]
        previous = centroids
        labels.append(found)
    return torch.stack(labels)


def match(centroids: Tensor, previous: Tensor) -> Tensor:
    """(K,) int64: the number in `previous` each row of `centroids` takes (Hungarian method on their distances)."""
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(torch.cdist(centroids, previous).numpy())
    return torch.from_numpy(columns)


def name_clusters(labels: Tensor, maps: Tensor, words: list[str], clusters: int) -> tuple[str, ...]:
    """Gives each cluster the word that looks at it most (paper §3.1), each word to one cluster.

    Args: labels (frames, tokens); maps (words, frames, tokens) with mean 1. A word that looks no more at a cluster
    than at the rest of the clip does not name it.
    """
    from scipy.optimize import linear_sum_assignment

    names = [""] * clusters
    inside = [maps[:, labels == number] for number in range(clusters)]
    score = torch.stack([part.mean(1) if part.numel() else maps.new_zeros(len(words)) for part in inside])
    for number, word in zip(*linear_sum_assignment(-score.numpy()), strict=True):
        if score[number, word] > 1:
            names[number] = words[word]
    return tuple(names)


def at_frame_size(layout: ClusterLayout, inside: Tensor) -> Tensor:
    """Tokens (frames, h, w) bool as masks (frames, height, width) float32, 0 or 1, edges smoothed from the grid."""
    smooth = F.interpolate(inside.float()[:, None], (layout.height, layout.width), mode="bilinear", antialias=False)
    return (smooth[:, 0] > 0.5).float()


def describe(layout: ClusterLayout) -> str:
    """One line per cluster: its number, its share of the clip, its name."""
    share = torch.bincount(layout.labels.flatten(), minlength=len(layout.names)) / layout.labels.numel()
    return "\n".join(
        f"{number}: {100 * float(part):.1f} % {name}".rstrip()
        for number, (part, name) in enumerate(zip(share, layout.names, strict=True))
    )
