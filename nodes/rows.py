"""Regions: the things of a clip in rows, each marked, with what it is and what it becomes."""

import time

from comfy_api.latest import io

from ..videograin.comfyui import clip_file, demo_graph, previews
from ..videograin.comfyui.follow_marks import follow_marks
from ..videograin.comfyui.progress import Notes
from ..videograin.comfyui.validate import logger
from ..videograin.core.regions import Region, frame_masks
from ..videograin.core.scene import Row, read_rows, told
from ..videograin.jobs.follow_marks_by_model import follow_marks_by_model
from ..videograin.masks.doubles import doubles
from ..videograin.masks.doubts import told as doubts_told
from ..videograin.masks.grabcut import marked_masks
from ..videograin.masks.marks import Mark, parse_marks
from ..videograin.masks.track_report import SURE_OF_ALL, remark
from ..videograin.views.spotlight import spotlight
from .declared import declared
from .marks import PICKER_SIDE
from .types import Category
from .types import Regions as RegionsType

MASKS = tuple(f"mask_{number}" for number in range(1, 7))  # a row's mask from another node, in place of its marks


class Regions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainRegions",
            display_name="Regions",
            category=Category.START,
            description=(
                "The things of the clip that change, one row each: mark it, write what it is and what it becomes. Makes the "
                "regions and both prompts, so that nothing is typed twice."
            ),
            search_aliases=[
                "replace object in video",
                "edit video",
                "mask video",
                "click to segment",
                "box to mask",
                "regional prompt",
            ],
            is_output_node=True,  # it can run alone, for a look before marking
            is_input_list=True,  # a list of masks or frames is one clip
            hidden=[io.Hidden.prompt],
            inputs=[
                io.Image.Input("frames", tooltip="The frames of the clip."),
                io.String.Input(
                    "rows",
                    default="",
                    socketless=True,
                    tooltip="The rows of the table on the node, as JSON: for each thing what it is, what it becomes, and its "
                    "marks as Points to Region takes them.",
                ),
                io.String.Input(
                    "scene",
                    default="",
                    optional=True,
                    tooltip="The whole picture in words, such as “a wolf and a pig in the snow”, with every thing's words as in its "
                    "row. Empty: the things alone, “a wolf and a pig”.",
                ),
                *(
                    io.Mask.Input(
                        name,
                        optional=True,
                        tooltip=f"A mask for row {number} from another node, such as SAM 3, in place of its marks: one, or one "
                        "for every frame.",
                    )
                    for number, name in enumerate(MASKS, 1)
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The MODEL that will edit the clip: it then follows what is marked, and finds things again that were "
                    "hidden. It looks at each frame once, which takes seconds a frame on a CPU. Needs `vae`.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="The checkpoint's own VAE, for `model`."),
            ],
            outputs=[
                RegionsType.Output(
                    display_name="regions",
                    tooltip="One region for each row, for Bind Region Prompts and whatever else takes regions.",
                ),
                io.String.Output(
                    display_name="source_prompt", tooltip="What the clip shows now, for the prompt of the inversion."
                ),
                io.String.Output(
                    display_name="edited_prompt",
                    tooltip="What the edited clip shows, for Bind Region Prompts. It has every row's words.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, rows=(), **inputs) -> str:
        """With nothing marked it runs each time: ComfyUI would keep the stopped run, and the next would end without a word."""
        marked = any(row.marks for text in rows for row in _readable(text)) or any(name in inputs for name in MASKS)
        return "" if marked else str(time.time())

    @classmethod
    @declared
    def execute(cls, frames, rows: str, scene: str = "", mask_1=None, mask_2=None, mask_3=None, mask_4=None, mask_5=None,
                mask_6=None, model=None, vae=None) -> io.NodeOutput:  # fmt: skip
        try:
            given = read_rows(rows)
        except ValueError as error:
            raise ValueError(f"Regions' `rows` is no list of rows: {error}. Fill in the table on the node.") from error
        sockets = (mask_1, mask_2, mask_3, mask_4, mask_5, mask_6)
        masks = {number: mask for number, mask in enumerate(sockets, 1) if mask is not None}
        filled = [row for row in given if not row.blank or row.number in masks]
        prompt = cls.hidden and cls.hidden.prompt
        clip = clip_file.settings_of(prompt)
        if not masks and not any(row.marks for row in given):  # a first look
            ui = previews.shown("rows", _view(frames, given, clip))
            return io.NodeOutput(None, None, None, ui=ui, block_execution=_unmarked(filled[0].number if filled else 1))
        try:
            _require_rows(masks, given)
            _require_both(model, vae)
            words = told(scene, filled)
            notes = Notes()
            phrases = [(row.number, text) for row in filled for text in (row.thing, row.becomes)]
            for line in demo_graph.remarks(prompt, phrases):
                logger.warning(line)  # the table on the node says it by itself
            areas = _areas(frames, words.rows, masks, notes, model, vae)
        except ValueError:
            previews.show_before_failing("rows", _view(frames, given, clip))
            raise
        pairs = [(words.rows[a].number, words.rows[b].number, share) for a, b, share in doubles(areas)]
        for one, other, share in pairs:
            notes.add(f"Rows {one} and {other} cover the same pixels ({share:.0%}).")
        regions = tuple(Region(area, row.phrase, was=row.thing) for area, row in zip(areas, words.rows, strict=True))
        ui = previews.shown("rows", _view(frames, given, clip, areas, pairs))
        return io.NodeOutput(regions, words.source, words.edited, ui=ui)


def _readable(text) -> list[Row]:
    try:
        return read_rows(text)
    except (ValueError, AttributeError):  # no list of rows, or a link's text: the run tells
        return []


def _unmarked(number: int) -> str:
    return (
        f"Row {number}: the thing is not marked. Choose the row's Mark on Regions, then draw a box around the thing in the "
        f"picture, or connect `mask_{number}`."
    )


def _unfound(number: int) -> str:
    return f"Row {number}: nothing was found at its marks. Draw a box around the whole thing."


def _require_rows(masks: dict, rows: list[Row]) -> None:
    """Check that each mask has its row."""
    for number in masks:
        if number > len(rows):
            raise ValueError(
                f"Row {number}: Regions' `mask_{number}` is connected, but there are {len(rows)} rows. Add the row, or take the "
                "link out."
            )


def _require_both(model, vae) -> None:
    """Check that `model` and `vae` are connected both or not at all."""
    if (model is None) != (vae is None):
        given, missing = ("model", "vae") if vae is None else ("vae", "model")
        raise ValueError(
            f"Regions has a `{given}` but no `{missing}`, and follows things by the model only with both. Connect the "
            f"checkpoint's {missing.upper()} to `{missing}`, or take the link out of `{given}`."
        )


def _areas(frames, rows: tuple[Row, ...], masks: dict, notes: Notes, model, vae) -> list:
    """Each row's mask, (frames or 1, H, W); where rows lack one, that is told before any is tracked."""
    count, height, width = frames.shape[:3]
    marks, areas = {}, {}
    for row in rows:
        if row.number in masks:
            areas[row.number] = _connected(row.number, masks[row.number], count)
            continue
        if not row.marks:
            raise ValueError(_unmarked(row.number))
        try:
            marks[row.number] = parse_marks(row.marks, count, height, width)
        except ValueError as error:
            raise ValueError(f"Row {row.number}: {error}.") from error
    if marks:
        areas |= _followed(frames, marks, notes) if model is None else _followed_by(model, vae, frames, marks, notes)
    return [areas[row.number] for row in rows]


def _followed(frames, marks: dict[int, list[Mark]], notes: Notes) -> dict:
    """The marked rows' masks, by their numbers; by optical flow, one after the other."""
    found = {}
    for number, each in marks.items():
        masks, doubts = follow_marks(frames, each)
        if not masks.any():
            raise ValueError(_unfound(number))
        found[number] = masks.float()
        if doubts:
            notes.add(doubts_told(doubts, len(frames), f"Row {number}"))
    return found


def _followed_by(model, vae, frames, marks: dict[int, list[Mark]], notes: Notes) -> dict:
    """The marked rows' masks, by their numbers; by the model, all at once."""
    starts = {number: marked_masks(frames, each) for number, each in marks.items()}
    for number, known in starts.items():
        if not known:
            raise ValueError(_unfound(number))
    found = follow_marks_by_model(model, vae, frames, list(marks.values()), list(starts.values()), "Regions")
    for number, masks, confidence in zip(marks, *found, strict=True):
        if line := remark(f"Row {number}", masks, confidence, tuple(starts[number])):
            notes.add(line)
    if not notes.lines:
        notes.tell(f"All rows: {SURE_OF_ALL}")  # it stays on the node
    return dict(zip(marks, found.masks.float(), strict=True))


def _connected(number: int, mask, count: int):
    """A row's mask from another node, (frames or 1, H, W)."""
    area = frame_masks(mask).cpu()
    if len(area) not in (1, count):
        raise ValueError(
            f"Row {number}: `mask_{number}` has {len(area)} masks, but the clip {count} frames. Give it one mask, or one for "
            f"each of the {count} frames."
        )
    if not (area > 0.5).any():
        raise ValueError(
            f"Row {number}: `mask_{number}` is empty: no pixel of any frame is above 0.5. Connect the mask of the thing, or "
            "take the link out and mark it."
        )
    return area


def _view(frames, rows: list[Row], clip: list | None, areas=(), pairs=()) -> dict:
    """The data of the picture on the node, dimmed outside the masks of its own size. clip: from clip_file.settings_of."""
    size = tuple(frames.shape[1:3])
    inside = None
    for area in areas:
        if tuple(area.shape[-2:]) == size:
            part = (area > 0.5).expand(len(frames), -1, -1)
            inside = part if inside is None else inside | part
    return {
        "size": [size[1], size[0]],
        "pictures": previews.pictures(spotlight(frames, inside), "rows", PICKER_SIDE),
        "clip": clip,
        "marks": [row.marks for row in rows],
        "doubles": [list(pair) for pair in pairs],
    }
