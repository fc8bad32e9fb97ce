"""Attention clusters of a clip: K-Means over self-attention features (VideoGrain §3.1), named by cross-attention.

Features are summed while the network runs once more on the source. Memory holds one sum on the CPU, for any number of
layers and steps, and one frame's attention; averaging, blur and K-Means work on the sum in place. The released code
clusters each frame alone and does not match the numbers; here a cluster keeps its number through the clip: numbers are
matched, or one frame's clusters are carried to the others by keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from .label_propagation import Settings, propagate

ROWS, INPUTS = FEATURES = ("attention rows", "attention inputs")
PER_FRAME, WHOLE_CLIP, FOLLOWED = SCOPES = ("per frame", "whole clip", "followed")

FITTED = 2**26  # most numbers that one K-Means is fitted to, 64 frames of 1024 tokens: it copies its input

CARRIED = Settings(recent=1, sure=0.0, handicap=0.0)  # clusters cover a frame: each one before counts, sure or not

Allocate = Callable[[Sequence[int]], Tensor]  # allocates: a shape -> an uninitialised float32 tensor on the CPU


class ClusterLayout(NamedTuple):
    """The cluster of each token of a clip.

    labels: (frames, h, w) int64, 0 to len(names) - 1. names: one per cluster, "" where no word fits.
    height, width: size of the frames in pixels.
    """

    labels: Tensor
    names: tuple[str, ...]
    height: int
    width: int


class AttentionRows:
    """The paper's feature of a token: its row of the per-frame attention, averaged over heads, layers and steps.

    `allocate` allocates the sum, (frames, tokens, tokens) float32: 4 MiB for a frame of 1024 tokens.
    """

    def __init__(self, allocate: Allocate = torch.empty):
        self.allocate, self.total, self.count = allocate, None, 0

    def add(self, site: tuple, q: Tensor, k: Tensor, heads: int) -> None:
        """Adds one layer's attention. q, k: (frames, tokens, heads × d)."""
        if self.total is None:
            self.total = self.allocate((*q.shape[:2], q.shape[1])).zero_()
        for kept, some_q, some_k in zip(self.total, q, k, strict=True):
            some_q, some_k = (rearrange(x, "n (h d) -> h n d", h=heads).float() for x in (some_q, some_k))
            some_q = some_q * some_q.shape[-1] ** -0.5
            rows = torch.zeros(kept.shape, device=q.device)
            # One map at a time stays in the cache: 3 to 5 times faster than all heads.
            for head_q, head_k in zip(some_q, some_k, strict=True):
                rows += (head_q @ head_k.T).softmax(-1)
            kept.add_(rows.to(kept.device), alpha=1 / heads)
        self.count += 1

    def features(self) -> Tensor:
        """The mean, (frames, tokens, tokens) float32 on the CPU; each row sums to 1. Divides in place: call it once."""
        return self.total.div_(self.count)


