"""Another edit of the same clip: Vary Noise."""

from comfy_api.latest import io

from ..videograin.core.regions import frame_masks
from ..videograin.jobs.vary import vary_noise
from .declared import declared
from .types import Category, Inversion, Regions


class VaryNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainVaryNoise",
            display_name="Vary Noise",
            category=Category.START,
            description=(
                "Gives a seed something to do: mixes fresh noise into the inverted one, inside the regions only. Every seed "
                "is another edit; the background comes back as before, and nothing is inverted anew."
            ),
            search_aliases=["seed", "variation", "another result", "variation seed", "reroll"],
            is_input_list=True,  # of masks: one clip's
            inputs=[
                io.Latent.Input("noise", tooltip="From DDIM Inversion."),
                Inversion.Input("inversion", tooltip="From the same DDIM Inversion."),
                io.Float.Input(
                    "variation",
                    default=0.35,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the noise inside the regions is fresh, 0 to 1. 0 is the inversion's own noise, to the bit; begin "
                    "with 0.25 to 0.5.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**53 - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Another seed, another edit.",
                ),
                Regions.Input(
                    "regions",
                    optional=True,
                    tooltip="Where the noise varies: all regions of the last Region Prompt. With neither these nor a mask, everywhere.",
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="Takes the place of `regions`: one mask, or one for each frame."
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="noise", tooltip="For the sampler's `latent_image`, in place of DDIM Inversion's."
                )
            ],
        )

    @classmethod
    @declared
    def execute(cls, noise, inversion, variation: float, seed: int, regions=None, mask=None) -> io.NodeOutput:
        area = None if mask is None else frame_masks(mask)
        return io.NodeOutput(vary_noise(noise, inversion, regions or (), area, (variation, seed)))
