"""Methods of the benchmark, one row each, and those that run on the test clips; graph.py turns a row into nodes."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

from ...videograin.core import latent_blend as blending
from ...videograin.core import st_layout
from ...videograin.core.cross_frame import ALL, FIRST_PREVIOUS, MIDDLE, OWN
from ...videograin.core.st_layout import Settings
from .suite import PLAIN, TRUE, WORDINGS

DRAWN, SOURCE, FRESH_NOISE, INVERSION = STARTS = ("drawn", "source", "fresh noise", "inversion")
CLUSTERS = "clusters"  # masks from Attention Layout
ALL_AREAS, CHANGED_AREAS = BOUND = ("all", "changed")
EVERYWHERE, OUTSIDE_REGIONS, OUTSIDE_WORDS = "everywhere", "outside regions", "outside words"  # of self fusion


@dataclass(frozen=True)
class Method:
    """One method.

    start: the world's own drawing of the edit; the source through the VAE; the source half covered by fresh noise; or
        the inverted source. against: the method from which this one differs in one thing, for paired differences.
    Live in the inversion too: key_set, of self-attention; clip_norm, GroupNorm over all frames; flow, attention along
        the source's motion; anchors, frames that every frame sees too; control, the ControlNet for depth.
    st_layout: choices of ST-Layout Attention, None without it. bound: the areas that get a Region Prompt. masks: one of
        suite.SHAPES, or CLUSTERS.
    From the source: inject, its features; self_fusion, the area of its self-attention, "" for none; cross_fusion, its
        cross-attention for words that both prompts have.
    place: the latent is moved until each object's words act in its mask.
    blend: mode of Latent Blend; its area is wider by `grow` latent cells. noise: of the mode "irjs".
    paste: the source's pixels are pasted outside the edit.
    """

    name: str
    label: str
    start: str = INVERSION
    _: KW_ONLY
    against: str = ""
    key_set: str = ALL
    clip_norm: bool = False
    flow: bool = False
    anchors: bool = False
    control: bool = False
    st_layout: Settings | None = None
    bound: str = ALL_AREAS
    masks: str = TRUE
    inject: bool = False
    self_fusion: str = ""
    cross_fusion: bool = False
    place: bool = False
    blend: str = ""
    grow: int = 0
    noise: str = blending.FRESH
    paste: bool = False
    baseline: bool = False

    @property
    def inverted_with(self) -> tuple:
        """The settings that the inversion depends on: two methods with equal ones share an inversion."""
        return self.key_set, self.clip_norm, self.flow, self.anchors, self.control

    @property
    def wordings(self) -> tuple[str, ...]:
        """The prompts to try, of which the better counts: two where only words say which object becomes which."""
        directed = self.st_layout is not None or self.place or self.start in (DRAWN, SOURCE)
        return (PLAIN,) if directed else WORDINGS

    @property
    def cost(self) -> float:
        """The time of one edit, relative to a full-frame one, for the estimate of a run's time."""
        if self.paste or self.start in (DRAWN, SOURCE):
            return 0.1
        keys = {OWN: 0.5, MIDDLE: 0.5, FIRST_PREVIOUS: 0.7}.get(self.key_set, 1.0)
        source = 0.2 if self.self_fusion or self.cross_fusion else 0.1 * self.inject
        return keys * (1 + source + 0.3 * self.control + 1.5 * self.place)


REFERENCES = (
    Method("ideal", "*the edit as the world draws it*", DRAWN),
    Method("unedited", "*the source through the VAE*", SOURCE),
)
BASELINES = (
    Method("sdedit", "SDEdit", FRESH_NOISE, key_set=OWN, baseline=True),
    Method("per_frame", "per frame, inversion", key_set=OWN, baseline=True),
    Method("full_frame", "+ full-frame attention", baseline=True),
)
CROSS = Method(
    "cross", "+ cross modulation", against="full_frame", st_layout=replace(st_layout.DEFAULT, self_strength=0.0)
)
ST_LAYOUT = Method("st_layout", "+ self modulation (`default` mode)", against="cross", st_layout=st_layout.DEFAULT)
DEFAULT = replace(
    ST_LAYOUT, name="default", label="**+ blend: our default**", against="st_layout", blend=blending.INVERSION
)
PASTED = replace(DEFAULT, name="pasted", label="+ the source's pixels outside", against="default", paste=True)

HEADLINE = (*REFERENCES, *BASELINES, CROSS, ST_LAYOUT, DEFAULT, PASTED)
