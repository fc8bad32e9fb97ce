"""Looking at attention without changing it: what Attention Layout and Show Attention put on a MODEL of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..backbones.base import Site
from .base import Feature, Record, Work
from .engine import SELF, At, Call, Run

AUTO = "auto"
BLOCKS = {"all": ("input", "middle", "output"), "encoder": ("input",), "decoder": ("output",)}


class Onlooker:
    """What a node collects at one level of the network; the see_... methods are called at each wanted site.

    Tensors are whole clips, (c, f, n or m, d).
    """

    node: str

    def __init__(self, level: int, blocks: str):
        self.level, self.groups = level, BLOCKS[blocks]
        self.seen = False

    def held_bytes(self, tokens: int) -> int:
        """Most that it holds at once where the network runs; tokens of a frame at the latent's own grid."""
        return 0

    def wants(self, site: Site, level: int) -> bool:
        return level == self.level and site[0] in self.groups

    def see_hidden(self, call: Call, site: Site, x: Tensor) -> None:
        """x: the normed hidden states that enter self-attention, as the network has them."""

    def see_self(self, at: At, q: Tensor, k: Tensor) -> None: ...

    def see_cross(self, at: At, q: Tensor, k: Tensor) -> None: ...


@dataclass(frozen=True, eq=False)
class Probe(Record):
    onlooker: Onlooker

    order = 30

    @property
    def node(self) -> str:
        return self.onlooker.node

    def bind(self, run: Run) -> Feature:
        return Looking(self, run)

    def held_bytes(self, work: Work) -> int:
        return self.onlooker.held_bytes(work.tokens)


class Looking(Feature):
    """It follows whole clips under their first prompt, never single windows."""

    placed = True
    sees_hidden = True

    def acts_in(self, call: Call, kind: str) -> bool:
        return True

    def see_hidden(self, call: Call, site: Site, level: int, x: Tensor) -> None:
        if self._wanted(call, site, level):
            self.record.onlooker.see_hidden(call, site, x)

    def observe(self, at: At, q: Tensor, k: Tensor) -> None:
        if self._wanted(at.call, at.site, at.level):
            see = self.record.onlooker.see_self if at.kind == SELF else self.record.onlooker.see_cross
            see(at, q, k)

    def _wanted(self, call: Any, site: Site, level: int) -> bool:
        if call.sees_source or not self.record.onlooker.wants(site, level):
            return False
        if call.frames != self.run.frames:
            raise ValueError(
                f"{self.record.node} looks at the whole clip, but its `model` runs in windows of {call.frames} frames. "
                "Connect the MODEL from before the context window node."
            )
        return True
