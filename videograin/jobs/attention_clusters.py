"""Looking at the source once more: features are recomputed from the trajectory, never stored with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..backbones import registry
from ..backbones.base import Need, Site
from ..comfyui.model_identity import require_origin
from ..comfyui.plan import records
from ..comfyui.progress import tell
from ..comfyui.prompts import rows_to_keys, spell
from ..comfyui.spill_to_disk import allocate
from ..comfyui.validate import require_family, require_text
from ..comfyui.wrappers import for_inversion
from ..core.attention_clusters import (
    FOLLOWED,
    PER_FRAME,
    ROWS,
    WHOLE_CLIP,
    AttentionInputs,
    AttentionRows,
    ClusterLayout,
    WordMaps,
    blur_rows,
    carried,
    cluster,
    name_clusters,
)
from ..core.attention_keys import AttentionKeys, telling
from ..core.inversion_record import Inversion
from ..core.phrase_search import SMALL_WORDS, occurrences
from ..features.attention_probe import AUTO, BLOCKS, Onlooker, Probe
from ..features.engine import At, Call
from .look import evenly, level_of, look, noisy, unseen


class Observer(Onlooker):
    """What Attention Layout collects while the model looks at the source, under its first prompt.

    frames: those whose features are kept. keys: of the whole clip, if they are wanted.
    """

    node = "Attention Layout"

    def __init__(
        self,
        level: int,
        blocks: str,
        features: AttentionRows | AttentionInputs,
        words: WordMaps | None,
        frames: slice = slice(None),
        keys: AttentionKeys | None = None,
    ):
        super().__init__(level, blocks)
        self.features, self.words, self.frames, self.keys = features, words, frames, keys

    def held_bytes(self, tokens: int) -> int:
        maps = 3 if isinstance(self.features, AttentionRows) else 0  # of a frame: scores, their softmax, the sum
        keys = 2 * 4 * tokens * max(self.keys.widths.values()) if self.keys else 0  # of a frame: at both grids
        return maps * 4 * (tokens // self.level**2) ** 2 + keys

    def wants(self, site: Site, level: int) -> bool:
        return super().wants(site, level) or (self.keys is not None and site in self.keys.widths)

    def see_hidden(self, call: Call, site: Site, x: Tensor) -> None:
        if isinstance(self.features, AttentionInputs) and site in self.features.widths:
            self.features.add(site, call.first(x)[self.frames])
            self.seen = True

    def see_self(self, at: At, q: Tensor, k: Tensor) -> None:
        if self.keys is not None:
            self.keys.see(at.site, k[0], (at.grid.height, at.grid.width))
        if isinstance(self.features, AttentionRows) and super().wants(at.site, at.level):
            self.features.add(at.site, q[0][self.frames], k[0][self.frames], at.heads)
            self.seen = True

    def see_cross(self, at: At, q: Tensor, k: Tensor) -> None:
        if self.words is not None and super().wants(at.site, at.level):
            self.words.add(q[0], k[0], at.heads)


def word_positions(clip: Any, prompt: str, words: list[str]) -> dict[str, list[int]]:
    """Where each word's tokens stand in the encoded prompt; words the prompt lacks are left out."""
    spelled, found = spell(clip, prompt), {}
    for word in words:
        spans = occurrences(spelled.text, word)
        if tokens := spelled.within(spans[0]) if spans else []:
            found[word] = [spelled.tokens[number].position for number in tokens]
    return found


def candidate_words(prompt: str, words: str) -> list[str]:
    """The words that may name clusters: those asked for, or the prompt's without its small words and weights."""
    if words.strip():
        return [word.strip() for word in words.split(",") if word.strip()]
    plain = re.sub(r"[()\[\]{}\\:,.;\d]", " ", prompt).split()
    return list(dict.fromkeys(word for word in plain if word.lower() not in SMALL_WORDS))


@dataclass(frozen=True)
class LayoutSettings:
    """Attention Layout's widgets; as its tooltips say. start: share of the levels left out at the noisy end."""

    clusters: int
    steps: int
    feature: str
    scope: str
    seed: int = 0
    level: str = AUTO
    blocks: str = "all"
    start: float = 0.6
    blur: int = 5
    prompt: str = ""
    words: str = ""


