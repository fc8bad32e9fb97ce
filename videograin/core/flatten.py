"""FLATTEN (VideoGrain's flow attention): motion paths through a clip (§3.2), and attention along them (§3.3).

A path is the tokens that show one point of the scene; after dense attention, each token attends along its own path.
Optical flow links a token of one frame to a token of the next. Links are one to one, so paths are disjoint: every token
lies on exactly one path, and is alone on it if it has no link.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

PATHS_AT_ONCE = 2048  # limits the gathered copies, and the padding: paths of one part are padded to its longest


def token_steps(flow: Tensor, height: int, width: int) -> Tensor:
    """Optical flow in whole tokens.

    flow: (pairs, H, W, 2) forward flow in pixels, x right and y down. Returns (pairs, height, width, 2) int64: the flow
    at each token's middle, scaled to the grid per axis and rounded.
    """
    rows, columns = (
        (2 * torch.arange(size, device=flow.device) + 1) * full // (2 * size)  # the pixel in the token's middle
        for size, full in ((height, flow.shape[1]), (width, flow.shape[2]))
    )
    nearest = flow[:, rows][:, :, columns]
    return (nearest * nearest.new_tensor((width / flow.shape[2], height / flow.shape[1]))).round().long()


def paths(steps: Tensor, hidden: Tensor | None = None, seed: int = 0) -> Tensor:
    """Motion paths through a clip's tokens.

    Args:
        steps: (F - 1, h, w, 2) int64 from `token_steps`.
        hidden: (F - 1, h, w) bool, tokens that the next frame does not show; they get no link.
        seed: of several tokens that lead to one, a random one keeps its link; the same one in inversion and editing.
    Returns (P, F) int64: for each path of two tokens or more, its token (row · w + column) in each frame, -1 where it
    has none; short paths first.
    """
    pairs, height, width = steps.shape[:3]
    tokens, device = height * width, steps.device
    random = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    path = torch.arange(tokens, device=device)  # the path of each token of the current frame
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
    """The first source of each target, in the sources' order; the target `outside` means no target."""
    by_target = torch.sort(targets, stable=True)
    first = torch.ones_like(by_target.values, dtype=torch.bool)
    first[1:] = by_target.values[1:] != by_target.values[:-1]
    first &= by_target.values < outside
    return sources[by_target.indices[first]], by_target.values[first]


def _table(path: Tensor) -> Tensor:
    """Path numbers (F, tokens) as a table of tokens (P, F), without paths of one token: there are many of them."""
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

    Paths are disjoint, so each is one short sequence and no token is gathered twice. The table is sorted by length, so
    paths of one part have similar lengths and need little padding.

    Args: q, k, v (clips, F, tokens, heads · d), v the dense attention's output; paths (P, F) from `paths`.
    Returns (clips, F, tokens, heads · d).
    """
    out = v.clone()
    for part in paths.split(PATHS_AT_ONCE):
        present = part >= 0
        longest = int(present.sum(1).max()) if len(part) else 0
        if not longest:  # no paths, or none in this window of the clip
            continue
        frames = present.int().argsort(dim=1, descending=True, stable=True)[:, :longest]  # the path's frames, ascending
        tokens = part.gather(1, frames)
        there, where = tokens >= 0, (frames, tokens.clamp(min=0))
        near = (rearrange(x[:, where[0], where[1]], "c p f (h d) -> (c p) h f d", h=heads) for x in (q, k, v))
        mask = there[:, None, None].repeat(len(v), 1, 1, 1)
        attended = rearrange(F.scaled_dot_product_attention(*near, mask), "(c p) h f d -> c p f (h d)", c=len(v))
        out[:, where[0][there], where[1][there]] = attended[:, there]
    return out
