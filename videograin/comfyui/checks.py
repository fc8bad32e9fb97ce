"""What must hold before the GPU works: the whole plan against latent, masks, frames, sigma list and prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..core.cells import CELL, fits
from ..core.latent_blend import IRJS, PATHS, PROGRESSIVE
from ..core.regions import clip_masks
from . import clashes
from .model_identity import require_origin
from .other_packs import TWICE, iterations
from .plan import Blend, CrossFusion, Injection, SelfFusion, STLayout, find
from .prompts import binding_of
from .validate import ignores_picture, require_picture, require_text, require_unet, sampler_name

if TYPE_CHECKING:
    from .run import Run

NOISE_FIX = (
    "Use KSampler (Advanced) with `add_noise` disabled, or SamplerCustomAdvanced with DisableNoise, and start it from "
    "DDIM Inversion's `noise` output."
)
NOISE_MASK = (
    "The latent carries a noise_mask (Set Latent Noise Mask, VAE Encode for Inpainting, or InpaintModelConditioning with "
    "its `noise_mask` on), and Latent Blend does that job on the source's own path. Remove the node that sets it, or "
    "switch that input off; connect its mask to Latent Blend's `mask`."
)


Rider = Blend | Injection | SelfFusion | CrossFusion  # a record with an INVERSION

# Parts of the names of core's samplers that add noise on the way.
RANDOM_SAMPLERS = ("ancestral", "sde", "ddpm", "lcm", "seeds", "sa_solver")


def check(run: Run, guider: Any, sampler: Any, noise: Tensor, latent: Tensor, denoise_mask: Tensor | None) -> None:
    """Raises ValueError with what was found, what was expected and the input to change."""
    if not torch.isfinite(latent).all() or not torch.isfinite(noise).all():
        raise ValueError(
            "The latent contains NaN or infinite values, so nothing could come of sampling it. Look at the node that "
            "made the sampler's `latent_image` (a VAE Encode in half precision is a frequent cause)."
        )
    if run.plan:
        require_unet(guider.model_patcher, run.plan[0].node)  # a sampling node may have come after ours
        for name, entries in guider.conds.items():
            texts = (entry["cross_attn"] for entry in entries if entry.get("cross_attn") is not None)
            require_text(guider.model_patcher, texts, f"The sampler's `{name}`")
    if iterations(guider.model_patcher) > 1 and (run.placed or run.blend):
        raise ValueError(TWICE)
    if run.motion is not None:
        _check_motion(run)
    if find(run.plan, STLayout) is not None:
        _check_regions(run, guider)
    _warn_region_sizes(run, guider)
    if run.blend is not None:
        _check_blend(run, run.blend, latent)
        _check_path(run.blend, noise)
        _warn_random(run, sampler)
        if run.blend.mode == IRJS and denoise_mask is not None:
            raise ValueError(NOISE_MASK)
        if run.blend.inversion is not None:
            _check_inversion(run, run.blend, guider, noise, latent, denoise_mask)
    clashes.check(run, guider)
    if run.placer is not None:
        _warn_leaving(run, sampler)
    for reader in filter(None, (run.injector, run.self_fuser, run.cross_fuser)):
        _check_source(reader.record, guider, latent)
        _check_inversion(run, reader.record, guider, noise, latent, denoise_mask)


def _check_motion(run: Run) -> None:
    frames = len(run.motion.flow) + 1
    if frames != run.frames:
        raise ValueError(
            f"Flow-Guided Attention saw a clip of {frames} frames, but the latent has {run.frames}. Connect the same "
            "frames to its `images` as to VAE Encode."
        )
    _warn_size("The frames of Flow-Guided Attention", run.motion.flow[..., 0], run)


def _check_regions(run: Run, guider: Any) -> None:
    sides = {name: [b for cond in conds if (b := binding_of(cond))] for name, conds in guider.conds.items()}
    bindings = [binding for found in sides.values() for binding in found]
    usable = bindings if run.settings and run.settings.cross_role != "positive" else sides.get("positive", [])
    if not usable:
        raise ValueError(
            "ST-Layout Attention found no regions in the sampler's positive prompt. Connect the CONDITIONING of Bind "
            "Region Prompts, with Region Prompts in its `regions`, to the sampler's `positive` input."
        )
    if not any(binding.regions for binding in usable):
        run.warn_once(
            "ST-Layout Attention has no regions, since Bind Region Prompts' `regions` is empty: the prompt acts everywhere, "
            "and all that is left is that every frame sees all others."
        )
    for binding in bindings:
        if binding.regions:
            clip_masks(binding.regions, run.frames)  # raises where masks and frames do not go together


def _warn_region_sizes(run: Run, guider: Any) -> None:
    """Of every region that a prompt brings, and every object that is placed."""
    bindings = dict.fromkeys(b for conds in guider.conds.values() for cond in conds if (b := binding_of(cond)))
    for binding in bindings:
        for number, region in enumerate(binding.regions, 1):
            _warn_size(f"The masks of region {number} {region.name}", region.mask, run)
    for place in run.placer.record.places if run.placer is not None else ():
        _warn_size(f"Place Objects' masks of “{place.name}”", place.mask, run)


def _warn_size(what: str, masks: Tensor, run: Run) -> None:
    height, width = masks.shape[-2:]
    if not fits((height, width), run.cells):
        run.warn_once(
            f"{what} are {width}×{height} pixels, but the frames are {run.width * CELL}×{run.height * CELL}: "
            "the masks are resized to fit. Give them the size of the frames to be sure they sit where you drew them."
        )


def _check_blend(run: Run, blend: Blend, latent: Tensor) -> None:
    if blend.source.shape != latent.shape:
        inverted = blend.inversion is not None
        origin = "the inversion's clip" if inverted else "Latent Blend's `source`"
        fix = (
            "connect the `noise` and `inversion` outputs of the same DDIM Inversion"
            if inverted
            else "connect the same VAE Encode to Latent Blend's `source` and to the sampler"
        )
        raise ValueError(
            f"The sampler's latent is {_size(latent)}, but {origin} is {_size(blend.source)}. Latent Blend needs the "
            f"same clip in both: {fix}."
        )
    if blend.mask is None:
        if not run.regions:
            raise ValueError(
                "Latent Blend has no editable area: its `mask` is not connected, and the sampler's `positive` prompt "
                "carries no regions. Connect `mask`, or the CONDITIONING of Bind Region Prompts with Region Prompts "
                "connected to its `regions`."
            )
    elif blend.mask.shape[0] not in (1, run.frames):
        raise ValueError(
            f"Latent Blend's `mask` has {blend.mask.shape[0]} masks, but the latent has {run.frames} frames. Give it "
            f"one mask, or one for each of the {run.frames} frames."
        )
    else:
        _warn_size("The masks of Latent Blend", blend.mask, run)


def _check_path(blend: Blend, noise: Tensor) -> None:
    if blend.mode == PROGRESSIVE and blend.inversion is None and not torch.count_nonzero(noise):
        raise ValueError(
            f"Latent Blend's mode \"{PROGRESSIVE}\" without `inversion` gives the source the sampler's own noise, but the "
            "sampler adds none. Connect DDIM Inversion's `inversion`, or let the sampler add noise."
        )


def _warn_random(run: Run, sampler: Any) -> None:
    if left := leaves_path(sampler_name(sampler), run.blend.mode):
        run.warn_once(left)


def leaves_path(name: str, mode: str) -> str | None:
    """What is to be said of a sampler's name beside a mode of Latent Blend; None where they go together."""
    if mode not in PATHS or not any(part in name for part in RANDOM_SAMPLERS):
        return None
    return (
        f"{name} adds noise on the way, but Latent Blend's mode “{mode}” holds what is not edited to the source's own noise, so seams "
        "may show. Take a deterministic `sampler_name` such as euler, or the mode “renoised”."
    )


