"""Show Attention: attention maps over the clip."""

from comfy_api.latest import io

from ..videograin.comfyui import previews
from ..videograin.features.attention_probe import AUTO, BLOCKS
from ..videograin.jobs.show_attention import ShowSettings, show_attention
from ..videograin.views.heatmaps import SCALES, SHARED, sheets
from .declared import declared
from .types import Category, Inversion

PREVIEW_SIDE = 1024  # pixels


class ShowAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainShowAttention",
            display_name="Show Attention",
            category=Category.CHECK,
            description=(
                "Shows where each phrase acts (cross-attention) and where picked points look (self-attention), before and "
                "after ST-Layout Attention, on the frames of the clip and in numbers. Run it alone, before sampling: it "
                "costs a few model calls."
            ),
            search_aliases=["attention map", "visualize attention", "heatmap", "DAAM", "cross-attention map"],
            is_output_node=True,  # it can run alone, for a look before sampling
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Model.Input(
                    "model", tooltip="The sampler's MODEL. Latent Blend does not change attention and may be on it."
                ),
                Inversion.Input("inversion", tooltip="The source at every noise level, from DDIM Inversion."),
                io.Conditioning.Input(
                    "conditioning", tooltip="The sampler's positive: from Bind Region Prompts, ControlNet included."
                ),
                io.Image.Input("frames", tooltip="The frames of the source clip, to lay the maps over."),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the noise schedule at which looking begins, 0 to 1.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the noise schedule at which looking ends, 0 to 1. Past ST-Layout Attention's own "
                    "`end_percent`, before and after are equal.",
                ),
                io.Int.Input(
                    "steps",
                    default=3,
                    min=0,
                    max=1000,
                    tooltip="Noise levels between start and end to average over, evenly spaced: one model call each. 0 "
                    "takes all.",
                ),
                io.String.Input(
                    "points",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Points whose self-attention is shown, each as x, y in pixels and frame, as in “310, 200, 0”, "
                    "with semicolons between. Empty: the middle of each region.",
                ),
                io.Combo.Input(
                    "level",
                    options=[AUTO, "1/1", "1/2", "1/4", "1/8"],
                    default=AUTO,
                    optional=True,
                    advanced=True,
                    tooltip="Attention grid to look at, as a share of the latent's. “auto” takes the finest of at most "
                    "1024 tokens a frame: 1/2 at 512×512.",
                ),
                io.Combo.Input(
                    "blocks",
                    options=list(BLOCKS),
                    default="all",
                    optional=True,
                    advanced=True,
                    tooltip="Blocks of the UNet to average over.",
                ),
                io.Combo.Input(
                    "scale",
                    options=list(SCALES),
                    default=SHARED,
                    optional=True,
                    advanced=True,
                    tooltip="“shared” colours before and after alike, so that they can be compared; “own” colours each by "
                    "its own peak, to see faint ones.",
                ),
                io.Int.Input(
                    "size",
                    default=256,
                    min=64,
                    max=1024,
                    step=8,
                    optional=True,
                    advanced=True,
                    tooltip="Longer side of each small picture in pixels, 64 to 1024.",
                ),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="The sampler's negative. Only needed where ST-Layout Attention's `self_role` is “negative” "
                    "(mode “reference”): points are then shown in that half of guidance, the modulated one.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="phrases",
                    tooltip="One picture per frame: a column for each phrase, before above after. Brighter is a larger "
                    "share of a pixel's attention.",
                ),
                io.Image.Output(
                    display_name="points",
                    tooltip="One picture per frame: a column for each point, marked by a ring in its own frame. Brighter "
                    "is where it looks.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="The numbers: shares of attention, and how much falls inside regions.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, inversion, conditioning, frames, start_percent: float, end_percent: float, steps: int,
                points: str = "", level: str = AUTO, blocks: str = "all", scale: str = SHARED, size: int = 256,
                negative=None) -> io.NodeOutput:  # fmt: skip
        settings = ShowSettings(start_percent, end_percent, steps, points, level, blocks)
        shown = show_attention(model, inversion, conditioning, frames, settings, negative)
        pictures = [sheets(shown.frames, columns, scale, size) for columns in (shown.phrases, shown.points)]
        files = [file for clip in pictures for file in previews.pictures(clip, "attention", PREVIEW_SIDE)]
        return io.NodeOutput(*pictures, shown.text, ui={"images": files})
