"""Looking at the source once more: features are recomputed from the trajectory, never stored with it."""

from __future__ import annotations

import re
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor
from tqdm.auto import tqdm

from ..binding import find_phrase
from ..layout import ROWS, AttentionInputs, AttentionRows, ClusterLayout, WordMaps, blur_rows, cluster, name_clusters
from ..trajectory import Inversion
from .attach import for_features
from .compat import Site, require_unet
from .conditioning import words as words_of
from .origin import require_origin
from .plan import LEVELS, Probe, records
from .sampling import walk_clip

AUTO = "auto"
BLOCKS = {"all": ("input", "middle", "output"), "encoder": ("input",), "decoder": ("output",)}
MAX_TOKENS = 1024  # the paper's 32² grid
SMALL_WORDS = frozenset(
    "a an the and or of in on at to by with for from over under before behind near is are be this that it its".split()
)


class Observer:
    """What Attention Layout collects at one level of the network while the model looks at the source."""

    def __init__(self, level: int, blocks: str, features: AttentionRows | AttentionInputs, words: WordMaps | None):
        self.level, self.groups, self.features, self.words = level, BLOCKS[blocks], features, words
        self.seen = False

    def wants(self, site: Site, level: int) -> bool:
        return level == self.level and site[0] in self.groups

    def see_inputs(self, site: Site, x: Tensor) -> None:
        if isinstance(self.features, AttentionInputs):
            self.features.add(site, x)
            self.seen = True

    def see_self(self, site: Site, q: Tensor, k: Tensor, heads: int) -> None:
        if isinstance(self.features, AttentionRows):
            self.features.add(site, q, k, heads)
            self.seen = True

    def see_cross(self, q: Tensor, k: Tensor, heads: int) -> None:
        if self.words is not None:
            self.words.add(q, k, heads)


def choose_level(level: str, height: int, width: int) -> int:
    """The divisor of "1/2" and the like; "auto" is the finest grid of at most MAX_TOKENS tokens a frame."""
    if level != AUTO:
        return int(level.split("/")[1])
    return next((n for n in LEVELS if -(-height // n) * -(-width // n) <= MAX_TOKENS), LEVELS[-1])


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
    labels = cluster(found, clusters, scope, seed)
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
    levels = [i for i, sigma in enumerate(inversion.sigmas.tolist()) if sigma > 0]
    levels = levels[min(int(start * len(levels)), len(levels) - 1) :]
    count = min(steps, len(levels)) or len(levels)
    chosen = [levels[round(i)] for i in torch.linspace(0, len(levels) - 1, count).tolist()]
    watching = for_features(model, Probe(observer))

    def walk(denoiser, x, sigmas, extra_args, callback, disable):
        for step, level in enumerate(tqdm(chosen, "Attention features", disable=disable)):
            shown = inversion.latents[level].to(x)
            denoised = denoiser(shown, x.new_full((len(x),), float(inversion.sigmas[level])), **extra_args)
            callback({"i": step, "denoised": denoised, "x": shown})
        return x

    walk_clip(watching, conditioning, inversion.source, torch.cat([inversion.sigmas[chosen], torch.zeros(1)]), walk)
    if not observer.seen:
        raise ValueError(
            f"The model has no self-attention in the chosen blocks at 1/{observer.level} of the latent's grid. Change "
            "Attention Layout's `level` or `blocks`."
        )
