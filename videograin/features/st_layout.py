"""ST-Layout Attention (VideoGrain Eq. 1-5): words act in their regions, and a region's pixels attend to their own region."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.base import Need
from ..core import st_layout
from ..core.cross_frame import ALL
from ..core.phrase_tokens import Binding, binding_of, key_regions
from ..core.regions import Grid, TokenRule, patterns, share_any
from ..core.score_range import sampled_keys
from ..core.st_layout import Background, Layout, Levels, Modulation, Role, Settings, Visible
from .base import Claim, Claimed, Claims, Feature, Record, Work, as_heads
from .engine import SELF, Area, At, Attend, Call, Cond, Half, Misfit, Own, Run

PORTABLE = 400 * 2**20  # bytes that the form without Triton holds at once on a GPU
# Keys of a video model, two seconds of 480 × 832; exact, Delta takes half as long again as attention itself.
MANY = 8192
EDITED = (Role.POSITIVE, Role.BOTH)  # roles that reach the half that others edit


@dataclass(frozen=True)
class STLayout(Record):
    """Modulation by the regions bound to the conditioning."""

    settings: Settings

    node = "ST-Layout Attention"
    order = 90  # innermost: within it, attention would be asked for one cond at a time
    words_widget = "ST-Layout's `cross_strength`"
    wants_all_frames = True

    @property
    def needs(self) -> frozenset[Need]:
        """Below full resolution there is nothing where all attention is at one grid."""
        levels = {Need.LEVELS} if self.settings.levels == Levels.BELOW_FULL else set()
        return frozenset({Need.CROSS_ATTENTION, *levels})

    def bind(self, run: Run) -> Feature:
        return Modulated(self, run)

    def claims(self) -> Claims:
        if self.settings.neutral:
            return {}
        end, found = self.settings.end_percent, {}
        if self.settings.self_strength > 0 and self.settings.self_role in EDITED:
            found[Claim.SELF_SCORES] = Claimed(0.0, end, "ST-Layout's `self_strength`")
        if self.settings.cross_strength > 0 and self.settings.cross_role in EDITED:
            found[Claim.CROSS_SCORES] = Claimed(0.0, end, self.words_widget)
        return found

    def uncuttable(self, node: str) -> None:
        return None

    def held_bytes(self, work: Work) -> int:
        """Its own result, and what the portable form holds at once."""
        return work.queries + min(PORTABLE, 8 * work.queries)


class Modulated(Feature):
    """settings: None where they are neutral, and all that is left is that frames see each other."""

    def __init__(self, record: STLayout, run: Run):
        super().__init__(record, run)
        self.settings = None if record.settings.neutral else record.settings
        self.placed = self.looks_across = self.settings is not None
        self.token_rule: TokenRule | None = self.settings.token_rule if self.settings else None
        self._attend = st_layout.attention_on(run.device)
        self._layouts: dict[tuple, Layout] = {}
        self._decays: dict[float, float] = {}

    def check(self, claims: Claims) -> None:
        sides = {name: [b for cond in conds if (b := binding_of(cond))] for name, conds in self.run.prompts.items()}
        bindings = [binding for found in sides.values() for binding in found]
        both = self.settings and self.settings.cross_role != Role.POSITIVE
        usable = bindings if both else sides.get("positive", [])
        if not usable:
            raise ValueError(
                "ST-Layout Attention found no regions in the sampler's positive prompt. Connect the CONDITIONING of Bind "
                "Region Prompts, with Region Prompts in its `regions`, to the sampler's `positive` input."
            )
        if not any(binding.regions for binding in usable):
            self.run.warn(
                "ST-Layout Attention has no regions, since Bind Region Prompts' `regions` is empty: the prompt acts everywhere, "
                "and all that is left is that every frame sees all others."
            )
        for binding in bindings:
            if binding.regions:
                self.run.require_masks(binding.regions)

    # ---- where and how strongly ------------------------------------------------------------------------------------

    def decay(self, sigma: float) -> float:
        """tau^power at this noise level, reckoned once per run; 0 once the modulated part of the schedule is over."""
        if sigma not in self._decays:
            acting = self.run.schedule(0.0, self.settings.end_percent).active(sigma)
            self._decays[sigma] = st_layout.decay(self.run.timestep(sigma), self.settings) if acting else 0.0
        return self._decays[sigma]

    def strength(self, kind: str) -> float:
        return self.settings.self_strength if kind == SELF else self.settings.cross_strength

    def acts_in(self, call: Call, kind: str) -> bool:
        if self.settings is None or call.indices is None:
            return False
        bound = call.binding or any(cond and cond.binding for cond in call.conds)
        return bool(bound) and self.decay(call.sigma) * self.strength(kind) > 0

    def layout(self, at: At, cond: Cond | None) -> Layout | None:
        """The regions a cond is modulated by at a site, None where it is not."""
        call, settings = at.call, self.settings
        if cond is None or cond.half == Half.SOURCE or settings is None or call.indices is None:
            return None
        binding = cond.binding or (call.binding if at.kind == SELF else None)
        if binding is None or not binding.regions or self.strength(at.kind) * self.decay(call.sigma) == 0:
            return None
        role = settings.self_role if at.kind == SELF else settings.cross_role
        if role not in (cond.half, Role.BOTH) or (settings.levels == Levels.BELOW_FULL and at.level == 1):
            return None
        return self._layout(binding, cond.area, call.indices, at.grid, at.key_set.visible)

    def _layout(
        self, binding: Binding, area: Area, indices: tuple[int, ...], grid: Grid, visible: Visible | None
    ) -> Layout:
        """The regions on one level's tokens, read once per run."""
        key = (binding, area, indices, grid, visible)
        if key not in self._layouts:
            masks = self.run.masks(binding, area, indices)
            strengths = torch.tensor([region.strength for region in binding.regions])
            self._layouts[key] = st_layout.layout(masks, strengths, grid, self.settings, visible)
        return self._layouts[key]

    def misfit(self, at: At, misfit: Misfit) -> None:
        if misfit.part or not any(self.layout(at, cond) for cond in at.call.conds):
            return
        attention = "self" if at.kind == SELF else "cross"
        rows, tokens = misfit.expected
        if at.kind == SELF:
            does = "tiles or merges tokens there, as HyperTile and ToMe do"
            fix = f"Remove that node from the sampler's MODEL, or set ST-Layout's `levels` to “{Levels.BELOW_FULL}”"
        else:
            does = "gives each region's prompt rows of its own, as attention couple does"
            fix = (
                "Remove that node from the sampler's MODEL: Bind Region Prompts gives each region its words without it"
            )
        raise ValueError(
            f"ST-Layout Attention cannot modulate: {attention}-attention of block {at.site[0]} {at.site[1]} gets {misfit.found[0]} "
            f"rows of {misfit.found[1]} tokens, where {rows} rows of {tokens} were expected. Another node{misfit.packs} "
            f"{does}. {fix}; or set ST-Layout's `{attention}_strength` to 0."
        )

    # ---- attention -------------------------------------------------------------------------------------------------

    def modulation(self, at: At, number: int, k: Tensor) -> Modulation | None:
        cond = at.call.conds[number]
        layout = self.layout(at, cond)
        if layout is None:
            return None
        return self._of_self(at, layout, k) if at.kind == SELF else self._of_cross(at, cond, layout, k)

    def self_attention(self, at: At, q: Tensor, k: Tensor, attend: Attend) -> Attend | None:
        layouts = [self.layout(at, cond) for cond in at.call.conds]
        if not any(layouts):
            return None

        def modulated(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            out = torch.empty_like(q)
            for i, layout in enumerate(layouts):
                one = slice(i, i + 1)
                if layout is None:
                    out[i] = attend(q[one], k[one], v[one])[0]
                    continue
                found = self._of_self(at, layout, k[i])
                by_query = q[one], found.strength[None], found.query_labels[None]
                by_key = k[one], v[one], found.key_labels[None]
                out[i] = at.key_set.attend(by_query, by_key, partial(self._grouped, found, at.heads))[0]
            return out

        return modulated

    def cross_attention(self, at: At, number: int, q: Tensor, k: Tensor, own: Own) -> Own | None:
        modulation = self.modulation(at, number, k)
        if modulation is None:
            return None
        q, k = as_heads(q, at.heads), as_heads(k, at.heads)
        return partial(self._directed, q, k, modulation)

    def _directed(self, q: Tensor, k: Tensor, modulation: Modulation, v: Tensor) -> Tensor:
        """Modulated cross-attention of one cond: q (f, h, n, d), k (f, h, m, d), v (f, m, h * d) in; (f, n, h * d) out."""
        return self._attend(q, k, as_heads(v, q.shape[1]), modulation).transpose(1, 2).flatten(2)

    def _grouped(
        self, found: Modulation, heads: int, q: Tensor, strength: Tensor, labels: Tensor, *by_key: Tensor
    ) -> Tensor:
        """Modulated self-attention of any grouping of tokens.

        q (b, n, d), strength and labels (b, n), and by key k, v (b, m, d) and labels (b, m). Returns (b, n, d).
        """
        k, v, key_labels = by_key
        q, k, v = (as_heads(x, heads) for x in (q, k, v))
        spanned = sampled_keys(k) if found.fast else None
        modulation = found._replace(strength=strength, query_labels=labels, key_labels=key_labels)
        return self._attend(q, k, v, modulation, spanned).transpose(1, 2).flatten(2)

    def _of_self(self, at: At, layout: Layout, k: Tensor) -> Modulation:
        """Of one cond's self-attention; k (f, tokens, d), a frame's own and those another patch appended."""
        labels, factor = layout.labels.to(k.device), layout.self_factor.to(k.device)
        frames = at.call.frames
        frame = torch.arange(frames, device=k.device)[:, None]
        factor = factor.view(len(factor), -1).expand(-1, frames)[labels, frame]
        strength = (self.settings.self_strength * self.decay(at.call.sigma) * factor).clamp(max=1)  # (f, n)
        appended = k.shape[1] - labels.shape[1]  # belong to no region of ours
        key_labels = F.pad(labels, (0, appended), value=len(layout.table))
        positive = F.pad(layout.positive.to(k.device), (0, 1))
        return Modulation(strength, labels, key_labels, positive, self.settings.fast or self._many(k))

    def _many(self, k: Tensor) -> bool:
        """Whether a video model's keys are so many that Delta is taken over some of them without being asked to."""
        return self.run.backbone.own_key_set == ALL and k.shape[0] * k.shape[1] > MANY

    def _of_cross(self, at: At, cond: Cond, layout: Layout, k: Tensor) -> Modulation:
        """Of one cond's cross-attention; k (f, tokens, d)."""
        device, frames = k.device, at.call.frames
        labels = layout.labels.to(device)
        frame = torch.arange(frames, device=device)[:, None]
        factor = layout.cross_factor
        if self.settings.background != Background.ISOLATED:  # a region without words keeps its attention to all words
            wordless = layout.table.any(1) & ~(layout.table & cond.binding.tokens.any(1)).any(1)
            factor = factor.masked_fill(wordless[:, None], 0.0)
        strength = self.settings.cross_strength * self.decay(at.call.sigma) * factor.to(device)[labels, frame]
        token_labels, words = patterns(key_regions(cond.binding, cond.tokens, k.shape[1], at.call.text))
        positive, log_count = share_any(layout.table, words), None
        if cond.padding is not None and cond.padding.any():
            padding = F.pad(cond.padding, (0, k.shape[1] - len(cond.padding))) & ~words[token_labels].any(1)
            token_labels, positive, log_count = st_layout.with_copies(token_labels, positive, padding)
            log_count = log_count.to(device)
        by_key = token_labels.to(device).expand(frames, -1)
        return Modulation(strength.clamp(max=1), labels, by_key, positive.to(device), log_count=log_count)
