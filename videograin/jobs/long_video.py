"""Edit in Chunks: a long clip edited window by window, with what is held independent of its length.

Each chunk is the clip's windows of frames and the anchors, in the clip's order, as one small clip of its own: encoded,
inverted, edited and blended like any other. With every frame seeing itself and the anchors (VIA), a chunk's frames come
out as they would from the whole clip; with more in the key set, chunks differ a little and overlap for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
from ..comfyui.fingerprint import fingerprint
from ..comfyui.finite import broken_frames
from ..comfyui.plan import records
from ..comfyui.progress import ClipProgress, Notes
from ..comfyui.spill_to_disk import allocate, explained
from ..core.cells import frames_on_cells, put_back
from ..core.chunking import Window, joined, windows
from ..features.base import Record
from ..features.latent_blend import Blend
from ..features.via_anchors import Anchors
from ..storage import chunk_file
from . import invert, long_video_checks
from .chunk_job import Job

FOLDER = "videograin_chunks"  # in ComfyUI's output folder


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
    progress = ClipProgress(job.model, len(cuts), 2 * (len(job.sigmas) - 1), notes)
    finished = _Finished(folder, done, resume)
    results = _results(job, cuts, finished, progress)
    clip, filled = None, 0
    for latents in joined(cuts, results):
        pixels = job.vae.decode(latents)
        pixels = pixels.reshape(-1, *pixels.shape[-3:])
        if broken := broken_frames(pixels):
            raise ValueError(
                f"{long_video_checks.NODE}'s `vae` decodes frame {filled + broken[0]} (from 0) to NaN or infinite values, though its "
                "latent is sound. Start ComfyUI with --fp32-vae, or connect another VAE, and run again: finished chunks are kept."
            )
        pixels = put_back(pixels, job.frames[filled : filled + len(pixels)])
        clip = _allocate((len(job.frames), *pixels.shape[1:])) if clip is None else clip
        clip[filled : filled + len(pixels)] = pixels
        filled += len(pixels)
    return clip, _report(job, cuts, finished, time.monotonic() - began)


class _Finished:
    """The chunks of one work on disk. folder: theirs. done: the work's fingerprint. resume: whether they are taken from there."""

    def __init__(self, folder: Path, done: str, resume: bool):
        self.folder, self.done, self.resume = folder, done, resume
        self.taken: list[Window] = []

    def read(self, window: Window, notes: Notes) -> Tensor | None:
        path = chunk_file.path_of(self.folder, window)
        if not self.resume or not path.exists():
            return None
        try:
            latents = chunk_file.read(path, self.done, window)
        except ValueError as error:
            notes.add(f"Edit in Chunks makes frames {window.start} to {window.stop - 1} anew: {error}.")
            return None
        self.taken.append(window)
        return latents

    def write(self, window: Window, latents: Tensor) -> None:
        need = f"Edit in Chunks keeps finished chunks in ComfyUI's output/{FOLDER} folder"
        with explained(need, "Free space there and run again: those before are kept."):
            chunk_file.write(chunk_file.path_of(self.folder, window), latents, self.done, window)


def _results(job: Job, cuts: list[Window], finished: _Finished, progress: ClipProgress) -> Iterator[Tensor]:
    """The latents of each window in turn, from disk or made now."""
    for number, window in enumerate(cuts):
        latents = finished.read(window, progress.notes)
        if latents is None:
            progress.begin(number)
            latents = edit_chunk(job, window, progress)
            finished.write(window, latents)
        yield latents


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
        model, source, latent, job.sigmas, invert.Method(job.convention, job.refinements),
        invert.Reporting(progress.notes, progress.phase("inverting"), batch),
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


def _allocate(shape: tuple[int, ...]) -> Tensor:
    fix = "Free space there and run again: finished chunks are kept."
    return allocate(shape, torch.float32, "The edited clip", fix)


def _report(job: Job, cuts: list[Window], finished: _Finished, seconds: float) -> str:
    kept, folder = finished.taken, finished.folder
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
