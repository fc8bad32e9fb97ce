"""DDIM inversion through ComfyUI's own sampling, so that ControlNet, hooks, previews and cancel work as ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import count
from typing import Any, NamedTuple

import comfy.sample
import comfy.samplers
import latent_preview
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor
from tqdm.auto import tqdm

from ..backbones import registry
from ..backbones.base import Backbone, Need
from ..comfyui.finite import require_finite
from ..comfyui.model_identity import model_identity, model_name
from ..comfyui.other_packs import TWICE, iterations
from ..comfyui.plan import describe, records
from ..comfyui.progress import Notes
from ..comfyui.spill_to_disk import allocate
from ..comfyui.validate import require_family, require_one_clip, require_picture, require_text
from ..comfyui.wrappers import for_inversion, noting
from ..core.ddim_inversion import SETTLED, ddim_invert
from ..core.inversion_record import Inversion, dtype_of, levels
from ..core.noise_path import low_levels
from ..core.time_left import TimeLeft

ENOUGH = 4  # refinements; where these do not settle, one more hardly will
STEP_CACHES = ("easycache", "lazycache")


def schedule(model: ModelPatcher, scheduler: str, steps: int) -> Tensor:
    """sigma list of a scheduler, descending to 0; some schedulers return a level more or less than `steps` + 1."""
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps)


def walked_levels(model: ModelPatcher, scheduler: str, steps: int, given: Tensor | None = None) -> Tensor:
    """The levels that an inversion walks, descending: those given, or the scheduler's; on a flow model a list of its own."""
    path = registry.of(model.model.diffusion_model).path
    if given is not None:
        return torch.cat([given[:1].clamp(max=path.top), given[1:][given[1:] < path.top]]) if levels(given) else given
    return low_levels(steps) if path.fades else schedule(model, scheduler, steps)


def walk_clip(
    model: ModelPatcher,
    prompts: dict[str, list],
    source: Tensor,
    sigmas: Tensor,
    walk: Callable,
    on_step: Callable | None = None,
) -> Tensor:
    """Runs a sampler function of our own over a clip, with core's loading, hooks, previews and cancel.

    Args: prompts, CONDITIONING as "positive", and as "negative" if the network is to see the other half of guidance too;
    source, LATENT samples; sigmas, told to core, one step less than levels; walk, as k-diffusion's samplers; on_step,
    called after each step as core's callbacks are, instead of the node's own progress bar.
    Returns LATENT samples. Raises ValueError where another node has the sampler run more than once.
    """
    if iterations(model) > 1:
        raise ValueError(TWICE)
    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds(prompts)
    if "negative" in prompts:
        guider.set_cfg(2.0)  # at 1, ComfyUI leaves that half out
    return guider.sample(
        torch.zeros_like(source),
        source,
        comfy.samplers.KSAMPLER(torch.no_grad()(once(walk))),  # nodes run in inference mode, other callers may not
        sigmas,
        callback=on_step or latent_preview.prepare_callback(model, len(sigmas) - 1),
        seed=0,
    )


def once(walk: Callable) -> Callable:
    """A sampler function that raises ValueError the second time: it would start from its own result, not from the clip."""
    runs = count()

    @wraps(walk)
    def walk_once(*args: Any, **kwargs: Any) -> Tensor:
        if next(runs):
            raise ValueError(TWICE)
        return walk(*args, **kwargs)

    return walk_once


class Method(NamedTuple):
    """How a clip is inverted. convention, refinements: as in ddim_invert. precision: of the levels, one of PRECISIONS."""

    convention: str
    refinements: int
    precision: str = "fp32"


class Reporting(NamedTuple):
    """Where an inversion within another work tells of itself.

    notes: of the node at work. on_step: called after each step as core's callbacks are. numbers: of the frames in the
    whole clip, for messages.
    """

    notes: Notes
    on_step: Callable | None = None
    numbers: Sequence[int] | None = None


def invert(
    model: ModelPatcher,
    conditioning: list,
    latent: dict[str, Any],
    sigmas: Tensor,
    method: Method,
    reporting: Reporting | None = None,
) -> tuple[dict[str, Any], Inversion]:
    """Inverts a clip.

    Args: conditioning, of the source; latent, ComfyUI's LATENT; sigmas, descending; reporting, instead of the node's own
    text and progress bar.
    Returns (LATENT to start the edit from, without added noise; the Inversion).
    Raises ValueError for a model, latent or sigma list that cannot be inverted.
    """
    _check(model, latent, sigmas)
    require_text(model, [text for text, _ in conditioning], "DDIM Inversion's `conditioning`")
    require_picture(model, (notes for _, notes in conditioning), "DDIM Inversion's `conditioning`")
    source = comfy.sample.fix_empty_latent_channels(model, latent["samples"])
    reporting = reporting or Reporting(Notes())
    rising = sigmas.flip(0).cpu().float()
    latents = _allocate(len(rising), source, dtype_of(method.precision, rising))  # written in place: never held twice
    backbone = registry.of(model.model.diffusion_model)
    walk = _Walk(latents, backbone, method, reporting)
    inverting = noting(for_inversion(model), reporting.notes)
    noise = walk_clip(inverting, {"positive": conditioning}, source, rising, walk.climb, reporting.on_step)
    walk.tell_unsettled()
    inversion = Inversion(
        latents=latents,
        sigmas=rising.flip(0),
        source=source.cpu(),
        key_sets=describe(records(model), backbone),
        model_id=model_identity(model),
        model_name=model_name(model),
        family="" if backbone is registry.FAMILIES[0] else backbone.name,
    )
    kept = {name: value for name, value in latent.items() if name not in ("samples", "noise_mask")}
    return {**kept, "samples": noise.to(source.device)}, inversion


