"""Track Regions: things marked in one or a few frames are followed by the model itself."""

import torch
from comfy_api.latest import io

from ..videograin.comfyui.progress import tell
from ..videograin.core.cells import CELL, on_cells
from ..videograin.core.frame_numbers import parse_frames
from ..videograin.core.label_propagation import Settings
from ..videograin.core.regions import fitted, frame_masks
from ..videograin.jobs.track_regions import Known, track, with_rooms
from ..videograin.masks.room import parse_rooms
from ..videograin.masks.track_report import report
from ..videograin.views.instance_list import over
from .declared import declared
from .looking import as_inverted, require_one, shown
from .types import Category, Inversion

NODE = "Track Regions"
MOST = 4  # regions, each with an output of its own
SHARED = Settings()


class TrackRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainTrackRegions",
            display_name="Track Regions",
            category=Category.REGIONS,
            description=(
                "Masks of one frame become masks of all frames: the model that edits the clip looks at it once, and tells "
                "by what it sees where each thing has gone. Things that hide are found again; things that pass each other "
                "keep their number. No other model is needed."
            ),
            search_aliases=[
                "video object segmentation",
                "mask propagation",
                "mask tracking",
                "follow mask",
                "SAM 2",
                "Cutie",
                "XMem",
            ],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Model.Input("model", tooltip="The MODEL that will edit the clip. Each frame is shown to it alone."),
                io.Image.Input("frames", tooltip="The frames of the clip."),
                *(
                    io.Mask.Input(
                        f"mask_{number}",
                        optional=number > 1,
                        tooltip=f"Thing {number} in the marked frames: a mask for each of them, or for each frame of the clip, of "
                        "which only those are read. Empty where it is out of sight.",
                    )
                    for number in range(1, MOST + 1)
                ),
                io.String.Input(
                    "marked_frames",
                    default="0",
                    tooltip="The frames that the masks are of, counted from 0, with commas: “0” or “0, 24”.",
                ),
                io.Int.Input(
                    "enlarge",
                    default=2,
                    min=1,
                    max=2,
                    tooltip="How many times as large the model sees the frames. 2 is better for small things and edges, and takes "
                    "four times as long or more. An `inversion` is seen as it is.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="The VAE of the checkpoint; not with an `inversion`."),
                Inversion.Input(
                    "inversion",
                    optional=True,
                    tooltip="In place of `vae`: the clip inverted with this checkpoint, seen on its own path. It saves the "
                    "encoding; the frames must be those it was made from.",
                ),
                io.Conditioning.Input(
                    "conditioning", optional=True, tooltip="A prompt for the look. It changes little, and needs none."
                ),
                io.Int.Input(
                    "recent",
                    default=SHARED.recent,
                    min=0,
                    max=16,
                    optional=True,
                    advanced=True,
                    tooltip="Frames remembered besides the marked ones, for things that turn, bend or come nearer; a frame that "
                    "is not sure is not remembered. 0 compares with the marked frames alone.",
                ),
                io.String.Input(
                    "rooms",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="Masks that are room for what is not there yet, such as a hat, and the thing that each moves with: "
                    "“2:1” moves mask 2 with thing 1. There is nothing in them that could be followed.",
                ),
            ],
            outputs=[
                *(
                    io.Mask.Output(
                        f"tracked_{number}",
                        display_name=f"mask_{number}",
                        tooltip=f"1 inside thing {number}: one mask per frame. Empty if it was not given.",
                    )
                    for number in range(1, MOST + 1)
                ),
                io.Image.Output("preview", display_name="preview", tooltip="The things in colour over the frames."),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="For each thing, the frames in which it is not seen or not sure, and where a mark helps most.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, frames, mask_1, marked_frames: str = "0", enlarge: int = 2, mask_2=None, mask_3=None,
                mask_4=None, vae=None, inversion=None, conditioning=None, recent: int = SHARED.recent,
                rooms: str = "") -> io.NodeOutput:  # fmt: skip
        marked = _marked(marked_frames, len(frames))
        given = {n: mask for n, mask in enumerate((mask_1, mask_2, mask_3, mask_4), 1) if mask is not None}
        pairs = parse_rooms(rooms, "Track Regions' `rooms`", given)
        require_one(NODE, model, vae, inversion)
        if inversion is not None:
            frames = as_inverted(NODE, frames, inversion)
        marks = {n: dict(zip(marked, _mask(n, mask, marked, frames), strict=True)) for n, mask in given.items()}
        clip = shown(NODE, model, vae, inversion, frames, enlarge)
        things = [n for n in given if n not in pairs]
        found = track(model, clip, frames, Known([marks[n] for n in things]), Settings(recent=recent), conditioning)
        found = with_rooms(found, things, marks, pairs, frames) if pairs else found
        outputs = dict(zip(given, found.masks.float(), strict=True))
        empty = torch.zeros(frames.shape[:3])
        text = report(found.masks, found.confidence, marked, list(given))
        tell(text)  # it stays on the node
        return io.NodeOutput(*(outputs.get(n, empty) for n in range(1, MOST + 1)), over(found.masks, frames), text)


def _marked(text: str, count: int) -> tuple[int, ...]:
    marked = parse_frames(text, "Track Regions' `marked_frames`", most=count) or (0,)
    if marked[-1] >= count:
        raise ValueError(
            f"Track Regions' `marked_frames` names frame {marked[-1]}, but the clip's frames are numbered 0 to {count - 1}."
        )
    return marked


def _mask(number: int, mask, marked: tuple[int, ...], frames):
    """One thing's masks in the marked frames, (marked, H, W), at the frames' size."""
    mask, count = frame_masks(mask).cpu().float(), len(frames)
    if len(mask) not in (len(marked), count):
        raise ValueError(
            f"Track Regions' `mask_{number}` has {len(mask)} masks. Give one for each of the {len(marked)} `marked_frames`, or "
            f"one for each of the {count} frames."
        )
    if len(mask) != len(marked):
        mask = mask[list(marked)]
    height, width = frames.shape[1:3]
    if height % CELL == width % CELL == 0:
        mask = on_cells(mask, (height // CELL, width // CELL))
    mask = fitted(mask, height, width)
    if not (mask > 0.5).any():
        raise ValueError(
            f"Track Regions' `mask_{number}` is empty in the marked {'frame' if len(marked) == 1 else 'frames'} "
            f"{', '.join(map(str, marked))}: no pixel is above 0.5. Mark the thing there, or name other `marked_frames`."
        )
    return mask
