"""Evaluate Edit's measuring: ComfyUI's CLIP, CLIP_VISION and OPTICAL_FLOW models shown the clips, with progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..comfyui.optical_flow import FlowFunction, flow_function
from ..comfyui.progress import counter, warn
from ..core.cells import CELL, cut_like
from ..core.optical_flow import DIS, occluded
from ..core.regions import Regions, clip_masks
from ..metrics import measures
from ..metrics.measures import Counts, Relation
from ..metrics.report import Measured, Need
from ..metrics.visor import counts_of, parse_detections, parse_relations, relations_of, unseen

DETECTIONS, RELATIONS = "Evaluate Edit's `detections`", "Evaluate Edit's `relations`"
BATCH = 8  # frames per call of the vision model
WIDTHS = {768: "ViT-B", 1024: "ViT-L", 1280: "ViT-H", 1664: "ViT-bigG"}  # of the vision model's hidden states
PAIRS = (
    "clip_l.safetensors by Load CLIP with CLIP ViT-L/14; a SD 2.x checkpoint's text encoder with CLIP ViT-H/14; an SDXL "
    "checkpoint's with CLIP ViT-bigG/14"
)


@dataclass(frozen=True)
class Texts:
    """What is said of an edit in words: its two prompts, what a detector found, how things should lie to each other."""

    target_text: str = ""
    source_text: str = ""
    detections: str = ""
    relations: str = ""


@dataclass(frozen=True)
class Models:
    """ComfyUI's CLIP, CLIP_VISION and OPTICAL_FLOW, each or None."""

    clip: Any = None
    clip_vision: Any = None
    optical_flow: Any = None


@torch.no_grad()
def measure(
    source: Tensor, edited: Tensor, regions: Regions = (), texts: Texts = Texts(), models: Models = Models()
) -> Measured:
    """Measures an edit against its source with what is connected.

    Raises ValueError where the clips, the regions or the two halves of CLIP do not fit each other, before any frame is
    looked at.
    """
    source, edited = check_clips(source, edited)
    frames, height, width, _ = source.shape
    masks = region_masks(regions, frames, height, width) if regions else None
    outside = None if masks is None else ~masks.any(0)
    detected = parse_detections(texts.detections, DETECTIONS, frames) if texts.detections.strip() else None
    pairs, counts = placed(texts.relations, regions, masks, frames)
    clip, clip_vision = models.clip, models.clip_vision
    given = {
        Need.CLIP_VISION: clip_vision is not None,
        Need.CLIP: clip is not None,
        Need.TARGET: bool(texts.target_text.strip()),
        Need.SOURCE: bool(texts.source_text.strip()),
        Need.REGIONS: outside is not None,
        Need.PAIR: frames > 1,
        Need.BACKGROUND: outside is None or bool(outside.any()),
        Need.DETECTIONS: detected is not None,
        Need.RELATIONS: any(pairs),
    }
    target, written = embed_texts(texts, models)
    flow = flow_function(models.optical_flow, "Evaluate Edit")
    advance = counter((frames if clip_vision is not None else 0) + frames - 1)
    pictures = embed_frames(clip_vision, edited, advance) if clip_vision is not None else None
    visible, everywhere, squared, floor = warping(source, edited, flow, advance)
    return Measured(
        given=frozenset(need for need, there in given.items() if there),
        frames=frames,
        height=height,
        width=width,
        pictures=pictures,
        target=target,
        source=written,
        visible=visible,
        everywhere=everywhere,
        squared=squared,
        floor=floor,
        whole=measures.psnrs(source, edited),
        background=measures.psnrs(source, edited, outside) if outside is not None else None,
        backbone=vision_name(clip_vision) if clip_vision is not None else "",
        flow=DIS if models.optical_flow is None else "RAFT large",
        visor=measures.visor(detected, pairs, counts) if detected is not None and any(pairs) else None,
        unseen=unseen(detected, pairs, counts) if detected is not None else (),
    )


