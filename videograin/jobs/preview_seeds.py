"""Preview Seeds: one frame of the edit at hand under several seeds, in a few steps, each with Region Check's score.

The frame is sampled alone, from the noise that it would have in the whole clip; so it sees no other frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from typing import Any, NamedTuple

import comfy.sample
import comfy.samplers
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..backbones.base import Need
from ..comfyui.context_windows import cycled, sliced, without_windows
from ..comfyui.finite import broken_frames
from ..comfyui.model_identity import require_origin
from ..comfyui.plan import acting, records
from ..comfyui.progress import Notes, SeedProgress
from ..comfyui.validate import require_family, require_text
from ..comfyui.wrappers import noting, with_plan
from ..core.inversion_record import Inversion
from ..core.phrase_tokens import binding_of
from ..core.region_presence import Question, together
from ..core.regions import Regions, clip_masks, require_a_mask_a_frame
from ..features.base import REGION_MASK, Record, one_mask
from .look import evenly
from .region_check import Asking, answered, asking, require_latent
from .vary import is_of, vary_noise

NODE = "Preview Seeds"
WHOSE = "Preview Seeds'"  # for messages
NOISY = 0.3  # of the highest noise level: no clip's latent is spread as widely
DIGITS = 4  # of a score: what is behind them is rounding
ROUNDING = 1e-4  # of a latent's largest value
MIDDLE = -1  # for a frame

Start = Callable[[int], tuple[Tensor, Tensor]]  # a seed's noise and latent, (1, C, h, w) both


@dataclass(frozen=True, eq=False)
class Trial:
    """An edit of a clip. frame: that is previewed. variation: Vary Noise's. All else as KSampler has it."""

    model: ModelPatcher
    positive: list
    negative: list
    latent: dict[str, Any]
    regions: Regions
    frame: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    denoise: float
    variation: float

    @property
    def frames(self) -> int:
        return len(self.latent["samples"])

    @property
    def number(self) -> int:
        """The frame, from 0."""
        return self.frames // 2 if self.frame == MIDDLE else self.frame

    @property
    def inversion(self) -> Inversion | None:
        """From whose noise the edit starts."""
        origins = (record.origin for record in acting(records(self.model)))
        return next((origin for origin in origins if origin is not None), None)


class Preview(NamedTuple):
    """A seed's frame, (H, W, 3). score: the mean of its regions' scores; both are NaN where nothing is judged."""

    seed: int
    picture: Tensor
    score: float
    scores: list[float]


def preview_seeds(trial: Trial, clip: Any, vae: Any, seeds: list[int]) -> tuple[list[Preview], list[Question]]:
    """Previews, the best first, or in the seeds' order where no region is judged; and what was asked of the regions.

    Raises ValueError for what does not fit together, before the network is called, and where seeds make no difference.
    """
    _check(trial, vae)
    asked, notes = asking(trial.model, clip, trial.regions, WHOSE), Notes()
    one, levels = _of_frame(trial, notes), _levels(trial)
    progress = SeedProgress(trial.model, seeds, len(levels) - 1, bool(asked.texts), notes)
    samples = _sampled(one, _start(trial, one), levels, seeds, progress)
    scores = _scores(one, asked, samples, notes, progress)
    means = (round(together(each), DIGITS) for each in scores)
    found = map(Preview, seeds, _decoded(vae, samples), means, scores)
    ranked = sorted(found, key=lambda preview: inf if isnan(preview.score) else -preview.score)
    notes.tell(_told(ranked, asked.questions, trial.number))
    return ranked, asked.questions


def _scores(one: Trial, asked: Asking, samples: Tensor, notes: Notes, progress: SeedProgress) -> list[list[float]]:
    """The regions' scores, seed by seed: to Region Check the previews are a clip that stands still."""
    if not asked.texts:
        return [[nan] * len(asked.questions) for _ in samples]
    masks = clip_masks(one.regions, len(samples), tuple(samples.shape[-2:]), REGION_MASK)
    by_region = answered(one.model, asked, samples, masks, notes, progress.looking).scores
    return [list(row) for row in zip(*(each or [nan] * len(samples) for each in by_region), strict=True)]


