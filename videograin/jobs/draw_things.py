"""Things drawn alone by the model, and cut out by its own attention to their names: no other model is asked.

The model draws as it is without this pack's nodes. Then it is shown its drawings with a little noise, and what its
cross-attention says of the thing's words tells which one is clearest, and roughly where the thing is in it.
"""

from __future__ import annotations

from typing import NamedTuple

import nodes as host
import numpy as np
import torch
import torch.nn.functional as F
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from torch import Tensor

from ..backbones.base import Site
from ..comfyui.context_windows import without_windows
from ..comfyui.progress import Notes
from ..comfyui.prompts import rows_to_keys
from ..comfyui.wrappers import noting, with_plan
from ..core.attention_probs import phrase_shares
from ..core.cells import CELL
from ..features.attention_probe import AUTO, Onlooker, Probe
from ..features.engine import At
from ..masks.cut_out import clearness, cut_out
from ..masks.grabcut import in_bytes
from ..views.attention_maps import Average
from .attention_clusters import candidate_words, word_positions
from .invert import walk_clip
from .look import choose_level
from .track_regions import from_frames

NODE = "Seed Regions"
SIDE = 64  # pixels, of which a drawing's side is a multiple


class Painter(NamedTuple):
    """Who draws things, and how.

    negative: CONDITIONING, None for nothing. place: words behind every phrase. drawings: of each thing. The rest as KSampler's.
    """

    model: ModelPatcher
    clip: CLIP
    vae: VAE
    negative: list | None
    place: str
    seed: int
    drawings: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str

    def encoded(self, text: str) -> list:
        return self.clip.encode_from_tokens_scheduled(self.clip.tokenize(text))

    def words(self, phrase: str) -> str:
        return f"{phrase} {self.place}".strip()

    def plain(self, notes: Notes, *probes: Probe) -> ModelPatcher:
        """The MODEL without this pack's records and context windows."""
        return noting(with_plan(without_windows(self.model), probes), notes)


class Thing(NamedTuple):
    """A thing in its picture, (h, w, 3) float in 0…1; its shape there, (h, w) bool."""

    picture: Tensor
    shape: Tensor


class Gaze(Onlooker):
    """Where the attention to some tokens goes, in pictures that are shown at once: at a level and at the next coarser.

    grid: (height, width) of the level. positions: the tokens' in their text.
    """

    node = NODE

    def __init__(self, level: int, grid: tuple[int, int], positions: list[int]):
        super().__init__(level, "all")
        self.grid, self.positions, self.maps = grid, positions, Average()

    def wants(self, site: Site, level: int) -> bool:
        return level in (self.level, 2 * self.level)

    def see_cross(self, at: At, q: Tensor, k: Tensor) -> None:
        tokens = torch.zeros(1, k.shape[2], dtype=torch.bool)
        tokens[0, self.positions] = True
        found = phrase_shares(q[0], k[0], at.heads, tokens, None)[0, 0]  # (n, queries)
        found = found.unflatten(-1, (at.grid.height, at.grid.width)) / found.mean()
        self.maps.add(F.interpolate(found[None], self.grid, mode="bilinear")[0])


def side_of(size: tuple[int, int]) -> int:
    """The side of a square, in pixels, about as large as a frame (height, width)."""
    return SIDE * max(1, round((size[0] * size[1]) ** 0.5 / SIDE))


def drawn(painter: Painter, phrase: str, side: int, number: int, notes: Notes) -> Tensor:
    """Pictures (n, side, side, 3) of a phrase's thing, in 0…1. number: another one, other drawings."""
    empty = {"samples": torch.zeros(painter.drawings, 4, side // CELL, side // CELL)}
    negative = painter.encoded("") if painter.negative is None else painter.negative
    latent = host.common_ksampler(
        painter.plain(notes), painter.seed + number, painter.steps, painter.cfg, painter.sampler, painter.scheduler,
        painter.encoded(painter.words(phrase)), negative, empty,
    )[0]  # fmt: skip
    return host.VAEDecode().decode(painter.vae, latent)[0][..., :3].clamp(0, 1).cpu()


def clearest(painter: Painter, phrase: str, pictures: Tensor, notes: Notes) -> Thing | None:
    """The picture, of some (n, H, W, 3), in which a phrase's thing stands out best; None where it is seen in none."""
    looks = gaze(painter, phrase, pictures, notes)
    shapes = [cut_out(in_bytes(picture), look) for picture, look in zip(pictures, looks, strict=True)]
    best = int(np.argmax([clearness(shape, look) for shape, look in zip(shapes, looks, strict=True)]))
    return Thing(pictures[best], torch.from_numpy(shapes[best])) if shapes[best].any() else None


def named(painter: Painter, phrase: str) -> list[int]:
    """Where the tokens of a phrase's words stand in what is drawn. Raises ValueError where none of them names a thing."""
    found = word_positions(painter.clip, painter.words(phrase), candidate_words(phrase, ""))
    if not found:
        raise ValueError(
            f'{NODE} finds no word for a thing in the phrase "{phrase}". Write one, such as “a bear”, in the node that made the '
            "region, or name the region in `leave_out`."
        )
    return [position for word in found.values() for position in word]


def gaze(painter: Painter, phrase: str, pictures: Tensor, notes: Notes) -> np.ndarray:
    """Attention to a phrase's words in pictures (n, H, W, 3) of its thing: (n, h, w), higher on the thing."""
    positions = named(painter, phrase)
    rows_to_keys(painter.clip, painter.model, NODE)
    shown = from_frames(painter.model, painter.vae, pictures, 1, NODE)
    height, width = shown.latents.shape[-2:]
    level = choose_level(AUTO, height, width)
    looker = Gaze(level, (-(-height // level), -(-width // level)), positions)

    def walk(denoiser, x, sigmas, extra_args, callback, disable):
        denoiser(shown.latents.to(x), x.new_full((len(x),), shown.sigma), **extra_args)
        return x

    model, sigmas = painter.plain(notes, Probe(looker)), torch.tensor([shown.sigma, 0.0])
    walk_clip(model, {"positive": painter.encoded(painter.words(phrase))}, shown.latents, sigmas, walk)
    return looker.maps.mean().numpy()
