"""Place Objects (ReAtCo): words brought to places by moving the latent."""

from comfy_api.latest import io

from ..videograin.comfyui import wrappers
from ..videograin.comfyui.prompts import last_row, read, require_clip, rows_to_keys
from ..videograin.core import reatco
from ..videograin.core.cross_frame import LEVELS
from ..videograin.features.reatco_placement import Placement
from ..videograin.jobs import placement
from .declared import declared
from .types import Category, Regions


class PlaceObjects(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainPlaceObjects",
            display_name="Place Objects",
            category=Category.RESEARCH,
            description=(
                "Brings objects to where you want them (ReAtCo): before each step the latent is moved so that every "
                "object's words act in its mask and nowhere else. Takes gradients through the model: see the help page "
                "for memory and time. Take Latent Blend with it, to hold the rest."
            ),
            search_aliases=["ReAtCo", "attend and excite", "layout guidance", "bounding box", "spatial control"],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Model.Input("model", tooltip="The MODEL for the sampler, a Stable Diffusion UNet."),
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    tooltip="The text of the sampler's positive prompt, for instance from Bind Region Prompts.",
                ),
                Regions.Input(
                    "regions",
                    optional=True,
                    tooltip="Objects by mask, from Region Prompt: each phrase goes to its own mask, one or one per frame.",
                ),
                io.String.Input(
                    "boxes",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Objects by box, one line each: the words in the prompt, a colon, then x, y, width, height in "
                    "pixels, and the frame, from 0: “cat: 24, 40, 60, 60 at 0; 90, 40, 60, 60 at 7”. Between these keyframes "
                    "the box moves evenly; one box without a frame holds in all. Needs `frames`.",
                ),
                io.Image.Input(
                    "frames", optional=True, tooltip="The frames of the clip, for the size and the number of the boxes."
                ),
                io.Float.Input(
                    "strength",
                    default=20.0,
                    min=0.0,
                    max=1000.0,
                    step=0.5,
                    optional=True,
                    tooltip="Length of a gradient step, 0 to 1000; it falls by 30 % over the schedule. ReAtCo: 20, on a "
                    "model tuned to the clip. 0 changes nothing.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Share of the noise schedule, from its start, in which it acts, 0 to 1. Places are decided "
                    "early; the rest refines looks.",
                ),
                io.Int.Input(
                    "refinements",
                    default=20,
                    min=0,
                    max=100,
                    optional=True,
                    tooltip="Most further steps for the object placed worst, at 0, 20 and 40 % of the schedule; they end "
                    "as soon as it is there. Each costs as much as a step. 0: none.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(reatco.MODES),
                    default=reatco.DEFAULT,
                    optional=True,
                    advanced=True,
                    tooltip="“default”: words are kept out of the rest at every step. “reference” does as the released "
                    "code, which forgets that after a refinement, and takes a mask's tokens by their middle.",
                ),
                io.Float.Input(
                    "outer_weight",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="How much keeping an object's words out of the rest counts, against having them inside, 0 to 10.",
                ),
                io.Float.Input(
                    "top_share",
                    default=0.2,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Share of a mask's tokens, the highest, by which it is judged, 0.01 to 1. Higher fills the mask "
                    "more.",
                ),
                io.Combo.Input(
                    "level",
                    options=[f"1/{level}" for level in LEVELS],
                    default="1/4",
                    optional=True,
                    advanced=True,
                    tooltip="The attention that is looked at, by its share of the latent's grid. ReAtCo: 1/4, which is a 32nd "
                    "of the picture. Finer ones cost more memory.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with placing; the input is unchanged."),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="All objects' masks together, one per frame, for Latent Blend's `mask`.",
                ),
                Regions.Output(
                    display_name="regions",
                    tooltip="All objects as regions, boxes too, for Bind Region Prompts or Evaluate Edit.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, clip, prompt: str, regions=(), boxes: str = "", frames=None, strength: float = 20.0,
                end_percent: float = 0.5, refinements: int = 20, mode: str = reatco.DEFAULT,
                outer_weight: float = 1.0, top_share: float = 0.2, level: str = "1/4") -> io.NodeOutput:  # fmt: skip
        require_clip(clip, "Place Objects' `clip`")
        objects = placement.objects(regions, boxes, frames)
        text = read(clip, prompt)
        record = Placement(
            places=placement.places(clip, text, objects),
            length=text.length,
            end=last_row(clip, prompt),
            mode=mode,
            strength=strength,
            end_percent=end_percent,
            refinements=refinements,
            outer_weight=outer_weight,
            share=top_share,
            level=int(level.split("/")[1]),
            rows=rows_to_keys(clip, model, "Place Objects"),
        )
        return io.NodeOutput(wrappers.add(model, record), placement.union(objects), objects)
