"""Seed Regions: a picture of each new thing, laid along its region."""

from comfy.samplers import SAMPLER_NAMES, SCHEDULER_NAMES
from comfy_api.latest import io

from ..videograin.comfyui.prompts import require_clip
from ..videograin.jobs.draw_things import Painter
from ..videograin.jobs.seed_regions import changing, seed_regions
from .declared import declared
from .types import Category, Regions

MOST = 4  # pictures of the user's own


class SeedRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainSeedRegions",
            display_name="Seed Regions",
            category=Category.REGIONS,
            description=(
                "Draws each region's new thing alone, cuts it out and lays it along the region through the clip. Encode the "
                "frames, set `mask` as the noise mask, and a sampler with denoise 0.4 makes them one picture: no inversion."
            ),
            search_aliases=[
                "draw and paste", "sticker", "composite along mask", "image to video region", "reference image",
                "replace with my picture", "insert object",
            ],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Image.Input("frames", tooltip="The frames of the clip."),
                Regions.Input("regions", tooltip="From Regions, or the last Region Prompt: a thing is drawn for each phrase."),
                io.Model.Input(
                    "model", tooltip="The checkpoint's MODEL. This pack's nodes on it (Full-Frame Attention and others) do not act here."
                ),
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint."),
                io.Vae.Input("vae", tooltip="The checkpoint's own VAE."),
                io.String.Input(
                    "place",
                    default="",
                    tooltip="Words behind each phrase for the drawing, such as “on grass”: the ground of the clip, so that light and "
                    "colours fit.",
                ),
                io.String.Input(
                    "leave_out",
                    default="",
                    tooltip="Regions that stay as they are, by phrase or by number from 1, with commas: “the snow, 3”. Places, and "
                    "things that do not change.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=2**53 - 1, control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Another seed, other drawings.",
                ),
                io.Int.Input("drawings", default=3, min=1, max=16, advanced=True, optional=True, tooltip="How many are drawn of each thing; the clearest is taken."),
                io.Int.Input("steps", default=20, min=1, max=200, advanced=True, optional=True, tooltip="Sampling steps of a drawing."),
                io.Float.Input("cfg", default=7.5, min=0.0, max=100.0, step=0.1, advanced=True, optional=True, tooltip="How strongly a drawing follows its words."),
                io.Combo.Input("sampler_name", options=list(SAMPLER_NAMES), default="euler", advanced=True, optional=True, tooltip="The sampler of the drawings."),
                io.Combo.Input("scheduler", options=list(SCHEDULER_NAMES), default="normal", advanced=True, optional=True, tooltip="The scheduler of the drawings."),
                io.Boolean.Input(
                    "fill", default=True, advanced=True, optional=True,
                    tooltip="What shows of the old thing beside the new one gives way to the ground around it.",
                ),
                io.Conditioning.Input("negative", optional=True, tooltip="What drawings should not show. Without it, nothing is named."),
                *(
                    socket
                    for number in range(1, MOST + 1)
                    for socket in (
                        io.Image.Input(f"picture_{number}", optional=True, tooltip=f"Your own picture for region {number}, in place of a drawing."),
                        io.Mask.Input(
                            f"picture_mask_{number}", optional=True,
                            tooltip=f"1 on the thing in `picture_{number}`. Without it, or empty, the model cuts the thing out by its phrase.",
                        ),
                    )
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="The clip with the new things laid in, for VAE Encode."),
                io.Mask.Output(display_name="mask", tooltip="Where the clip was changed, for each frame: for Set Latent Noise Mask and Paste Edit."),
                io.Image.Output(display_name="drawn", tooltip="The pictures that were taken, darkened outside the thing."),
            ],
        )  # fmt: skip

    @classmethod
    @declared
    def execute(cls, frames, regions, model, clip, vae, place: str, leave_out: str, seed: int, drawings: int = 3, steps: int = 20,
                cfg: float = 7.5, sampler_name: str = "euler", scheduler: str = "normal", fill: bool = True, negative=None,
                picture_1=None, picture_mask_1=None, picture_2=None, picture_mask_2=None, picture_3=None,
                picture_mask_3=None, picture_4=None, picture_mask_4=None) -> io.NodeOutput:  # fmt: skip
        require_clip(clip, "Seed Regions' `clip`")
        pictures = (picture_1, picture_2, picture_3, picture_4)
        masks = (picture_mask_1, picture_mask_2, picture_mask_3, picture_mask_4)
        own = {n: pair for n, pair in enumerate(zip(pictures, masks, strict=True), 1) if pair[0] is not None}
        painter = Painter(
            model, clip, vae, negative, place.strip(), seed, drawings, steps, cfg, sampler_name, scheduler
        )
        found = seed_regions(painter, frames, regions, changing(regions, leave_out), own, fill)
        return io.NodeOutput(found.frames, found.changed.float(), found.pictures)
