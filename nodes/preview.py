"""Preview Seeds: what some seeds would make of one frame, before the clip is edited."""

import json
from math import isnan

import torch
from comfy.samplers import SAMPLER_NAMES, SCHEDULER_NAMES
from comfy_api.latest import io

from ..videograin.comfyui import previews
from ..videograin.jobs.preview_seeds import MIDDLE, Preview, Trial, preview_seeds
from ..videograin.views.preview_sheet import sheet
from .declared import declared
from .types import Category, Regions

SEEDS = 2**53  # of the nodes that a seed goes to
SIDE = 2048  # pixels of the sheet on the node


class PreviewSeeds(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainPreviewSeeds",
            display_name="Preview Seeds",
            category=Category.CHECK,
            description=(
                "Shows what some seeds make of one frame of an edit, in a few steps, before minutes go into the clip. Region "
                "Check's score sorts them, best first; the seed of the one you take goes on to the sampler."
            ),
            search_aliases=["best seed", "seed search", "variations", "seed explorer", "try seeds", "batch seeds"],
            is_output_node=True,  # it can run alone, for a look before sampling
            is_input_list=True,  # a list of masks is one clip
            inputs=[
                io.Model.Input("model", tooltip="The sampler's MODEL, with all that VideoGrain's nodes put on it."),
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint, for the scores."),
                io.Vae.Input("vae", tooltip="The checkpoint's own VAE, for the pictures."),
                io.Conditioning.Input("positive", tooltip="The sampler's."),
                io.Conditioning.Input("negative", tooltip="The sampler's."),
                io.Latent.Input(
                    "latent",
                    tooltip="What the sampler gets as `latent_image`, noise mask included; from inverted noise, before Vary Noise.",
                ),
                Regions.Input(
                    "regions",
                    tooltip="The regions of the edit, from Regions or the last Region Prompt: they are scored.",
                ),
                io.Int.Input(
                    "frame",
                    default=MIDDLE,
                    min=MIDDLE,
                    max=100000,
                    tooltip="The frame that is previewed, from 0; -1 is the middle one. Take one in which the thing is large.",
                ),
                io.Int.Input("variations", default=4, min=1, max=64, tooltip="How many seeds are tried, 1 to 64."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=SEEDS - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="The first seed; the others follow it.",
                ),
                io.Float.Input("cfg", default=7.5, min=0.0, max=100.0, step=0.1, tooltip="As in the sampler."),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="As in the sampler. Inverted noise always starts at the top.",
                ),
                io.Int.Input(
                    "pick",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="The number, on the sheet, of the preview whose seed goes on. 1 has the best score; look, and take another "
                    "if you like it more.",
                ),
                io.Int.Input(
                    "steps",
                    default=6,
                    min=1,
                    max=200,
                    optional=True,
                    advanced=True,
                    tooltip="Sampling steps of a preview, 1 to 200. A few show what the seed makes; more show it more exactly.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=list(SAMPLER_NAMES),
                    default="euler",
                    optional=True,
                    advanced=True,
                    tooltip="As in the sampler.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=list(SCHEDULER_NAMES),
                    default="normal",
                    optional=True,
                    advanced=True,
                    tooltip="As in the sampler. From inverted noise, some of the inversion's own levels are taken.",
                ),
                io.Float.Input(
                    "variation",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Only for edits that start from inverted noise: Vary Noise's `variation`, inside the regions. Without it "
                    "their seeds are all alike.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="pictures", tooltip="The previews, best first."),
                io.Image.Output(
                    display_name="sheet", tooltip="All previews on one sheet, with number, seed and score below each."
                ),
                io.Int.Output(
                    display_name="seed",
                    tooltip="The seed of the one that is picked, for the `seed` of the sampler, or of Vary Noise.",
                ),
                io.String.Output(
                    display_name="scores",
                    tooltip="As JSON, best first: seed, score, and the score of each region; null where it was not checked.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, clip, vae, positive, negative, latent, regions, frame: int, variations: int, seed: int,
                cfg: float, denoise: float, pick: int, steps: int = 6, sampler_name: str = "euler", scheduler: str = "normal",
                variation: float = 0.0) -> io.NodeOutput:  # fmt: skip
        if pick > variations:
            raise ValueError(
                f"Preview Seeds' `pick` is {pick}, but its `variations` are {variations}. Pick a number from 1 to {variations}."
            )
        trial = Trial(
            model, positive, negative, latent, regions, frame, steps, cfg, sampler_name, scheduler, denoise, variation
        )
        seeds = [(seed + number) % SEEDS for number in range(variations)]
        ranked, asked = preview_seeds(trial, clip, vae, seeds)
        pictures = torch.stack([preview.picture for preview in ranked])
        shown = sheet(pictures, [_caption(number, each) for number, each in enumerate(ranked, 1)], pick - 1)
        files = previews.pictures(shown, "previews", SIDE)
        scores = json.dumps([_row(each, asked) for each in ranked], ensure_ascii=False)
        return io.NodeOutput(pictures, shown, ranked[pick - 1].seed, scores, ui={"images": files})


def _caption(number: int, preview: Preview) -> str:
    score = "not checked" if isnan(preview.score) else f"score {preview.score:.2f}"
    return f"{number}: seed {preview.seed}\n{score}"


def _row(preview: Preview, asked: list) -> dict:
    regions = [
        {"words": each.words, "score": _number(score)} for each, score in zip(asked, preview.scores, strict=True)
    ]
    return {"seed": preview.seed, "score": _number(preview.score), "regions": regions}


def _number(score: float) -> float | None:
    return None if isnan(score) else round(score, 4)
