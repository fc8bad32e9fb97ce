"""The judge: a small network that names every cell of 4 × 4 pixels of a picture, trained on the toy world.

Its accuracy on unseen pictures is in MODEL_CARD.md. It needs torch, and no ComfyUI.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from .world import ACCESSORIES, OBJECTS, PLACES

WEIGHTS = Path(__file__).with_name("judge.safetensors")
WORDS = (*OBJECTS, *ACCESSORIES, *PLACES)  # the classes, in this order
CELL = 4  # pixels
PRESENT = 30  # least number of cells of an object: a seventh of the smallest object's picture
WEARS = 0.04  # least share of a region that an accessory covers
BATCH = 16


class Res(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Network(nn.Module):
    """The network: (B, 3, H, W) in [-1, 1] -> logits (B, words, H/4, W/4), embedding (B, 192); H, W divisible by 16."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.SiLU(), nn.Conv2d(32, 64, 3, 2, 1), Res(64)
        )  # fmt: skip
        self.middle = nn.Sequential(nn.Conv2d(64, 128, 3, 2, 1), Res(128), Res(128))
        self.coarse = nn.Sequential(nn.Conv2d(128, 192, 3, 2, 1), Res(192), Res(192))
        self.up_middle, self.join_middle = nn.Conv2d(192, 128, 1), Res(128)
        self.up_fine, self.join_fine = nn.Conv2d(128, 64, 1), Res(64)
        self.head = nn.Sequential(nn.GroupNorm(8, 64), nn.SiLU(), nn.Conv2d(64, len(WORDS), 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(x)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        joined = self.join_middle(middle + F.interpolate(self.up_middle(coarse), scale_factor=2))
        joined = self.join_fine(fine + F.interpolate(self.up_fine(joined), scale_factor=2))
        return self.head(joined), coarse.mean((2, 3))


class Seen(NamedTuple):
    """The judge's view of one region."""

    name: str  # one of OBJECTS
    worn: str  # one of ACCESSORIES, or ""
    certainty: float  # share of the name among the region's cells without an accessory, 0 to 1


class Reading(NamedTuple):
    cells: Tensor  # (B, words, H/4, W/4) float32, probabilities
    embedding: Tensor  # (B, 192) float32, unit length

    def region(self, frame: int, mask: np.ndarray) -> Seen:
        """The object and accessory in a frame's mask (H, W) bool. Raises ValueError for an empty mask."""
        if not mask.any():
            raise ValueError("the mask is empty on this frame: there is no object to name")
        inside = F.avg_pool2d(torch.from_numpy(mask)[None, None].float(), CELL)[0, 0]
        shares = (self.cells[frame] * inside).sum((1, 2)) / inside.sum()
        objects, worn = shares[: len(OBJECTS)], shares[len(OBJECTS) : len(OBJECTS) + len(ACCESSORIES)]
        name, accessory = WORDS[int(objects.argmax())], WORDS[len(OBJECTS) + int(worn.argmax())]
        certainty = objects.max() / (1 - worn.sum()).clamp_min(1e-6)
        return Seen(name, accessory if worn.max() >= WEARS else "", float(certainty))

    def objects(self, frame: int) -> set[str]:
        """The objects anywhere in a frame."""
        named = self.cells[frame].argmax(0).flatten().bincount(minlength=len(WORDS))[: len(OBJECTS)]
        return {WORDS[i] for i in (named >= PRESENT).nonzero()[:, 0].tolist()}

    def place(self, frame: int, where: np.ndarray | None = None) -> str:
        """The place that most of a frame's cells show, within `where`, (H, W) bool, or everywhere."""
        shares = self.cells[frame, -len(PLACES) :]
        if where is not None:
            shares = shares * F.avg_pool2d(torch.from_numpy(where)[None, None].float(), CELL)[0]
        return list(PLACES)[int(shares.sum((1, 2)).argmax())]


class Judge:
    """The judge: names what pictures of the toy world show."""

    def __init__(self, network: Network):
        self.network = network.eval()

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> "Judge":
        network = Network()
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
        return cls(network)

    @torch.inference_mode()
    def read(self, frames: np.ndarray) -> Reading:
        """The reading of frames (B, H, W, 3) uint8, sides multiples of 16."""
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
        parts = [self.network(part.float() / 127.5 - 1) for part in pictures.split(BATCH)]
        logits, embedding = (torch.cat(values) for values in zip(*parts, strict=True))
        return Reading(logits.softmax(1), F.normalize(embedding, dim=1))

    def names(self, frames: np.ndarray, masks: np.ndarray) -> list[Seen]:
        """The region of each frame, (B, H, W, 3) uint8, in its mask, (B, H, W) bool; ValueError for an empty mask."""
        reading = self.read(frames)
        return [reading.region(i, mask) for i, mask in enumerate(masks)]