# ---- the edit of one frame -------------------------------------------------------------------------------------------


def _of_frame(trial: Trial, notes: Notes) -> Trial:
    """The edit of its frame alone."""
    number, frames = trial.number, trial.frames

    def cut(prompt: list) -> list:
        return sliced(prompt, [number], frames)

    plan = tuple(_record(record, number, frames, cut) for record in records(trial.model))
    model = noting(with_plan(without_windows(trial.model), plan), notes)
    latent = {"samples": trial.latent["samples"][number : number + 1]}
    if (mask := trial.latent.get("noise_mask")) is not None:
        latent["noise_mask"] = cycled(mask.reshape(-1, 1, *mask.shape[-2:]), [number])
    regions = tuple(
        region._replace(mask=one_mask(region.mask, number, frames, REGION_MASK)) for region in trial.regions
    )
    positive, negative = cut(trial.positive), cut(trial.negative)
    return replace(trial, model=model, positive=positive, negative=negative, latent=latent, regions=regions, frame=0)


def _record(record: Record, number: int, frames: int, cut: Callable[[list], list]) -> Record:
    found = record if record.neutral else record.of_frame(number, frames)
    return found if found.source_prompt is None else replace(found, conditioning=cut(found.source_prompt))


def _start(trial: Trial, one: Trial) -> Start:
    """Where the frame starts with a seed: as in the whole clip, for which the sampler draws all noise at once."""
    samples, inversion, number = one.latent["samples"], one.inversion, trial.number

    def fresh(seed: int) -> tuple[Tensor, Tensor]:
        noise = comfy.sample.prepare_noise(trial.latent["samples"], seed, trial.latent.get("batch_index"))
        return noise[number : number + 1], samples

    def varied(seed: int) -> tuple[Tensor, Tensor]:
        found = vary_noise(one.latent, inversion, one.regions, None, (trial.variation, seed))["samples"]
        return torch.zeros_like(found), found

    return fresh if inversion is None else varied


def _levels(trial: Trial) -> Tensor:
    """The sampler's noise levels; or some of an inversion's, on the first of which its noise stands."""
    if trial.inversion is not None:
        sigmas = trial.inversion.sigmas
        return sigmas[evenly(list(range(len(sigmas))), trial.steps + 1)]
    return comfy.samplers.KSampler(
        trial.model, trial.steps, trial.model.load_device, trial.sampler, trial.scheduler, trial.denoise,
        trial.model.model_options,
    ).sigmas  # fmt: skip


