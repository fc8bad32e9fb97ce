"""Clips with their marks: clips.json, and the files it names."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ..videograin.core.scene import Scene, read_rows, told
from .comfyui import Told

NAME = "clips.json"
TEMPLATES = "comfyui_workflow_templates*/templates"  # in the folder of Python's packages
FIELDS = {"file", "scene", "rows", "take", "size", "sha256"}
SIZE = 512  # pixels of a side, on which the marks are, where the entry says no other


class Clip(NamedTuple):
    """A clip. file: as clips.json names it; path: where it is, or its name in the input folder.

    take: settings of Load Video Frames besides its size; rows: text for the node Regions; size: (width, height).
    """

    file: str
    path: Path
    scene: str
    rows: str
    take: dict[str, Any]
    size: tuple[int, int]

    @property
    def words(self) -> Scene:
        return told(self.scene, read_rows(self.rows))

    def scaled(self, width: int, height: int, frames: int) -> Clip:
        """The clip at another size, with its marks; those beyond the last frame are left out."""
        rows = json.loads(self.rows)
        for row in rows:
            row["marks"] = "; ".join(_moved(row.get("marks", ""), width / self.size[0], height / self.size[1], frames))
        return self._replace(rows=json.dumps(rows, ensure_ascii=False), size=(width, height))


def _moved(marks: str, across: float, down: float, frames: int) -> list[str]:
    found = []
    for mark in filter(None, (part.strip() for part in re.split(r"[;\n]", marks))):
        kind = re.match(r"\D*", mark)[0]
        *place, frame = map(int, re.findall(r"\d+", mark) or [0])  # a text without numbers is for Regions to refuse
        moved = [int(value * (across, down)[number % 2]) for number, value in enumerate(place)]
        if frame < frames:
            found.append(kind + ", ".join(map(str, [*moved, frame])) if place else mark)
    return found


def read(folder: Path) -> tuple[list[Clip], list[str]]:
    """The clips that clips.json names and that are there, and a line for each that is not. Raises Told."""
    file = folder / NAME
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise Told(f"{file} cannot be read. It names the clips and their marks: proof/README.md says how.") from None
    except ValueError as error:
        raise Told(f"{file} is no JSON: {error}.") from None
    if not isinstance(entries, list):
        raise Told(f"{file} must be a list of clips, [...].")
    clips, missing = [], []
    for number, entry in enumerate(entries, 1):
        try:
            clip = _clip(entry, folder)
            _ = clip.words
        except (ValueError, KeyError, TypeError) as error:
            raise Told(f"{file}, clip {number}: {error}") from None
        wanted = entry.get("sha256")
        if not clip.path.is_file():
            missing.append(f"{entry['file']}: it is neither in {folder} nor among ComfyUI's template packages.")
        elif wanted and hashlib.sha256(clip.path.read_bytes()).hexdigest() != wanted:
            missing.append(f"{entry['file']}: this version of the template packages has another clip of that name.")
        else:
            clips.append(clip)
    return clips, missing


def _clip(entry: Any, folder: Path) -> Clip:
    if not isinstance(entry, dict) or not {"file", "rows"} <= set(entry) or set(entry) - FIELDS:
        raise ValueError(f"it must have “file” and “rows”, and of the rest only {', '.join(sorted(FIELDS))}.")
    rows = entry["rows"] if isinstance(entry["rows"], str) else json.dumps(entry["rows"], ensure_ascii=False)
    width, height = entry.get("size", (SIZE, SIZE))
    return Clip(
        entry["file"],
        _file(entry["file"], folder),
        entry.get("scene", ""),
        rows,
        entry.get("take", {}),
        (width, height),
    )


def _file(name: str, folder: Path) -> Path:
    """The clip beside clips.json, else of that name among the installed template packages."""
    own = folder / name
    packages = (
        () if own.exists() else (found for place in sys.path for found in Path(place).glob(f"{TEMPLATES}/{name}"))
    )
    return next(iter(packages), own)
