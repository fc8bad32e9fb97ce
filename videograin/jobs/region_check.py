"""Region Check: the MODEL is shown a finished clip under each region's own words and under none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..backbones import registry
from ..comfyui.context_windows import without_windows
from ..comfyui.progress import Notes, watcher
from ..comfyui.prompts import require_clip
from ..comfyui.validate import noise_level, require_text
from ..comfyui.wrappers import noting, with_plan
from ..core.region_presence import NO_WORDS, TIMESTEPS, Question, error, noises, question, scores
from ..core.regions import Regions, clip_masks
from ..core.time_left import TimeLeft
from ..features.base import REGION_MASK
from .invert import walk_clip
from .look import require_uncached

NODE = "Region Check"
WHOSE = "Region Check's"  # for messages
TOGETHER = 8  # frames in a call of the network

Watch = Callable[[float], None]  # told the share that is done, 0 to 1


class Checked(NamedTuple):
    """A clip that was checked. masks: (K, F, H, W) bool. scores: of each region, one a frame; none where it is not asked."""

    masks: Tensor
    questions: list[Question]
    scores: list[list[float]]


def check(model: ModelPatcher, clip: Any, samples: Tensor, regions: Regions, notes: Notes) -> Checked:
    """Checks every region of a finished clip. samples: as in a LATENT.

    Raises ValueError where model, latent, regions and words do not fit each other, before the network is called.
    """
    require_latent(model, samples, WHOSE, "Connect the LATENT of the sampler that used this checkpoint.")
    masks = clip_masks(regions, len(samples), tuple(samples.shape[-2:]), REGION_MASK)
    return answered(model, asking(model, clip, regions, WHOSE), samples, masks, notes)


class Asking(NamedTuple):
    """What is asked of the regions of a clip, and by which texts: CONDITIONING by text, empty where nothing is asked."""

    questions: list[Question]
    texts: dict[str, list]


def asking(model: ModelPatcher, clip: Any, regions: Regions, whose: str) -> Asking:
    """What is to be asked. whose: of the node that asks, for messages. Raises ValueError where the MODEL could not answer."""
    require_clip(clip, f"{whose} `clip`")
    questions = [question(region) for region in regions]
    wanted = dict.fromkeys(asked.words for asked in questions if not asked.why)
    texts = (
        {text: clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (NO_WORDS, *wanted)} if wanted else {}
    )
    require_text(model, (encoded for each in texts.values() for encoded, _ in each), f"What {whose} `clip` encodes")
    require_uncached(model, whose, "and a skipped call tells nothing of the clip")
    return Asking(questions, texts)


def answered(
    model: ModelPatcher, asked: Asking, samples: Tensor, masks: Tensor, notes: Notes, watch: Watch | None = None
) -> Checked:
    """The scores of a clip. samples: as in a LATENT. masks: (K, F, H, W) bool. watch: in place of the node's own bar."""
    clean = model.model.process_latent_in(samples.float().cpu())
    found = errors(model, clean, asked.texts, notes, watch)
    numbers = [
        [] if each.why else scores(found[each.words], found[NO_WORDS], mask)
        for each, mask in zip(asked.questions, masks, strict=True)
    ]
    return Checked(masks, asked.questions, numbers)


def errors(
    model: ModelPatcher, clean: Tensor, texts: Mapping[str, list], notes: Notes, watch: Watch | None = None
) -> dict[str, Tensor]:
    """Errors of removing noise from a clip under each text, (F, h, w), the mean over noise levels.

    clean: (F, C, h, w) in the sampler's space. texts: CONDITIONING by text. watch: is told the share that is done. Each
    frame is shown alone, without what our nodes have put on the MODEL.
    """
    plain, sampling = noting(with_plan(without_windows(model), ()), notes), model.get_model_object("model_sampling")
    levels = [noise_level(sampling, timestep) for timestep in TIMESTEPS]
    parts = [slice(start, start + TOGETHER) for start in range(0, len(clean), TOGETHER)]
    calls = [Call(level, noise, part) for level, noise in zip(levels, noises(clean), strict=True) for part in parts]
    watch, left, done = watch or watcher(), TimeLeft(len(texts) * len(calls)), count(1)

    def tick() -> None:
        step = next(done)
        notes.tell(f"Looking: {step} of {left.total}{left.words(step)}")
        watch(step / left.total)

    return {text: _errors_under(plain, conditioning, clean, calls, tick) for text, conditioning in texts.items()}


class Call(NamedTuple):
    """A call of the network: some frames of the clip under a noise of a level."""

    sigma: float
    noise: Tensor
    frames: slice


def _errors_under(
    model: ModelPatcher, conditioning: list, clean: Tensor, calls: Sequence[Call], tick: Callable[[], None]
) -> Tensor:
    path, total = registry.of(model.model.diffusion_model).path, torch.zeros(len(clean), *clean.shape[-2:])

    def walk(denoiser, x, sigmas, extra_args, callback, disable):
        for sigma, noise, frames in calls:
            some = clean[frames]
            shown = path.noisy(some, noise.expand_as(some), sigma).to(x)
            denoised = denoiser(shown, x.new_full((len(some),), sigma), **extra_args)
            total[frames] += error(denoised, some.to(x), sigma).cpu() / len(TIMESTEPS)
            tick()
        return x

    sigmas = torch.tensor([*sorted({call.sigma for call in calls}, reverse=True), 0.0])
    walk_clip(model, {"positive": conditioning}, clean[:TOGETHER], sigmas, walk, on_step=lambda *_: None)
    return total


def require_latent(model: ModelPatcher, samples: Tensor, whose: str, fix: str) -> None:
    """Raises ValueError for a LATENT that is no clip of the MODEL's. whose, fix: for the message."""
    channels = model.get_model_object("latent_format").latent_channels
    if samples.ndim != 4 or samples.shape[1] != channels or not samples.numel():
        raise ValueError(
            f"{whose} `latent` is {tuple(samples.shape)}, but the model's clips are (frames, {channels}, height, width), at "
            f"least one frame. {fix}"
        )
    if not samples.isfinite().all():
        raise ValueError(f"{whose} `latent` contains NaN or infinite values. Look at the node that made it.")
