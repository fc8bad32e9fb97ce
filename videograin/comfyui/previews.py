"""What a node shows in the browser after a run: small pictures in ComfyUI's temporary folder, and data beside them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import folder_paths
import torch.nn.functional as F
from comfy_execution.utils import get_executing_context
from PIL import Image
from torch import Tensor

from .progress import web_page

KEY = "videograin"  # in a node's ui output; js/graph.js looks there
QUALITY = 92  # JPEG


def shown(view: str, data: dict[str, Any]) -> dict[str, list[str]]:
    """A node's ui output. view: which of js/ it is for, since ComfyUI gives a removed node's output to the next of its number.

    As one text: ComfyUI would take a list of entries for results of the run and count them.
    """
    return {KEY: [json.dumps({"view": view, **data}, ensure_ascii=False)]}


def show_before_failing(view: str, data: dict[str, Any]) -> None:
    """Shows what a node would show after its run: an error shows nothing, and what to mend may be in the picture."""
    context, page = get_executing_context(), web_page()
    if context is None or page is None:
        return
    event = {"node": context.node_id, "display_node": context.node_id, "prompt_id": context.prompt_id}
    page.send_sync("executed", {**event, "output": shown(view, data)}, page.client_id)


def pictures(frames: Tensor, name: str, side: int) -> list[dict[str, str]]:
    """Saves frames as JPEG files where the browser finds them until ComfyUI is started again.

    Args: frames (F, H, W, 3 or more) float in 0…1, shrunk until no side is longer than `side` pixels.
    Returns for each what ComfyUI's /view address takes: filename, subfolder and type.
    """
    # A name that no earlier run had: the browser may keep its pictures.
    prefix = f"videograin_{name}_{secrets.token_hex(6)}"
    folder, stem, _, subfolder, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_temp_directory())
    saved = []
    for index, frame in enumerate(frames):  # one at a time: a clip is large
        file = f"{stem}_{index:05}.jpg"
        pixels = (shrunk(frame[..., :3].float().cpu(), side).clamp(0, 1) * 255).round().byte()
        Image.fromarray(pixels.numpy()).save(Path(folder) / file, quality=QUALITY, subsampling=0)
        saved.append({"filename": file, "subfolder": subfolder, "type": "temp"})
    return saved


def shrunk(frame: Tensor, side: int) -> Tensor:
    """(H, W, C) -> the same with no side longer than `side` pixels."""
    height, width = frame.shape[:2]
    share = side / max(height, width)
    if share >= 1:
        return frame
    size = (max(1, round(height * share)), max(1, round(width * share)))
    return F.interpolate(frame.movedim(-1, 0)[None], size, mode="bilinear", antialias=True)[0].movedim(0, -1)
