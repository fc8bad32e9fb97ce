"""Show Attention: where phrases and picked points look in the edit, before and after ST-Layout Attention.

The model attends as the sampler's does, at levels of the source's trajectory. The edit starts on that trajectory, so at
the first step this is its own attention; later the edit has moved away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..backbones.base import Geometry, Need, Site
from ..comfyui.model_identity import require_origin
from ..comfyui.plan import find, records
from ..comfyui.progress import warn
from ..comfyui.validate import require_family, require_text
from ..comfyui.wrappers import for_showing
from ..core.attention_probs import phrase_shares, point_shares
from ..core.cells import cut_like, offset
from ..core.inversion_record import Inversion
from ..core.phrase_tokens import Binding, binding_of, key_regions
from ..core.schedule import of_shares
from ..core.st_layout import Settings
from ..features.attention_probe import AUTO, Onlooker, Probe
from ..features.base import region_masks
from ..features.engine import At, Half
from ..features.st_layout import STLayout
from ..views.attention_maps import Average, Column, Point, middle, parse_points, report
from .look import evenly, level_of, look, noisy

NODE = "Show Attention"


class Shower(Onlooker):
    """What Show Attention collects at one level: a map for each phrase, and a row for each point.

    bindings: of the prompts looked at. tokens: (frame, token) of each point. half: of guidance, whose self-attention is
    looked at; phrases stand in the positive one.
    """

    node = NODE

    def __init__(self, level: int, blocks: str, bindings: list[Binding], tokens: list[tuple[int, int]], half: str):
        super().__init__(level, blocks)
        self.phrases = {binding: Average() for binding in bindings}
        self.points, self.tokens, self.half = Average(), tokens, half
        self.sites: set[Site] = set()

    def see_self(self, at: At, q: Tensor, k: Tensor) -> None:
        for number, cond in enumerate(at.call.conds):
            if cond is None or cond.half != self.half:
                continue
            modulation = at.call.modulation(at, number, k[number])
            self.points.add(point_shares(q[number], k[number], at.heads, self.tokens, at.key_set, modulation))

    def see_cross(self, at: At, q: Tensor, k: Tensor) -> None:
        for number, cond in enumerate(at.call.conds):
            if cond is None or cond.half != Half.POSITIVE or cond.binding not in self.phrases:
                continue
            modulation = at.call.modulation(at, number, k[number])
            words = key_regions(cond.binding, cond.tokens, k.shape[2], at.call.text)
            self.phrases[cond.binding].add(phrase_shares(q[number], k[number], at.heads, words, modulation))
            self.sites.add(at.site)
            self.seen = True


class Shown(NamedTuple):
    """frames: what the model sees of the clip's, one for each latent frame. phrases, points: columns of maps; text: the numbers."""

    frames: Tensor
    phrases: list[Column]
    points: list[Column]
    text: str


@dataclass(frozen=True)
class ShowSettings:
    """Show Attention's widgets, as its tooltips say. start, end: shares of the noise schedule. steps: 0 is all."""

    start: float = 0.0
    end: float = 0.3
    steps: int = 3
    points: str = ""
    level: str = AUTO
    blocks: str = "all"


def show_attention(
    model: ModelPatcher, inversion: Inversion, conditioning: list, frames: Tensor, settings: ShowSettings,
    negative: list | None = None,
) -> Shown:  # fmt: skip
    """Looks at some levels of the trajectory within a share of the noise schedule. frames: the clip's, (F, H, W, 3 or more).

    Raises ValueError for what does not fit together, or shows nothing.
    """
    backbone = require_family(model, NODE, Need.INVERSION)
    geometry = backbone.geometry(tuple(inversion.source.shape))
    require_origin(inversion, model, records(model), f"{NODE}'s `model`")
    for name, entries in (("conditioning", conditioning), ("negative", negative or ())):
        require_text(model, (text for text, _ in entries), f"{NODE}'s `{name}`")
    _check(conditioning, geometry, frames, settings.start, settings.end)
    bindings = _bindings(conditioning)
    whole = frames[: geometry.shown]
    frames = cut_like(whole, tuple(side * geometry.pixels for side in geometry.cells))
    begin = offset(whole.shape[2], frames.shape[2]), offset(whole.shape[1], frames.shape[1])
    frames = _as_seen(frames, geometry)
    masks = {b: geometry.whole_tokens(region_masks(b.regions, geometry), geometry.cells) for b in bindings}
    named = [(region.name, mask) for b in bindings for region, mask in zip(b.regions, masks[b], strict=True)]
    picked = _picked(settings.points, whole, frames, begin, named)

    modulation = _settings(model)
    half = _half(modulation, negative)
    divisor = level_of(settings.level, backbone, geometry)
    grid, latent = geometry.grid(divisor), geometry.latent_frames.tolist()
    tokens = [(latent[point.frame], point.token(tuple(frames.shape[1:3]), grid)) for _, point, _ in picked]
    shower = Shower(divisor, settings.blocks, bindings, tokens, half)
    levels = evenly(_levels(model, inversion, settings.start, settings.end), settings.steps)
    # As the sampler of an edit has it, not as the inversion had.
    first, sigma = inversion.latents[levels[0]].float(), float(inversion.sigmas[levels[0]])
    noise = model.model.process_latent_out(backbone.path.handed_over(first, sigma))
    watching = for_showing(model, Probe(shower))
    prompts = {"positive": conditioning, **({"negative": negative} if half == Half.NEGATIVE else {})}
    look(watching, shower, inversion, levels, noise, prompts)

    rows = slice(0, 1 if modulation is None else 2)
    looked = f"{_several(len(levels), 'noise level')}, {_several(len(shower.sites), 'attention layer')}"
    where = f"{looked} of {grid[1]}×{grid[0]} tokens and their heads"
    phrases = _phrase_columns(shower, {b: geometry.share(found) for b, found in masks.items()}, rows, grid)
    columns = [
        Column(
            name,
            maps[rows].unflatten(-1, grid),
            None if mask is None else geometry.share(mask),
            point._replace(frame=latent[point.frame]),
        )
        for (name, point, mask), maps in zip(picked, shower.points.mean().unbind(1), strict=True)
    ]
    told = [column._replace(point=point.moved(*begin)) for column, (_, point, _) in zip(columns, picked, strict=True)]
    return Shown(frames[:: geometry.per_latent], phrases, columns, report(phrases, told, where))


