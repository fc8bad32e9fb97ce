"""The plan: what our nodes ask of a MODEL, as an immutable tuple of feature records carried by the MODEL itself.

A tuple passes through ComfyUI's copies by reference, and a record says what is wanted, never how: run.py reads the
whole plan when sampling starts, so the order of nodes in a graph does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..core import via_anchors
from ..core.cross_frame import ALL, OWN
from ..core.fatezero import Words
from ..core.inversion_record import Inversion
from ..core.latent_blend import BOUNDARY, FRESH
from ..core.reatco import Place
from ..core.st_layout import Settings

KEY = "videograin"
LEVELS = (1, 2, 4, 8)  # an attention level is the latent's grid divided by one of these
EVERYWHERE, OUTSIDE_REGIONS, OUTSIDE_WORDS = WHERE = ("everywhere", "outside regions", "outside words")


@dataclass(frozen=True)
class KeySets:
    """Full-Frame Attention: the frames self-attention sees. Live in inversion too.

    default: one of cross_frame.KEY_SETS; exceptions: ((level, key set), ...) for levels that differ.
    clip_norm: GroupNorm outside transformer blocks takes its statistics over all frames of a chunk together.
    """

    default: str = OWN
    exceptions: tuple[tuple[int, str], ...] = ()
    clip_norm: bool = False

    node = "Full-Frame Attention"

    def at(self, level: int) -> str:
        return dict(self.exceptions).get(level, self.default)

    def describe(self) -> str:
        """One text per meaning: two plans with the same text see the same keys."""
        kinds = [self.at(level) for level in LEVELS]
        norm = ", clip-wide GroupNorm" if self.clip_norm else ""
        if len(set(kinds)) == 1:
            return kinds[0] + norm
        return ", ".join(f"{kind} at 1/{level}" for level, kind in zip(LEVELS, kinds, strict=True)) + norm


@dataclass(frozen=True, eq=False)
class Motion:
    """Flow-Guided Attention: tokens look along their motion paths after dense attention. Live in inversion too.

    flow: (F - 1, H, W, 2) float32, forward, in pixels. hidden: (F - 1, H, W) bool, what the next frame does not show,
    or None. levels: attention levels where it acts. layer_queries: q and k are the layer's own, else the dense output.
    """

    flow: Tensor
    hidden: Tensor | None
    levels: tuple[int, ...]
    layer_queries: bool

    node = "Flow-Guided Attention"

    def describe(self) -> str:
        """One text per meaning, as in KeySets."""
        data = [self.flow] if self.hidden is None else [self.flow, self.hidden]
        mark = crc32(b"".join(tensor.numpy().tobytes() for tensor in data))
        source = "layer" if self.layer_queries else "dense"
        return f"flow {mark:08x} ({source} queries) at {', '.join(f'1/{level}' for level in self.levels)}"


@dataclass(frozen=True)
class Anchors:
    """Anchor Attention (VIA): a few frames see each other, all other frames see them. Live in inversion too.

    count: spread over the clip, unless frames, ascending, are chosen. mode: one of via_anchors.MODES. gather: one of
    via_anchors.GATHERS.
    """

    count: int
    frames: tuple[int, ...] = ()
    mode: str = via_anchors.CONCAT
    gather: str = via_anchors.TOGETHER

    node = "Anchor Attention"

    @property
    def neutral(self) -> bool:
        return self.count == 0 and not self.frames

    def of(self, frames: int) -> tuple[int, ...]:
        """The anchors of a clip, ascending. Raises ValueError for a frame the clip does not have."""
        if self.frames and self.frames[-1] >= frames:
            raise ValueError(
                f"Anchor Attention's `frames` names frame {self.frames[-1]}, but the clip has {frames} frames, 0 to "
                f"{frames - 1}. Name frames it has, or leave `frames` empty and set `count`."
            )
        return self.frames or via_anchors.spread(self.count, frames)

    def describe(self) -> str:
        """One text per meaning, as in KeySets."""
        which = f"frames {', '.join(map(str, self.frames))}" if self.frames else f"{self.count} frames"
        return f"anchors ({which}; {self.mode}; {self.gather})"


@dataclass(frozen=True)
class STLayout:
    """ST-Layout Attention: modulation by the regions bound to the conditioning."""

    settings: Settings

    node = "ST-Layout Attention"


@dataclass(frozen=True, eq=False)
class Blend:
    """Latent Blend: the source outside the mask.

    mode: one of latent_blend.MODES. inversion: needed by "inversion". source: LATENT samples, for "renoised" without one.
    mask: (frames or 1, H, W), None for the union of the bound regions. grow, feather: latent cells.
    start_percent, end_percent: share of the noise schedule in which the model is shown the source. noise: one of
    latent_blend.NOISES, for "irjs". boundary: widest reach of the edge in latent cells, for "progressive".
    """

    mode: str
    inversion: Inversion | None
    source: Tensor
    mask: Tensor | None
    grow: int
    feather: int
    start_percent: float
    end_percent: float
    noise: str = FRESH
    boundary: int = BOUNDARY

    node = "Latent Blend"


@dataclass(frozen=True, eq=False)
class Injection:
    """Inject Source Features: the source's ResNet outputs, and self-attention queries and keys, in the edit's decoder.

    conditioning: the prompt of the source's inversion. features, attention: shares of the noise schedule, from its
    start, in which ResNet outputs and queries and keys are injected. role: the half of guidance, one of
    core.st_layout.Role. shifted: features of the next lower noise level, as the released code takes them.
    """

    inversion: Inversion
    conditioning: list
    features: float
    attention: float
    role: str
    shifted: bool

    node = "Inject Source Features"

    @property
    def neutral(self) -> bool:
        return self.features == 0 and self.attention == 0


@dataclass(frozen=True, eq=False)
class SelfFusion:
    """Self-Attention Fusion (FateZero): the positive half's queries attend as the source's do.

    conditioning: the prompt of the source's inversion. where: one of WHERE. start_percent, end_percent: share of the
    noise schedule in which it acts. words: (source tokens,) bool and threshold, for "outside words". levels: one of
    core.st_layout.Levels. pairing: one of source_pass.PAIRINGS.
    """

    inversion: Inversion
    conditioning: list
    where: str
    start_percent: float
    end_percent: float
    words: Tensor | None
    threshold: float
    levels: str
    pairing: str

    node = "Self-Attention Fusion"

    @property
    def neutral(self) -> bool:
        return self.start_percent >= self.end_percent


@dataclass(frozen=True, eq=False)
class CrossFusion:
    """Cross-Attention Fusion (FateZero): words of the positive prompt take the maps of the source prompt's words.

    words: alignment and gains. ends: last rows of the two prompts' encodings, the source's first. mode: one of
    prompt_alignment.MODES. where: "everywhere" or "outside regions". The others as in
    SelfFusion.
    """

    inversion: Inversion
    conditioning: list
    words: Words
    ends: tuple[Tensor, Tensor]
    mode: str
    where: str
    start_percent: float
    end_percent: float
    levels: str
    pairing: str

    node = "Cross-Attention Fusion"

    @property
    def neutral(self) -> bool:
        return self.start_percent >= self.end_percent


@dataclass(frozen=True, eq=False)
class Placement:
    """Place Objects (ReAtCo's RAD): gradient steps on the latent until words act where they belong.

    length, end: tokens of the prompt the words are of, and its encoding's last row. mode: one of reatco.MODES. end_percent: share of the noise
    schedule until which it acts. refinements: most gradient steps at a refined level, besides its ordinary one. share:
    of the highest values in a mask that count. level: one of LEVELS. rows: of the encoding, for each token.
    """

    places: tuple[Place, ...]
    length: int
    end: Tensor
    mode: str
    strength: float
    end_percent: float
    refinements: int
    outer_weight: float
    share: float
    level: int
    rows: int = 1

    node = "Place Objects"

    @property
    def neutral(self) -> bool:
        return self.strength == 0 or self.end_percent == 0


@dataclass(frozen=True, eq=False)
class Probe:
    """Attention Layout, Show Attention: looks at attention without changing it.

    observer: an attention_probe.Onlooker.
    """

    observer: Any

    @property
    def node(self) -> str:
        return self.observer.node


Record = KeySets | Anchors | Motion | STLayout | Blend | Injection | SelfFusion | CrossFusion | Placement | Probe


def records(model: ModelPatcher) -> tuple[Record, ...]:
    return model.model_options.get("transformer_options", {}).get(KEY, ())


def find(plan: tuple[Record, ...], kind: type) -> Any:
    return next((record for record in plan if isinstance(record, kind)), None)


def key_sets(plan: tuple[Record, ...]) -> KeySets:
    """The key sets in force: ST-Layout is about whole clips and brings "all frames" where nothing else joins them."""
    return find(plan, KeySets) or KeySets(ALL if find(plan, STLayout) and not anchored(plan) else OWN)


def anchored(plan: tuple[Record, ...]) -> Anchors | None:
    """The anchors in force."""
    found = find(plan, Anchors)
    return None if found is None or found.neutral else found


def live(plan: tuple[Record, ...]) -> tuple[Record, ...]:
    """What of a plan acts while inverting: which tokens see which, and nothing that edits."""
    sets, few, moving = key_sets(plan), anchored(plan), find(plan, Motion)
    return tuple(record for record in (None if sets.describe() == OWN else sets, few, moving) if record is not None)


def seen(plan: tuple[Record, ...]) -> tuple[Record, ...]:
    """What of a plan acts while the edit's attention is looked at: all but what works on the latent alone."""
    return tuple(record for record in plan if not isinstance(record, Blend | Placement))


def describe(plan: tuple[Record, ...]) -> str:
    """What self-attention sees, as text: two plans with the same text invert alike."""
    return "; ".join(found.describe() for found in (key_sets(plan), anchored(plan), find(plan, Motion)) if found)
