"""What a socket or widget may carry, good and odd, for the fuzzer: by its declared type, never by the node."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import rig
import torch
from comfy_api.latest import io
from hypothesis import strategies as st
from oracle import bound, regions

from pack.nodes.inversion import DDIMInversion
from pack.videograin.core.attention_clusters import ClusterLayout
from pack.videograin.jobs import demo_model

FRAMES, SIDE = 2, 64  # of everything that fits together
TEXTS = ("", " ", "a cat", "0", "0, 1@(3, 4, 0)", "box 1, 1, 30, 30, 0", "cat: 2", "-1", "nan", "1e999", "\0", "a\u0308\u732b",
         "[[", "{}", "{x}", "%s", "(((", "a:1:2", ",", "x" * 3000, "../x", "\n\n", "0: 0, 0, 1, 1")  # fmt: skip
FLOATS = (0.0, 1.0, -1.0, 1e-9, math.nan, math.inf, -math.inf, 1e30)
SLOW = ("steps", "refinements", "chunk_length", "cap", "clusters", "frames")  # more of these only takes longer


class Kit(NamedTuple):
    """Real things that fit together; `of` makes odd ones beside them."""

    model: Any
    clip: Any
    vae: Any
    inversion: Any
    noise: dict
    sigmas: torch.Tensor


def kit() -> Kit:
    painter, clip, vae = demo_model.load()
    del painter
    model = rig.small_unet()
    latent = {"samples": rig.latent(FRAMES, SIDE // 8, SIDE // 8)}
    with torch.inference_mode():
        noise, inversion, sigmas = DDIMInversion.execute(model, rig.text(1), latent, 2, "ddim_uniform", 0).args
    return Kit(model, clip, vae, inversion, noise, sigmas)


def images(frames: int = FRAMES, height: int = SIDE, width: int = SIDE, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames * height + width)
    return torch.rand(frames, height, width, channels, generator=generator)


def masks(*shape: int) -> torch.Tensor:
    found = torch.zeros(shape)
    found[..., : shape[-1] // 2] = 1
    return found


def two_parts() -> torch.Tensor:
    found = masks(FRAMES, SIDE, SIDE)
    found[..., : SIDE // 4] = 0
    found[..., : SIDE // 8] = 1
    return found


def layout(frames: int = FRAMES, names: tuple[str, ...] = ("cat", "", "dog")) -> ClusterLayout:
    labels = torch.arange(64).reshape(1, 8, 8).expand(frames, -1, -1) % max(1, len(names))
    return ClusterLayout(labels.contiguous(), names, SIDE, SIDE)


def good(kit: Kit) -> dict[str, Callable[[], Any]]:
    """By socket type."""
    return {
        "MODEL": lambda: kit.model,
        "CLIP": lambda: kit.clip,
        "VAE": lambda: kit.vae,
        "LATENT": lambda: {"samples": rig.latent(FRAMES, SIDE // 8, SIDE // 8)},
        "CONDITIONING": lambda: rig.text(1),
        "IMAGE": images,
        "MASK": lambda: masks(FRAMES, SIDE, SIDE),
        "SIGMAS": lambda: kit.sigmas,
        "VIDEOGRAIN_INVERSION": lambda: kit.inversion,
        "VIDEOGRAIN_REGIONS": lambda: regions(FRAMES, SIDE // 8, SIDE // 8),
        "VIDEOGRAIN_LAYOUT": layout,
    }


def odd(kit: Kit) -> dict[str, tuple[Any, ...]]:
    """By socket type: what such a socket may carry that a node does not expect."""
    nothing = torch.full((FRAMES, SIDE, SIDE, 3), torch.nan)
    few = {"samples": rig.latent(1, SIDE // 8, SIDE // 8)}
    return {
        "LATENT": (few, {"samples": rig.latent(FRAMES, 5, 7)}, {"samples": torch.zeros(FRAMES, 16, 8, 8)},
                   {"samples": torch.zeros(1, 4, FRAMES, 8, 8)}, {"samples": rig.latent(0, 8, 8)}, kit.noise,
                   {"samples": torch.full((FRAMES, 4, 8, 8), torch.nan)}),
        "CONDITIONING": ([], rig.text(1) + rig.text(2), rig.text(1, tokens=154),
                         [[torch.zeros(1, 77, 768), {}]], [[torch.zeros(1, 0, 192), {}]]),
        "IMAGE": (images(1), images(5), images(0), images(height=48), images(width=65), images(height=1, width=1),
                  images(channels=4), images(channels=1), images(channels=2), nothing, 1000 * images() - 500),
        "MASK": (masks(SIDE, SIDE), masks(1, SIDE, SIDE), masks(5, SIDE, SIDE), masks(FRAMES, 7, 9), masks(0, SIDE, SIDE),
                 masks(FRAMES, 1, 1), torch.zeros(FRAMES, SIDE, SIDE), torch.full((FRAMES, SIDE, SIDE), torch.nan),
                 masks(FRAMES, 1, SIDE, SIDE), 7 * masks(FRAMES, SIDE, SIDE)),
        "SIGMAS": (torch.tensor([]), torch.tensor([1.0]), kit.sigmas.flip(0), torch.tensor([math.nan, 0.0]),
                   torch.tensor([5.0, 5.0, 0.0]), torch.tensor([1e9, 0.0])),
        "VIDEOGRAIN_REGIONS": ((), regions(1, 8, 8), regions(5, 8, 8), regions(FRAMES, 3, 5)),
        "VIDEOGRAIN_LAYOUT": (layout(5), layout(names=("x",)), layout(names=tuple("abcdefghijkl"))),
        "OPTICAL_FLOW": (object(), "raft"),
    }  # fmt: skip


def particular(kit: Kit) -> dict[str, dict[str, Any]]:
    """By node: what its inputs need beyond their defaults to work."""
    with_regions = bound(rig.text(1), regions(FRAMES, SIDE // 8, SIDE // 8))
    return {
        "VideoGrainDemoClip": {"frames": 8},
        "VideoGrainEditInChunks": {"overlap": 0, "anchors": 1, "positive": with_regions},
        "VideoGrainLatentBlend": {"inversion": kit.inversion},
        "VideoGrainLoadInversion": {"file": "output/inversions/clip_00001_.safetensors"},
        "VideoGrainLoadVideoFrames": {"file": "clip.gif"},
        "VideoGrainPlaceObjects": {"boxes": "cat: 4, 4, 40, 40", "prompt": "a cat", "frames": images()},
        "VideoGrainSaveInversion": {"noise": kit.noise},
        "VideoGrainVaryNoise": {"noise": kit.noise},
        "VideoGrainShowAttention": {"conditioning": with_regions},
        "VideoGrainSplitInstances": {"mask": two_parts()},
        "VideoGrainTrackRegions": {"vae": kit.vae},
    }


def widget(entry: Any) -> st.SearchStrategy | None:
    """Values in and beyond what a widget declares; None for a socket."""
    kind = entry.get_io_type()
    if getattr(entry, "options", None) is not None:
        return st.sampled_from([str(option) for option in entry.options])  # ComfyUI itself refuses any other
    if kind == "BOOLEAN":
        return st.booleans()
    if kind == "STRING":
        return st.sampled_from(TEXTS) | st.text(max_size=12)
    if kind in ("INT", "FLOAT"):
        return st.sampled_from(_numbers(entry, kind))
    return None


def _numbers(entry: Any, kind: str) -> list[float]:
    low, high = (getattr(entry, side, None) for side in ("min", "max"))
    step = 1 if kind == "INT" else 0.01
    ends = [] if low is None else [low, low + step, low - step]
    if high is not None and not (kind == "INT" and entry.id in SLOW):
        ends += [high, high + step]
    return [*ends, *((-1, 0, 1, 2) if kind == "INT" else FLOATS)]


def base(schema: io.Schema, kit: Kit) -> dict[str, Any]:
    """A node's inputs as a careful user would set them, small; optional sockets stay empty."""
    found, things = {}, good(kit)
    for entry in schema.inputs:
        kind = entry.get_io_type()
        if kind in things and not entry.optional:
            found[entry.id] = things[kind]()
        elif getattr(entry, "options", None) is not None and entry.default is None:
            found[entry.id] = str(next(iter(entry.options), ""))
        elif hasattr(entry, "default") and not entry.optional:
            usual = "" if kind == "STRING" and entry.default is None else entry.default
            found[entry.id] = 2 if kind == "INT" and entry.id in SLOW else usual
    return {**found, **particular(kit).get(schema.node_id, {})}


def told(value: Any) -> str:
    """A value in a failure's words: tensors by their shape."""
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)}{' with NaN' if value.isnan().any() else ''}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {told(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(told(one) for one in value) + "]"
    return repr(value)[:80]
