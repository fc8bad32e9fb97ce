"""Inject Source Features (PnP, Tumanyan et al. 2023): the source's ResNet outputs, queries and keys in the edit's decoder.

At the same noise level the edit's decoder is given the source's ResNet outputs, before the shortcut is added, and the
source's self-attention queries and keys; values stay its own. VideoGrain's released code does this for both halves of
guidance, each from its own half of the inversion's batch; here, as in the original PnP, one source serves both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from ..backbones.base import Backbone, Need, Site
from ..core.inversion_record import EXACT, NEXT
from ..core.pnp import attention_blocks, resnet_blocks
from ..core.st_layout import Role
from .base import Claim, Claimed, Claims, Feature, Work
from .engine import SELF, At, Call, Cond, Run
from .source_reader import Place, SourceReader, SourceRecord

RESNET = "resnet"
COPIES = 2  # in tensors of one layer's queries: queries and keys with the source's among them


@dataclass(frozen=True, eq=False)
class Injection(SourceRecord):
    """conditioning: the prompt of the source's inversion. features, attention: shares of the noise schedule, from its start, in
    which ResNet outputs and queries and keys are injected. role: the half of guidance. shifted: features of the next
    lower noise level, as the released code takes them.
    """

    features: float
    attention: float
    role: Role
    shifted: bool

    node = "Inject Source Features"
    order = 80
    needs = frozenset({Need.RESNETS})

    @property
    def neutral(self) -> bool:
        return self.features == 0 and self.attention == 0

    def bind(self, run: Run) -> Feature:
        return Injector(self, run)

    def claims(self) -> Claims:
        return {Claim.QUERIES: Claimed(0.0, self.attention)} if self.attention > 0 else {}

    def held_bytes(self, work: Work) -> int:
        return COPIES * work.queries

    def source_bytes(self, work: Work) -> int:
        """Queries, keys and ResNets' outputs."""
        backbone, network, numbers = work.backbone, work.network, 0
        levels, widths = backbone.sites(network), backbone.widths(network)
        for site in injected_sites(backbone, network) if self.attention else ():
            numbers += widths[site] * 2 * math.ceil(work.tokens / levels[site] ** 2)
        blocks = backbone.resnets(network)
        for number in resnet_blocks(len(blocks)) if self.features else ():
            module, level = blocks[number]
            numbers += module.out_channels * math.ceil(work.tokens / level**2)
        return work.frames * numbers * work.number


class Injector(SourceReader):
    def __init__(self, record: Injection, run: Run):
        super().__init__(record, run, NEXT if record.shifted else EXACT)
        blocks = resnet_blocks(len(run.backbone.resnets(run.network)))
        self.resnets = frozenset((RESNET, block) for block in blocks)
        self.attentions = frozenset((SELF, *site) for site in injected_sites(run.backbone, run.network))

    def places_at(self, sigma: float) -> frozenset[Place]:
        shares = ((self.resnets, self.record.features), (self.attentions, self.record.attention))
        acting = (places for places, share in shares if self.run.schedule(0.0, share).active(sigma))
        return frozenset().union(*acting)

    def takes(self, cond: Cond) -> bool:
        return self.record.role in (cond.half, Role.BOTH)

    def inputs(self, at: At, q: Tensor, k: Tensor) -> tuple[Tensor, ...]:
        return self.exchanged(at.call, (SELF, *at.site), q, k)

    def module_hooks(self, call: Call, network: nn.Module) -> Iterable[tuple[nn.Module, bool, Callable]]:
        blocks = self.run.backbone.resnets(network) if self.places else {}
        for place in self.places:
            if place[0] == RESNET:
                yield blocks[place[1]].module, False, self._resnet_hook(call, place)

    def _resnet_hook(self, call: Call, place: Place) -> Callable:
        def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
            clips = self.run.backbone.split(output, len(call.conds), call.frames)
            call.show(place, clips)
            (exchanged,) = self.exchanged(call, place, clips)
            return output if exchanged is clips else self.run.backbone.joined(exchanged)

        return hook


def injected_sites(backbone: Backbone, network: nn.Module) -> list[Site]:
    """The layers whose self-attention is injected."""
    chosen = attention_blocks(len(backbone.resnets(network)))
    return [site for site in backbone.sites(network) if site[0] == "output" and site[1] in chosen]