def placed(
    relations: str, regions: Regions, masks: Tensor | None, frames: int
) -> tuple[list[list[Relation]], list[Counts]]:
    """What is asked of each frame, in words, else of the regions' places; and how many of each thing there should be."""
    if relations.strip() or masks is None:
        return [parse_relations(relations, RELATIONS)] * frames, [{}] * frames
    spoken = [number for number, region in enumerate(regions) if region.phrase]
    names = [regions[number].phrase for number in spoken]
    return relations_of(masks[spoken], names), counts_of(masks[spoken], names)


def check_clips(source: Tensor, edited: Tensor) -> tuple[Tensor, Tensor]:
    """Both clips as (F, H, W, 3) float32 on the CPU. Raises ValueError unless they are alike and finite."""
    source = cut_like(source, tuple(edited.shape[1:3]))
    here, there = (f"{len(clip)} frames of {clip.shape[2]}×{clip.shape[1]}" for clip in (source, edited))
    if source.shape[:3] != edited.shape[:3]:
        raise ValueError(
            f"Evaluate Edit: `source` has {here}, but `edited` has {there}. They are compared pixel by pixel: connect to "
            "`source` the frames that were encoded for the edit, after any resizing and cutting."
        )
    for name, clip in (("source", source), ("edited", edited)):
        broken = [number for number, frame in enumerate(clip) if not frame[..., :3].isfinite().all()]
        if broken:
            raise ValueError(
                f"Evaluate Edit's `{name}` holds values that are not numbers (NaN) or infinite, first in frame {broken[0]} "
                "(from 0): the model or the VAE that made it has overflowed. Run it in another precision (--fp32-vae, "
                "--force-fp32), and evaluate those frames."
            )
    source, edited = (clip[..., :3].float().cpu() for clip in (source, edited))
    return source, edited


