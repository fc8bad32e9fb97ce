"""Split Instances: one mask of several things becomes a mask for each."""

import torch
from comfy_api.latest import io

from ..videograin.comfyui import previews
from ..videograin.comfyui.optical_flow import dis_between
from ..videograin.comfyui.progress import tell
from ..videograin.core.cells import cut_like, on_cells
from ..videograin.core.regions import frame_masks
from ..videograin.jobs.split_instances import split_by_model
from ..videograin.masks.split_instances import LEFT_TO_RIGHT, ORDERS, Apart, apart, split
from ..videograin.views import instance_list
from .declared import declared
from .looking import as_inverted, require_one, shown
from .types import Category, Inversion

NODE = "Split Instances"
ENLARGE = 2  # as in Track Regions
ALIKE = "The model cannot tell these things apart: they look alike to it. They were followed by their motion instead."
MOST = 4  # things, each with an output of its own
THUMBNAIL_SIDE = 160  # pixels


class SplitInstances(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainSplitInstances",
            display_name="Split Instances",
            category=Category.REGIONS,
            description=(
                "Tells the things in one mask apart and follows each through the clip, so that “both cars” becomes the "
                "left one and the right one. They must be apart in at least one frame. With a MODEL, things that cross or hide "
                "keep their number if they look different; without, each pixel goes to the thing expected nearest where they touch."
            ),
            search_aliases=[
                "connected components",
                "instance segmentation",
                "separate masks",
                "left and right",
                "track",
            ],
            is_output_node=True,  # it can run alone, for a look before binding
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Mask.Input(
                    "mask",
                    tooltip="One mask per frame that covers all the things, from Clusters to Mask or any segmenter; above "
                    "0.5 is inside.",
                ),
                io.Int.Input("instances", default=2, min=1, max=MOST, tooltip="How many things there are, 1 to 4."),
                io.Combo.Input(
                    "order",
                    options=list(ORDERS),
                    default=LEFT_TO_RIGHT,
                    tooltip="Which thing is the first: as they stand in the frame that shows them best apart, or by size.",
                ),
                io.String.Input(
                    "names",
                    default="",
                    optional=True,
                    tooltip="What to call them in the rows and the report, in their order, separated by commas.",
                ),
                io.Image.Input(
                    "frames",
                    optional=True,
                    tooltip="The frames of the clip, to follow fast things by their motion (OpenCV's optical flow) and to "
                    "show them. Without it a thing is expected where it was.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The MODEL that will edit the clip, to tell the things apart by what it sees, as Track Regions does: "
                    "things that cross or hide keep their number. If they look alike to it, it does not help. Needs `frames`, and `vae` or `inversion`.",
                ),
                io.Vae.Input(
                    "vae", optional=True, tooltip="With `model`: the VAE of the checkpoint; not with an `inversion`."
                ),
                Inversion.Input(
                    "inversion",
                    optional=True,
                    tooltip="With `model`, in place of `vae`: the clip inverted with this checkpoint, seen on its own path. It "
                    "saves the encoding; the frames must be those it was made from.",
                ),
            ],
            outputs=[
                *(
                    io.Mask.Output(
                        f"instance_{number}",
                        display_name=f"instance_{number}",
                        tooltip=f"1 inside thing {number}: one mask per frame. Empty if fewer were asked for.",
                    )
                    for number in range(1, MOST + 1)
                ),
                io.Image.Output("preview", display_name="preview", tooltip="The things in colour, at the masks' size."),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="One line per thing: number, name, share of the frame from least to most.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, mask, instances: int, order: str, names: str = "", frames=None, model=None, vae=None,
                inversion=None) -> io.NodeOutput:  # fmt: skip
        _require_together(model, frames, vae, inversion)
        mask, frames = _fitted(frame_masks(mask).cpu() > 0.5, frames, inversion)
        start = _apart(mask, instances)
        found = None
        if model is not None:
            clip = shown(NODE, model, vae, inversion, frames, ENLARGE)
            found = split_by_model(model, clip, frames, mask, start, order)
        alike = model is not None and found is None
        if found is None:
            found = split(mask, start, order, None if frames is None else dis_between(frames))
        titles = instance_list.titles(names, instances)
        report = instance_list.report(found, titles)
        if alike:
            report += f"\n{ALIKE}"
            tell(ALIKE)  # it stays on the node
        masks = [*found.float(), *[torch.zeros_like(found[0]).float()] * (MOST - instances)]
        view = previews.shown("instances", {"rows": _rows(found, titles, frames)})
        return io.NodeOutput(*masks, instance_list.coloured(found), report, ui=view)


def _fitted(mask, frames, inversion):
    """Mask and frames as one clip, at the inversion's size if there is one."""
    if inversion is not None:
        mask = on_cells(mask, tuple(inversion.source.shape[-2:]))
    if frames is not None:
        frames = cut_like(frames, tuple(mask.shape[1:]))
    if frames is not None and frames.shape[:3] != mask.shape:
        raise ValueError(
            f"Split Instances' `frames` are {_size(frames)}, but its `mask` is {_size(mask)}. Connect the frames that "
            "the mask was made from, or nothing."
        )
    if inversion is not None:
        as_inverted(NODE, frames, inversion)
    return mask, frames


def _rows(found, titles: list[str], frames) -> list[dict]:
    pictures = [
        previews.pictures(instance_list.portrait(thing, frames), "instance", THUMBNAIL_SIDE)[0] for thing in found
    ]
    return [{**row, "picture": each} for row, each in zip(instance_list.rows(found, titles), pictures, strict=True)]


def _require_together(model, frames, vae, inversion) -> None:
    if model is None:
        for name, value in (("vae", vae), ("inversion", inversion)):
            if value is not None:
                raise ValueError(f"{NODE} has `{name}` but no `model`. Connect the MODEL too, or take `{name}` out.")
        return
    if frames is None:
        raise ValueError(f"{NODE} has a `model` but no `frames` to show it. Connect the frames the mask was made from.")
    require_one(NODE, model, vae, inversion)


def _apart(mask, instances: int) -> Apart:
    try:
        return apart(mask, instances)
    except ValueError as error:
        raise ValueError(
            f"Split Instances: {error}. Lower `instances`, or give a `mask` in which the things come apart at least once."
        ) from error


def _size(clip) -> str:
    return f"{clip.shape[0]} of {clip.shape[2]}×{clip.shape[1]} pixels"
