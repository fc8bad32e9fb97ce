"""What the engine asks of a family of models. A new family is one file beside this one, and its name in registry.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ..core import latent_time
from ..core.noise_path import NoisePath

Site = tuple[str, int, int]  # the address of a pair of attention layers; in UNets block group, block, transformer block


class Need(Enum):
    """What a feature needs of a family, in words for a message."""

    CROSS_ATTENTION = "cross-attention to its prompt"
    KEY_SETS = "a choice of the frames that each frame sees"
    RESNETS = "ResNets in a decoder"
    GROUP_NORMS = "GroupNorm between its layers"
    GRADIENTS = "gradients of a part of the network"
    INVERSION = "an inversion along the levels of noise"
    LEVELS = "attention at several grids"
    FRAME_BATCH = "frames side by side in a batch, each with a latent of its own"


class Geometry(NamedTuple):
    """A clip as the latent has it. pixels: a cell's side. per_latent: frames of the clip in one of the latent (core/latent_time.py).
    patch: a token's side in cells, at the network's finest grid.
    """

    frames: int
    height: int
    width: int
    pixels: int = 8
    per_latent: int = 1
    patch: int = 1

    @property
    def cells(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def shown(self) -> int:
        """Frames of the clip that the latent shows."""
        return latent_time.shown(self.frames, self.per_latent)

    @property
    def tokens(self) -> int:
        """Of a frame of the latent, at the network's finest grid."""
        rows, columns = self.grid()
        return rows * columns

    def grid(self, level: int = 1) -> tuple[int, int]:
        """(rows, columns) of a frame's tokens at a level."""
        return -(-self.height // (level * self.patch)), -(-self.width // (level * self.patch))

    @property
    def latent_frames(self) -> Tensor:
        """(shown,) int64: the latent's frame in which each of the clip's lies."""
        return latent_time.latent_frame(self.shown, self.per_latent)

    def belongs(self, frames: int) -> bool:
        """Whether so many masks can be the clip's: one for all, or one for each frame, those the VAE cut included."""
        return frames == 1 or latent_time.belongs(frames, self.frames, self.per_latent)

    def by_clip(self, tokens: Tensor) -> Tensor:
        """What (latent's frames, rows, columns) of the finest grid or one below have, for each of the clip's frames.

        Where a token is several cells and the last ones reach out of the latent, it is given cell by cell.
        """
        if any(side % self.patch for side in self.cells):
            for axis, cells in ((1, self.height), (2, self.width)):
                tokens = tokens.repeat_interleave(self.patch, axis).narrow(axis, 0, cells)
        return tokens[self.latent_frames]

    def share(self, masks: Tensor) -> Tensor:
        """The share of each latent frame that masks cover: (..., clip's frames, H, W) -> (..., latent's frames, H, W)."""
        if self.per_latent == 1:
            return masks
        return latent_time.grouped(masks.float(), self.frames, self.per_latent).mean(-3)

    def any(self, masks: Tensor) -> Tensor:
        """What masks (clip's frames, H, W) cover in any frame of each of the latent's; one mask for all stays one."""
        if self.per_latent == 1 or len(masks) == 1:
            return masks
        return latent_time.grouped(masks, self.frames, self.per_latent).amax(-3)

    def whole_tokens(self, masks: Tensor, cells: tuple[int, int]) -> Tensor:
        """Masks (K, frames, H, W) of so many cells (h, w), their last cells repeated where the network fills its last tokens."""
        for axis, cell in zip((-2, -1), cells, strict=True):
            short = -cell % self.patch * masks.shape[axis] // cell
            masks = torch.cat([masks, masks.narrow(axis, masks.shape[axis] - short, short)], axis) if short else masks
        return masks


class ResNet(NamedTuple):
    """module: whose output is a ResNet's, before the shortcut is added. level: as of attention sites."""

    module: nn.Module
    level: int


class Layer(NamedTuple):
    """One attention layer as the network calls it.

    size: (h, w) of its grid. precision: that core asks for, or None. previous: another pack's attention in its place, of
    the network's queries, keys and values, and extra; or None.
    """

    site: Site
    size: tuple[int, int]
    heads: int
    precision: Any
    previous: Callable[[Tensor, Tensor, Tensor, Any], Tensor] | None
    extra: Any = None


class Engine(Protocol):
    """What a family may ask of the engine in one call of the network.

    kinds: by ComfyUI's names of the kinds of attention ("attn1", "attn2"), what stands for the network's own: it takes a
    layer, queries, keys and values as the network has them, and gives their attention. It calls the network's attention
    with the options as they were, so nothing comes back to it. sites: the family's own, found once a run. size: (h, w) in latent cells of what the call shows.
    conds, frames: of the call, and the frames of each. owner: the pack that a function or an object is of, for messages. watched: whether `see_hidden` is to be given the hidden states that enter self-attention, with the size of their grid.
    """

    kinds: Mapping[str, Callable[[Layer, Tensor, Tensor, Tensor], Tensor]]
    sites: Mapping[Site, int]
    size: tuple[int, int]
    conds: Sequence[Any]
    frames: int
    watched: bool

    def owner(self, thing: Any) -> str: ...

    def see_hidden(self, site: Site, size: tuple[int, int], x: Tensor) -> None: ...


class Backbone:
    """A family of models. The engine has tensors of attention as "c f n d", whatever the network has."""

    name: ClassVar[str]  # for messages, in the singular
    offers: ClassVar[frozenset[Need]]
    members: ClassVar[str]  # all of them, in the plural, for messages
    dimensions: ClassVar[tuple[str, ...]]  # of a latent, in words; among them "frames"
    own_key_set: ClassVar[str]  # one of cross_frame.KEY_SETS: what its self-attention sees by itself
    path: ClassVar[NoisePath]

    @property
    def frame_axis(self) -> int:
        """Of a latent."""
        return self.dimensions.index("frames")

    def matches(self, network: nn.Module) -> bool:
        """Whether a network is of this family, by the names of its classes: comfy is never imported for it."""
        raise NotImplementedError

    def instead(self, network: nn.Module) -> str | None:
        """Of a network that is like this family's and is none: why, and what to take instead; None for all others."""
        return None

    def geometry(self, shape: tuple[int, ...]) -> Geometry:
        """Of a latent of this shape."""
        return Geometry(shape[self.frame_axis], *shape[-2:])

    def on_latent(self, frames: Tensor) -> Tensor:
        """Frames (f, C, h, w), or masks to be multiplied with a latent (f or 1, 1, h, w), with the latent's dimensions."""
        raise NotImplementedError

    def sites(self, network: nn.Module) -> dict[Site, int]:
        """Every pair of attention layers, with its level: the latent's grid is divided by 1, 2, 4, 8, ... there."""
        raise NotImplementedError

    def channels(self, network: nn.Module) -> int:
        """Of its narrowest layers."""
        raise NotImplementedError

    def widths(self, network: nn.Module) -> dict[Site, int]:
        """Channels of each site's queries, to reckon memory and to gather features."""
        raise NotImplementedError

    def text_width(self, network: nn.Module) -> int | None:
        """Numbers of a row of the text it reads; None where core's own configuration says it."""
        return None

    def padding(self, text: Tensor) -> Tensor | None:
        """The rows of a prompt's text (1, L, d) that only fill it up, (L,) bool on the CPU; None where such rows are words like others."""
        return None

    def references(self, notes: Mapping[str, Any]) -> int:
        """Latent frames before the clip's that a prompt's notes have put there, as pictures to look at."""
        return 0

    def frames_of(self, x: Tensor, conds: int) -> tuple[int, bool]:
        """Frames of each cond in a call of the network, and whether its rows are whole clips."""
        raise NotImplementedError

    def clip(self, x: Tensor, number: int, frames: int) -> Tensor:
        """What one cond of a call's input or of a latent shows, (f, C, h, w)."""
        raise NotImplementedError

    def rows(self, conds: int, frames: int, tokens: int) -> tuple[int, int]:
        """Batch and length of the network's queries, for so many tokens of a frame; its keys may be more."""
        raise NotImplementedError

    def split(self, x: Tensor, conds: int, frames: int) -> Tensor:
        """The network's queries, or what else there is of each token, as "c f n d"."""
        raise NotImplementedError

    def split_text(self, x: Tensor, conds: int, frames: int) -> Tensor:
        """The network's keys and values of text as "c f m d"."""
        raise NotImplementedError

    def joined(self, x: Tensor) -> Tensor:
        """ "c f n d" as the network has it."""
        raise NotImplementedError

    def level(self, height: int, rows: int) -> int:
        """The level of a grid of so many rows, in a call whose input has this height."""
        raise NotImplementedError

    def attached(
        self, engine: Engine, network: nn.Module, options: dict[str, Any]
    ) -> AbstractContextManager[dict[str, Any]]:
        """For one call of the network: transformer options with the engine at every site; all hooks gone afterwards.

        Kinds of attention that `engine.kinds` lacks stay as they are.
        """
        raise NotImplementedError

    # What only some families offer.

    def heads(self, network: nn.Module) -> dict[Site, int]:
        """Need.GRADIENTS: heads of each site's attention."""
        raise NotImplementedError

    def resnets(self, network: nn.Module) -> dict[int, ResNet]:
        """Need.RESNETS: of each block of the decoder."""
        raise NotImplementedError

    def norms(self, network: nn.Module) -> Iterable[nn.Module]:
        """Need.GROUP_NORMS: those outside transformer blocks."""
        raise NotImplementedError

    def cut_after(self, network: nn.Module, sites: Iterable[Site]) -> AbstractContextManager[None]:
        """Need.GRADIENTS: the network ends when these sites are done; what it then returns is no prediction."""
        raise NotImplementedError

    def kept_for_gradients(self, network: nn.Module, sites: Iterable[Site], tokens: int) -> tuple[float, int]:
        """Need.GRADIENTS: numbers that a backward pass from these sites keeps of a frame, and numbers of weights in use.

        tokens: of a frame at the finest grid.
        """
        raise NotImplementedError
