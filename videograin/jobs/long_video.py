"""Edit in Chunks: a long clip edited window by window, with what is held independent of its length.

Each chunk is the clip's windows of frames and the anchors, in the clip's order, as one small clip of its own: encoded,
inverted, edited and blended like any other. With every frame seeing itself and the anchors (VIA), a chunk's frames come
out as they would from the whole clip; with more in the key set, chunks differ a little and overlap for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import comfy.sample
import comfy.samplers
import comfy.utils
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..comfyui import wrappers
from ..comfyui.context_windows import sliced
from ..comfyui.fingerprint import code, fingerprint, weights
from ..comfyui.finite import broken_frames
from ..comfyui.model_identity import model_identity
from ..comfyui.plan import find, records
from ..comfyui.progress import ClipProgress, Notes
from ..comfyui.spill_to_disk import room, told
from ..core.cells import CELL, frames_on_cells, laid_back, padded
from ..core.chunking import Window, joined, windows
from ..features.base import Record
from ..features.latent_blend import Blend
from ..features.via_anchors import Anchors
from ..storage import chunk_file
from . import invert, long_video_checks

FOLDER = "videograin_chunks"  # in ComfyUI's output folder


@dataclass(frozen=True, eq=False)
class Job:
    """One edit of one clip.

    frames: (F, H, W, C). source, positive, negative: CONDITIONING of the whole clip. sigmas: descending. length, overlap:
    frames of a chunk. anchors: their number where the MODEL brings none. mask: (F or 1, H, W), None for the regions.
    blend: one of latent_blend.PATHS, or None. grow, feather, boundary: as in plan.Blend.
    """

    model: ModelPatcher
    vae: object
    frames: Tensor
    source: list
    positive: list
    negative: list
    sigmas: Tensor
    cfg: float
    sampler: str
    seed: int
    refinements: int
    convention: str
    length: int
    overlap: int
    anchors: int
    blend: str | None
    mask: Tensor | None
    grow: int
    feather: int
    boundary: int

    @property
    def cells(self) -> tuple[int, int] | None:
        """(height, width) of the latent that the frames are padded for; None where they need not, or must not.

        A latent that a prompt brings (inpainting, instruct-pix2pix) was cut by VAE Encode, and the clip's must go with it.
        """
        height, width = self.frames.shape[1:3]
        prompts = (*self.source, *self.positive, *self.negative)
        cut = any("concat_latent_image" in notes for _, notes in prompts)
        whole = height % CELL == width % CELL == 0
        return None if cut or whole else (padded(height), padded(width))

    @property
    def anchoring(self) -> Anchors | None:
        """The MODEL's own anchors, else as many as were asked for."""
        there: Anchors | None = find(records(self.model), Anchors)
        found = there or Anchors(self.anchors)
        return None if found.neutral else found

    def result_of(self) -> str:
        """A fingerprint of all that a chunk's latents depend on, besides its window."""
        plan = [record for record in records(self.model) if not isinstance(record, Anchors)]
        return fingerprint(
            code(), model_identity(self.model), plan, self.anchoring, weights(getattr(self.vae, "first_stage_model", None)), self.frames,
            self.source, self.positive, self.negative, self.sigmas, self.cfg, self.sampler, self.seed, self.refinements,
            self.convention, self.blend, self.mask, self.grow, self.feather, self.boundary,
        )  # fmt: skip


def edit_in_chunks(job: Job, graph: list, resume: bool, said: Sequence[str] = ()) -> tuple[Tensor, str]:
    """Edits a clip of any length.

    Args: graph, what is upstream in the graph, from fingerprint.graph_below; resume, whether chunks finished before are
    taken from disk; said, what the user is to know of the prompts.
    Returns (frames (F, H, W, 3) float32, in a file in ComfyUI's temporary folder past 1 GiB; a report).
    Raises ValueError for what does not fit together, before anything is computed.
    """
    notes = Notes()
    long_video_checks.check(job, notes)
    for line in said:
        notes.add(line)
    began, done = time.monotonic(), fingerprint(job.result_of(), graph)
    folder = Path(folder_paths.get_output_directory()) / FOLDER / done
    cuts = windows(len(job.frames), job.length, job.overlap)
    progress, kept = ClipProgress(job.model, len(cuts), 2 * (len(job.sigmas) - 1), notes), []
    results = _results(job, cuts, folder, done, resume, progress, kept)
    clip, filled = None, 0
    for latents in joined(cuts, results):
        pixels = job.vae.decode(latents)
        pixels = pixels.reshape(-1, *pixels.shape[-3:])
        if broken := broken_frames(pixels):
            raise ValueError(
                f"{long_video_checks.NODE}'s `vae` decodes frame {filled + broken[0]} (from 0) to NaN or infinite values, though its "
                "latent is sound. Start ComfyUI with --fp32-vae, or connect another VAE, and run again: finished chunks are kept."
            )
        pixels = laid_back(pixels, job.frames[filled : filled + len(pixels)])
        clip = _room((len(job.frames), *pixels.shape[1:])) if clip is None else clip
        clip[filled : filled + len(pixels)] = pixels
        filled += len(pixels)
    return clip, _report(job, cuts, kept, folder, time.monotonic() - began)


