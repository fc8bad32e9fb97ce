"""What a node asks of a sampling run, and how that acts in it.

A node appends a Record to the MODEL. When sampling starts, the engine asks every record what it means in this run, a
Feature; while the network runs it asks every feature in turn, and it knows none by name. A method that a feature leaves
out changes nothing. `order` says who stands around whom: the lowest number is outermost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ..backbones.base import Backbone, Geometry, Need, Site
from ..core.cells import fits
from ..core.cross_frame import KeySets
from ..core.inversion_record import Inversion
from ..core.phrase_tokens import is_of
from ..core.regions import Regions, TokenRule, clip_masks, require_a_mask_a_frame
from ..core.st_layout import Modulation
from .engine import At, Attend, Call, Misfit, Own, Run, Step

REGION_MASK = "Region Prompt's `mask`"  # where the masks of regions come from, for messages
NOISE_MASK = (
    "The latent carries a noise_mask (Set Latent Noise Mask, VAE Encode for Inpainting, or InpaintModelConditioning with "
    "its `noise_mask` on), and Latent Blend does that job on the source's own path. Remove the node that sets it, or "
    "switch that input off; connect its mask to Latent Blend's `mask`."
)


class Claim(Enum):
    """What a feature determines, where another may want it otherwise."""

    FEW_FRAMES = auto()  # a few frames stand for the clip
    SELF_SCORES = auto()  # regions' scores in self-attention of the edited half
    CROSS_SCORES = auto()  # words' regions in that half
    OUTLINES = auto()  # self-attention follows the source everywhere
    QUERIES = auto()  # the source's queries and keys stand for the edit's
    BACKGROUND = auto()  # the rest of the picture is held


class Claimed(NamedTuple):
    """When a claim holds, as shares of the noise schedule; and the widget that gives it up, as "ST-Layout's `self_strength`"."""

    start_percent: float = 0.0
    end_percent: float = 1.0
    widget: str = ""


Claims = Mapping[Claim, Claimed]


class Work(NamedTuple):
    """What memory is reckoned from. geometry: of the latent; queries: bytes of one layer's, both halves of guidance; number: bytes
    of one in the network.
    """

    geometry: Geometry
    queries: int
    number: int
    backbone: Backbone
    network: nn.Module

    @property
    def frames(self) -> int:
        return self.geometry.frames

    @property
    def tokens(self) -> int:
        """Of a frame, at the network's finest grid."""
        return self.geometry.tokens


class Record:
    """What one node asks, as immutable data on the MODEL; subclasses are frozen dataclasses."""

    node: ClassVar[str]  # for messages
    order: ClassVar[int]
    needs: frozenset[Need] = frozenset()
    live_in_inversion: ClassVar[bool] = False  # acts while a clip is inverted as in its edit
    on_latent: ClassVar[bool] = False  # works on the latent alone: attention is as without it
    words_widget: ClassVar[str] = ""  # that keeps words to regions, at 0 to none, for messages
    wants_all_frames: ClassVar[bool] = False  # every frame sees all others, where no other node says which
    neutral: bool = False  # as if the node were not there, to the bit
    says_frames: bool = False  # says which frames each frame sees

    @property
    def frames_seen(self) -> KeySets | None:
        """The key sets in force, where it says which."""
        return None

    @property
    def origin(self) -> Inversion | None:
        """The inversion from whose noise the edit starts."""
        return None

    @property
    def source_prompt(self) -> list | None:
        """The source's CONDITIONING, where the network is shown the source besides."""
        return None

    def bind(self, run: Run) -> Feature:
        """What it means in a run; not asked where it is neutral."""
        raise NotImplementedError

    def describe(self) -> str:
        """What an inversion depends on, one text per meaning; empty if nothing."""
        return ""

    def claims(self) -> Claims:
        return {}

    def of_frame(self, number: int, frames: int) -> Record:
        """The same for one frame alone of a clip of so many: what it holds frame by frame is cut.

        Raises ValueError where it is of a clip of another length.
        """
        return self

    def uncuttable(self, node: str) -> str | None:
        """Why it cannot act in a part of a clip; None where it can. node: that cuts the clip, for the message."""
        return (
            f"{node}'s `model` has passed through {self.node}, which reads one whole clip and its inversion. Connect "
            "the MODEL from before that node, or edit a shorter clip with DDIM Inversion and a sampler."
        )

    def held_bytes(self, work: Work) -> int:
        """Most that it holds besides while the network runs."""
        return 0

    def source_bytes(self, work: Work) -> int:
        """What is held of the source during a step, nothing of other steps."""
        return 0

    def looked_bytes(self, work: Work) -> int:
        """Most that calls of its own hold, before a step's ordinary ones."""
        return 0


