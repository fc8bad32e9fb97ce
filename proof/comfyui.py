"""The user's ComfyUI, imported into this process: its models, and no folder of its own to write to.

In one process and not as a server: PyTorch then tells the peak memory itself, Windows needs no signals or sockets, and
other packs, which are not loaded, can neither help nor disturb.
"""

from __future__ import annotations

import itertools
import platform
import re
import sys
from pathlib import Path
from typing import Any

FILES = ("main.py", "nodes.py", "folder_paths.py", "comfyui_version.py", "comfy")
FOLDERS = ("input", "output", "temp", "user")


class Told(Exception):
    """A mistake to be told to the person at the terminal, in one paragraph."""


def find(given: Path | None, pack: Path) -> Path:
    """ComfyUI's folder: the given one, else one of those around the pack, which may be a link."""
    around = [*pack.parents, *pack.resolve().parents]
    for folder in [given] if given else [folder / name for folder in around for name in (".", "ComfyUI")]:
        if all((folder / name).exists() for name in FILES):
            return folder.resolve()
    where = f"{given} is no ComfyUI folder" if given else f"no ComfyUI folder is around {pack}"
    raise Told(f"{where}: there is no {', '.join(FILES[:3])}. Name it with --comfyui.")


def enter(tree: Path, scratch: Path, options: list[str]) -> None:
    """Imports ComfyUI as its main.py does, with the user's model folders, and `scratch` for all that it writes."""
    sys.path.insert(0, str(tree))
    import comfy.options

    comfy.options.enable_args_parsing()
    own, sys.argv = sys.argv, [str(tree / "main.py"), *options]
    try:
        from comfy.cli_args import args
    finally:
        sys.argv = own
        comfy.options.enable_args_parsing(False)
    import folder_paths
    from utils.extra_config import load_extra_path_config

    lists = itertools.chain(*(args.extra_model_paths_config or []))
    for config in (tree / "extra_model_paths.yaml", *map(Path, lists)):
        if config.is_file():
            load_extra_path_config(str(config))
    for name in FOLDERS:
        (scratch / name).mkdir()
        getattr(folder_paths, f"set_{name}_directory")(str(scratch / name))


def checkpoint(given: str) -> str:
    """The name under which ComfyUI knows the checkpoint; its folder is added where it is a path."""
    import folder_paths

    path = Path(given).expanduser()
    if path.is_file():
        folder_paths.add_model_folder_path("checkpoints", str(path.absolute().parent))
        return path.name
    known = folder_paths.get_filename_list("checkpoints")
    if given in known:
        return given
    there = f"There are: {', '.join(known)}." if known else "There are none."
    folders = ", ".join(folder_paths.get_folder_paths("checkpoints"))
    raise Told(f"--checkpoint {given} is neither a file nor a name in {folders}. {there}")


def machine(pack: Path) -> dict[str, Any]:
    """The card and the versions. gpu: None where PyTorch has none."""
    import comfyui_version
    import torch

    gpu = torch.cuda.is_available()
    written = re.search(r'^version = "(.+?)"', (pack / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    return {
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "vram_mb": round(torch.cuda.get_device_properties(0).total_memory / 2**20) if gpu else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "comfyui": comfyui_version.__version__,
        "videograin": written[1] if written else "",
    }
