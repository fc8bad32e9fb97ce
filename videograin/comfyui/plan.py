"""The plan: what our nodes ask of a MODEL, as an immutable tuple of records carried by the MODEL itself.

A tuple passes through ComfyUI's copies by reference, and a record says what is wanted, never how: the engine reads the
whole plan when sampling starts, so the order of nodes in a graph does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comfy.model_patcher import ModelPatcher

from ..backbones.base import Backbone, Need
from ..core.cross_frame import ALL, OWN, KeySets
from ..features.base import Feature, Record
from ..features.engine import Run

KEY = "videograin"

Plan = tuple[Record, ...]


def records(model: ModelPatcher) -> Plan:
    return model.model_options.get("transformer_options", {}).get(KEY, ())


def find(plan: Plan, kind: type) -> Any:
    return next((record for record in plan if isinstance(record, kind)), None)


def acting(plan: Plan) -> list[Record]:
    """What is not neutral, the outermost first."""
    return sorted((record for record in plan if not record.neutral), key=lambda record: record.order)


def key_sets(plan: Plan, backbone: Backbone) -> KeySets:
    """The key sets in force: what is about whole clips brings "all frames" where nothing else joins them."""
    if Need.KEY_SETS not in backbone.offers:
        return KeySets(backbone.own_key_set)
    chosen = next((record.frames_seen for record in plan if record.frames_seen is not None), None)
    said = any(record.says_frames for record in plan)
    return chosen or KeySets(ALL if not said and any(record.wants_all_frames for record in plan) else OWN)


@dataclass(frozen=True)
class AllFrames(Record):
    """What is left of a record that brought "all frames", where it is itself left out. node: its."""

    node: str

    order = 40
    live_in_inversion = True
    says_frames = True

    @property
    def frames_seen(self) -> KeySets:
        return KeySets(ALL)

    def bind(self, run: Run) -> Feature:
        return Feature(self, run)


def live(plan: Plan) -> list[Record]:
    """What of a plan acts while inverting too: which tokens see which, and nothing that edits."""
    found = [record for record in acting(plan) if record.live_in_inversion]
    brought = not any(record.says_frames for record in plan)
    wanting = [record for record in plan if record.wants_all_frames] if brought else []
    return [*(AllFrames(record.node) for record in wanting[:1]), *found]


def describe(plan: Plan, backbone: Backbone) -> str:
    """What self-attention sees, as text: two plans with the same text invert alike."""
    others = (record.describe() for record in live(plan))
    return "; ".join([key_sets(plan, backbone).describe(), *(text for text in others if text)])