class Feature:
    """A record in one run. `at` is the site, `number` a cond's place in the call's batch."""

    placed: bool = False  # has its place in the whole picture: wrong in a tile of it, or in a second run
    once: bool = False  # wrong where the sampler starts a second time, as everything placed is
    looks_across: bool = True  # needs to know which frame is which
    sees_hidden: bool = False  # looks at hidden states
    token_rule: TokenRule | None = None  # how masks become tokens, where it says so

    def __init__(self, record: Any, run: Run):
        self.record, self.run = record, run

    def check(self, claims: Claims) -> None:
        """Raises ValueError for what cannot work, before anything is computed. claims: what others determine."""

    # ---- around a step --------------------------------------------------------------------------------------------

    def step(self, step: Step, x: Tensor, denoise: Callable[[Tensor], Tensor]) -> Tensor:
        """The prediction for x at the step's noise level."""
        return denoise(x)

    def editable(self, sigma: float) -> Tensor | None:
        """Where the latent is the edit's at sigma, as a mask; None for everywhere."""
        return None

    def finish(self, samples: Tensor) -> Tensor:
        """The run's result, as LATENT has it."""
        return samples

    # ---- in a call of the network ------------------------------------------------------------------------------------

    def acts_in(self, call: Call, kind: str) -> bool:
        """Whether it does anything, or looks, at sites of a kind in this call."""
        return False

    def module_hooks(self, call: Call, network: nn.Module) -> Iterable[tuple[nn.Module, bool, Callable]]:
        """(module, whether before it, hook) for one call."""
        return ()

    def see_hidden(self, call: Call, site: Site, level: int, x: Tensor) -> None:
        """Looks at the normed hidden states that enter self-attention, if `sees_hidden`."""

    def check_call(self, call: Call) -> None:
        """Raises ValueError for a call that it cannot act in."""

    # ---- at a site ------------------------------------------------------------------------------------------------

    def key_set(self, call: Call, inner: Any) -> Any:
        """The key set in force at a site of self-attention, given what it would be."""
        return inner

    def modulation(self, at: At, number: int, k: Tensor) -> Modulation | None:
        """How one cond's scores are changed, k (f, m, d); None where they are not."""
        return None

    def misfit(self, at: At, misfit: Misfit) -> None:
        """Raises ValueError where it ought to act, and cannot."""

    def inputs(self, at: At, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys (c, f, n, d) in the place of self-attention's."""
        return q, k

    def observe(self, at: At, q: Tensor, k: Tensor) -> None:
        """Looks at queries and keys (c, f, n or m, d)."""

    def self_attention(self, at: At, q: Tensor, k: Tensor, attend: Attend) -> Attend | None:
        """Self-attention around `attend`, for queries and keys (c, f, n, d); None where it does not act."""
        return None

    def cross_attention(self, at: At, number: int, q: Tensor, k: Tensor, own: Own) -> Own | None:
        """One cond's cross-attention around `own`, q (f, n, d), k (f, m, d); None where it does not act."""
        return None


def one_of(clip: Tensor, number: int, frames: int, whose: str) -> Tensor:
    """One frame of a tensor with a row for each, as a clip of its own.

    whose: for the message. Raises ValueError where it is of a clip of another length than `frames`.
    """
    if len(clip) != frames:
        raise ValueError(
            f"{whose} is of {len(clip)} frames, but the latent has {frames}. Connect the same clip to both."
        )
    return clip[number : number + 1]


def one_mask(masks: Tensor, number: int, frames: int, whose: str) -> Tensor:
    """As `one_of`; a single mask serves every frame."""
    return masks if len(masks) == 1 else one_of(masks, number, frames, whose)


def as_heads(x: Tensor, heads: int) -> Tensor:
    """(b, n, h * d) as (b, h, n, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def left_out(what: str, frames: int, geometry: Geometry) -> str | None:
    """What is to be said of frames behind those that a latent shows; None for none. what: their name for the message."""
    more = frames - geometry.shown
    if frames == 1 or more <= 0:
        return None
    return (
        f"{what} are {frames}, but the model takes frames in groups of {geometry.per_latent} after the first: the VAE has left "
        f"out the last {more}. Load {geometry.shown} frames, or {geometry.shown + geometry.per_latent}."
    )


def region_masks(regions: Regions, geometry: Geometry) -> Tensor:
    """(K, the clip's frames, H, W) bool: of the frames that a latent shows. Raises ValueError as `require_region_masks`."""
    require_region_masks(regions, geometry)
    return clip_masks(_shown(regions, geometry), geometry.shown, geometry.cells, REGION_MASK, geometry.pixels)


def require_region_masks(regions: Regions, geometry: Geometry) -> None:
    """Raises ValueError where a region's masks are not of the clip that a latent shows."""
    has = "the latent has" if geometry.per_latent == 1 else f"the {geometry.frames} frames of the latent show"
    require_a_mask_a_frame(_shown(regions, geometry), geometry.shown, has, REGION_MASK)


def _shown(regions: Regions, geometry: Geometry) -> Regions:
    """Regions without the masks of frames that the VAE has cut."""
    fit = [geometry.belongs(len(region.mask)) for region in regions]
    cut = (region._replace(mask=region.mask[: geometry.shown]) for region in regions)
    return tuple(short if fits else region for short, region, fits in zip(cut, regions, fit, strict=True))


def warn_size(run: Run, what: str, masks: Tensor) -> None:
    """Tells of masks, (..., H, W), that are of another size than the clip. what: their name for the message."""
    height, width = masks.shape[-2:]
    cell = run.geometry.pixels
    if not fits((height, width), run.cells, cell):
        run.warn(
            f"{what} are {width}×{height} pixels, but the frames are {run.cells[1] * cell}×{run.cells[0] * cell}: "
            "the masks are resized to fit. Give them the size of the frames to be sure they sit where you drew them."
        )


def warn_other_text(run: Run, whose: str, where: str, end: Tensor, texts: Sequence[Tensor]) -> None:
    """Tells of encodings that are not of the text with this last row.

    A warning only: another text encoder or CLIP Set Last Layer, too, gives the same words another encoding.
    """
    if not all(is_of(end, text) for text in texts):
        run.warn(
            f"{whose} is another text than {where} holds, or another text encoder has encoded it: words would be taken "
            "for others. Connect the same words, and the same CLIP, to both."
        )


def size_of(latent: Tensor) -> str:
    if latent.ndim not in (4, 5):
        return f"of shape {tuple(latent.shape)}"
    frames, channels, height, width = latent.shape if latent.ndim == 4 else latent[0].movedim(0, 1).shape
    return f"{frames} frames of {width}×{height} cells in {channels} channels"


def same_text(texts: Sequence[Tensor]) -> bool:
    return all(torch.equal(text, texts[0]) for text in texts[1:])
