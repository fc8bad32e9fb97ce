"""FLATTEN (VideoGrain's flow attention): motion paths through a clip (§3.2), and attention along them (§3.3).

A path is the tokens that show one point of the scene; after dense attention, each token looks along its own.
A token of one frame is linked to the token that the optical flow carries it to. Links are one to one, so the paths
are disjoint: every token lies on exactly one, alone on it if nothing leads there and nothing leads on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

PATHS_AT_ONCE = 2048  # bounds the gathered copies, and how unlike the lengths are that are padded to one


def token_steps(flow: Tensor, height: int, width: int) -> Tensor:
    """Flow in pixels to steps in whole tokens.

    flow: (pairs, H, W, 2) forward flow, x right and y down. Returns (pairs, height, width, 2) int64: the flow in each
    token's middle, scaled to the grid by each axis on its own, rounded.
    """
    rows, columns = (
        (2 * torch.arange(size, device=flow.device) + 1) * full // (2 * size)  # the pixel in the token's middle
        for size, full in ((height, flow.shape[1]), (width, flow.shape[2]))
    )
    nearest = flow[:, rows][:, :, columns]
    return (nearest * nearest.new_tensor((width / flow.shape[2], height / flow.shape[1]))).round().long()


def paths(steps: Tensor, hidden: Tensor | None = None, seed: int = 0) -> Tensor:
    """The paths through a clip's tokens.

    Args:
        steps: (F - 1, h, w, 2) int64 from `token_steps`.
        hidden: (F - 1, h, w) bool, tokens that the next frame does not show; their links are cut.
        seed: where several tokens lead to one, a random one keeps its link; the same one in inversion and editing.
    Returns (P, F) int64: for each path of two tokens or more, its token (row · w + column) in each frame, -1 where it
    has none; short paths first.
    """
    pairs, height, width = steps.shape[:3]
    tokens, device = height * width, steps.device
    random = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    path = torch.arange(tokens, device=device)  # of each token of the current frame
    of_frame, count = [path], tokens
    for pair in range(pairs):
        to_x, to_y = x + steps[pair, ..., 0], y + steps[pair, ..., 1]
        leads = (to_x >= 0) & (to_x < width) & (to_y >= 0) & (to_y < height)
        if hidden is not None:
            leads &= ~hidden[pair]
        target = torch.where(leads, to_y * width + to_x, tokens).flatten()
        order = torch.randperm(tokens, generator=random).to(device)
        source, arrival = _first_of_each(order, target[order], tokens)
        new = path.new_full((tokens,), -1)
        new[arrival] = path[source]
        fresh = new < 0
        begun = int(fresh.sum())
        new[fresh] = torch.arange(begun, device=device) + count
        count += begun
        of_frame.append(path := new)
    return _table(torch.stack(of_frame))


def _first_of_each(sources: Tensor, targets: Tensor, outside: int) -> tuple[Tensor, Tensor]:
    """The first source of each target, in the sources' order; target `outside` is nowhere."""
    by_target = torch.sort(targets, stable=True)
    first = torch.ones_like(by_target.values, dtype=torch.bool)
    first[1:] = by_target.values[1:] != by_target.values[:-1]
    first &= by_target.values < outside
    return sources[by_target.indices[first]], by_target.values[first]


def _table(path: Tensor) -> Tensor:
    """(F, tokens) path numbers to (P, F) tokens, singletons, of which there are many, left out before there is a table."""
    lengths = path.flatten().bincount()
    by_length = lengths.argsort(stable=True)
    by_length = by_length[lengths[by_length] > 1]
    row = torch.full_like(lengths, -1)
    row[by_length] = torch.arange(len(by_length), device=path.device)
    table, frame, token = path.new_full((len(by_length), len(path)), -1), *torch.where(row[path] >= 0)
    table[row[path[frame, token]], frame] = token
    return table


def along_paths(q: Tensor, k: Tensor, v: Tensor, paths: Tensor, heads: int) -> Tensor:
    """Attention of every token over the tokens of its path; a token alone on its path keeps its value.

    Paths are disjoint, so each is one short sequence of its own: no token is gathered twice. Those of like length, which
    stand side by side, are worked on together and padded to the longest of them only.

    Args: q, k, v (clips, F, tokens, heads · d), v the dense attention's output; paths (P, F) from `paths`.
    Returns (clips, F, tokens, heads · d).
    """
    out = v.clone()
    for part in paths.split(PATHS_AT_ONCE):
        present = part >= 0
        longest = int(present.sum(1).max()) if len(part) else 0
        if not longest:  # none at all, or none within a window of the clip
            continue
        frames = present.int().argsort(dim=1, descending=True, stable=True)[:, :longest]  # a path's own, in their order
        tokens = part.gather(1, frames)
        there, where = tokens >= 0, (frames, tokens.clamp(min=0))
        near = (rearrange(x[:, where[0], where[1]], "c p f (h d) -> (c p) h f d", h=heads) for x in (q, k, v))
        mask = there[:, None, None].repeat(len(v), 1, 1, 1)
        seen = rearrange(F.scaled_dot_product_attention(*near, mask), "(c p) h f d -> c p f (h d)", c=len(v))
        out[:, where[0][there], where[1][there]] = seen[:, there]
    return out
