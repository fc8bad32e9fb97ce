"""Attention fusion (FateZero, Qi et al. 2023) in a run: when, where, and in which chunks.

The original keeps the maps of every step of the inversion. Here the network sees the source again before each fused
step, and of that only queries and keys are held, until the step is done. As in the original, the positive half of
guidance alone is edited; in the layers that fuse, its queries and keys give way to the source's, its values never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from torch import Tensor

from ..comfyui.plan import EVERYWHERE, OUTSIDE_REGIONS, OUTSIDE_WORDS, CrossFusion, SelfFusion
from ..comfyui.source_pass import Place, Reader
from ..comfyui.validate import Site, site_levels
from ..core import fatezero
from ..core.fatezero import Attend, Own
from ..core.phrase_tokens import rows_a_key
from ..core.regions import Grid
from ..core.st_layout import Levels

if TYPE_CHECKING:
    from ..comfyui.attention import Call
    from ..comfyui.run import Chunk, Run

SELF, CROSS, WORDS = "attn1", "attn2", "words"  # the last: how much of its attention each token spends on some words


def fused_sites(network: UNetModel, record: SelfFusion | CrossFusion) -> list[Site]:
    """The layers a record fuses."""
    return [site for site, level in site_levels(network).items() if level > 1 or record.levels != Levels.BELOW_FULL]


class Fuser(Reader):
    """What both nodes share."""

    def __init__(self, run: Run, record: SelfFusion | CrossFusion):
        super().__init__(run, record, record.pairing)
        self.sites = fused_sites(run.model.diffusion_model, record)

    def acting(self, sigma: float) -> bool:
        return self.run.schedule(self.record.start_percent, self.record.end_percent).active(sigma)

    def takes(self, chunk: Chunk) -> bool:
        return chunk.name == "positive"

    def covered(self, call: Call, chunk: Chunk, grid: Grid) -> Tensor | None:
        """(frames, tokens) bool on the CPU: what the chunk's regions cover; None where it has none."""
        binding = chunk.binding or call.binding
        if binding is None or not binding.regions:
            return None
        return self.run.covered(binding, chunk.area, call.indices, grid)


class SelfFuser(Fuser):
    """What Self-Attention Fusion means in one run."""

    def places_at(self, sigma: float) -> frozenset[Place]:
        if not self.acting(sigma):
            return frozenset()
        words = [(WORDS, *site) for site in self.run.sites] if self.record.where == OUTSIDE_WORDS else []
        return frozenset([*((SELF, *site) for site in self.sites), *words])

    def exchange(self, call: Call, place: Place, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Where all rows follow the source, attention is simply of its queries and keys."""
        return super().exchange(call, place, *tensors) if self.record.where == EVERYWHERE else tensors

    def rows(self, call: Call, site: Site, grid: Grid, q: Tensor, k: Tensor) -> dict[int, tuple[Tensor, ...]]:
        """For chunks that follow the source in some rows: its q and k, (f, n, d), and (f, n) bool, the edit's rows."""
        place, found = (SELF, *site), {}
        for number, chunk in enumerate(call.chunks):
            if self.record.where == EVERYWHERE or not self.acts(call, place, chunk):
                continue
            inside = self.covered(call, chunk, grid)
            if inside is not None and inside.all():
                continue
            rows = call.rows(number)
            theirs = self.read(call, place, chunk, [q[rows].shape, k[rows].shape])
            if theirs is not None and self.record.where == OUTSIDE_WORDS:
                words = self.words_mask(call, chunk, grid)
                inside = words if inside is None or words is None else words | inside.to(words.device)
            if theirs is not None and inside is not None:
                found[number] = *theirs, inside.to(q.device)
        return found

    def words_mask(self, call: Call, chunk: Chunk, grid: Grid) -> Tensor | None:
        seen = (self.source.at((WORDS, *site), chunk.area, call.indices) for site in self.run.sites)
        maps = [found[0] for found in seen if found is not None]
        return fatezero.words_mask(maps, grid, self.record.threshold) if maps else None  # tiled by another node

    def show_words(self, call: Call, site: Site, grid: Grid, q: Tensor, k: Tensor, attend: Attend) -> None:
        """While the network sees the source: where it looks for the words."""
        place = (WORDS, *site)
        if place in self.places and call.sees_source:
            found = fatezero.word_map(q, k, self.record.words, attend)
            call.show(place, found.unflatten(1, (grid.height, grid.width)))


class CrossFuser(Fuser):
    """What Cross-Attention Fusion means in one run."""

    def places_at(self, sigma: float) -> frozenset[Place]:
        return frozenset((CROSS, *site) for site in self.sites) if self.acting(sigma) else frozenset()

    def fused(
        self, call: Call, site: Site, grid: Grid, number: int, q: Tensor, v: Tensor, attend: Attend, own: Own
    ) -> Tensor | None:
        """One chunk's cross-attention, fused outside its regions; None where nothing is fused.

        Args: q (f, n, d), v (f, tokens, d), the chunk's; attend, ordinary attention; own, the chunk's own.
        """
        place, chunk = (CROSS, *site), call.chunks[number]
        if not self.acts(call, place, chunk):
            return None
        theirs = self.read(call, place, chunk, [q.shape])
        if theirs is None:
            return None
        words, inside = self.record.words, None
        if self.record.where == OUTSIDE_REGIONS:
            inside = self.covered(call, chunk, grid)
        if inside is not None and inside.all() and (words.gains == 1).all():
            return None
        tokens = chunk.tokens // rows_a_key(v.shape[1], call.text)
        fused = fatezero.cross_fusion(v, *theirs, words, tokens, attend, own)
        if inside is None or not inside.any():
            return fused
        return own(fatezero.emphasised(v, words, tokens)).where(inside.to(q.device)[..., None], fused)
