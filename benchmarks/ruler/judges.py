"""The two judges: networks of different build and seed that name what a crop shows. Both must agree.

"nothing" is one of the words. The judges are trained by demo/training/ruler.py, on drawings and negatives alone, and never
choose a setting of a method or the best of several edits.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ...videograin.toybox.judge import Res
from ...videograin.toybox.looks import MATERIALS, STYLES
from ...videograin.toybox.world import ACCESSORIES, OBJECTS, PLACES

NOTHING = "nothing"
PLAIN = ""  # of what is worn, of material and style: none
HEADS = {  # what is asked -> the answers
    "name": (*OBJECTS, *PLACES, NOTHING),
    "worn": (PLAIN, *ACCESSORIES),
    "material": (PLAIN, *MATERIALS),
    "style": (PLAIN, *STYLES),
}
FILES = tuple(Path(__file__).with_name(f"judge_{name}.safetensors") for name in "ab")
BATCH = 128


class Answer(NamedTuple):
    """What a judge, or both, see in a crop. name: an object, a place, or NOTHING."""

    name: str
    worn: str = PLAIN
    material: str = PLAIN
    style: str = PLAIN


class Reading(NamedTuple):
    answers: list[tuple[Answer, ...]]  # crop × judge
    chances: np.ndarray  # (B, names) float32, of HEADS["name"], the mean of both judges

    def agree(self, i: int, wanted: Answer, asked: tuple[str, ...]) -> bool:
        """Both judges say of crop i what is wanted, in all that is asked."""
        return all(getattr(one, what) == getattr(wanted, what) for one in self.answers[i] for what in asked)


class Heads(nn.Module):
    """The answers' logits, by what is asked, from features (B, width)."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.ModuleDict({asked: nn.Linear(width, len(words)) for asked, words in HEADS.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return {asked: layer(features) for asked, layer in self.layers.items()}


class Pyramid(nn.Module):
    """Judge A: a residual network that halves its resolution four times. (B, 4, 64, 64) in [-1, 1] -> logits."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 192)):
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((4, *widths), widths, strict=False):
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), Res(width)]
        self.body = nn.Sequential(*layers, nn.GroupNorm(8, widths[-1]), nn.SiLU())
        self.heads = Heads(2 * widths[-1])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.body(x)
        return self.heads(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))


class Transformer(nn.Module):
    """Judge B: a transformer over 8 × 8 tokens behind three convolutions. (B, 4, 64, 64) in [-1, 1] -> logits."""

    def __init__(self, width: int = 160, depth: int = 4):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((4, 48), (48, 96), (96, width)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
        self.stem = nn.Sequential(*layers)
        self.place = nn.Parameter(0.02 * torch.randn(1, 64, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 5, 3 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.heads = Heads(width)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        tokens = self.stem(x).flatten(2).transpose(1, 2) + self.place
        for layer in self.layers:
            tokens = layer(tokens)
        return self.heads(F.layer_norm(tokens, tokens.shape[-1:]).mean(1))


def networks() -> tuple[nn.Module, nn.Module]:
    return Pyramid(), Transformer()


def as_input(crops: np.ndarray) -> Tensor:
    """Crops (B, 64, 64, 4) uint8 as networks take them, (B, 4, 64, 64) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1


class Judges:
    """Both judges."""

    def __init__(self, pair: tuple[nn.Module, ...]):
        self.pair = tuple(network.eval() for network in pair)

    @classmethod
    def load(cls, files: tuple[Path, ...] = FILES) -> Judges:
        pair = networks()
        for network, file in zip(pair, files, strict=True):
            network.load_state_dict({name: tensor.float() for name, tensor in load_file(file).items()})
        return cls(pair)

    @torch.inference_mode()
    def read(self, crops: np.ndarray) -> Reading:
        """What both see in crops (B, 64, 64, 4) uint8."""
        answers, chances = [], []
        for part in as_input(crops).split(BATCH):
            said = [network(part) for network in self.pair]
            best = [{asked: logits.argmax(1) for asked, logits in one.items()} for one in said]
            answers += [tuple(_answer(one, i) for one in best) for i in range(len(part))]
            chances.append(torch.stack([one["name"].softmax(1) for one in said]).mean(0))
        return Reading(answers, torch.cat(chances).numpy())


def _answer(best: dict[str, Tensor], i: int) -> Answer:
    return Answer(**{asked: HEADS[asked][int(numbers[i])] for asked, numbers in best.items()})


def loss(logits: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
    """Cross-entropy over all that is asked; wanted: numbers of the right answers, (B,), -100 where there is none."""
    parts = []
    for asked, values in logits.items():
        known = (wanted[asked] >= 0).any()
        parts.append(F.cross_entropy(values, wanted[asked], ignore_index=-100) if known else values.sum() * 0)
    return torch.stack(parts).sum()
