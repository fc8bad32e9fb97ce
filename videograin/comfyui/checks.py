"""What must hold before the GPU works: latent, sigma list and prompts against the plan; then every feature's own check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ..core.phrase_tokens import binding_of
from ..features.base import NOISE_MASK, Record, size_of, warn_size
from . import clashes
from .model_identity import require_origin
from .other_packs import TWICE, iterations
from .plan import Plan
from .run import Run
from .validate import (
    ignores_picture,
    require_family,
    require_loaded,
    require_one_clip,
    require_picture,
    require_text,
)

# Least cosine between an inversion's noise and one that Vary Noise made of it, but where all of it is fresh.
RELATED = 0.3
NOISELESS = 0.1  # of noise's own strength: a clip's latent, taken for one at the highest level, has 1e-4
NOISE_FIX = (
    "Use KSampler (Advanced) with `add_noise` disabled, or SamplerCustomAdvanced with DisableNoise, and start it from "
    "DDIM Inversion's `noise` output."
)


def check_inputs(guider: Any, plan: Plan, noise: Tensor, latent: Tensor) -> None:
    """Raises ValueError with what was found, what was expected and the input to change."""
    if not torch.isfinite(latent).all() or not torch.isfinite(noise).all():
        raise ValueError(
            "The latent contains NaN or infinite values, so nothing could come of sampling it. Look at the node that "
            "made the sampler's `latent_image` (a VAE Encode in half precision is a frequent cause)."
        )
    if plan:
        require_family(guider.model_patcher, plan[0].node)  # a sampling node may have come after ours
        require_loaded(guider.model_patcher, plan[0].node)
        for name, entries in guider.conds.items():
            texts = (entry["cross_attn"] for entry in entries if entry.get("cross_attn") is not None)
            require_text(guider.model_patcher, texts, f"The sampler's `{name}`")


def check(run: Run, guider: Any, latent: Tensor) -> None:
    """Raises ValueError as `check_inputs`."""
    if iterations(guider.model_patcher) > 1 and run.once:
        raise ValueError(TWICE)
    if run.across or run.once:
        require_one_clip(run.backbone, latent, "The sampler's latent")
    _check_start(run, guider, latent)
    _check_references(run)
    clashes.check(run.features)
    _warn_region_sizes(run, guider)
    for feature in run.features:
        record = feature.record
        if record.source_prompt is not None:
            _check_source(record, guider, latent)
        if record.origin is not None:
            _check_inversion(run, record, guider, latent)


def _warn_region_sizes(run: Run, guider: Any) -> None:
    """Of every region that a prompt brings."""
    bindings = dict.fromkeys(b for conds in guider.conds.values() for cond in conds if (b := binding_of(cond)))
    for binding in bindings:
        for number, region in enumerate(binding.regions, 1):
            warn_size(run, f"The masks of region {number} {region.name}", region.mask)


def _check_source(record: Record, guider: Any, latent: Tensor) -> None:
    """Of a record for which the network is shown the source besides."""
    if record.origin.source.shape != latent.shape:
        raise ValueError(
            f"The sampler's latent is {size_of(latent)}, but the inversion's clip is {size_of(record.origin.source)}. "
            f"{record.node} needs the same clip in both: connect the `noise` and `inversion` outputs of the same DDIM "
            "Inversion."
        )
    if any("easycache" in by_key for by_key in guider.model_patcher.wrappers.values()):
        raise ValueError(
            f"EasyCache is active on the sampler's MODEL. It would take the source that {record.node} shows the model "
            "for a step of the edit. Remove the EasyCache node (LazyCache may stay)."
        )
    texts = (text for text, _ in record.source_prompt)
    require_text(guider.model_patcher, texts, f"{record.node}'s `conditioning`")
    loaded = guider.model_options.get("registered_hooks")
    for _, notes in record.source_prompt:
        if {"area", "mask"} & set(notes):
            raise ValueError(
                f"{record.node}'s `conditioning` is limited to a part of the picture (Conditioning Set Area or Set "
                "Mask), but features belong to the whole of it. Connect the source prompt from before that node."
            )
        hooks = [notes["hooks"]] if notes.get("hooks") else []
        hooks += notes["control"].get_extra_hooks() if "control" in notes else []
        if any(loaded is None or not hook.is_subset_of(loaded) for hook in hooks):
            raise ValueError(
                f"{record.node}'s `conditioning` carries a hook (a LoRA set on the prompt, for instance) that the "
                "sampler's own prompts do not carry, and ComfyUI loads only theirs. Set the same hook on them, or put "
                "the LoRA on the MODEL before DDIM Inversion and the sampler."
            )


def _check_inversion(run: Run, record: Record, guider: Any, latent: Tensor) -> None:
    """Of a record that says from whose noise the edit starts."""
    if torch.count_nonzero(run.start.noise):
        raise ValueError(
            f"The sampler adds fresh noise, but this MODEL carries an INVERSION (through {record.node}), whose noise is "
            f"the start of the edit. {NOISE_FIX} The plain KSampler always adds noise."
        )
    if run.start.noise_mask:
        raise ValueError(NOISE_MASK)
    for side, conds in guider.conds.items():
        require_picture(guider.model_patcher, conds, f"the sampler's `{side}` prompt")
    if ignores_picture(guider.model_patcher, [cond for conds in guider.conds.values() for cond in conds]):
        run.warn(
            "A prompt brings a picture (InstructPixToPixConditioning, InpaintModelConditioning), but this checkpoint takes none: "
            "it does not see your clip. Load an InstructPix2Pix or inpaint checkpoint."
        )
    require_origin(record.origin, guider.model_patcher, run.plan, "the sampler's MODEL")
    _check_level(run, record, latent)


def _check_references(run: Run) -> None:
    """Regions and sources are of the clip's frames alone."""
    many = max((run.backbone.references(notes) for side in run.prompts.values() for notes in side), default=0)
    if many and run.once:
        raise ValueError(
            f"The sampler's prompts put {many} reference picture{'s' * (many > 1)} before the clip's frames in the latent (WanVaceToVideo's "
            "`reference_image`), and regions and sources would lie on it. Take `reference_image` out, and describe in the prompt what it "
            "shows."
        )


