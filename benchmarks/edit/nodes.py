"""The benchmark's own nodes: the source of a graph's clip and masks, and the sink of its frames.

Between them are stock nodes and the pack's. The classes are made for each run around their shared objects, so that
nothing stays in memory after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from comfy.patcher_extension import WrappersMP
from comfy_api.latest import io
from torch import Tensor

from ...videograin.comfyui.prompts import KEY
from ...videograin.jobs import demo_model
from ...videograin.toybox import tasks
from ...videograin.toybox.depth import depth
from ...videograin.toybox.judge import Judge
from ..ruler import stickers
from ..ruler.suite import Example
from .areas import areas
from .watch import Watch, watched

CATEGORY = "VideoGrain/benchmark"


class Outcome:
    """The results that the nodes of one graph give to the benchmark."""

    def __init__(self):
        self.frames: np.ndarray | None = None  # (F, H, W, 3) uint8
        self.latent: Tensor | None = None  # (F, C, h, w), where it is kept
        self.text = ""  # that is read
        self.calls: list[tuple[float, int]] = []  # of the network: when, and for how many pictures
        self.watches: dict[str, Watch] = {}  # by ticket; a MODEL from the host's cache keeps its own


def nodes(find: Callable[[str], Example], outcome: Outcome) -> list[type[io.ComfyNode]]:
    """The node classes. find: case name -> example; outcome: takes the results."""

    judge = cache(Judge.load)  # once, and only where drawings are cut out

    class BenchmarkModel(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkModel",
                category=CATEGORY,
                outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
            )

        @classmethod
        def execute(cls) -> io.NodeOutput:
            model, clip, vae = demo_model.load()
            model = model.clone()

            def count(executor: Callable, x: Tensor, *args, **kwargs) -> Tensor:
                outcome.calls.append((time.perf_counter(), len(x)))
                return executor(x, *args, **kwargs)

            model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "benchmark", count)
            return io.NodeOutput(model, clip, vae)

    class BenchmarkClip(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkClip",
                category=CATEGORY,
                inputs=[io.String.Input("case"), io.Boolean.Input("drawn", tooltip="As the world draws the edit.")],
                outputs=[io.Image.Output()],
            )

        @classmethod
        def execute(cls, case: str, drawn: bool) -> io.NodeOutput:
            one = find(case)
            frames = tasks.truth(one.shot, one.task, one.case.seed).frames if drawn else one.shot.frames
            return io.NodeOutput(torch.from_numpy(frames).float() / 255)

    class BenchmarkControl(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkControl",
                category=CATEGORY,
                inputs=[io.String.Input("case")],
                outputs=[io.ControlNet.Output(), io.Image.Output(tooltip="The clip's true depth, its hints.")],
            )

        @classmethod
        def execute(cls, case: str) -> io.NodeOutput:
            return io.NodeOutput(demo_model.load_control(), hints(find(case)))

    class BenchmarkMask(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkMask",
                category=CATEGORY,
                inputs=[
                    io.String.Input("case"),
                    io.String.Input("areas", tooltip="Numbers with commas, as `union` reads them."),
                ],
                outputs=[io.Mask.Output()],
            )

        @classmethod
        def execute(cls, case: str, areas: str) -> io.NodeOutput:
            return io.NodeOutput(union(find(case), areas).float())

    class BenchmarkDrawing(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkDrawing",
                category=CATEGORY,
                description="A new thing alone, as the world draws it.",
                inputs=[io.String.Input("case"), io.Int.Input("number")],
                outputs=[io.Image.Output(), io.Mask.Output()],
            )

        @classmethod
        def execute(cls, case: str, number: int) -> io.NodeOutput:
            drawn = torch.from_numpy(stickers.drawing(find(case).task.wishes[number]))[None].float() / 255
            return io.NodeOutput(drawn[..., :3], drawn[..., 3])

    class BenchmarkWatch(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkWatch",
                category=CATEGORY,
                inputs=[
                    io.Model.Input("model"),
                    io.Conditioning.Input("regions", tooltip="The prompt with every area bound to its true mask."),
                    io.String.Input("ticket"),
                ],
                outputs=[io.Model.Output()],
            )

        @classmethod
        def execute(cls, model, regions, ticket: str) -> io.NodeOutput:
            outcome.watches[ticket] = Watch(regions[0][1][KEY])
            return io.NodeOutput(watched(model, outcome.watches[ticket]))

    class BenchmarkAlong(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkAlong",
                category=CATEGORY,
                description="The best drawing of a thing, cut out and pasted along a mask's track.",
                inputs=[
                    io.Image.Input("frames"),
                    io.Image.Input("drawings"),
                    io.Mask.Input("mask"),
                    io.String.Input("word"),
                ],
                outputs=[io.Image.Output()],
            )

        @classmethod
        def execute(cls, frames: Tensor, drawings: Tensor, mask: Tensor, word: str) -> io.NodeOutput:
            drawing = stickers.cut_out(in_bytes(drawings), word, judge())
            if drawing is None:
                return io.NodeOutput(frames)
            laid = stickers.along(in_bytes(frames), drawing, (mask > 0.5).cpu().numpy())
            return io.NodeOutput(torch.from_numpy(laid).float() / 255)

    class BenchmarkCollect(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkCollect",
                category=CATEGORY,
                inputs=[io.Image.Input("images")],
                is_output_node=True,
            )

        @classmethod
        def fingerprint_inputs(cls, **_) -> float:
            return float("nan")  # NaN is never cached, so the node always runs

        @classmethod
        def execute(cls, images: Tensor) -> io.NodeOutput:
            outcome.frames = in_bytes(images)
            return io.NodeOutput()

    class BenchmarkKeep(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkKeep",
                category=CATEGORY,
                inputs=[io.Latent.Input("latent")],
                is_output_node=True,
            )

        @classmethod
        def execute(cls, latent: dict) -> io.NodeOutput:
            outcome.latent = latent["samples"].cpu()
            return io.NodeOutput()

    class BenchmarkRead(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="BenchmarkRead",
                category=CATEGORY,
                inputs=[io.String.Input("text", force_input=True)],
                is_output_node=True,
            )

        @classmethod
        def execute(cls, text: str) -> io.NodeOutput:
            outcome.text = text
            return io.NodeOutput()

    between = [BenchmarkControl, BenchmarkMask, BenchmarkAlong, BenchmarkDrawing, BenchmarkWatch]
    return [BenchmarkModel, BenchmarkClip, *between, BenchmarkCollect, BenchmarkKeep, BenchmarkRead]


def in_bytes(images: Tensor) -> np.ndarray:
    """IMAGE (F, H, W, 3) as uint8."""
    return (images[..., :3].clamp(0, 1) * 255).round().byte().cpu().numpy()


def hints(one: Example) -> Tensor:
    """Depth hints, (F, H, W, 3) in [0, 1], in the form that the demo's ControlNet was trained on."""
    grey = np.stack([depth(masks) for masks in one.shot.masks.swapaxes(0, 1)])
    return (torch.from_numpy(grey).float() / 255)[..., None].expand(-1, -1, -1, 3)


def union(one: Example, numbers: str) -> Tensor:
    """The union of areas, (F, H, W) bool; numbers: of the areas, with commas; after "thing", those of the old things there."""
    if numbers.startswith("thing "):
        return torch.from_numpy(np.any([one.shot.masks[int(number)] for number in numbers[6:].split(",")], 0))
    found = areas(one)
    return torch.from_numpy(np.any([found[int(number)].mask for number in numbers.split(",")], 0))
