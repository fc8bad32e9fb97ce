"""Self- and Cross-Attention Fusion (FateZero, Qi et al. 2023): the edit's attention and the source's in one map.

The original keeps the maps of every step of the inversion. Here the network sees the source again before each fused
step, and of that only queries and keys are held, until the step is done. As in the original, the positive half of
guidance alone is edited; in the layers that fuse, its queries and keys give way to the source's, its values never.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..backbones.base import Need
from ..core import fatezero
from ..core.choices import Choice
from ..core.fatezero import Words
from ..core.phrase_tokens import rows_a_key
from ..core.prompt_alignment import REFINE, REPLACE
from ..core.st_layout import Levels
from .base import Claim, Claimed, Claims, Feature, Work, same_text, warn_other_text
from .engine import CROSS, SELF, At, Attend, Call, Cond, Own, Run
from .source_reader import Place, SourceReader, SourceRecord

WORDS = "words"  # a place: how much of its attention each token spends on some words
TEXT = 77  # tokens of an ordinary prompt
# Copies, in tensors of one layer's queries: rows that follow; queries and keys with the source's.
FOLLOWING, EXCHANGED = 1, 2


class Where(Choice):
    """What of the picture follows the source."""

    EVERYWHERE = "everywhere"
    OUTSIDE_REGIONS = "outside regions"
    OUTSIDE_WORDS = "outside words"


@dataclass(frozen=True, eq=False)
class SelfFusion(SourceRecord):
    """The positive half's queries attend as the source's do.

    conditioning: the prompt of the source's inversion. start_percent, end_percent: share of the noise schedule in which
    it acts. words: (source tokens,) bool and threshold, for "outside words". pairing: one of inversion_record.PAIRINGS.
    """

    where: Where
    start_percent: float
    end_percent: float
    words: Tensor | None
    threshold: float
    levels: Levels
    pairing: str

    node = "Self-Attention Fusion"
    order = 70

    @property
    def needs(self) -> frozenset[Need]:
        """Where the words are is read from grids of 16² tokens."""
        levels = {Need.LEVELS} if self.levels == Levels.BELOW_FULL else set()
        return frozenset(levels | ({Need.FRAME_BATCH} if self.where == Where.OUTSIDE_WORDS else set()))

    @property
    def neutral(self) -> bool:
        return self.start_percent >= self.end_percent

    def bind(self, run: Run) -> Feature:
        return SelfFuser(self, run)

    def claims(self) -> Claims:
        whole = self.where == Where.EVERYWHERE
        return {Claim.OUTLINES: Claimed(self.start_percent, self.end_percent, self.node)} if whole else {}

    def held_bytes(self, work: Work) -> int:
        return (EXCHANGED if self.where == Where.EVERYWHERE else FOLLOWING) * work.queries

    def source_bytes(self, work: Work) -> int:
        return _source_bytes(self, work, lambda tokens: 2 * tokens)


@dataclass(frozen=True, eq=False)
class CrossFusion(SourceRecord):
    """Words of the positive prompt take the maps of the source prompt's words.

    words: alignment and gains. ends: last rows of the two prompts' encodings, the source's first. mode: one of
    prompt_alignment.MODES. where: everywhere or outside regions. The others as in SelfFusion.
    """

    words: Words
    ends: tuple[Tensor, Tensor]
    mode: str
    where: Where
    start_percent: float
    end_percent: float
    levels: Levels
    pairing: str

    node = "Cross-Attention Fusion"
    order = 71
    needs = frozenset({Need.CROSS_ATTENTION, Need.FRAME_BATCH})

    @property
    def neutral(self) -> bool:
        return self.start_percent >= self.end_percent

    def bind(self, run: Run) -> Feature:
        return CrossFuser(self, run)

    def source_bytes(self, work: Work) -> int:
        return _source_bytes(self, work, lambda tokens: tokens + TEXT)


def _source_bytes(record: SelfFusion | CrossFusion, work: Work, width: Callable[[int], int]) -> int:
    """Of queries and keys; width, of a frame's tokens: how many of both are held."""
    levels, widths = work.backbone.sites(work.network), work.backbone.widths(work.network)
    sites = (site for site, level in levels.items() if _fused(record, level))
    numbers = sum(widths[site] * width(math.ceil(work.tokens / levels[site] ** 2)) for site in sites)
    return work.frames * numbers * work.number