def blur_rows(rows: Tensor, height: int, width: int, cells: int) -> Tensor:
    """Attention rows blurred by a box of cells × cells (odd; 1 changes nothing).

    K-Means compares rows token by token: without the blur, two tokens that attend to neighbouring tokens of one object
    have nothing in common. rows: (frames, tokens, height × width), changed in place and returned.
    """
    for frame in rows if cells > 1 else ():
        places = rearrange(frame, "n (h w) -> n 1 h w", h=height, w=width)
        frame.copy_(F.avg_pool2d(places, cells, stride=1, padding=cells // 2, count_include_pad=False).flatten(1))
    return rows


class SummedLayers:
    """Numbers of each token in some layers, summed over steps, layers side by side.

    widths: channels of each layer; other layers are ignored. `allocate` allocates (frames, tokens, sum of widths) float32.
    """

    def __init__(self, widths: dict[tuple, int], allocate: Allocate = torch.empty):
        ends = list(accumulate(widths.values()))
        self.columns = {site: slice(end - width, end) for (site, width), end in zip(widths.items(), ends, strict=True)}
        self.widths, self.allocate, self.total = widths, allocate, None

    def add(self, site: tuple, x: Tensor) -> None:
        """Adds one layer's numbers. x: (frames, tokens, channels)."""
        if site not in self.columns:
            return
        if self.total is None:
            self.total = self.allocate((*x.shape[:2], sum(self.widths.values()))).zero_()
        for kept, frame in zip(self.total[..., self.columns[site]], x, strict=True):
            kept += frame.to(kept)


class AttentionInputs(SummedLayers):
    """A faster feature: the normed hidden states that enter each self-attention."""

    def features(self) -> Tensor:
        """The features, (frames, tokens, sum of widths) float32 on the CPU; each layer: mean 0, spread 1. In place."""
        for columns in self.columns.values():
            layer = self.total[..., columns]
            layer -= layer.mean((0, 1))
            spread = torch.stack([frame.square().mean() for frame in layer]).mean().sqrt()
            layer /= spread if spread > 0 else 1  # a layer that another node skips stays 0
        return self.total


class WordMaps:
    """Word maps: cross-attention probability of each word's tokens, averaged over heads, layers and steps."""

    def __init__(self, positions: dict[str, list[int]]):
        self.positions = positions
        self.total: Tensor | None = None

    def add(self, q: Tensor, k: Tensor, heads: int) -> None:
        """Adds one layer's attention. q: (frames, pixels, heads × d), k: (frames, text tokens, heads × d)."""
        found = []
        for some_q, some_k in zip(q, k, strict=True):
            some_q, some_k = (rearrange(x, "n (h d) -> h n d", h=heads).float() for x in (some_q, some_k))
            scores = some_q @ some_k.transpose(-1, -2) * some_q.shape[-1] ** -0.5
            share = scores.softmax(-1).mean(0)  # (pixels, text tokens)
            found.append(torch.stack([share[:, tokens].sum(-1) for tokens in self.positions.values()]))
        maps = torch.stack(found, 1)
        self.total = maps if self.total is None else self.total + maps

    def maps(self) -> Tensor:
        """The maps, (words, frames, pixels) float32 on the CPU, each with mean 1."""
        return (self.total / self.total.mean((1, 2), keepdim=True)).cpu()


def cluster(
    features: Tensor, clusters: int, scope: str, seed: int, tell: Callable[[str], None] = lambda text: None
) -> Tensor:
    """K-Means labels; a cluster has the same number in every frame.

    Args: features (frames, tokens, C) float32; scope, PER_FRAME or WHOLE_CLIP: each frame alone, numbers matched from frame to
    frame by the centroids, or all frames at once (a long clip is fitted to a sample of its tokens); tell, called with
    the phase and step as text.
    Returns (frames, tokens) int64. Raises ValueError for more clusters than a frame has tokens.
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


def carried(labels: Tensor, frame: int, keys: Tensor, clusters: int, device: torch.device | None = None) -> Tensor:
    """One frame's cluster labels (tokens,) in every frame, (frames, tokens) int64: a token has those of the tokens most like it.

    keys: (frames, tokens, C), whose products are similarities (attention_keys). device: to compare them on.
    """
    found = torch.empty(keys.shape[:2], dtype=torch.int64)
    found[frame] = labels

    def settle(number: int, shares: Tensor) -> Tensor:
        found[number] = shares.argmax(1)
        return F.one_hot(found[number], clusters).float()

    for _ in propagate(keys, {frame: F.one_hot(labels, clusters).float()}, CARRIED, settle, device):
        pass
    return found


def match(centroids: Tensor, previous: Tensor) -> Tensor:
    """The row of `previous` that matches each row of `centroids`, (K,) int64: Hungarian method on the distances."""
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(torch.cdist(centroids, previous).numpy())
    return torch.from_numpy(columns)


def name_clusters(labels: Tensor, maps: Tensor, words: list[str], clusters: int) -> tuple[str, ...]:
    """Names of clusters: the word with the most attention there (paper §3.1); a word names one cluster at most.

    Args: labels (frames, tokens); maps (words, frames, tokens) with mean 1. A word names a cluster only where its mean
    attention there is above its mean over the clip. Returns one name per cluster, "" for none.
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
    """Tokens (frames, h, w) bool as masks (frames, height, width) float32, 0 or 1; the grid's steps are smoothed."""
    smooth = F.interpolate(inside.float()[:, None], (layout.height, layout.width), mode="bilinear", antialias=False)
    return (smooth[:, 0] > 0.5).float()


def describe(layout: ClusterLayout) -> str:
    """One line per cluster: its number, its share of the clip, its name."""
    share = torch.bincount(layout.labels.flatten(), minlength=len(layout.names)) / layout.labels.numel()
    return "\n".join(
        f"{number}: {100 * float(part):.1f} % {name}".rstrip()
        for number, (part, name) in enumerate(zip(share, layout.names, strict=True))
    )
