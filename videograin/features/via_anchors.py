"""Anchor Attention (VIA): a few frames see each other, all other frames see them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..backbones.base import Need
from ..core.cross_frame import ALL, OWN
from ..core.via_anchors import CONCAT, TOGETHER, AnchoredKeySet, groups, spread
from .base import Claim, Claims, Feature, Record, Work
from .engine import SELF, Call, Run

COPIES = 3  # in tensors of one layer's queries: keys and values of a group of frames and the anchors, and its result


@dataclass(frozen=True)
class Anchors(Record):
    """count: spread over the clip, unless frames, ascending, are chosen. mode: one of via_anchors.MODES. gather: one of
    via_anchors.GATHERS.
    """

    count: int
    frames: tuple[int, ...] = ()
    mode: str = CONCAT
    gather: str = TOGETHER

    node = "Anchor Attention"
    order = 50
    needs = frozenset({Need.KEY_SETS})
    live_in_inversion = True

    @property
    def neutral(self) -> bool:
        return self.count == 0 and not self.frames

    @property
    def says_frames(self) -> bool:
        return not self.neutral

    def of(self, frames: int) -> tuple[int, ...]:
        """The anchors of a clip, ascending. Raises ValueError for a frame the clip does not have."""
        if self.frames and self.frames[-1] >= frames:
            raise ValueError(
                f"Anchor Attention's `frames` names frame {self.frames[-1]}, but the clip has {frames} frames, 0 to "
                f"{frames - 1}. Name frames it has, or leave `frames` empty and set `count`."
            )
        return self.frames or spread(self.count, frames)

    def bind(self, run: Run) -> Feature:
        return Anchored(self, run)

    def describe(self) -> str:
        which = f"frames {', '.join(map(str, self.frames))}" if self.frames else f"{self.count} frames"
        return f"anchors ({which}; {self.mode}; {self.gather})"

    def of_frame(self, number: int, frames: int) -> Anchors:
        return self if self.neutral else replace(self, count=1, frames=())

    def uncuttable(self, node: str) -> None:
        return None

    def held_bytes(self, work: Work) -> int:
        return COPIES * work.queries


class Anchored(Feature):
    def __init__(self, record: Anchors, run: Run):
        super().__init__(record, run)
        self.anchors = record.of(run.frames)

    def check(self, claims: Claims) -> None:
        if few := claims.get(Claim.FEW_FRAMES):
            raise ValueError(
                f"Full-Frame Attention's “{few.widget}” and Anchor Attention both say which few frames stand for the clip. "
                f"Choose “{OWN}” there (each frame sees itself and the anchors) or “{ALL}” (the frames at hand and the "
                "anchors), or remove one of the two nodes (Edit in Chunks has anchors of its own: set its `anchors` to 0)."
            )
        if self.run.windowed:
            raise ValueError(
                "The sampler's MODEL runs in context windows, which do not hold Anchor Attention's anchors. Remove the "
                "context window node, and take Edit in Chunks for a long clip: it has the anchors in every chunk."
            )

    def check_call(self, call: Call) -> None:
        """The clip's anchors must be among the call's frames."""
        if not set(self.anchors) <= set(call.claimed):
            raise ValueError(
                f"Anchor Attention's anchors, frames {', '.join(map(str, self.anchors))}, are not all among the "
                f"{len(call.claimed)} frames of a model call: another node runs the MODEL in windows. Remove that node and take Edit "
                "in Chunks, which has the anchors in every chunk."
            )

    def acts_in(self, call: Call, kind: str) -> bool:
        return kind == SELF

    def key_set(self, call: Call, inner: Any) -> AnchoredKeySet:
        places = [call.indices.index(frame) for frame in self.anchors]
        return AnchoredKeySet(inner.kind, groups(call.frames, places, self.record.mode, self.record.gather, inner.kind))