class _Walk:
    """Climbing the levels, each of which is kept. latents: of each level in the latent's own shape, from noise to clean."""

    def __init__(self, latents: Tensor, backbone: Backbone, method: Method, reporting: Reporting):
        self.latents, self.backbone, self.method, self.reporting = latents, backbone, method, reporting
        self.geometry = backbone.geometry(tuple(latents.shape[1:]))
        self.frames = self.geometry.frames
        self.worst = torch.zeros(self.frames)  # the largest residual of each frame

    def climb(self, denoiser, x, levels, extra_args, callback, disable):
        """A sampler function, as k-diffusion's."""
        walked, left, as_latent = levels.tolist(), TimeLeft(len(levels) - 1), self.backbone.on_latent

        def denoise(frames: Tensor, sigma: float) -> Tensor:
            x = as_latent(frames)
            denoised = self.backbone.clip(denoiser(x, x.new_full((len(x),), sigma), **extra_args), 0, self.frames)
            require_finite(denoised, sigma, walked)
            return denoised

        self.latents[-1] = x
        method, frames = self.method, self.backbone.clip(x, 0, self.frames)
        steps = ddim_invert(denoise, frames, walked, method.convention, method.refinements, self.backbone.path)
        for step, (frames, denoised, residual) in enumerate(
            tqdm(steps, "DDIM inversion", len(levels) - 1, disable=disable)
        ):
            self.latents[-2 - step] = x = as_latent(frames)
            torch.maximum(self.worst, residual.cpu().float(), out=self.worst)
            if self.reporting.on_step is None:
                self.reporting.notes.tell(f"Inverting: step {step + 1} of {len(levels) - 1}{left.words(step + 1)}")
            callback({"i": step, "denoised": as_latent(denoised), "x": x})
        return x

    def tell_unsettled(self) -> None:
        """Names the frames for which the refinements did not settle."""
        frames = (self.worst > SETTLED)[self.geometry.latent_frames].nonzero().flatten().tolist()
        numbers = self.reporting.numbers
        if frames:
            frames = frames if numbers is None else [numbers[frame] for frame in frames]
            self.reporting.notes.add(_unsettled(frames, float(self.worst.max()), self.method.refinements))


def _unsettled(frames: list[int], residual: float, refinements: int) -> str:
    cure = f"set `refinements` to {refinements + 1}" if refinements < ENOUGH else "take more `steps`"
    return (
        f"{'Frame' if len(frames) == 1 else 'Frames'} {', '.join(map(str, frames))} may come back changed: with `refinements` {refinements}, "
        f"the noise found for a step was still {100 * residual:.0f} % off. To mend it, {cure}."
    )


def _allocate(count: int, source: Tensor, dtype: torch.dtype) -> Tensor:
    """(count, *source.shape), in memory or in ComfyUI's temporary folder. Raises ValueError for a full disk."""
    return allocate(
        (count, *source.shape), dtype, "DDIM Inversion",
        "Free space there, choose DDIM Inversion's `precision` fp16, fewer `steps` or a shorter clip.",
        f"for {count} levels of {tuple(source.shape)}", f"{count} levels of the clip",
    )  # fmt: skip


def step_cache(model: ModelPatcher) -> str | None:
    """The name of a node's cache that skips calls of the network, if the MODEL has one."""
    wrappers = {key for by_key in model.wrappers.values() for key in by_key}
    return next((cache for cache in STEP_CACHES if cache in wrappers), None)


def _check(model: ModelPatcher, latent: dict[str, Any], sigmas: Tensor) -> None:
    backbone = require_family(model, "DDIM Inversion", Need.INVERSION)
    if cache := step_cache(model):
        raise ValueError(
            f"A step-skipping cache ({cache}) is active on DDIM Inversion's `model`. A skipped step predicts no noise of its own, "
            "so the clip could not be rebuilt from the inversion. Connect the MODEL from before the cache node; the "
            "sampler may keep it."
        )
    if latent.get("noise_mask") is not None:
        raise ValueError(
            "DDIM Inversion's `latent` carries a noise_mask; a clip is inverted whole. Use the LATENT of a plain VAE "
            "Encode and give the mask to Latent Blend."
        )
    samples = latent["samples"]
    if samples.ndim != len(backbone.dimensions):
        raise ValueError(
            f"DDIM Inversion's `latent` has {samples.ndim} dimensions; frames of a {backbone.name} have {len(backbone.dimensions)}: "
            f"{', '.join(backbone.dimensions)}. Encode the frames with the checkpoint's own VAE."
        )
    if not samples.numel():
        raise ValueError(
            f"DDIM Inversion's `latent` is empty, {tuple(samples.shape)}: there is no frame in it. Look at the node that "
            "chose the frames."
        )
    require_one_clip(backbone, samples, "DDIM Inversion's `latent`")
    channels = model.get_model_object("latent_format").latent_channels
    if samples.shape[1] != channels and samples.any():
        raise ValueError(
            f"DDIM Inversion's `latent` has {samples.shape[1]} channels, but the model's latents have {channels}. "
            "Encode the frames with the checkpoint's own VAE."
        )
    if not torch.isfinite(samples).all():
        raise ValueError(
            "DDIM Inversion's `latent` contains NaN or infinite values. Look at the VAE Encode that made it (half "
            "precision is a frequent cause)."
        )
    if not levels(sigmas):
        raise ValueError(
            f"DDIM Inversion's `sigmas` must descend to 0 or more and have at least two levels, but are "
            f"{[round(float(s), 3) for s in sigmas.flatten()[:8]]}. Choose another scheduler or more steps, or connect the SIGMAS "
            "of a scheduler node, not flipped ones."
        )
