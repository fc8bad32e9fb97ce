"""Track Regions: the model is shown the clip once, and its keys carry the marked regions to every frame.

Each frame is shown alone, whatever frames the MODEL lets it see, a few in a call. What is kept of a frame is the keys of a
few layers; frames are never compared all with all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import nodes as host
import torch
import torch.nn.functional as F
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ..backbones import registry
from ..backbones.base import Site
from ..comfyui.progress import Notes, watcher
from ..comfyui.spill_to_disk import allocate
from ..comfyui.validate import noise_level, require_family
from ..comfyui.wrappers import noting, with_plan
from ..core.attention_keys import finest, on_grid, telling
from ..core.cells import CELL
from ..core.inversion_record import Inversion
from ..core.label_propagation import Settings, propagate, shares
from ..core.time_left import TimeLeft
from ..features.attention_probe import Onlooker, Probe
from ..features.engine import At
from ..masks.guided_filter import guided
from .invert import walk_clip
from .look import require_uncached, unseen

NODE = "Track Regions"
TOGETHER = 8  # frames in a call of the network
NOISY, INVERTED = 100, 200  # training steps at which frames are looked at, with noise of ours and on their own path


class Shown(NamedTuple):
    """What the network is shown of a clip: latents (F, C, h, w) in the sampler's space, at a noise level.

    node: the one that shows it, for messages.
    """

    latents: Tensor
    sigma: float
    node: str = NODE


class Tracked(NamedTuple):
    """Regions in every frame. masks: (K, F, H, W) bool, as given where marked, else disjoint. confidence: (K, F) float32, 0 to 1; 1 where marked."""

    masks: Tensor
    confidence: Tensor


class Keys(Onlooker):
    """The keys of some frames: of all layers at the finest grid, and of the decoder's last one before it."""

    def __init__(self, model: ModelPatcher, height: int, width: int, node: str = NODE):
        network, self.node = model.model.diffusion_model, node
        backbone = registry.of(network)
        levels, widths = backbone.sites(network), backbone.widths(network)
        super().__init__(finest(levels, height, width), "all")
        self.grid = -(-height // self.level), -(-width // self.level)
        self.sites = telling(levels, height, width)
        self.width = sum(widths[site] for site in self.sites)
        self.found: dict[Site, Tensor] = {}

    def held_bytes(self, tokens: int) -> int:
        return 4 * TOGETHER * self.width * tokens // self.level**2

    def wants(self, site: Site, level: int) -> bool:
        return site in self.sites

    def see_self(self, at: At, q: Tensor, k: Tensor) -> None:
        self.found[at.site] = on_grid(k[0], (at.grid.height, at.grid.width), self.grid)
        self.seen = True

    def features(self) -> Tensor:
        """(f, n, C) of the frames seen last: the product of two tokens is the mean of their layers' cosines."""
        missing = [site for site in self.sites if site not in self.found]
        if missing:
            raise unseen(self.node, missing[0])
        return torch.cat([self.found[site] for site in self.sites], -1) / len(self.sites) ** 0.5


def from_frames(model: ModelPatcher, vae: VAE, frames: Tensor, enlarge: int, node: str = NODE) -> Shown:
    """Frames (F, H, W, 3), `enlarge` times as large, encoded, with one noise for all. Raises ValueError for another VAE."""
    height, width = (max(CELL, CELL * round(side * enlarge / CELL)) for side in frames.shape[1:3])
    notes, found = Notes(), []
    for some in frames[..., :3].split(TOGETHER):
        notes.tell(f"Encoding: {sum(map(len, found))} of {len(frames)} frames")
        larger = F.interpolate(some.movedim(-1, 1), (height, width), mode="bicubic", antialias=True).clamp(0, 1)
        found.append(host.VAEEncode().encode(vae, larger.movedim(1, -1))[0]["samples"].cpu())
    channels = model.get_model_object("latent_format").latent_channels
    if found[0].ndim != 4 or found[0].shape[1] != channels:
        raise ValueError(
            f"The `vae` of {node} makes latents of shape {tuple(found[0].shape)}, but the model takes pictures of "
            f"{channels} channels. Connect the checkpoint's own VAE."
        )
    clean = model.model.process_latent_in(torch.cat(found).float())
    noise = torch.randn(clean[:1].shape, generator=torch.Generator().manual_seed(0))
    sigma = noise_level(model.get_model_object("model_sampling"), NOISY)
    return Shown(registry.of(model.model.diffusion_model).path.noisy(clean, noise.expand_as(clean), sigma), sigma, node)


def from_inversion(model: ModelPatcher, inversion: Inversion, node: str = NODE) -> Shown:
    """The clip on its own path. Raises ValueError for the inversion of another kind of model."""
    channels = model.get_model_object("latent_format").latent_channels
    if inversion.source.shape[1] != channels:
        raise ValueError(
            f"The `inversion` of {node} has {inversion.source.shape[1]} channels, but the model's latents have {channels}. "
            "Connect the MODEL that the clip was inverted with."
        )
    sigma = noise_level(model.get_model_object("model_sampling"), INVERTED)
    level = min((s for s in inversion.sigmas.tolist() if s > 0), key=lambda s: abs(s - sigma))
    return Shown(inversion.at(level), level, node)


def look(model: ModelPatcher, shown: Shown, conditioning: list | None) -> tuple[Tensor, tuple[int, int]]:
    """The keys of every token, (F, n, C) float16, past memmap.IN_MEMORY in a file; and the grid, (rows, columns)."""
    require_uncached(model, shown.node)
    frames, (height, width) = len(shown.latents), shown.latents.shape[-2:]
    keys, together = Keys(model, height, width, shown.node), min(TOGETHER, frames)
    features = allocate(
        (frames, keys.grid[0] * keys.grid[1], keys.width), torch.float16, shown.node,
        "Free space there, or take smaller frames or a shorter clip.", f"for {frames} frames", "keys of the clip",
    )  # fmt: skip
    starts = sorted({min(start, frames - together) for start in range(0, frames, together)})  # every call as large
    notes, left = Notes(), TimeLeft(len(starts))

    def walk(denoiser, x, sigmas, extra_args, callback, disable):
        for step, start in enumerate(starts):
            notes.tell(f"Looking: {start} of {frames} frames{left.words(step)}")
            some = shown.latents[start : start + together].to(x)
            keys.found.clear()
            denoised = denoiser(some, x.new_full((together,), shown.sigma), **extra_args)
            features[start : start + together] = keys.features().to("cpu", torch.float16)
            callback({"i": step, "denoised": denoised, "x": some})
        return x

    sigmas = torch.tensor([shown.sigma] * len(starts) + [0.0])
    looking = noting(with_plan(model, (Probe(keys),)), notes)
    walk_clip(
        looking, {"positive": only_words(model, conditioning, shown.node)}, shown.latents[:together], sigmas, walk
    )
    return features, keys.grid


def only_words(model: ModelPatcher, conditioning: list | None, node: str) -> list:
    """The prompt's text alone, for hints are of the whole clip and a call is not; without a prompt, zeros."""
    if conditioning:
        return [[text, {k: v for k, v in notes.items() if k == "pooled_output"}] for text, notes in conditioning[:1]]
    width = model.model.model_config.unet_config.get("context_dim")
    if not isinstance(width, int):
        raise ValueError(
            f"The `model` of {node} needs words of its own kind. Use {NODE}, with any prompt as its `conditioning`."
        )
    return [[torch.zeros(1, 77, width), {"pooled_output": torch.zeros(1, 1280)}]]


@dataclass(frozen=True)
class Marks:
    """What is known of the regions.

    frames: numbers of the marked frames, ascending. masks: (K, marked, H, W) float. inside: (F, H, W) bool where it is known
    what they cover together in every frame; each of its pixels is then of one of them.
    """

    frames: tuple[int, ...]
    masks: Tensor
    inside: Tensor | None = None


def track(
    model: ModelPatcher, shown: Shown, frames: Tensor, marks: Marks, settings: Settings, conditioning: list | None = None
) -> Tracked:  # fmt: skip
    """The marked regions in every frame (F, H, W, 3). shown: the same clip. Masks have the frames' size.

    Raises ValueError for a MODEL that cannot be looked into.
    """
    require_family(model, shown.node)
    return followed(*look(model, shown, conditioning), frames, marks, settings, model.load_device)


def followed(
    features: Tensor, grid: tuple[int, int], frames: Tensor, marks: Marks, settings: Settings, device: torch.device
) -> Tracked:
    """The marked regions in every frame, by features of the clip as `look` gives them."""
    found = torch.zeros(len(marks.masks), *frames.shape[:3], dtype=torch.bool)
    sure = torch.ones(len(marks.masks), len(frames))
    known = {frame: shares(marks.masks[:, i], *grid) for i, frame in enumerate(marks.frames)}
    found[:, list(marks.frames)] = marks.masks > 0.5

    def settle(frame: int, labels: Tensor) -> Tensor:
        picture = frames[frame, ..., :3].cpu()
        found[:, frame] = at_pixels(labels, grid, picture, None if marks.inside is None else marks.inside[frame])
        return shares(found[:, frame], *grid)

    Notes().tell("Following the regions")
    watch = watcher()
    for done, each in enumerate(propagate(features, known, settings, settle, device), 1):
        sure[:, each.frame] = each.confidence
        watch(done / (len(frames) - len(known)))
    return Tracked(found, sure)


def at_pixels(labels: Tensor, grid: tuple[int, int], picture: Tensor, inside: Tensor | None = None) -> Tensor:
    """The strongest label of each pixel as masks without the background's, (K, H, W) bool.

    Args: labels (n, K + 1); picture (H, W, 3) float in 0 to 1, whose edges they take; inside (H, W) bool, the pixels that
    are not the background's, if that is known.
    """
    size = tuple(picture.shape[:2])
    soft = F.interpolate(labels.T.unflatten(1, grid)[None], size, mode="bilinear")[0]
    radius = 2 + round(max(size[0] / grid[0], size[1] / grid[1]) / 2)  # half a token and a little
    strength = guided(soft, picture, radius)
    owner = strength.argmax(0) if inside is None else strength[:-1].argmax(0)
    return torch.stack([(owner == k) & (inside is None or inside) for k in range(labels.shape[1] - 1)])