def _as_seen(frames: Tensor, geometry: Geometry) -> Tensor:
    """Frames (F, H, W, C) with the edge that the network fills its last tokens up with."""
    return geometry.whole_tokens(frames.movedim(-1, 1), geometry.cells).movedim(1, -1)


def _bindings(conditioning: list) -> list[Binding]:
    """The prompts with regions, each once."""
    found = list(dict.fromkeys(b for _, notes in conditioning if (b := binding_of(notes)) and b.regions))
    if not any(region.phrase for binding in found for region in binding.regions):
        raise ValueError(
            f"{NODE}'s `conditioning` carries no phrases with regions. Connect the CONDITIONING of Bind Region Prompts, "
            "with Region Prompts connected to its `regions`."
        )
    return found


def _phrase_columns(shower: Shower, masks: dict[Binding, Tensor], rows: slice, grid: tuple[int, int]) -> list[Column]:
    return [
        Column(region.name, maps[rows].unflatten(-1, grid), mask)
        for binding, seen in shower.phrases.items()
        if seen.count
        for region, maps, mask in zip(binding.regions, seen.mean().unbind(1), masks[binding], strict=True)
        if region.phrase
    ]


def _several(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _settings(model: ModelPatcher) -> Settings | None:
    record: STLayout | None = find(records(model), STLayout)
    return None if record is None or record.settings.neutral else record.settings


def _half(settings: Settings | None, negative: list | None) -> str:
    """The half of guidance whose self-attention is shown: the one that is modulated."""
    if settings is None or settings.self_role != "negative" or settings.self_strength == 0:
        return "positive"
    if negative is None:
        warn(
            "ST-Layout Attention modulates self-attention in the negative half (`self_role`), and Show Attention sees the "
            "positive one: before and after are equal there. Connect the negative prompt to Show Attention's `negative`."
        )
        return "positive"
    return "negative"


def _picked(
    points: str, whole: Tensor, frames: Tensor, begin: tuple[int, int], named: list[tuple[str, Tensor]]
) -> list[tuple[str, Point, Tensor | None]]:
    """(name, point, mask of its region) of the points asked for; without any, the middle of each region.

    whole: the clip's frames, in whose pixels points are asked for; frames: what the model sees of them, from (x, y) `begin`.
    """
    if not points.strip():
        return [(name, _scaled(middle(mask), mask, frames), mask) for name, mask in named]
    picked = []
    for asked in parse_points(points, f"{NODE}'s `points`", *whole.shape[:3]):
        point = asked.moved(-begin[0], -begin[1]).within(frames.shape[2], frames.shape[1])
        there = [mask for _, mask in named if mask[(point.frame, *_place(point, frames, mask))]]
        picked.append((str(tuple(asked)), point, there[0] if there else None))
    return picked


def _place(point: Point, frames: Tensor, mask: Tensor) -> tuple[int, int]:
    """A point of the frames in a mask (F, H, W) of another size."""
    return point.y * mask.shape[1] // frames.shape[1], point.x * mask.shape[2] // frames.shape[2]


def _scaled(point: Point, mask: Tensor, frames: Tensor) -> Point:
    """A point of a mask in frames of another size."""
    x, y = ((place + 0.5) * frames.shape[side] / mask.shape[side] for place, side in ((point.x, 2), (point.y, 1)))
    return Point(int(x), int(y), point.frame)


def _levels(model: ModelPatcher, inversion: Inversion, start: float, end: float) -> list[int]:
    """The noisy levels within a share of the noise schedule; where it holds none, the one nearest to its start."""
    schedule = of_shares(start, end, model.get_model_object("model_sampling").percent_to_sigma)
    sigmas, levels = inversion.sigmas.tolist(), noisy(inversion)
    inside = [level for level in levels if schedule.active(sigmas[level])]
    return inside or [min(levels, key=lambda level: abs(sigmas[level] - schedule.start))]


def _check(conditioning: list, geometry: Geometry, frames: Tensor, start: float, end: float) -> None:
    if start > end:
        raise ValueError(
            f"{NODE}'s `start_percent` ({start:g}) lies after its `end_percent` ({end:g}), so there is no step to look "
            "at. Give a start before the end."
        )
    if not geometry.belongs(len(frames)) or len(frames) < geometry.shown:
        raise ValueError(
            f"{NODE}'s `frames` has {len(frames)} frames, but the inversion's clip has {geometry.shown}. Connect "
            "the frames that were encoded for DDIM Inversion."
        )
    if any({"area", "mask"} & set(notes) for _, notes in conditioning):
        raise ValueError(
            f"{NODE}'s `conditioning` is limited to a part of the picture (Conditioning Set Area or Set Mask), and maps "
            "of a part have no place in the whole. Connect the prompt from before that node."
        )
