"""What Edit in Chunks refuses before anything is computed: a clip of hundreds of frames is no place to find it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..backbones.base import Need
from ..comfyui.plan import find, records
from ..comfyui.validate import require_family, require_text
from ..core.cells import CELL
from ..core.inversion_record import levels
from ..core.phrase_tokens import binding_of
from ..core.regions import Regions, require_a_mask_a_frame
from ..core.samplers import is_random
from ..features.base import REGION_MASK
from ..features.full_frame import FullFrame
from ..features.st_layout import STLayout

if TYPE_CHECKING:
    from ..comfyui.progress import Notes
    from .chunk_job import Job

NODE = "Edit in Chunks"


def check(job: Job, notes: Notes) -> None:
    """Raises ValueError with what was found, what was expected and the input to change; what does not stop goes to notes."""
    require_family(job.model, NODE, Need.FRAME_BATCH)
    _check_pictures(job)
    for name in ("source", "positive", "negative"):
        require_text(job.model, (text for text, _ in getattr(job, name)), f"{NODE}'s `{name}`")
    _check_cut(job)
    _check_plan(job)
    _check_areas(job)
    if is_random(job.sampler):
        notes.add(
            f"{NODE}'s sampler {job.sampler} adds noise on the way, another for each place in a chunk: anchors, and frames that two chunks "
            "share, differ between chunks, and the source's path is left. Choose a deterministic one such as euler."
        )


def _check_pictures(job: Job) -> None:
    if job.vae is None:
        raise ValueError(f"{NODE}'s `vae` is empty: the loader found none in its checkpoint. Load one with Load VAE.")
    channels = job.model.get_model_object("latent_format").latent_channels
    if (theirs := getattr(job.vae, "latent_channels", channels)) != channels:
        raise ValueError(
            f"{NODE}'s `vae` makes latents of {theirs} channels, but the model's have {channels}. Connect the checkpoint's own."
        )
    if min(job.frames.shape[1:3]) < CELL:
        height, width = job.frames.shape[1:3]
        raise ValueError(f"{NODE}'s `frames` are {width}×{height} pixels; {CELL} a side is the least.")
    if not all(bool(frame.isfinite().all()) for frame in job.frames):
        raise ValueError(f"{NODE}'s `frames` hold NaN or infinite values. Look at the node that made them.")
    if not levels(job.sigmas):
        raise ValueError(
            f"{NODE}'s `scheduler` makes no falling noise levels of so many `steps`: "
            f"{[round(float(s), 3) for s in job.sigmas[:8]]}. Choose another scheduler or more steps."
        )


def _check_cut(job: Job) -> None:
    if job.overlap >= job.length:
        raise ValueError(
            f"{NODE}'s `overlap` ({job.overlap}) must be less than its `chunk_length` ({job.length}), or no chunk would get "
            "any further. A quarter of the length is plenty."
        )
    if job.anchoring:
        job.anchoring.of(len(job.frames))


def _check_plan(job: Job) -> None:
    plan = records(job.model)
    for record in sorted(plan, key=lambda record: record.order):
        if reason := record.uncuttable(NODE):
            raise ValueError(reason)
    full: FullFrame | None = find(plan, FullFrame)
    if job.anchoring and full is not None and full.key_sets.clip_norm:
        raise ValueError(
            f"Full-Frame Attention's `clip_norm` makes an anchor depend on whatever else is in its chunk, and {NODE}'s "
            "anchors must be the same in all. Switch `clip_norm` off, or set `anchors` to 0."
        )
    if job.model.model_options.get("context_handler") is not None:
        raise ValueError(
            f"{NODE}'s `model` runs in context windows, and chunks are windows already. Remove the context window node; "
            "set `chunk_length` to what fits."
        )


def _check_areas(job: Job) -> None:
    frames = len(job.frames)
    areas = [b.regions for _, notes in job.positive if (b := binding_of(notes)) and b.regions]
    for found in areas:
        require_a_mask_a_frame(found, frames, "the latent has", REGION_MASK)
    bound = any(binding_of(notes) for _, notes in job.positive)
    if find(records(job.model), STLayout) is not None and not bound:
        raise ValueError(
            f"{NODE}'s `model` has passed through ST-Layout Attention, but its `positive` brings no regions. Connect the "
            "CONDITIONING of Bind Region Prompts, with Region Prompts in its `regions`."
        )
    if job.blend is not None:
        _check_mask(job, areas)


def _check_mask(job: Job, areas: list[Regions]) -> None:
    frames = len(job.frames)
    if job.mask is None:
        if not areas:
            raise ValueError(
                f"{NODE} has no editable area: its `mask` is not connected, and its `positive` brings no regions. Connect "
                "`mask`, or the CONDITIONING of Bind Region Prompts with regions, or set `blend` to “off”."
            )
        return
    if len(job.mask) not in (1, frames):
        raise ValueError(
            f"{NODE}'s `mask` has {len(job.mask)} masks, but the clip has {frames} frames. Give it one mask, or one for each "
            f"of the {frames} frames."
        )
    if not (job.mask > 0.5).any():
        raise ValueError(
            f"{NODE}'s `mask` is empty: no pixel of any frame is above 0.5, so nothing could change. Connect the mask of "
            "what is to be edited, or set `blend` to “off”."
        )