def _fused(record: SelfFusion | CrossFusion, level: int) -> bool:
    return level > 1 or record.levels != Levels.BELOW_FULL


class Fuser(SourceReader):
    """What both nodes share."""

    def __init__(self, record: SelfFusion | CrossFusion, run: Run):
        super().__init__(record, run, record.pairing)
        self.sites = [site for site, level in run.sites.items() if _fused(record, level)]
        self.schedule = run.schedule(record.start_percent, record.end_percent)

    def takes(self, cond: Cond) -> bool:
        return cond.name == "positive"

    def covered(self, at: At, cond: Cond) -> Tensor | None:
        """(frames, tokens) bool on the CPU: what the cond's regions cover; None where it has none."""
        binding = cond.binding or at.call.binding
        if binding is None or not binding.regions:
            return None
        return self.run.covered(binding, cond.area, at.call.indices, at.grid)

    def _later(self, modulation: Claimed) -> str:
        return (
            "let the fusion begin where modulation ends (`preset` “custom”, `start_percent` "
            f"{modulation.end_percent:g})"
        )

    def _in_the_same_steps(self, modulation: Claimed | None) -> bool:
        return modulation is not None and self.record.start_percent < modulation.end_percent


class SelfFuser(Fuser):
    def check(self, claims: Claims) -> None:
        modulation, where = claims.get(Claim.SELF_SCORES), self.record.where
        if where == Where.EVERYWHERE and self._in_the_same_steps(modulation):
            raise ValueError(
                f"Self-Attention Fusion with `where` “{where}” would overwrite what ST-Layout Attention does to "
                f"self-attention in the same steps. Set `where` to “{Where.OUTSIDE_REGIONS}”, so that the regions keep the edit's "
                f"attention, or {self._later(modulation)}, or set {modulation.widget} to 0."
            )
        if where == Where.OUTSIDE_REGIONS and not self.run.regions:
            raise ValueError(
                f"Self-Attention Fusion's `where` is “{where}”, but the sampler's `positive` prompt carries none. "
                "Connect the CONDITIONING of Bind Region Prompts with Region Prompts in its `regions`, or choose another "
                "`where`."
            )

    def places_at(self, sigma: float) -> frozenset[Place]:
        if not self.schedule.active(sigma):
            return frozenset()
        words = [(WORDS, *site) for site in self.run.sites] if self.record.where == Where.OUTSIDE_WORDS else []
        return frozenset([*((SELF, *site) for site in self.sites), *words])

    def acts_in(self, call: Call, kind: str) -> bool:
        return any(place[0] in (kind, WORDS) for place in self.places)

    def inputs(self, at: At, q: Tensor, k: Tensor) -> tuple[Tensor, ...]:
        """Where all rows follow the source, attention is simply of its queries and keys."""
        everywhere = self.record.where == Where.EVERYWHERE
        return self.exchanged(at.call, (SELF, *at.site), q, k) if everywhere else (q, k)

    def self_attention(self, at: At, q: Tensor, k: Tensor, attend: Attend) -> Attend | None:
        followed = self.rows(at, q, k)
        if not followed:
            return None

        def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            out = attend(q, k, v)
            for i, (source_q, source_k, inside) in followed.items():
                out[i] = fatezero.self_fusion(
                    out[i], source_q, source_k, v[i], inside, lambda *qkv: at.plain(*(x[None] for x in qkv))[0]
                )
            return out

        return fused

    def rows(self, at: At, q: Tensor, k: Tensor) -> dict[int, tuple[Tensor, ...]]:
        """For conds that follow the source in some rows: its q and k, (f, n, d), and (f, n) bool, the edit's rows."""
        call, place, found = at.call, (SELF, *at.site), {}
        for number, cond in enumerate(call.conds):
            if self.record.where == Where.EVERYWHERE or not self.acts_on(call, place, cond):
                continue
            inside = self.covered(at, cond)
            if inside is not None and inside.all():
                continue
            theirs = self.read(call, place, cond, [q[number].shape, k[number].shape])
            if theirs is not None and self.record.where == Where.OUTSIDE_WORDS:
                words = self.words_mask(at, cond)
                inside = words if inside is None or words is None else words | inside.to(words.device)
            if theirs is not None and inside is not None:
                found[number] = *theirs, inside.to(q.device)
        return found

    def words_mask(self, at: At, cond: Cond) -> Tensor | None:
        seen = (self.source.at((WORDS, *site), cond.area, at.call.indices) for site in self.run.sites)
        maps = [found[0] for found in seen if found is not None]
        return fatezero.words_mask(maps, at.grid, self.record.threshold) if maps else None  # tiled by another node

    def observe(self, at: At, q: Tensor, k: Tensor) -> None:
        """While the network sees the source: where it looks for the words."""
        place = (WORDS, *at.site)
        if at.kind == CROSS and place in self.places and at.call.sees_source:
            found = fatezero.word_map(q.flatten(0, 1), k.flatten(0, 1), self.record.words, at.plain)
            at.call.show(place, found.view(*q.shape[:2], at.grid.height, at.grid.width))


