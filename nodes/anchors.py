"""Anchor Attention: a few frames that hold a clip together."""

from comfy_api.latest import io

from ..videograin.comfyui import wrappers
from ..videograin.core.frame_numbers import parse_frames
from ..videograin.core.via_anchors import CONCAT, GATHERS, MODES, TOGETHER
from ..videograin.features.via_anchors import Anchors
from .declared import declared
from .types import Category

MOST = 64


class AnchorAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainAnchorAttention",
            display_name="Anchor Attention",
            category=Category.ATTENTION,
            description=(
                "A few anchor frames see each other, and every frame sees the anchors (VIA): the clip keeps one look, and "
                "a frame costs the same however long the clip is. Put it before both DDIM Inversion and the sampler."
            ),
            search_aliases=["VIA", "gather and swap", "key frames", "cross-frame attention", "long video"],
            inputs=[
                io.Model.Input("model", tooltip="A Stable Diffusion UNet; the batch of the latent is read as frames."),
                io.Int.Input(
                    "count",
                    default=4,
                    min=0,
                    max=MOST,
                    tooltip="How many anchors, spread evenly from the first frame to the last (paper: 4; more for long or "
                    "lively clips). 0 changes nothing. Not used when `frames` names some.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=CONCAT,
                    tooltip="What a frame sees: “concat”, what Full-Frame Attention gives it (itself alone, or all frames at "
                    "hand) and the anchors; “swap”, the anchors only, as steady as can be and less like the frame.",
                ),
                io.String.Input(
                    "frames",
                    default="",
                    optional=True,
                    tooltip="Anchors of your choice, as frame numbers from 0 with commas, “0, 40, 95”: frames that show "
                    "well what is to be edited. Empty: `count` of them, evenly.",
                ),
                io.Combo.Input(
                    "gather",
                    options=list(GATHERS),
                    default=TOGETHER,
                    optional=True,
                    advanced=True,
                    tooltip="What an anchor sees: “all anchors”, or itself and the “earlier anchors” (paper).",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The MODEL with anchors; the input is unchanged.")],
        )

    @classmethod
    @declared
    def execute(cls, model, count: int, mode: str, frames: str = "", gather: str = TOGETHER) -> io.NodeOutput:
        return io.NodeOutput(
            wrappers.add(model, Anchors(count, parse_frames(frames, "Anchor Attention's `frames`", MOST), mode, gather))
        )
