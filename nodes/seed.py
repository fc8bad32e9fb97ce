"""Seed Regions: a picture of each new thing, laid along its region."""

from comfy.samplers import SAMPLER_NAMES, SCHEDULER_NAMES
from comfy_api.latest import io

from ..videograin.comfyui.prompts import require_clip
from ..videograin.jobs.draw_things import Painter
from ..videograin.jobs.seed_regions import Fit, Placing, changing, seed_regions
from .declared import declared
from .types import Category, Regions

MOST = 4  # pictures of the user's own


def _drawing() -> tuple:
    """How things are drawn."""
    shared = {"optional": True, "advanced": True}
    return (
        io.Int.Input(
            "drawings", default=3, min=1, max=16, tooltip="How many are drawn of each thing, 1 to 16. The clearest is taken.", **shared
        ),
        io.Int.Input("steps", default=20, min=1, max=200, tooltip="Sampling steps of a drawing, 1 to 200.", **shared),
        io.Float.Input(
            "cfg", default=7.5, min=0.0, max=100.0, step=0.1, tooltip="How closely a drawing follows its words.", **shared
        ),
        io.Combo.Input(
            "sampler_name", options=list(SAMPLER_NAMES), default="euler", tooltip="The sampler of a drawing.", **shared
        ),
        io.Combo.Input(
            "scheduler", options=list(SCHEDULER_NAMES), default="normal", tooltip="The scheduler of a drawing.", **shared
        ),
    )  # fmt: skip


def _picture(number: int) -> tuple:
    """The sockets of a picture in place of a drawing."""
    return (
        io.Image.Input(
            f"picture_{number}",
            optional=True,
            tooltip=f"A picture of your own for region {number}, in place of a drawing; the first, if there are several.",
        ),
        io.Mask.Input(
            f"picture_mask_{number}",
            optional=True,
            tooltip=f"The thing in the picture for region {number}, 1 inside. Without it, or empty, the model looks for what the phrase names.",
        ),
    )


class SeedRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainSeedRegions",
            display_name="Seed Regions",
            category=Category.REGIONS,
            description=(
                "Draws each region's new thing alone, cuts it out and lays it along the region through the clip; your own "
                "picture may take its place. A stock sampler with a noise mask and denoise 0.25 then makes it part of the clip, "
                "without an inversion."
            ),
            search_aliases=[
                "draw and paste",
                "sticker",
                "paste along mask",
                "composite",
                "reference image",
                "insert object",
                "replace object with picture",
            ],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Image.Input("frames", tooltip="The frames of the clip."),
                Regions.Input(
                    "regions",
                    tooltip="From Regions, or from the last Region Prompt. The thing that a region's phrase names is laid into it.",
                ),
                io.Model.Input(
                    "model",
                    tooltip="The checkpoint's MODEL. It draws as without this pack's nodes, even if it has passed through them.",
                ),
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint."),
                io.Vae.Input("vae", tooltip="The checkpoint's own VAE."),
                io.String.Input(
                    "place",
                    default="",
                    tooltip="Words that follow each phrase where it is drawn, such as “on grass”: name the ground of the clip.",
                ),
                io.String.Input(
                    "leave_out",
                    default="",
                    tooltip="Regions that stay as they are, by phrase or by number, separated by commas: “a dog, 3”. Write here what "
                    "does not change. Places (most of the picture) and rows that keep their words are left out anyway.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**53 - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Another seed, other drawings.",
                ),
                io.Float.Input(
                    "size",
                    default=1.0,
                    min=0.1,
                    max=4.0,
                    step=0.05,
                    optional=True,
                    tooltip="Of the new thing, in sizes of the old one, 0.1 to 4. Larger or smaller, it stands on the same ground.",
                ),
                io.Boolean.Input(
                    "bend",
                    default=True,
                    optional=True,
                    tooltip="The new thing bends as the old one does, in every part. Off: it only moves, turns and stretches as a whole.",
                ),
                io.Combo.Input(
                    "fit",
                    options=list(Fit.words()),
                    default=Fit.WHOLE.value,
                    optional=True,
                    advanced=True,
                    tooltip="“whole” shows all of the new thing, as long as the old one was, also beyond the region's outline. “inside the "
                    "region” cuts it off there.",
                ),
                *_drawing(),
                io.Boolean.Input(
                    "fill",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Fills what the new thing leaves bare of the old one with the ground around it, and 2 pixels beyond.",
                ),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="What drawings should not show. Not connected: an empty prompt."
                ),
                *(socket for number in range(1, MOST + 1) for socket in _picture(number)),
            ],
            outputs=[
                io.Image.Output(
                    display_name="frames", tooltip="The clip with the new things laid in: RGB, for VAE Encode."
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="Where frames were changed: one mask per frame, for Set Latent Noise Mask and Paste Edit.",
                ),
                io.Image.Output(
                    display_name="drawn", tooltip="The picture taken for each region, dark outside the thing."
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, frames, regions, model, clip, vae, place: str, leave_out: str, seed: int, size: float = 1.0, bend: bool = True,
                fit: str = Fit.WHOLE.value, drawings: int = 3, steps: int = 20,
                cfg: float = 7.5, sampler_name: str = "euler", scheduler: str = "normal", fill: bool = True, negative=None,
                picture_1=None, picture_mask_1=None, picture_2=None, picture_mask_2=None, picture_3=None,
                picture_mask_3=None, picture_4=None, picture_mask_4=None) -> io.NodeOutput:  # fmt: skip
        require_clip(clip, "Seed Regions' `clip`")
        pictures = (picture_1, picture_2, picture_3, picture_4)
        masks = (picture_mask_1, picture_mask_2, picture_mask_3, picture_mask_4)
        own = _own(dict(enumerate(zip(pictures, masks, strict=True), 1)))
        painter = Painter(
            model, clip, vae, negative, place.strip(), seed, drawings, steps, cfg, sampler_name, scheduler
        )
        found = seed_regions(
            painter, frames, regions, changing(regions, leave_out), own, Placing(Fit(fit), bend, size, fill)
        )
        return io.NodeOutput(found.frames, found.changed.float(), found.pictures)


def _own(pairs: dict) -> dict:
    """The pictures that are connected, with their masks, by their regions' numbers."""
    for number, (picture, mask) in pairs.items():
        if picture is None and mask is not None:
            raise ValueError(
                f"Seed Regions' `picture_mask_{number}` is connected, but `picture_{number}` is not. Connect the picture that it "
                "belongs to, or take the mask off."
            )
    return {number: pair for number, pair in pairs.items() if pair[0] is not None}
