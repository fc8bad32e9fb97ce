"""sheet.html: one file that holds every clip, its masks and its edits, playing in step, with what each cost."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..videograin.core.regions import clip_masks
from ..videograin.views.spotlight import spotlight
from .recipes import RECIPES
from .record import Run

SIDE = 256  # pixels of a picture's height
FRAME_MS = 125  # shown for: 8 a second
EMPTY = 0.85  # grey of an edit that failed
COLUMNS = ("the clip", "its masks", *RECIPES)

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 1320px; margin: 2em auto; padding: 0 1em; color: #222; background: #fff; }}
  h2 {{ margin: 2em 0 .3em; font-size: 1.15em; }}
  .row {{ display: grid; grid-template-columns: repeat({columns}, minmax(0, 1fr)); gap: 0; font-size: .9em; }}
  .row > * {{ padding: .2em .4em .2em 0; overflow-wrap: anywhere; }}
  img {{ width: 100%; display: block; }}
  .head {{ font-weight: 600; }}
  .failed, .warning {{ color: #a00; }}
</style>
<h1>{title}</h1>
{notice}
<p>{machine}. {settings}</p>
<p>{memory} All three recipes had the same clip, masks, words, steps, seed and guidance, and were pasted into the clip with the
same soft edge. Nothing was chosen: each edit is the first one. Our default starts from the
clip's own noise, a quarter of it fresh inside the masks. Loading the model and the clip, and finding the masks, is not in the seconds.</p>
{clips}
{left_out}
</html>
"""
REHEARSAL = (
    '<p class="warning">A rehearsal with random weights: the pictures are noise, and the numbers say nothing.</p>'
)


def picture(frames: Tensor, regions: tuple, runs: list[Run]) -> str:
    """The clip, its masks and its edits side by side as an animated WebP, base64; all (F, H, W, 3) in 0…1."""
    masks = clip_masks(regions, len(frames)).any(0)
    empty = torch.full_like(frames, EMPTY)
    panels = [frames, spotlight(frames, masks), *(empty if run.frames is None else run.frames for run in runs)]
    wide = (torch.cat(panels, 2).clamp(0, 1) * 255).round().byte().numpy()
    size = max(1, round(wide.shape[2] * SIDE / wide.shape[1])), SIDE
    first, *others = (Image.fromarray(frame).resize(size) for frame in wide)
    content = io.BytesIO()
    first.save(content, "webp", save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=80)
    return base64.b64encode(content.getvalue()).decode()


def page(record: dict[str, Any], pictures: list[str]) -> str:
    """The sheet. pictures: of each clip of the record, in its order."""
    machine, settings = record["machine"], record["settings"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("torch", "comfyui", "videograin", "system"))
    card = f"{machine['gpu']} ({machine['vram_mb']:,} MiB)" if machine["gpu"] else "a CPU"
    told = f"Checkpoint {settings['checkpoint']}, {settings['steps']} steps, CFG {settings['cfg']:g}, seed {settings['seed']}."
    return PAGE.format(
        title="VideoGrain beside two other ways to make the same edit",
        columns=len(COLUMNS),
        notice=REHEARSAL if record["rehearsal"] else "",
        machine=escape(f"{card}; {versions}"),
        settings=escape(told),
        memory=escape(f"Memory is {record['memory']}."),
        clips="\n".join(_clip(row, shown) for row, shown in zip(record["clips"], pictures, strict=True)),
        left_out="".join(f"<p>Left out: {escape(line)}</p>" for line in record["left_out"]),
    )


def _clip(row: dict[str, Any], shown: str) -> str:
    width, height = row["size"]
    heads = "".join(f'<span class="head">{escape(name)}</span>' for name in COLUMNS)
    costs = "".join(_cost(run) for run in row["runs"])
    words = f"{row['source_prompt']} \u2192 {row['prompt']}"
    return f"""\
<h2>{escape(words)}</h2>
<div class="row">{heads}</div>
<img alt="{escape(words)}: the clip, its masks and three edits" src="data:image/webp;base64,{shown}">
<div class="row"><span>{escape(row["file"])}</span><span>{row["frames"]} frames of {width}\u00d7{height}</span>{costs}</div>"""


def _cost(run: dict[str, Any]) -> str:
    if "failed" in run:
        return f'<span class="failed">failed: {escape(run["failed"])}</span>'
    return f"<span>{run['seconds']:.1f} s, {run['peak_mb']:,} MiB</span>"
