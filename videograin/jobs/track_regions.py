"""Track Regions, and Regions with a MODEL: the model is shown the clip once, and its keys carry what is marked to every frame.

Each frame is shown alone, whatever frames the MODEL lets it see, a few in a call. What is kept of a frame is the keys of a
few layers; frames are never compared all with all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple

import nodes as host
import numpy as np
import torch
import torch.nn.functional as F
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ..backbones import registry
from ..backbones.base import Site
from ..comfyui.context_windows import without_windows
from ..comfyui.progress import Notes, watcher
from ..comfyui.spill_to_disk import allocate
from ..comfyui.validate import noise_level, require_family
from ..comfyui.wrappers import noting, with_plan
from ..core.attention_keys import finest, on_grid, telling
from ..core.cells import CELL
from ..core.inversion_record import Inversion
from ..core.label_propagation import Settings, propagate, shares
from ..core.time_left import TimeLeft
from ..core.token_likeness import Tokens, colours
from ..features.attention_probe import Onlooker, Probe
from ..features.engine import At
from ..masks.grabcut import in_bytes
from ..masks.guided_filter import at_pixels
from ..masks.room import carried
from .invert import walk_clip
from .look import require_uncached, unseen

TOGETHER = 8  # frames in a call of the network
NOISY, INVERTED = 100, 200  # training steps at which frames are looked at, with noise of ours and on their own path


Marks = Mapping[int, Tensor]  # of one region: the numbers of the frames that mark it -> its mask there, (H, W)


class Shown(NamedTuple):
    """What the network is shown of a clip: latents (F, C, h, w) in the sampler's space, at a noise level.

    node: the one that shows it, for messages.
    """

    latents: Tensor
    sigma: float
    node: str


class Known(NamedTuple):
    """What is known of the regions. inside: (F, H, W) bool, what they cover together, if every pixel of it is of one of them."""

    marks: Sequence[Marks]
    inside: Tensor | None = None


class Tracked(NamedTuple):
    """Regions in every frame. masks: (K, F, H, W) bool, as given where marked, disjoint where not. confidence: (K, F) float32, 0 to 1; 1 where marked."""

    masks: Tensor
    confidence: Tensor


class Keys(Onlooker):
    """The keys of some frames: of all layers at the finest grid, and of the decoder's last one before it."""

    def __init__(self, model: ModelPatcher, height: int, width: int, node: str):
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


