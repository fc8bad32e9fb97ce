"""Region Check: regions of a finished edit that do not show what was asked."""

import json
from math import isnan, nan

import torch
from comfy_api.latest import io

from ..videograin.backbones.base import Need
from ..videograin.comfyui.progress import Notes
from ..videograin.comfyui.validate import require_family
from ..videograin.core.region_presence import LIMIT, doubted, verdict
from ..videograin.jobs.region_check import Checked, check
from ..videograin.views.doubt_marks import marked
from .declared import declared
from .types import Category, Regions

GREY = 0.6  # of a clip without frames


class RegionCheck(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainRegionCheck",
            display_name="Region Check",
            category=Category.CHECK,
            description=(
                "Says after the sampler which regions look empty or wrong, and in which frames. The model that edited the "
                "clip is asked: do a region's own words explain it better than no words?"
            ),
            search_aliases=["quality check", "empty region", "failed edit", "verify edit", "best seed", "score"],
            is_output_node=True,  # it can stand at the end of a branch
            is_input_list=True,  # a list of frames is one clip
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The checkpoint's MODEL, or the sampler's: what VideoGrain's nodes put on it does not act here.",
                ),
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint."),
                io.Latent.Input("latent", tooltip="The finished clip, from the sampler."),
                Regions.Input(
                    "regions",
                    tooltip="The regions of the edit, from Regions or the last Region Prompt. One that was to stay as it is, or is most of the picture, is not checked.",
                ),
                io.Image.Input(
                    "frames",
                    optional=True,
                    tooltip="The edited frames, from VAE Decode, for the picture. Nothing else depends on them.",
                ),
                io.Float.Input(
                    "limit",
                    default=LIMIT,
                    min=-1.0,
                    max=10.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="The score below which a region is doubted. Higher finds more, and calls more that are right. It was "
                    "chosen on the demo model.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The clip, unchanged."),
                io.String.Output(
                    display_name="report",
                    tooltip="A line for each region: right, or the frames in which it is doubted.",
                ),
                io.Image.Output(
                    display_name="picture",
                    tooltip="The clip, with an outline and a number where a region is doubted; grey without `frames`.",
                ),
                io.Float.Output(
                    display_name="share",
                    tooltip="The share of what was checked that is not doubted, 0 to 1, over regions and frames; NaN if nothing was.",
                ),
                io.String.Output(
                    display_name="scores",
                    tooltip="The scores as JSON: for each region its words and one number a frame, null where it was not checked.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, clip, latent, regions, frames=None, limit: float = LIMIT) -> io.NodeOutput:
        require_family(model, "Region Check", Need.FRAME_BATCH)
        _require(latent, regions, frames)
        notes = Notes()
        found = check(model, clip, latent["samples"], regions, notes)
        doubts = [doubted(scores, limit) for scores in found.scores]
        lines = [verdict(n, *each, limit) for n, each in enumerate(zip(found.questions, found.scores, strict=True), 1)]
        for text, where in zip(lines, doubts, strict=True):
            if where:
                notes.add(text)
        report = "\n".join(lines)
        notes.tell(*(text for text, where in zip(lines, doubts, strict=True) if not where))  # it stays on the node
        shown = torch.full((*found.masks.shape[1:], 3), GREY) if frames is None else frames
        return io.NodeOutput(latent, report, marked(shown, found.masks, doubts), _share(found, limit), _json(found))


def _require(latent: dict, regions, frames) -> None:
    if not regions:
        raise ValueError("Region Check's `regions` is empty. Connect those of Regions, or of the last Region Prompt.")
    count = len(latent["samples"])
    if frames is not None and len(frames) != count:
        raise ValueError(
            f"Region Check's `frames` are {len(frames)}, but its `latent` has {count}. Connect the frames that VAE Decode makes "
            "of this latent."
        )


def _share(found: Checked, limit: float) -> float:
    """The share of region-frames that are not doubted."""
    judged = [score for scores in found.scores for score in scores if not isnan(score)]
    return sum(score >= limit for score in judged) / len(judged) if judged else nan


def _json(found: Checked) -> str:
    rows = [
        {
            "region": number,
            "words": asked.words,
            "scores": [None if isnan(score) else round(score, 4) for score in scores],
        }
        for number, (asked, scores) in enumerate(zip(found.questions, found.scores, strict=True), 1)
    ]
    return json.dumps(rows, ensure_ascii=False)