def region_masks(regions: Regions, frames: int, height: int, width: int) -> Tensor:
    """(K, frames, height, width) bool at the size of the pictures; every pixel that a region touches is in it."""
    for number, region in enumerate(regions, 1):
        if len(region.mask) not in (1, frames):
            raise ValueError(
                f"Evaluate Edit: region {number} {region.name} has {len(region.mask)} masks, but `source` and `edited` "
                f"have {frames} frames. Give Region Prompt's `mask` one mask, or one for each of the {frames} frames."
            )
    encoded = height % CELL == width % CELL == 0
    masks = clip_masks(regions, frames, (height // CELL, width // CELL) if encoded else None)
    if masks.shape[-2:] == (height, width):
        return masks
    found = f"{masks.shape[-1]}×{masks.shape[-2]}"
    warn(f"Evaluate Edit: the regions' masks are {found} and were resized to the clip's {width}×{height}.")
    return F.interpolate(masks.float(), (height, width), mode="area") > 0


def warping(
    source: Tensor, edited: Tensor, flow: FlowFunction, advance: Callable[[int], None]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Warp-Err of the edit, masked and unmasked, its Pixel-MSE, and the source's masked Warp-Err; each (F - 1,)."""
    pairs = []
    for before in range(len(source) - 1):
        after = before + 1
        back = flow(source[after], source[before]).to(edited)
        hidden = occluded(back, flow(source[before], source[after]).to(edited))
        along = (edited[before], edited[after], back)
        masked, everywhere = measures.warp_err(*along, hidden), measures.warp_err(*along)
        floor = measures.warp_err(source[before], source[after], back, hidden)
        pairs.append(torch.stack((masked, everywhere, measures.pixel_mse(*along, hidden), floor)).cpu())
        advance(1)
    return torch.stack(pairs, 1).unbind() if pairs else (torch.zeros(0),) * 4


def require_clip_vision(clip_vision: Any) -> None:
    kind = getattr(clip_vision, "model_type", type(clip_vision).__name__)
    if kind != "clip_vision_model":
        raise ValueError(
            f"Evaluate Edit's `clip_vision` is a {kind}; its numbers are defined on CLIP. Load a CLIP vision model (ViT-L/"
            "14, ViT-H/14, ViT-bigG/14) with Load CLIP Vision."
        )


def vision_name(clip_vision: Any) -> str:
    """As in "CLIP ViT-L/14, 224 px"; widths no published CLIP has are given as numbers."""
    config = clip_vision.config
    name = WIDTHS.get(config["hidden_size"], f"ViT of width {config['hidden_size']}")
    return f"CLIP {name}/{config['patch_size']}, {config['image_size']} px"


def embed_frames(clip_vision: Any, frames: Tensor, advance: Callable[[int], None]) -> Tensor:
    """CLIP's image embeddings of a clip, (F, dim) float32 on the CPU: short side resized, centre square cut out."""
    found = []
    for start in range(0, len(frames), BATCH):
        batch = frames[start : start + BATCH]
        found.append(clip_vision.encode_image(batch, crop=True).image_embeds.float().cpu())
        advance(len(batch))
    pictures = torch.cat(found)
    if not (pictures.isfinite().all() and (pictures.norm(dim=-1) > 0).all()):
        raise ValueError(
            "Evaluate Edit's `clip_vision` gives embeddings that are zero or not numbers: its file lacks the projection "
            "into CLIP's space (visual_projection). Load a complete CLIP vision model."
        )
    return pictures


def embed_texts(texts: Texts, models: Models) -> tuple[Tensor | None, Tensor | None]:
    """Target and source text in CLIP's space; None for an empty one, and where either half of CLIP is missing."""
    if models.clip_vision is not None:
        require_clip_vision(models.clip_vision)
    speaking = models.clip is not None and models.clip_vision is not None
    target, source = (
        embed_text(models.clip, models.clip_vision, text) if speaking and text.strip() else None
        for text in (texts.target_text, texts.source_text)
    )
    return target, source


def embed_text(clip: Any, clip_vision: Any, text: str) -> Tensor:
    """A text in CLIP's space, (dim,) float32 on the CPU; what does not fit into 77 tokens is left out.

    Raises ValueError unless the text encoder projects into a space of the vision model's size. That the two belong to
    one CLIP, not just to one size, cannot be told from them.
    """
    tokens = clip.tokenize(text)
    if any(len(chunks) > 1 for chunks in tokens.values()):
        warn(f'Evaluate Edit: CLIP reads the first 75 tokens of "{text[:40]}…".')
    hidden, projected = (pooled_text(clip, tokens, projected) for projected in (False, True))
    # A trained projection hardly changes the length. Where the file had none, ComfyUI's layer holds whatever the memory
    # held before, mostly zeros.
    gain = nan if projected is None else float(projected.norm() / hidden.norm())
    if not 1e-2 < gain < 1e2 or torch.equal(hidden, projected):
        raise ValueError(
            "Evaluate Edit's `clip` cannot place a text in CLIP's space: it is not of the CLIP family, or came without the "
            f"projection that compares texts with pictures, which checkpoints of SD 1.x lack. Connect {PAIRS}."
        )
    expected = clip_vision.config.get("projection_dim", clip_vision.config["hidden_size"])
    if projected.shape[-1] != expected:
        raise ValueError(
            f"Evaluate Edit's `clip` gives text embeddings of {projected.shape[-1]} numbers, but `clip_vision` ("
            f"{vision_name(clip_vision)}) gives picture embeddings of {expected}: they are not two halves of one CLIP. "
            f"Connect {PAIRS}."
        )
    return projected[0].float().cpu()


def pooled_text(clip: Any, tokens: dict, projected: bool) -> Tensor | None:
    """The text encoder's pooled output, (1, dim), before or after its projection; None if it has no pooled output.

    As core's encode_from_tokens, which never projects for SD 1.x's text encoder.
    """
    clip.load_model(tokens)
    encoder = clip.cond_stage_model
    encoder.reset_clip_options()
    encoder.set_clip_options({"projected_pooled": projected, "execution_device": clip.patcher.load_device})
    try:
        return encoder.encode_token_weights(tokens)[1]
    finally:
        encoder.reset_clip_options()
