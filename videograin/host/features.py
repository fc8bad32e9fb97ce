"""Looking at the source once more: features are recomputed from the trajectory, never stored with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..binding import find_phrase
from ..layout import ROWS, AttentionInputs, AttentionRows, ClusterLayout, WordMaps, blur_rows, cluster, name_clusters
from ..trajectory import Inversion
from .attach import for_features
from .compat import Site, require_unet
from .conditioning import words as words_of
from .observing import Onlooker, choose_level, evenly, look, noisy
from .origin import require_origin
from .plan import Probe, records
from .progress import tell

if TYPE_CHECKING:
    from .dispatch import Call

SMALL_WORDS = frozenset(
    "a an the and or of in on at to by with for from over under before behind near is are be this that it its".split()
)


class Observer(Onlooker):
    """What Attention Layout collects while the model looks at the source, under its first prompt."""

    node = "Attention Layout"

    def __init__(self, level: int, blocks: str, features: AttentionRows | AttentionInputs, words: WordMaps | None):
        super().__init__(level, blocks)
        self.features, self.words = features, words

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
    text = words_of(clip.tokenize(prompt, return_word_ids=True))
    found = {}
    for word in words:
        phrase = words_of(clip.tokenize(word, return_word_ids=True))
        run = find_phrase(text, phrase, set()) if phrase else None
        if run:
            found[word] = [text[i].position for i in run]
    return found


def candidate_words(prompt: str, words: str) -> list[str]:
    """The words that may name clusters: those asked for, or the prompt's without its small words and weights."""
    if words.strip():
        return [word.strip() for word in words.split(",") if word.strip()]
    plain = re.sub(r"[():,.;\d]", " ", prompt).split()
    return list(dict.fromkeys(word for word in plain if word.lower() not in SMALL_WORDS))


def attention_layout(
    model: ModelPatcher, inversion: Inversion, conditioning: list, clusters: int, steps: int, feature: str, scope: str,
    seed: int, level: str, blocks: str, start: float, blur: int, clip: Any, prompt: str, words: str,
) -> ClusterLayout:  # fmt: skip
    """Attention Layout: looks, clusters, names. Parameters as the node's tooltips say."""
    height, width = inversion.source.shape[-2:]
    positions = word_positions(clip, prompt, candidate_words(prompt, words)) if clip is not None and prompt else {}
    observer = Observer(
        level=choose_level(level, height, width),
        blocks=blocks,
        features=AttentionRows() if feature == ROWS else AttentionInputs(),
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


def observe(
    model: ModelPatcher, inversion: Inversion, conditioning: list, steps: int, observer: Observer, start: float = 0.0
) -> None:
    """Shows the model the source at `steps` levels of its trajectory (0 = all), evenly spaced.

    start: share of the levels left out at the noisy end, 0 to below 1.

    Raises ValueError where the INVERSION is of another model or key set, or the level has no attention.
    """
    require_unet(model, "Attention Layout")
    require_origin(inversion, model, records(model), "Attention Layout's `model`")
    levels = noisy(inversion)
    levels = evenly(levels[min(int(start * len(levels)), len(levels) - 1) :], steps)
    look(for_features(model, Probe(observer)), observer, inversion, levels, inversion.source, conditioning)
