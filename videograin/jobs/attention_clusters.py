"""Looking at the source once more: features are recomputed from the trajectory, never stored with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..comfyui.model_identity import require_origin
from ..comfyui.plan import Probe, records
from ..comfyui.progress import tell
from ..comfyui.prompts import rows_to_keys, spell
from ..comfyui.spill_to_disk import room
from ..comfyui.validate import Site, attention_modules, require_text, require_unet, site_levels
from ..comfyui.wrappers import for_features
from ..core.attention_clusters import (
    ROWS,
    AttentionInputs,
    AttentionRows,
    ClusterLayout,
    WordMaps,
    blur_rows,
    cluster,
    name_clusters,
)
from ..core.inversion_record import Inversion
from ..core.phrases import SMALL_WORDS, occurrences
from ..features.attention_probe import BLOCKS, Onlooker, choose_level, evenly, look, noisy

if TYPE_CHECKING:
    from ..comfyui.attention import Call


class Observer(Onlooker):
    """What Attention Layout collects while the model looks at the source, under its first prompt."""

    node = "Attention Layout"

    def __init__(self, level: int, blocks: str, features: AttentionRows | AttentionInputs, words: WordMaps | None):
        super().__init__(level, blocks)
        self.features, self.words = features, words

    def held_bytes(self, tokens: int) -> int:
        maps = 3 if isinstance(self.features, AttentionRows) else 0  # of a frame: scores, their softmax, the sum
        return maps * 4 * (tokens // self.level**2) ** 2

    def see_inputs(self, call: Call, site: Site, x: Tensor) -> None:
        if isinstance(self.features, AttentionInputs):
            self.features.add(site, x[: call.frames])
            self.seen = True

    def see_self(self, call: Call, site: Site, q: Tensor, k: Tensor, layouts: list, heads: int) -> None:
        if isinstance(self.features, AttentionRows):
            self.features.add(site, q[: call.frames], k[: call.frames], heads)
            self.seen = True

    def see_cross(self, call: Call, site: Site, q: Tensor, k: Tensor, layouts: list, heads: int) -> None:
        if self.words is not None:
            self.words.add(q[: call.frames], k[: call.frames], heads)


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


def attention_layout(
    model: ModelPatcher, inversion: Inversion, conditioning: list, clusters: int, steps: int, feature: str, scope: str,
    seed: int, level: str, blocks: str, start: float, blur: int, clip: Any, prompt: str, words: str,
) -> ClusterLayout:  # fmt: skip
    """Attention Layout: looks, clusters, names. Parameters as the node's tooltips say.

    In memory is one sum of features (core.attention_clusters), past memmap.IN_MEMORY in a file in ComfyUI's temporary folder.
    """
    require_unet(model, "Attention Layout")
    height, width = inversion.source.shape[-2:]
    divisor = choose_level(level, height, width)
    positions = word_positions(clip, prompt, candidate_words(prompt, words)) if clip is not None and prompt else {}
    if positions:
        rows_to_keys(clip, model, "Attention Layout")
    observer = Observer(
        level=divisor,
        blocks=blocks,
        features=AttentionRows(_room) if feature == ROWS else AttentionInputs(widths(model, divisor, blocks), _room),
        words=WordMaps(positions) if positions else None,
    )
    observe(model, inversion, conditioning, steps, observer, start)
    found, rows = observer.features.features(), -(-height // observer.level)
    if feature == ROWS:
        found = blur_rows(found, rows, found.shape[2] // rows, blur | 1)
    labels = cluster(found, clusters, scope, seed, tell)
    names = ("",) * clusters
    if observer.words is not None:
        names = name_clusters(labels, observer.words.maps(), list(positions), clusters)
    return ClusterLayout(labels.view(len(labels), rows, -1), names, height * 8, width * 8)


def widths(model: ModelPatcher, level: int, blocks: str) -> dict[Site, int]:
    """Channels of the self-attention layers that are looked at."""
    modules, levels = attention_modules(model.model.diffusion_model), site_levels(model.model.diffusion_model)
    sites = [site for site in modules if levels[site] == level and site[0] in BLOCKS[blocks]]
    return {site: modules[site].attn1.to_q.in_features for site in sites}


def _room(shape: Sequence[int]) -> Tensor:
    frames, tokens, numbers = shape
    return room(
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
    require_unet(model, "Attention Layout")
    require_origin(inversion, model, records(model), "Attention Layout's `model`")
    require_text(model, (text for text, _ in conditioning), "Attention Layout's `conditioning`")
    levels = noisy(inversion)
    levels = evenly(levels[min(int(start * len(levels)), len(levels) - 1) :], steps)
    look(for_features(model, Probe(observer)), observer, inversion, levels, inversion.source, conditioning)
