"""Finished edits on disk, so that a run continues where the last one stopped.

An edit is a PNG strip of its frames and a JSON of its cost, under a key of everything it depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...proof.graph import Prompt
from ..ruler.suite import Example
from .graph import digest


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


class Store:
    """The edits made with one model. folder: created for the first edit. weights: checksum of the model."""

    def __init__(self, folder: Path, weights: str):
        self.folder, self.weights = folder, weights

    def key(self, one: Example, prompt: Prompt) -> str:
        """The key of an edit: a checksum of the clip's pixels and masks, the task, the graph and the model."""
        parts = (one.shot.frames, one.shot.masks, *(wish.mask for wish in one.task.wishes))
        clip = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
        return hashlib.sha256(f"{clip} {one.task.prompt} {digest(prompt)} {self.weights}".encode()).hexdigest()[:16]

    def row(self, key: str) -> dict[str, Any] | None:
        """What a finished edit cost; None if it is not there or cannot be read."""
        path = self.folder / f"{key}.json"
        if not path.exists() or not self._strip(key).exists():
            return None
        try:
            self.frames(key)
            return dict(json.loads(path.read_text()))
        except (ValueError, OSError, TypeError) as error:
            print(f"{path.name} or its picture is damaged ({error}): this edit is made again", file=sys.stderr)
            return None

    def frames(self, key: str) -> np.ndarray:
        """The stored frames, (F, H, W, 3) uint8, lossless."""
        strip = np.asarray(Image.open(self._strip(key)))
        return np.stack(np.split(strip, strip.shape[1] // strip.shape[0], 1))

    def keep(self, key: str, row: dict[str, Any], frames: np.ndarray) -> None:
        """Stores an edit, its row last, each file whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _written(self._strip(key), lambda path: Image.fromarray(np.concatenate(list(frames), 1)).save(path, "png"))
        _written(self.folder / f"{key}.json", lambda path: path.write_text(json.dumps(row, indent=1)))

    def _strip(self, key: str) -> Path:
        return self.folder / f"{key}.png"


def _written(path: Path, write: Any) -> None:
    partial = path.with_suffix(".part")
    write(partial)
    os.replace(partial, path)