class CrossFuser(Fuser):
    def check(self, claims: Claims) -> None:
        self._check_modulation(claims.get(Claim.CROSS_SCORES))
        self._check_prompts()

    def _check_modulation(self, modulation: Claimed | None) -> None:
        if not self.run.regions or not self._in_the_same_steps(modulation):
            return
        if self.record.mode == REPLACE:
            raise ValueError(
                f"Cross-Attention Fusion's `mode` “{REPLACE}” gives the new words the old ones' place, and ST-Layout "
                f"Attention gives them their regions, in the same steps. Choose “{REFINE}”, or {self._later(modulation)}, or set "
                f"{modulation.widget} to 0."
            )
        if self.record.where == Where.EVERYWHERE:
            raise ValueError(
                f"Cross-Attention Fusion with `where` “{Where.EVERYWHERE}” would overwrite what ST-Layout Attention does to the "
                f"words of the regions in the same steps. Set `where` to “{Where.OUTSIDE_REGIONS}”, or {self._later(modulation)}, or set "
                f"{modulation.widget} to 0."
            )

    def _check_prompts(self) -> None:
        record = self.record
        source, target = record.words.taken.shape
        texts = [cond["cross_attn"] for cond in self.run.prompts.get("positive", []) if "cross_attn" in cond]
        if not same_text(texts):
            raise ValueError(
                "The sampler's `positive` holds several texts (Conditioning Combine, or prompts with areas or timestep "
                "ranges), but Cross-Attention Fusion aligns the words of one. Connect one prompt, or remove the fusion."
            )
        theirs, ours = record.ends
        whose = (
            ("the sampler's `positive`", "prompt", target, ours, texts),
            ("its `conditioning`", "source_prompt", source, theirs, [text for text, _ in record.conditioning]),
        )
        for where, name, length, end, found in whose:
            if any(text.shape[1] < length for text in found):
                raise ValueError(
                    f"Cross-Attention Fusion's `{name}` is encoded in {length} tokens, but {where} has "
                    f"{min(text.shape[1] for text in found)}: they are not the same text. Connect the same words to both."
                )
            warn_other_text(self.run, f"Cross-Attention Fusion's `{name}`", where, end, found)

    def places_at(self, sigma: float) -> frozenset[Place]:
        return frozenset((CROSS, *site) for site in self.sites) if self.schedule.active(sigma) else frozenset()

    def cross_attention(self, at: At, number: int, q: Tensor, k: Tensor, own: Own) -> Own | None:
        """Fused outside the cond's regions."""
        place, cond = (CROSS, *at.site), at.call.conds[number]
        if not self.acts_on(at.call, place, cond):
            return None
        theirs = self.read(at.call, place, cond, [q.shape])
        if theirs is None:
            return None
        words, inside = self.record.words, None
        if self.record.where == Where.OUTSIDE_REGIONS:
            inside = self.covered(at, cond)
        if inside is not None and inside.all() and (words.gains == 1).all():
            return None
        tokens = cond.tokens // rows_a_key(k.shape[1], at.call.text)

        def fused(v: Tensor) -> Tensor:
            found = fatezero.cross_fusion(v, theirs, words, tokens, at.plain, own)
            if inside is None or not inside.any():
                return found
            return own(fatezero.emphasised(v, words, tokens)).where(inside.to(q.device)[..., None], found)

        return fused
