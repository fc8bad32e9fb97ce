"""Flow-Guided Attention (FLATTEN): after dense attention, tokens look along their motion paths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.base import Need
from ..core.flatten import along_paths, paths, token_steps
from ..core.regions import Grid
from .base import Claims, Feature, Record, Work, warn_size
from .engine import SELF, Area, At, Attend, Call, Run

COPIES = 3  # in tensors of one layer's queries: queries, keys and values gathered by path, and the paths' results


@dataclass(frozen=True, eq=False)
class Motion(Record):
    """flow: (F - 1, H, W, 2) float32, forward, in pixels. hidden: (F - 1, H, W) bool, what the next frame does not show, or None.
    levels: attention levels where it acts. layer_queries: q and k are the layer's own, else the dense output.
    """

    flow: Tensor
    hidden: Tensor | None
    levels: tuple[int, ...]
    layer_queries: bool

    node = "Flow-Guided Attention"
    order = 60
    needs = frozenset({Need.KEY_SETS})
    live_in_inversion = True

    def bind(self, run: Run) -> Feature:
        return AlongPaths(self, run)

    def describe(self) -> str:
        data = [self.flow] if self.hidden is None else [self.flow, self.hidden]
        mark = crc32(b"".join(tensor.numpy().tobytes() for tensor in data))
        source = "layer" if self.layer_queries else "dense"
        return f"flow {mark:08x} ({source} queries) at {', '.join(f'1/{level}' for level in self.levels)}"

    def of_frame(self, number: int, frames: int) -> Motion:
        self.require_frames(frames)
        return replace(self, flow=self.flow[:0], hidden=None)  # no way leads from it

    def require_frames(self, frames: int) -> None:
        if len(self.flow) + 1 != frames:
            raise ValueError(
                f"Flow-Guided Attention saw a clip of {len(self.flow) + 1} frames, but the latent has {frames}. Connect the same "
                "frames to its `images` as to VAE Encode."
            )

    def uncuttable(self, node: str) -> str:
        return (
            f"{node}'s `model` has passed through Flow-Guided Attention, whose motion paths run through the whole clip. "
            "Connect the MODEL from before that node: the anchors hold the clip together."
        )

    def held_bytes(self, work: Work) -> int:
        return COPIES * work.queries


class AlongPaths(Feature):
    placed = True

    def __init__(self, record: Motion, run: Run):
        super().__init__(record, run)
        self._paths: dict[tuple[Area, tuple[int, ...], Grid], Tensor] = {}

    def check(self, claims: Claims) -> None:
        self.record.require_frames(self.run.frames)
        warn_size(self.run, "The frames of Flow-Guided Attention", self.record.flow[..., 0])

    def acts_in(self, call: Call, kind: str) -> bool:
        return kind == SELF

    def self_attention(self, at: At, q: Tensor, k: Tensor, attend: Attend) -> Attend | None:
        if at.call.indices is None or at.level not in self.record.levels:
            return None
        return lambda q, k, v: self._along(at, q, k, attend(q, k, v))

    def _along(self, at: At, q: Tensor, k: Tensor, dense: Tensor) -> Tensor:
        """Dense attention's output, (c, f, n, d) as queries and keys, attended along the paths of each cond's area."""
        if not self.record.layer_queries:
            q = k = dense
        parts = []
        for i, cond in enumerate(at.call.conds):
            found = self.paths(cond.area if cond else None, at.call.indices, at.grid).to(dense.device)
            parts.append(along_paths(*(x[i : i + 1] for x in (q, k, dense)), found, at.heads))
        return torch.cat(parts)

    def paths(self, area: Area, indices: tuple[int, ...], grid: Grid) -> Tensor:
        """(P, frames) the motion paths on one level's tokens, of a window's frames, read once per run."""
        key = (area, indices, grid)
        if key not in self._paths:
            flow, hidden = self.record.flow, self.record.hidden
            # As a picture's axes, (pairs, H, W), which are cut as masks are.
            flow = torch.stack([self.run.crop(axis, area) for axis in flow.unbind(-1)], -1)
            hidden = None if hidden is None else self.run.crop(hidden, area)
            if hidden is not None:
                hidden = F.interpolate(hidden[None].float(), grid[1:], mode="nearest")[0] > 0
            found = paths(token_steps(flow, grid.height, grid.width), hidden)[:, list(indices)]
            self._paths[key] = found[(found >= 0).sum(1) > 1]
        return self._paths[key]