def _results(
    job: Job, cuts: list[Window], folder: Path, done: str, resume: bool, progress: ClipProgress, kept: list[Window]
) -> Iterator[Tensor]:
    """The latents of each window in turn, from disk or made now; what came from disk is noted in `kept`."""
    for number, window in enumerate(cuts):
        path = chunk_file.path_of(folder, window)
        latents = _finished(path, done, window, progress.notes) if resume else None
        if latents is None:
            progress.begin(number)
            latents = edit_chunk(job, window, progress)
            with told(
                f"Edit in Chunks keeps finished chunks in ComfyUI's output/{FOLDER} folder",
                "Free space there and run again: those before are kept.",
            ):
                chunk_file.write(path, latents, done, window)
        else:
            kept.append(window)
        yield latents


def _finished(path: Path, done: str, window: Window, notes: Notes) -> Tensor | None:
    if not path.exists():
        return None
    try:
        return chunk_file.read(path, done, window)
    except ValueError as error:
        notes.add(f"Edit in Chunks makes frames {window.start} to {window.stop - 1} anew: {error}.")
        return None


def edit_chunk(job: Job, window: Window, progress: ClipProgress) -> Tensor:
    """The edited latents of one window, (frames, C, h, w) on the CPU."""
    total, anchoring = len(job.frames), job.anchoring
    anchors = anchoring.of(total) if anchoring else ()
    batch = sorted({*range(window.start, window.stop), *anchors})
    own = [batch.index(frame) for frame in range(window.start, window.stop)]
    progress.shown = own[0]

    places = tuple(batch.index(frame) for frame in anchors)
    model = wrappers.with_plan(job.model, _plan(job.model, anchoring and replace(anchoring, count=0, frames=places)))
    frames = job.frames[batch][..., :3]
    latent = {"samples": job.vae.encode(frames if job.cells is None else frames_on_cells(frames, job.cells))}
    source, positive, negative = (sliced(c, batch, total, job.cells) for c in (job.source, job.positive, job.negative))
    noise, inversion = invert.invert(
        model, source, latent, job.sigmas, job.convention, job.refinements,
        on_step=progress.phase("inverting"), notes=progress.notes, numbers=batch,
    )  # fmt: skip
    if job.blend is not None:
        mask = job.mask if job.mask is None or len(job.mask) == 1 else job.mask[batch]
        model = wrappers.add(
            model,
            Blend(job.blend, inversion, inversion.source, mask, job.grow, job.feather, 0.0, 1.0, boundary=job.boundary),
        )
    edited = comfy.sample.sample_custom(
        wrappers.noting(model, progress.notes), torch.zeros_like(noise["samples"]), job.cfg, comfy.samplers.sampler_object(job.sampler), job.sigmas,
        positive, negative, noise["samples"], callback=progress.phase("editing"),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED, seed=job.seed,
    )  # fmt: skip
    return edited[own].cpu()


def _plan(model: ModelPatcher, anchors: Anchors | None) -> tuple[Record, ...]:
    """The MODEL's plan with these anchors, numbered within the chunk, in place of its own."""
    rest = tuple(record for record in records(model) if not isinstance(record, Anchors))
    return rest if anchors is None else (*rest, anchors)


def _room(shape: tuple[int, ...]) -> Tensor:
    fix = "Free space there and run again: finished chunks are kept."
    return room(shape, torch.float32, "The edited clip", fix)


def _report(job: Job, cuts: list[Window], kept: list[Window], folder: Path, seconds: float) -> str:
    frames, height, width = job.frames.shape[:3]
    anchors = job.anchoring.of(frames) if job.anchoring else ()
    made = [window for window in cuts if window not in kept]
    batched = sum(len({*range(*window), *anchors}) for window in made)
    fresh = len({frame for window in made for frame in range(*window)})
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
    lines = [
        f"{frames} frames of {width}×{height} in {len(cuts)} chunks of up to {job.length} frames",
        f"anchors: {', '.join(map(str, anchors)) or 'none'}",
        f"edited now: {len(made)} chunks in {seconds:.1f} s",
        f"taken from disk: {len(kept)} chunks",
    ]
    if fresh:
        lines[2] += (
            f", {seconds / fresh:.2f} s a frame; with overlap and anchors the model saw {batched / fresh:.2f} per frame"
        )
    return "\n".join([*lines, f"kept in output/{FOLDER}/{folder.name} ({size:.1f} MB); delete it when you are done"])
