"""Full-Frame Attention: which frames each frame sees in self-attention, and GroupNorm over the whole clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, nn

from ..backbones.base import Need
from ..core.cross_frame import ALL, FIRST_PREVIOUS, LEVELS, MIDDLE, OWN, KeySets
from .base import Claim, Claimed, Claims, Feature, Record, Work
from .engine import SELF, Call, Run

# In tensors of the size of one layer's queries: keys and values of two frames per frame, or of one, as copies.
COPIES = {OWN: 0, ALL: 0, MIDDLE: 2, FIRST_PREVIOUS: 4}


@dataclass(frozen=True)
class FullFrame(Record):
    """The frames self-attention sees."""

    key_sets: KeySets

    node = "Full-Frame Attention"
    order = 40
    needs = frozenset({Need.KEY_SETS})
    live_in_inversion = True
    says_frames = True

    @property
    def frames_seen(self) -> KeySets:
        return self.key_sets

    @property
    def neutral(self) -> bool:
        return self.key_sets.describe() == OWN

    def bind(self, run: Run) -> Feature:
        return FramesSeen(self, run)

    def claims(self) -> Claims:
        few = [kind for level in LEVELS if (kind := self.key_sets.at(level)) not in (ALL, OWN)]
        return {Claim.FEW_FRAMES: Claimed(widget=few[0])} if few else {}

    def uncuttable(self, node: str) -> None:
        return None

    def held_bytes(self, work: Work) -> int:
        return max(COPIES[self.key_sets.at(level)] for level in LEVELS) * work.queries


class FramesSeen(Feature):
    """The key sets themselves are the run's: ST-Layout Attention may bring some too."""

    def module_hooks(self, call: Call, network: nn.Module) -> Iterable[tuple[nn.Module, bool, Callable]]:
        if not self.record.key_sets.clip_norm or call.frames == 1:
            return
        if call.norm_pack:
            raise ValueError(
                f"Full-Frame Attention's `clip_norm` and {call.norm_pack} both have GroupNorm take its statistics over the frames: "
                "AnimateDiff's motion modules v1 and PIA bring that with them. Switch `clip_norm` off, for the inversion and "
                "the edit alike."
            )
        for norm in self.run.backbone.norms(network):
            yield norm, True, _joined(call.frames)
            yield norm, False, _separated(call.frames)

    def acts_in(self, call: Call, kind: str) -> bool:
        return kind == SELF


def _joined(frames: int) -> Callable:
    """Makes each cond's frames one tall picture, which the norm's own statistics then cover."""

    def hook(module: nn.Module, args: tuple) -> tuple:
        return (rearrange(args[0], "(c f) ch h w -> c ch (f h) w", f=frames), *args[1:])

    return hook


def _separated(frames: int) -> Callable:
    def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return rearrange(output, "c ch (f h) w -> (c f) ch h w", f=frames)

    return hook
