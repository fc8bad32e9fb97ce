"""Methods of the benchmark that are made of this pack's nodes; graph.py turns one into a graph."""

from __future__ import annotations

from dataclasses import dataclass

from ...videograin.core import latent_blend as blending
from ...videograin.core.cross_frame import ALL
from ...videograin.core.st_layout import Settings

DRAWN, NOISED, NOISE, INVERSION = "drawn", "noised", "noise", "inversion"
BY_MODEL, BY_WORLD = "model", "world"  # who drew what an edit begins from
EVERYWHERE, OUTSIDE_WORDS = "everywhere", "outside words"  # of self fusion


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method.

    start: the world's own drawing of the edit; the source half covered by fresh noise;
        noise alone; or the inverted source.
    seeded: what is in the clip before it is covered by 40 % of the noise: BY_MODEL, new things drawn alone and laid along their
        masks; BY_WORLD, the drawn truth, which nobody has; "" for the source as it is.
    noise_mask: outside stands the source under the sampler's own noise.
    Live in the inversion too: key_set, of self-attention; anchors, frames that every frame sees too; control, the
        ControlNet for depth.
    st_layout: choices of ST-Layout Attention, None without it; then every area gets a Region Prompt.
    From the source: self_fusion, the area of its self-attention, "" for none; cross_fusion, its cross-attention for
        words that both prompts have; preset, of both.
    place: the latent is moved until each thing's words act in its mask.
    blend: mode of Latent Blend. noise: of the mode "irjs".
    passes: one area is edited after the other, each from an inversion of the edit before.
    adapted: a LoRA learns the first frame of a first edit before the edit that counts (VIA's test-time adaptation).
    followed: masks are true in the first frame only; Track Regions makes the others.
    steady: with Steady Edit, at its end.
    paste: the source's pixels are pasted outside the edit. watched: the attention inside areas is measured.
    """

    start: str = INVERSION
    seeded: str = ""
    noise_mask: bool = False
    key_set: str = ALL
    anchors: bool = False
    control: bool = False
    st_layout: Settings | None = None
    self_fusion: str = ""
    cross_fusion: bool = False
    preset: str = "shape"
    place: bool = False
    blend: str = ""
    noise: str = blending.FRESH
    passes: bool = False
    adapted: bool = False
    followed: bool = False
    steady: bool = False
    paste: bool = False
    watched: bool = False

    @property
    def directed(self) -> bool:
        """Whether masks say which thing becomes what; else only words do."""
        return self.st_layout is not None or self.place or self.start == DRAWN or self.paste