def _warn_leaving(run: Run, sampler: Any) -> None:
    name = sampler_name(sampler)
    if any(part in name for part in (*RANDOM_SAMPLERS, "cfg_pp")):
        run.warn_once(
            f"{name} goes on from a prediction in its own way, so Place Objects' steps come out "
            "longer than its `strength` says. Use a deterministic sampler such as euler, or a lower `strength`."
        )


def _check_source(record: Injection | SelfFusion | CrossFusion, guider: Any, latent: Tensor) -> None:
    if record.inversion.source.shape != latent.shape:
        raise ValueError(
            f"The sampler's latent is {_size(latent)}, but the inversion's clip is {_size(record.inversion.source)}. "
            f"{record.node} needs the same clip in both: connect the `noise` and `inversion` outputs of the same DDIM "
            "Inversion."
        )
    if any("easycache" in by_key for by_key in guider.model_patcher.wrappers.values()):
        raise ValueError(
            f"EasyCache is active on the sampler's MODEL. It would take the source that {record.node} shows the model "
            "for a step of the edit. Remove the EasyCache node (LazyCache may stay)."
        )
    texts = (text for text, _ in record.conditioning)
    require_text(guider.model_patcher, texts, f"{record.node}'s `conditioning`")
    loaded = guider.model_options.get("registered_hooks")
    for _, notes in record.conditioning:
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


