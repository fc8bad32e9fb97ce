"""Where inversions lie: saved into ComfyUI's output folder, read from there and from its input folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..core.inversion_record import Inversion
from ..media.safe_names import LONGEST, RESERVED, not_portable
from ..storage import inversion_file
from .input_files import inside, leads_inside
from .model_identity import require_origin
from .plan import records
from .spill_to_disk import explained
from .validate import require_family

SUFFIX = ".safetensors"
FOLDER = "inversions"  # in the output folder


def roots() -> dict[str, Path]:
    """What a file's name begins with, and the folder it lies in."""
    return {
        f"output/{FOLDER}": Path(folder_paths.get_output_directory()) / FOLDER,
        f"input/{FOLDER}": Path(folder_paths.get_input_directory()) / FOLDER,
    }


def listed() -> list[str]:
    """Every saved inversion, newest first, as "output/inversions/clip_00001_.safetensors"."""
    found = []
    for name, root in roots().items():
        for path in root.rglob(f"*{SUFFIX}"):
            with suppress(OSError, RuntimeError):  # links to nowhere and in circles, files deleted this moment
                if inside(root, path) and path.is_file():
                    found.append((path.stat().st_mtime, f"{name}/{path.relative_to(root).as_posix()}"))
    return [name for _, name in sorted(found, reverse=True)]


def resolve(name: str) -> Path:
    """The path of a listed name. Raises ValueError if it is not there, or leads elsewhere."""
    for prefix, root in roots().items():
        if not name.startswith(f"{prefix}/"):
            continue
        path = root / name.removeprefix(f"{prefix}/")
        if not _usable(root, name.removeprefix(f"{prefix}/")):
            break
        if path.suffix != SUFFIX or not path.is_file():
            raise ValueError(
                f"There is no {name!r}. Run Save Inversion first, or choose another `file` of Load Inversion; press R "
                "to refresh its list."
            )
        return path
    raise ValueError(
        f"`file` may only name what lies in ComfyUI's {' or '.join(roots())} folder, but {name!r} does not."
    )


def _usable(root: Path, name: str) -> bool:
    """True if a name, links followed, leads to a place in the folder, where something is or could be."""
    try:
        return leads_inside(root, name) and bool((root / name).stat())
    except FileNotFoundError:
        return True
    except OSError:  # too long a name, a file where a folder would be
        return False


def save(inversion: Inversion, noise: Tensor, prefix: str, precision: str) -> str:
    """Writes the next free number of a prefix. Returns its name, as `listed` has it.

    Raises ValueError where the noise is another clip's or none, for a prefix that leaves the folder, and for a full disk.
    """
    if noise.shape != inversion.source.shape:
        raise ValueError(
            f"Save Inversion's `noise` is {tuple(noise.shape)}, but its `inversion` is of a clip "
            f"{tuple(inversion.source.shape)}. Connect both outputs of one DDIM Inversion."
        )
    if torch.equal(noise.cpu(), inversion.source):
        raise ValueError(
            "Save Inversion's `noise` is the clip itself, not its noise. Connect DDIM Inversion's `noise`."
        )
    root = roots()[f"output/{FOLDER}"]
    root.mkdir(parents=True, exist_ok=True)
    prefix = prefix.strip() or "inversion"
    if not_portable(prefix):
        raise ValueError(
            f"Save Inversion's `filename_prefix` is {prefix[:80]!r}, which not every system can have as a file's name. Give a name "
            f"of up to {LONGEST} letters, or folder/name, without control characters and any of {RESERVED}."
        )
    prefix = os.path.normpath(prefix)  # core counts "name/" from 1 each time
    if not _usable(root, prefix):
        raise ValueError(
            f"Save Inversion's `filename_prefix` may only name what lies in ComfyUI's output/{FOLDER} folder, but "
            f"{prefix!r} does not. Give a name, or folder/name."
        )
    folder, name, number, _, _ = folder_paths.get_save_image_path(prefix, str(root))
    path = Path(folder) / f"{name}_{number:05}_{SUFFIX}"
    while path.exists():
        number += 1
        path = path.with_name(f"{name}_{number:05}_{SUFFIX}")
    with explained(
        f"Save Inversion writes into ComfyUI's output/{FOLDER} folder", "Free space there, or choose `precision` fp16."
    ):
        inversion_file.write(path, inversion, noise, precision)
    return f"output/{FOLDER}/{path.relative_to(root).as_posix()}"


def load(name: str, model: ModelPatcher | None, latent: Tensor | None) -> tuple[Inversion, Tensor]:
    """Reads an inversion and the noise it starts from, and compares it with what it is to be used with.

    Raises ValueError, naming what differs, for another model or key set, or a latent of another clip.
    """
    inversion, noise = inversion_file.read(resolve(name))
    if model is not None:
        require_family(model, "Load Inversion")
        require_origin(inversion, model, records(model), "Load Inversion's `model`")
    if latent is not None:
        _require_clip(inversion.source, latent)
    return inversion, noise


def _require_clip(source: Tensor, latent: Tensor) -> None:
    if source.shape != latent.shape:
        raise ValueError(
            f"The saved clip's latent is {tuple(source.shape)}, but Load Inversion's "
            f"`latent` is {tuple(latent.shape)}. Load the frames as they were when the inversion was saved."
        )
    gap = (source.float() - latent.cpu().float()).abs()
    if gap.max() > 1e-3 * source.float().abs().max():
        by_frame = gap if gap.ndim == 4 else gap[0].movedim(1, 0)
        frames = (by_frame.amax((1, 2, 3)) > 1e-3 * source.float().abs().max()).nonzero()[:, 0].tolist()
        raise ValueError(
            f"Load Inversion's `latent` is another clip than the saved one: they differ in {len(frames)} of "
            f"{len(by_frame)} frames, first in frame {frames[0]}. Load the same clip with the same VAE."
        )
