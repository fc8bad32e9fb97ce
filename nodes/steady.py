"""Steady Edit: less flicker inside what was edited, by the motion of the source."""

from comfy_api.latest import io

from ..videograin.jobs.steady_edit import steady_edit
from ..videograin.masks.steadying import REACH
from .declared import declared
from .types import Category, Regions


class SteadyEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainSteadyEdit",
            display_name="Steady Edit",
            category=Category.START,
            description=(
                "Takes flicker out of edited things: each point is averaged with what the frames around show there, along the "
                "motion of the thing that was there. No model is called. It stands between VAE Decode and Paste Edit."
            ),
            search_aliases=["deflicker", "temporal smoothing", "flicker", "consistency", "stabilize", "jitter"],
            is_input_list=True,  # a list of frames is one clip
            inputs=[
                io.Image.Input(
                    "source", tooltip="The frames that were encoded for the edit: their motion is followed."
                ),
                io.Image.Input(
                    "edited", tooltip="What came of them, from VAE Decode or Edit in Chunks: as many frames."
                ),
                Regions.Input(
                    "regions",
                    tooltip="The regions that were edited, from Regions or the last Region Prompt. Places, and what keeps its words, "
                    "are left as they are.",
                ),
                io.Int.Input(
                    "reach",
                    default=REACH,
                    min=0,
                    max=32,
                    optional=True,
                    tooltip="Frames before and after each one that it is averaged with. More is steadier, and blurs what changes. "
                    "0 changes nothing.",
                ),
            ],
            outputs=[io.Image.Output(display_name="frames", tooltip="The edited frames: RGB, at the source's size.")],
        )

    @classmethod
    @declared
    def execute(cls, source, edited, regions, reach: int = REACH) -> io.NodeOutput:
        return io.NodeOutput(steady_edit(source, edited, regions, reach))