def _check_start(run: Run, guider: Any, latent: Tensor) -> None:
    """On a flow model's highest level all is noise, which a sampler that adds none has to be given."""
    first = run.start.sigmas[0]
    if first > run.backbone.path.top and not torch.count_nonzero(run.start.noise):
        if getattr(guider.model_options.get("context_handler"), "freenoise", False):
            raise ValueError(
                "The context windows shuffle the noise from frame to frame (FreeNoise), but this edit starts from the clip's own "
                "noise, which would no longer be that. Switch `freenoise` off on the context windows node."
            )
        strength = run.standing(latent.cpu().float(), first).square().mean().sqrt()
        if strength < NOISELESS:
            raise ValueError(
                f"The sampler adds no noise and starts at sigma = {first:.4f}, where a {run.backbone.name} has nothing but noise, and its "
                f"latent brings none. {NOISE_FIX} To edit without an inversion, let the sampler add noise."
            )


def _check_level(run: Run, record: Record, latent: Tensor) -> None:
    """A latent taken from the trajectory must start at its own sigma."""
    inversion, first = record.origin, min(run.start.sigmas[0], run.backbone.path.top)
    given = run.into_model(latent.cpu().float())
    for level, sigma in zip(inversion.latents, inversion.sigmas.tolist(), strict=True):
        x, level = run.backbone.path.taken_up(given, sigma), level.float()
        if (x - level).square().mean() < 1e-6 * level.square().mean() and abs(first - sigma) > 1e-4 * max(sigma, first):
            raise ValueError(
                f"The sampler's latent stands at noise level sigma = {sigma:.4f}, but the sampler starts at sigma = "
                f"{first:.4f}. Give the sampler the SIGMAS of DDIM Inversion, or the same scheduler and steps, with "
                "start_at_step 0 and denoise 1. (Under ddim_uniform, dpm_2 and uni_pc start elsewhere: use SIGMAS.)"
            )
    top, level = float(inversion.sigmas[0]), inversion.latents[0].float()
    alike = cosine_similarity(x.flatten(), level.flatten().to(x), dim=0) > RELATED
    if abs(first - top) <= 1e-4 * top and not alike:
        run.warn(
            "The sampler starts at the inversion's first noise level, but from another latent than the inversion's. "
            f"Unless that is meant, connect the `noise` of the DDIM Inversion whose `inversion` {record.node} has."
        )
