"""What the engine gives a feature: the run, one call of the network, one attention site in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ..backbones.base import Backbone, Geometry, Site
from ..core.choices import Choice
from ..core.cross_frame import KeySet
from ..core.phrase_tokens import Binding
from ..core.regions import Grid, Regions
from ..core.samplers import stopping_level
from ..core.schedule import Schedule
from ..core.st_layout import Modulation

SELF, CROSS = "attn1", "attn2"  # ComfyUI's names of the two kinds of attention

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # queries, keys, values (c, f, n or m, d), m >= n, to (c, f, n, d)
Own = Callable[[Tensor], Tensor]  # values (f, m, d) of one cond to what its attention makes of them, (f, n, d)
Area = tuple[int, ...] | None  # (h, w, y, x) in latent cells; None for the whole picture


def extent(area: Area, height: int, width: int) -> tuple[int, int]:
    """(h, w) of what a prompt with this area is shown, as core cuts it."""
    return (height, width) if area is None else (min(area[0], height - area[2]), min(area[1], width - area[3]))


class Half(Choice):
    """What a cond is to a run: of a half of guidance, or a source shown besides."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    SOURCE = "source"


@dataclass(frozen=True, eq=False)
class Cond:
    """One cond of a batch, known by its uuid, never by its position.

    name: of its prompt, as the guider calls it. binding: regions and tokens of its own prompt, or None. tokens: length
    of its own text. start, end: the noise levels between which the prompt acts. source: whose clip it shows, or None.
    padding: the tokens that only fill its text up, (tokens,) bool; None where such are words like others.
    """

    half: Half
    name: str
    area: Area
    binding: Binding | None
    tokens: int
    start: float
    end: float
    source: Any = None
    padding: Tensor | None = None

    def acts(self, sigma: float) -> bool:
        """ComfyUI's own rule for prompts with a timestep range: both ends are in it."""
        return self.end <= sigma <= self.start


class Start(NamedTuple):
    """How a sampler starts. noise: its own, in the latent's shape. noise_mask: whether the latent carries one. sampler: its name as
    core has it; empty for another pack's.
    """

    noise: Tensor
    noise_mask: bool
    sigmas: list[float]
    sampler: str
    seed: int

    @property
    def stop(self) -> float | None:
        """As samplers.stopping_level."""
        return stopping_level(self.sampler, self.sigmas)


class Run(Protocol):
    """What a feature may ask of a sampling run."""

    geometry: Geometry
    frames: int
    cells: tuple[int, int]  # (height, width) of the latent
    start: Start
    windowed: bool  # whether the model runs in context windows
    caches: frozenset[str]  # nodes that skip steps
    regions: Regions  # of the positive prompts
    prompts: dict[str, list[dict[str, Any]]]  # the guider's, by name
    backbone: Backbone
    network: nn.Module
    device: torch.device
    sites: dict[Site, int]

    def schedule(self, start_percent: float, end_percent: float) -> Schedule: ...
    def timestep(self, sigma: float) -> float: ...  # the training step, 0 to 999

    # LATENT samples as the sampler holds them, and back, from a noise level.
    def into_model(self, latent: Tensor) -> Tensor: ...
    def out_of_model(self, x: Tensor, sigma: float = 0.0) -> Tensor: ...

    # Masks of the clip, (..., H, W), as the latent or an area of it shows them; whether masks are the clip's, and how many
    # of its frames a VAE left out; regions' in its frames, (K, frames, H, W) bool; a prompt's in the latent's frames; what they cover of one level's tokens, (frames, tokens) bool; and where the latent is the edit's, on x's device.
    def crop(self, masks: Tensor, area: Area) -> Tensor: ...
    def require_masks(self, regions: Regions) -> None: ...
    def tell_cut(self, what: str, masks: Tensor) -> None: ...
    def clip_masks(self, regions: Regions) -> Tensor: ...
    def masks(self, binding: Binding, area: Area, indices: tuple[int, ...]) -> Tensor: ...
    def covered(self, binding: Binding, area: Area, indices: tuple[int, ...], grid: Grid) -> Tensor: ...
    def editable(self, sigma: float, x: Tensor) -> Tensor: ...

    # The source that a SourceReader is to read; a call of the network of a feature's own; a warning, once, on the node.
    def source(self, reader: Any, pairing: str) -> Any: ...
    def look(self, step: Step, x: Tensor, watcher: Any) -> None: ...
    def warn(self, message: str, about: str | None = None) -> None: ...


class Call(Protocol):
    """What a feature may ask of one call of the network."""

    conds: list[Cond | None]
    frames: int
    claimed: tuple[int, ...]  # the frames that the call is said to hold, by their numbers in the clip
    indices: tuple[int, ...] | None  # the same where its rows are known to be these frames
    sigma: float
    binding: Binding | None  # the regions of prompts that bring none
    text: int  # rows of the batch's text
    sees_source: bool
    norm_pack: str | None  # a pack that has GroupNorm look across frames

    # Keeps what a source shows, (c, f, ...), for whoever reads there; the first prompt's tokens, (f, n, ...); and how scores are changed, by whichever feature.
    def show(self, place: tuple, *tensors: Tensor) -> None: ...
    def first(self, x: Tensor) -> Tensor: ...
    def modulation(self, at: At, number: int, k: Tensor) -> Modulation | None: ...


class Step(NamedTuple):
    """One step of the sampler. guider, options: for calls of the network of one's own."""

    sigma: float
    guider: Any
    options: dict[str, Any]


class At(NamedTuple):
    """One attention site in one call of the network.

    kind: SELF or CROSS. level: the latent's grid is divided by it there. plain: attention of this site without anybody's
    patch: self-attention (c, f, n, d) over its key set, cross-attention (rows, n, d).
    """

    call: Call
    kind: str
    site: Site
    grid: Grid
    level: int
    heads: int
    key_set: KeySet
    plain: Attend


class Misfit(NamedTuple):
    """A call whose queries are not whole frames. found, expected: (rows, tokens). packs: of others' patches there, for a message."""

    found: tuple[int, int]
    expected: tuple[int, int]
    packs: str

    @property
    def part(self) -> bool:
        """Whether it is some rows of the batch once more."""
        return self.found[1] == self.expected[1] and self.found[0] < self.expected[0]