def attention_layout(
    model: ModelPatcher, inversion: Inversion, conditioning: list, settings: LayoutSettings, clip: Any = None
) -> ClusterLayout:
    """Attention Layout: looks, clusters, names. clip: to name clusters by the words of the prompt, if there is one.

    In memory is one sum of features (core.attention_clusters), past memmap.IN_MEMORY in a file in ComfyUI's temporary folder.
    """
    followed = settings.scope == FOLLOWED
    backbone = require_family(model, "Attention Layout", Need.INVERSION)
    if followed and Need.FRAME_BATCH not in backbone.offers:
        raise ValueError(
            f'Attention Layout\'s `scope` "{FOLLOWED}" compares keys that tell no places, but those of a {backbone.name} do. '
            f'Choose "{PER_FRAME}" or "{WHOLE_CLIP}".'
        )
    geometry = backbone.geometry(tuple(inversion.source.shape))
    height, width = geometry.cells
    divisor, positions = level_of(settings.level, backbone, geometry), {}
    if clip is not None and settings.prompt:
        positions = word_positions(clip, settings.prompt, candidate_words(settings.prompt, settings.words))
    if positions:
        rows_to_keys(clip, model, "Attention Layout")
    rows_wanted, blocks = settings.feature == ROWS, settings.blocks
    middle, (rows, columns) = geometry.frames // 2, geometry.grid(divisor)
    observer = Observer(
        level=divisor,
        blocks=blocks,
        features=AttentionRows(_allocate)
        if rows_wanted
        else AttentionInputs(widths(model, divisor, blocks), _allocate),
        words=WordMaps(positions) if positions else None,
        frames=slice(middle, middle + 1) if followed else slice(None),
        keys=wanted_keys(model, height, width, divisor) if followed else None,
    )
    observe(model, inversion, conditioning, settings.steps, observer, settings.start)
    found = observer.features.features()
    if rows_wanted:
        found = blur_rows(found, rows, columns, settings.blur | 1)
    labels = cluster(found, settings.clusters, PER_FRAME if followed else settings.scope, settings.seed, tell)
    if followed:
        tell("Following the clusters")
        labels = carried(labels[0], middle, clip_keys(observer.keys), settings.clusters, model.load_device)
    names = ("",) * settings.clusters
    if observer.words is not None:
        names = name_clusters(labels, observer.words.maps(), list(positions), settings.clusters)
    placed = geometry.by_clip(labels.view(len(labels), rows, columns))
    return ClusterLayout(placed, names, height * geometry.pixels, width * geometry.pixels)


def wanted_keys(model: ModelPatcher, height: int, width: int, level: int) -> AttentionKeys:
    """An empty store of the keys that Track Regions compares, for the tokens of a level; height, width: of the latent."""
    network = model.model.diffusion_model
    backbone = registry.of(network)
    channels = backbone.widths(network)
    sites = telling(backbone.sites(network), height, width)
    return AttentionKeys({site: channels[site] for site in sites}, (-(-height // level), -(-width // level)), _allocate)


def clip_keys(keys: AttentionKeys) -> Tensor:
    """The keys that were seen, (frames, tokens, C). Raises ValueError where a layer was hidden."""
    if keys.unseen:
        raise unseen(Observer.node, min(keys.unseen))
    return keys.features()


def widths(model: ModelPatcher, level: int, blocks: str) -> dict[Site, int]:
    """Channels of the self-attention layers that are looked at."""
    network = model.model.diffusion_model
    backbone = registry.of(network)
    levels, channels = backbone.sites(network), backbone.widths(network)
    return {site: channels[site] for site in levels if levels[site] == level and site[0] in BLOCKS[blocks]}


def _allocate(shape: Sequence[int]) -> Tensor:
    frames, tokens, numbers = shape
    return allocate(
        shape, torch.float32, "Attention Layout",
        "Free space there, choose Attention Layout's `level` “auto” or a coarser one, or a shorter clip.",
        f"for {frames} frames of {tokens} tokens", f"{numbers} numbers a token",
    )  # fmt: skip


def observe(
    model: ModelPatcher, inversion: Inversion, conditioning: list, steps: int, observer: Observer, start: float = 0.0
) -> None:
    """Shows the model the source at `steps` levels of its trajectory (0 = all), evenly spaced.

    start: share of the levels left out at the noisy end, 0 to below 1.

    Raises ValueError where the INVERSION is of another model or key set, or the level has no attention.
    """
    require_family(model, "Attention Layout", Need.INVERSION)
    require_origin(inversion, model, records(model), "Attention Layout's `model`")
    require_text(model, (text for text, _ in conditioning), "Attention Layout's `conditioning`")
    levels = noisy(inversion)
    levels = evenly(levels[min(int(start * len(levels)), len(levels) - 1) :], steps)
    look(
        for_inversion(model, Probe(observer)), observer, inversion, levels, inversion.source, {"positive": conditioning}
    )
