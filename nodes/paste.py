"""Paste Edit: the edit on the source's own frames."""

from comfy_api.latest import io

from ..videograin.comfyui import progress
from ..videograin.core.regions import frame_masks
from ..videograin.media.paste import paste
from .declared import declared
from .types import Category, Regions


class PasteEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainPasteEdit",
            display_name="Paste Edit",
            category=Category.START,
            description=(
                "Pastes the edited things into the source's own frames, with a soft edge: every pixel farther out stays the "
                "source's, to the bit. For clips of any size: what VAE Encode cut off is put back where it was."
            ),
            search_aliases=[
                "composite",
                "paste back",
                "overlay",
                "keep background",
                "uncrop",
                "image composite masked",
            ],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Image.Input("source", tooltip="The frames that were encoded for the edit."),
                io.Image.Input(
                    "edited", tooltip="What came of them, from VAE Decode or Edit in Chunks: as many frames."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the edit is pasted: one mask, or one per frame. Not connected: where `regions` are.",
                ),
                Regions.Input(
                    "regions",
                    optional=True,
                    tooltip="The regions that were edited, from the last Region Prompt. With neither these nor a mask, the "
                    "edit is pasted whole.",
                ),
                io.Int.Input(
                    "grow",
                    default=1,
                    min=0,
                    max=512,
                    optional=True,
                    tooltip="Widens the pasted area by so many pixels, 0 to 512.",
                ),
                io.Int.Input(
                    "feather",
                    default=6,
                    min=0,
                    max=512,
                    optional=True,
                    tooltip="Width in pixels, 0 to 512, of a soft edge outside the widened area.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="frames",
                    tooltip="The source's frames with the edit in them: RGB, at the source's size.",
                )
            ],
        )

    @classmethod
    @declared
    def execute(cls, source, edited, mask=None, regions=(), grow: int = 1, feather: int = 6) -> io.NodeOutput:
        areas = [region.mask for region in regions] if mask is None else [frame_masks(mask)]
        return io.NodeOutput(paste(source, edited, areas, grow, feather, progress.warn))
