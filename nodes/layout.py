"""Attention Layout (K-Means of a clip's attention) and Clusters to Mask."""

from comfy_api.latest import io

from ..videograin.comfyui import previews
from ..videograin.comfyui.progress import watcher
from ..videograin.core.attention_clusters import FEATURES, PER_FRAME, ROWS, SCOPES, describe
from ..videograin.core.cells import cut_like
from ..videograin.features.attention_probe import AUTO, BLOCKS
from ..videograin.jobs.attention_clusters import LayoutSettings, attention_layout
from ..videograin.masks.cluster_choice import chosen_mask, mask_by_colours, parse_choice
from ..videograin.views.cluster_map import picker, picture
from .declared import declared
from .types import Category, Inversion, Layout

PICKER_SIDE = 768  # pixels, longer side of the picture on the node


class AttentionLayout(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainAttentionLayout",
            display_name="Attention Layout (Find Regions)",
            category=Category.REGIONS,
            description=(
                "Finds the clip's own regions without any segmenter: the model looks at the source once more, and K-Means "
                "groups the pixels that its self-attention treats alike. Choose clusters with Clusters to Mask."
            ),
            search_aliases=[
                "Attention Layout (K-Means)",
                "K-Means",
                "clustering",
                "segmentation",
                "unsupervised masks",
                "attention clusters",
            ],
            inputs=[
                io.Model.Input("model", tooltip="The MODEL that DDIM Inversion has, Full-Frame Attention included."),
                Inversion.Input("inversion", tooltip="The source at every noise level, from DDIM Inversion."),
                io.Conditioning.Input("conditioning", tooltip="The source prompt, as in DDIM Inversion."),
                io.Int.Input(
                    "clusters",
                    default=5,
                    min=2,
                    max=32,
                    tooltip="Number of clusters, 2 to 32 (paper: 3). A few more than there are things in the picture.",
                ),
                io.Int.Input(
                    "steps",
                    default=10,
                    min=0,
                    max=1000,
                    tooltip="Noise levels to average over, evenly spaced: one model call each. 0 takes all (paper).",
                ),
                io.Combo.Input(
                    "feature",
                    options=list(FEATURES),
                    default=ROWS,
                    tooltip="What K-Means compares: where each pixel looks (paper), or the hidden states that enter self-"
                    "attention, which are faster to read.",
                ),
                io.Combo.Input(
                    "scope",
                    options=list(SCOPES),
                    default=PER_FRAME,
                    tooltip="“per frame” clusters each frame and matches the numbers from frame to frame; “whole clip” "
                    "clusters all frames together, best for still cameras; “followed” clusters the frame in the middle, and the "
                    "model's keys carry its clusters to the others: steadier than “per frame”.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**31 - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    optional=True,
                    advanced=True,
                    tooltip="Any whole number; where K-Means starts.",
                ),
                io.Combo.Input(
                    "level",
                    options=[AUTO, "1/1", "1/2", "1/4"],
                    default=AUTO,
                    optional=True,
                    advanced=True,
                    tooltip="Attention grid to read, as a share of the latent's. “auto” takes the finest of at most 1024 "
                    "tokens a frame: 1/2 at 512×512, the paper's.",
                ),
                io.Combo.Input(
                    "blocks",
                    options=list(BLOCKS),
                    default="all",
                    optional=True,
                    advanced=True,
                    tooltip="Blocks of the UNet whose attention is read.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.6,
                    min=0.0,
                    max=0.95,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="Share of the noise levels left out at the noisy end, where attention says little; 0 averages "
                    "over all (paper).",
                ),
                io.Int.Input(
                    "blur",
                    default=5,
                    min=1,
                    max=31,
                    step=2,
                    optional=True,
                    advanced=True,
                    tooltip="Box in tokens by which attention rows are blurred before K-Means compares them, so that "
                    "looking at neighbouring places counts as alike. 1 turns it off (paper).",
                ),
                io.Clip.Input("clip", optional=True, tooltip="To name the clusters; needs `prompt` too."),
                io.String.Input(
                    "prompt",
                    default="",
                    optional=True,
                    tooltip="The text of the source prompt, to name the clusters by its words.",
                ),
                io.String.Input(
                    "words",
                    default="",
                    optional=True,
                    tooltip="Words of the prompt that may become names, separated by commas. Empty: all but the small ones.",
                ),
            ],
            outputs=[
                Layout.Output(display_name="layout", tooltip="The clusters, for Clusters to Mask."),
                io.Image.Output(
                    display_name="preview",
                    tooltip="The clusters in colour with their numbers, at the size of the frames.",
                ),
                io.String.Output(
                    display_name="names", tooltip="One line per cluster: number, share of the clip, name."
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, inversion, conditioning, clusters: int, steps: int, feature: str, scope: str, seed: int = 0,
                level: str = AUTO, blocks: str = "all", start_percent: float = 0.6, blur: int = 5, clip=None,
                prompt: str = "", words: str = "") -> io.NodeOutput:  # fmt: skip
        settings = LayoutSettings(
            clusters=clusters,
            steps=steps,
            feature=feature,
            scope=scope,
            seed=seed,
            level=level,
            blocks=blocks,
            start=start_percent,
            blur=blur,
            prompt=prompt,
            words=words,
        )
        found = attention_layout(model, inversion, conditioning, settings, clip)
        return io.NodeOutput(found, picture(found), describe(found))


class ClustersToMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainClustersToMask",
            display_name="Clusters to Mask",
            category=Category.REGIONS,
            description=(
                "Some clusters of an Attention Layout together as one mask per frame, for Region Prompt. After a run, "
                "click them in the picture on the node."
            ),
            search_aliases=["K-Means mask", "cluster mask", "layout to mask", "cluster picker", "click to segment"],
            is_output_node=True,  # it can run alone, for a look before picking
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                Layout.Input("layout", tooltip="From Attention Layout."),
                io.String.Input(
                    "clusters",
                    default="0",
                    tooltip="Numbers or names of clusters, separated by commas, as in “0, 3” or “cat”. With an at sign and "
                    "“(310, 200, 0)” behind it, only the connected part at x 310, y 200 of frame 0, which the picture "
                    "counts as 1; shift-click writes that.",
                ),
                io.Boolean.Input("invert", default=False, optional=True, tooltip="Everything but these clusters."),
                io.Image.Input(
                    "frames",
                    optional=True,
                    tooltip="The frames of the clip, to see them under the clusters while picking, and for `edges`.",
                ),
                io.Boolean.Input(
                    "edges",
                    default=True,
                    optional=True,
                    tooltip="With `frames`: outlines follow the colours of the picture. Off: they follow the grid on which the "
                    "model attends, smoothed.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="1 inside the clusters: one mask per frame, at frame size.")
            ],
        )

    @classmethod
    @declared
    def execute(cls, layout, clusters: str, invert: bool = False, frames=None, edges: bool = True) -> io.NodeOutput:
        if frames is not None and len(frames) != len(layout.labels):
            raise ValueError(
                f"Clusters to Mask's `frames` has {len(frames)} frames, but the layout has {len(layout.labels)}. Connect "
                "the frames that were encoded for the layout, or nothing."
            )
        if frames is not None:
            frames = cut_like(frames, (layout.height, layout.width))
        pictures = [] if frames is None else previews.pictures(frames, "clusters", PICKER_SIDE)
        view = {**picker(layout, clusters, invert), "pictures": pictures}
        try:
            picks = parse_choice(layout, clusters, "Clusters to Mask's `clusters`")
        except ValueError:
            previews.show_before_failing("clusters", view)  # so that the user can pick again
            raise
        if frames is None or not edges:
            mask = chosen_mask(layout, picks, invert)
        else:
            mask = mask_by_colours(layout, picks, frames, watcher(), invert)
        return io.NodeOutput(mask, ui=previews.shown("clusters", view))