def enlargement(model: ModelPatcher, frames: Tensor) -> int:
    """2 where frames (F, H, W, 3) twice as large are still seen on the network's finest grid, else 1: no finer one pays."""
    network = model.model.diffusion_model
    levels = registry.of(network).sites(network)
    doubled = (2 * side // CELL for side in frames.shape[1:3])
    return 2 if finest(levels, *doubled) == finest(levels, 1, 1) else 1


def from_frames(model: ModelPatcher, vae: VAE, frames: Tensor, enlarge: int, node: str) -> Shown:
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


def from_inversion(model: ModelPatcher, inversion: Inversion, node: str) -> Shown:
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
    require_uncached(model, f"{shown.node}'s")
    frames, (height, width) = len(shown.latents), shown.latents.shape[-2:]
    keys, together = Keys(model, height, width, shown.node), min(TOGETHER, frames)
    features = allocate(
        (frames, keys.grid[0] * keys.grid[1], keys.width), torch.float16, shown.node,
        "Free space there, take smaller frames or a shorter clip, or Track Regions with `enlarge` 1.", f"for {frames} frames",
        "keys of the clip",
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
    looking = noting(with_plan(without_windows(model), (Probe(keys),)), notes)
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
            f"The `model` of {node} needs words of its own kind. Use Track Regions, with any prompt as its `conditioning`."
        )
    return [[torch.zeros(1, 77, width), {"pooled_output": torch.zeros(1, 1280)}]]


def track(
    model: ModelPatcher, shown: Shown, frames: Tensor, known: Known, settings: Settings, conditioning: list | None = None
) -> Tracked:  # fmt: skip
    """The marked regions in every frame (F, H, W, 3). shown: the same clip. Masks have the frames' size.

    Raises ValueError for a MODEL that cannot be looked into.
    """
    require_family(model, shown.node)
    keys, grid = look(model, shown, conditioning)
    tokens = Tokens(keys, colours(frames, grid), sorted({frame for each in known.marks for frame in each}))
    return followed(tokens, grid, frames, known, settings, model.load_device)


def followed(
    features: Tensor | Tokens, grid: tuple[int, int], frames: Tensor, known: Known, settings: Settings,
    device: torch.device,
) -> Tracked:  # fmt: skip
    """The marked regions in every frame, by features of its tokens, whose products are similarities.

    Regions that the same frames mark are followed together, others apart: a frame says nothing of a region that it does not
    mark, and another mark of one region changes no other.
    """
    marks, inside = known
    found, sure = torch.zeros(len(marks), *frames.shape[:3], dtype=torch.bool), torch.ones(len(marks), len(frames))
    strength = torch.zeros(len(marks), len(frames), grid[0] * grid[1])
    groups = groups_of(marks)
    Notes().tell("Following the regions")
    watch, total = watcher(), sum(len(frames) - len(marked) for marked in groups)
    done = count(1)
    for marked, regions in groups.items():
        masks = torch.stack([torch.stack([marks[k][frame] for frame in marked]) for k in regions])
        starts = {frame: shares(masks[:, i], *grid) for i, frame in enumerate(marked)}
        for k, given in zip(regions, masks, strict=True):
            found[k, list(marked)] = given > 0.5

        def settle(frame: int, labels: Tensor, regions: list[int] = regions) -> Tensor:
            where = None if inside is None else inside[frame]
            found[regions, frame] = owned(labels, grid, frames[frame, ..., :3].cpu(), where)
            return shares(found[regions, frame], *grid)

        for each in propagate(features, starts, settings, settle, device):
            sure[regions, each.frame], strength[regions, each.frame] = each.confidence, each.labels[:, :-1].T
            watch(next(done) / total)
    if len(groups) > 1:
        settle_claims(found, strength, marks, grid)
    return Tracked(found, sure)


def groups_of(marks: Sequence[Marks]) -> dict[tuple[int, ...], list[int]]:
    """The regions that the same frames mark: their numbers, by those frames."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for region, each in enumerate(marks):
        groups.setdefault(tuple(sorted(each)), []).append(region)
    return groups


def settle_claims(found: Tensor, strength: Tensor, marks: Sequence[Marks], grid: tuple[int, int]) -> None:
    """Takes from masks (K, F, H, W) in place what others have the better claim to: a mark, or the stronger label (K, F, n)."""
    regions = torch.arange(len(found)).view(-1, 1, 1)
    for frame in range(found.shape[1]):
        given = torch.tensor([frame in each for each in marks]).view(-1, 1, 1)
        claims = F.interpolate(strength[None, :, frame].unflatten(2, grid), found.shape[2:], mode="bilinear")[0]
        claims = claims.masked_fill(given, 2).masked_fill(~found[:, frame], -1)
        found[:, frame] &= given | (claims.argmax(0) == regions)


def owned(labels: Tensor, grid: tuple[int, int], picture: Tensor, inside: Tensor | None = None) -> Tensor:
    """The strongest label of each pixel as masks without the background's, (K, H, W) bool.

    Args: labels (n, K + 1); picture (H, W, 3) float in 0 to 1, whose edges they take; inside (H, W) bool, the pixels that
    are not the background's, if that is known.
    """
    strength = at_pixels(labels, grid, picture)
    owner = strength.argmax(0) if inside is None else strength[:-1].argmax(0)
    return torch.stack([(owner == k) & (inside is None or inside) for k in range(labels.shape[1] - 1)])


def with_rooms(
    found: Tracked, things: Sequence[int], marks: Mapping[int, Marks], rooms: Mapping[int, int], frames: Tensor
) -> Tracked:  # fmt: skip
    """What was followed, and each room along with its thing (masks/room.py), in the order of `marks`.

    things: the numbers of what was followed. marks: of these and of the rooms. rooms: the thing that each moves with.
    """
    masks, clip = found.masks.numpy(), in_bytes(frames)
    rows = {n: (found.masks[i], found.confidence[i]) for i, n in enumerate(things)}
    for room, thing in rooms.items():
        own = things.index(thing)
        others = np.delete(masks, own, 0).any(0)
        given = {frame: (mask > 0.5).numpy() for frame, mask in marks[room].items()}
        rows[room] = torch.from_numpy(carried(given, masks[own], others, clip)), found.confidence[own]
    return Tracked(*(torch.stack(parts) for parts in zip(*(rows[n] for n in marks), strict=True)))
