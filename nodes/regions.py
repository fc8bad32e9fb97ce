"""Region Prompt and Bind Region Prompts: masks with words, and the words bound to a prompt's tokens."""

from comfy_api.latest import io

from ..videograin.comfyui import previews, prompts
from ..videograin.core.regions import Region, frame_masks, require_a_mask_a_frame
from ..videograin.features.base import REGION_MASK
from ..videograin.views.region_report import look
from ..videograin.views.region_sheet import overview_data, overview_picture, strip
from .declared import declared
from .types import Category, Regions


class RegionPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainRegionPrompt",
            display_name="Region Prompt",
            category=Category.REGIONS,
            description=(
                "Ties a phrase of the prompt to an area of the clip. Chain as many as there are regions; masks may come "
                "from any node, one for all frames or one per frame."
            ),
            search_aliases=["regional prompt", "region mask", "attention couple", "mask prompt", "area prompt"],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Mask.Input(
                    "mask", tooltip="Where the region is, 1 inside: one mask, or one for every frame of the clip."
                ),
                io.String.Input(
                    "phrase",
                    default="",
                    tooltip="The words of the global prompt that belong here, word for word (case does not matter). Empty: an area "
                    "that may change but has no words of its own.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="Factor on ST-Layout Attention's strength inside this region, 0 to 2; 0 leaves it alone.",
                ),
                Regions.Input("regions", optional=True, tooltip="Regions of the Region Prompt before this one."),
            ],
            outputs=[Regions.Output(display_name="regions", tooltip="The regions so far, for Bind Region Prompts.")],
        )

    @classmethod
    def execute(cls, mask, phrase, strength=1.0, regions=()) -> io.NodeOutput:
        """A list of masks is the clip of one region; with a list of as many phrases, each mask is its own region."""
        phrases = phrase if isinstance(phrase, list) else [phrase]
        if len(phrases) < 2:
            return cls.region(mask, phrase, strength, regions)
        masks, strengths = (value if isinstance(value, list) else [value] for value in (mask, strength))
        if len(masks) != len(phrases) or len(strengths) not in (1, len(phrases)):
            raise ValueError(
                f"Region Prompt's `phrase` is a list of {len(phrases)}, but its `mask` is one of {len(masks)} and its "
                f"`strength` one of {len(strengths)}. Connect as many masks as phrases for a region each, or a single phrase, to "
                "which all masks belong."
            )
        for number, (one, words) in enumerate(zip(masks, phrases, strict=True)):
            regions = cls.region(one, words, strengths[number % len(strengths)], regions).args[0]
        return io.NodeOutput(regions)

    @classmethod
    @declared
    def region(cls, mask, phrase: str, strength: float = 1.0, regions=()) -> io.NodeOutput:
        region = Region(frame_masks(mask).cpu(), phrase.strip(), strength)
        if region.empty:
            raise ValueError(
                f"Region Prompt's `mask` for the phrase {region.name} is empty: no pixel of any frame is above 0.5. "
                "Connect the mask of the object it names, or remove this Region Prompt."
            )
        return io.NodeOutput((*regions, region))


class BindRegionPrompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainBindRegionPrompts",
            display_name="Bind Region Prompts",
            category=Category.REGIONS,
            description=(
                "Encodes the global prompt and finds each region's phrase in it. The result is an ordinary CONDITIONING "
                "that also carries the regions: connect it to the sampler's positive input, through ControlNet if you "
                "like. After a run, the node shows every region with its words, its area and what is odd about it."
            ),
            search_aliases=["regional prompt", "attention couple", "CLIP text encode regions", "bind masks"],
            is_output_node=True,  # it can run alone, for a look before sampling
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="What the edited clip shows, all of it, with every region's phrase. Weights as in “(panda:1."
                    "2)”, embeddings and any length work as usual.",
                ),
                Regions.Input("regions", optional=True, tooltip="Chain of Region Prompts; without it, a plain encode."),
                io.Combo.Input(
                    "missing_phrase",
                    options=list(prompts.MISSING),
                    default=prompts.ERROR,
                    optional=True,
                    tooltip="What happens with a phrase that the prompt lacks: stop, or append it to the prompt.",
                ),
                io.Boolean.Input(
                    "encode_phrases_alone",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Replaces each phrase's embedding by that of the phrase alone, so that “a bear” next to “a "
                    "frog” knows nothing of frogs (as the released code does).",
                ),
                io.Image.Input(
                    "frames",
                    optional=True,
                    tooltip="The frames of the clip, to see them under the regions in the overview. The conditioning "
                    "does not depend on them.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning",
                    tooltip="The encoded prompt with its regions, for the sampler's positive.",
                ),
                io.String.Output(
                    display_name="prompt", tooltip="The prompt as it was encoded, appended phrases included."
                ),
                io.Image.Output(
                    display_name="overview",
                    tooltip="One picture of all regions: their masks on some frames, their words in the prompt, their "
                    "area through the clip, and marks where a region is empty, overlaps or vanishes.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, clip, prompt: str, regions=(), missing_phrase: str = prompts.ERROR,
                encode_phrases_alone: bool = True, frames=None) -> io.NodeOutput:  # fmt: skip
        prompts.require_clip(clip, "Bind Region Prompts' `clip`")
        if frames is not None and len(frames) > 1:  # a single frame is for display only
            require_a_mask_a_frame(regions, len(frames), "Bind Region Prompts' `frames` has", REGION_MASK)
        bound, encoded = prompts.bind(clip, prompt, regions, missing_phrase, encode_phrases_alone)
        overview = look(regions, prompt, encoded, None if frames is None else tuple(frames.shape[1:3]))
        top = strip(overview, frames)
        pictures = previews.pictures(top, "regions", max(top.shape[1:3]))
        view = {"strip": pictures[0], "size": [top.shape[2], top.shape[1]], **overview_data(overview)}
        return io.NodeOutput(bound, encoded, overview_picture(overview, top), ui=previews.shown("regions", view))