def _check_inversion(
    run: Run, record: Rider, guider: Any, noise: Tensor, latent: Tensor, denoise_mask: Tensor | None
) -> None:
    if torch.count_nonzero(noise):
        raise ValueError(
            f"The sampler adds fresh noise, but this MODEL carries an INVERSION (through {record.node}), whose noise is "
            f"the start of the edit. {NOISE_FIX} The plain KSampler always adds noise."
        )
    if denoise_mask is not None:
        raise ValueError(NOISE_MASK)
    for side, conds in guider.conds.items():
        require_picture(guider.model_patcher, conds, f"the sampler's `{side}` prompt")
    if ignores_picture(guider.model_patcher, [cond for conds in guider.conds.values() for cond in conds]):
        run.warn_once(
            "A prompt brings a picture (InstructPixToPixConditioning, InpaintModelConditioning), but this checkpoint takes none: "
            "it does not see your clip. Load an InstructPix2Pix or inpaint checkpoint."
        )
    require_origin(record.inversion, guider.model_patcher, run.plan, "the sampler's MODEL")
    _check_level(run, record, latent)


def _check_level(run: Run, record: Rider, latent: Tensor) -> None:
    """A latent taken from the trajectory must start at its own sigma."""
    inversion, first = record.inversion, run.sigmas[0]
    x = run.model.process_latent_in(latent.cpu().float())
    for level, sigma in zip(inversion.latents, inversion.sigmas.tolist(), strict=True):
        level = level.float()
        if (x - level).square().mean() < 1e-6 * level.square().mean() and abs(first - sigma) > 1e-4 * max(sigma, first):
            raise ValueError(
                f"The sampler's latent stands at noise level sigma = {sigma:.4f}, but the sampler starts at sigma = "
                f"{first:.4f}. Give the sampler the SIGMAS of DDIM Inversion, or the same scheduler and steps, with "
                "start_at_step 0 and denoise 1. (Under ddim_uniform, dpm_2 and uni_pc start elsewhere: use SIGMAS.)"
            )
    top, level = float(inversion.sigmas[0]), inversion.latents[0].float()
    if abs(first - top) <= 1e-4 * top and (x - level).square().mean() > 1e-6 * level.square().mean():
        run.warn_once(
            "The sampler starts at the inversion's first noise level, but from another latent than the inversion's. "
            f"Unless that is meant, connect the `noise` of the DDIM Inversion whose `inversion` {record.node} has."
        )


def _size(latent: Tensor) -> str:
    if latent.ndim != 4:
        return f"of shape {tuple(latent.shape)}"
    frames, channels, height, width = latent.shape
    return f"{frames} frames of {width}×{height} cells in {channels} channels"