def _sampled(one: Trial, start: Start, levels: Tensor, seeds: list[int], progress: SeedProgress) -> Tensor:
    """The frame with each seed, (seeds, C, h, w) on the CPU, one after the other: memory is that of one."""
    found: list[Tensor] = []
    for number, seed in enumerate(seeds):
        noise, samples = start(seed)
        edited = comfy.sample.sample_custom(
            one.model, noise, one.cfg, comfy.samplers.sampler_object(one.sampler), levels, one.positive, one.negative,
            samples, noise_mask=one.latent.get("noise_mask"), callback=progress.of(number),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED, seed=seed,
        )  # fmt: skip
        found.append(edited.cpu())
        if number == 1 and _alike(*found):
            raise ValueError(
                f"{NODE} gets the same picture from seeds {seeds[0]} and {seed}: nothing may change in this frame. Choose a `frame` in "
                "which the mask of the edit shows."
            )
    return torch.cat(found)


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether two latents are the same but for rounding."""
    return bool((one - other).abs().max() < ROUNDING * one.abs().max())


def _decoded(vae: Any, samples: Tensor) -> list[Tensor]:
    found = [vae.decode(samples[one : one + 1]) for one in range(len(samples))]
    pictures = [pixels.reshape(-1, *pixels.shape[-3:])[0].cpu() for pixels in found]
    if broken_frames(torch.stack(pictures)):
        raise ValueError(
            f"{WHOSE} `vae` decodes to NaN or infinite values, though the latent is sound. Start ComfyUI with --fp32-vae, or "
            "connect another VAE."
        )
    return pictures


def _told(ranked: list[Preview], asked: list[Question], number: int) -> str:
    """The choice, for the node."""
    best, worst = ranked[0], ranked[-1]
    if best.score > worst.score:
        return f"Frame {number}: seed {best.seed} has the best score, {best.score:.2f}; the worst is {worst.score:.2f}"
    if best.score == worst.score:
        return f"Frame {number}: the score of every seed is {best.score:.2f}, so they keep their order"
    whys = (f"region {n}: {each.why or 'it is too small in this frame'}" for n, each in enumerate(asked, 1))
    return f"Frame {number}: no region is checked ({'; '.join(whys)}), so the seeds keep their order"


# ---- checks ----------------------------------------------------------------------------------------------------------


def _check(trial: Trial, vae: Any) -> None:
    model, samples = trial.model, trial.latent["samples"]
    require_family(model, NODE, Need.FRAME_BATCH)
    require_latent(model, samples, WHOSE, "Connect what the sampler gets as `latent_image`.")
    if trial.number >= trial.frames:
        raise ValueError(
            f"{WHOSE} `frame` is {trial.frame}, but its `latent` has the frames 0 to {trial.frames - 1}. Choose one of them, or "
            f"{MIDDLE} for the middle one."
        )
    if vae is None:
        raise ValueError(f"{WHOSE} `vae` is empty: the loader found none in its checkpoint. Load one with Load VAE.")
    if not trial.regions:
        raise ValueError(f"{WHOSE} `regions` is empty. Connect those of Regions, or of the last Region Prompt.")
    for name in ("positive", "negative"):
        require_text(model, (text for text, _ in getattr(trial, name)), f"{WHOSE} `{name}`")
    bound = (binding.regions for _, notes in trial.positive if (binding := binding_of(notes)))
    for regions in (trial.regions, *bound):
        require_a_mask_a_frame(regions, trial.frames, "the latent has", REGION_MASK)
    _check_start(trial)


def _check_start(trial: Trial) -> None:
    """That seeds make a difference."""
    model, samples, inversion = trial.model, trial.latent["samples"], trial.inversion
    if inversion is None:
        spread = model.model.process_latent_in(samples.float().cpu()).std()
        if spread > NOISY * float(model.get_model_object("model_sampling").sigma_max):
            raise ValueError(
                f"{WHOSE} `latent` is noise already, but its `model` carries no inversion that says whose. Connect the MODEL "
                "behind Latent Blend, with the `inversion` of the same DDIM Inversion, or the LATENT of VAE Encode for an edit "
                "from fresh noise."
            )
        if trial.variation:
            raise ValueError(
                f"{WHOSE} `variation` is for edits that start from inverted noise, but its `model` carries no inversion: the "
                "sampler's noise is fresh already. Set it to 0."
            )
        return
    require_origin(inversion, model, records(model), f"{WHOSE} `model`")
    if not is_of(samples, inversion.latents[0]):
        raise ValueError(
            f"{WHOSE} `latent` is not the noise of the inversion that its `model` carries. Connect `noise` of the same DDIM "
            "Inversion, from before Vary Noise: `variation` does here what that node does."
        )
    if not trial.variation:
        raise ValueError(
            "This edit does not depend on a seed: it starts from the inverted noise. Put Vary Noise before the sampler, connect "
            f"{WHOSE} `seed` to its `seed`, and set {WHOSE} `variation` to Vary Noise's."
        )
