"""Feature injection (PnP, Tumanyan et al. 2023) in a run: when, where, and into which chunks.

At the same noise level the edit's decoder is given the source's ResNet outputs, before the shortcut is added, and the
source's self-attention queries and keys; values stay its own. VideoGrain's released code does this for both halves of
guidance, each from its own half of the inversion's batch; here, as in the original PnP, one source serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel
from torch import nn

from ..injection import attention_blocks, resnet_blocks
from .plan import Injection
from .source import EXACT, NEXT, Place, Reader

if TYPE_CHECKING:
    from .run import Chunk, Run

RESNET, ATTENTION = "resnet", "attn1"


class Injector(Reader):
    """What Inject Source Features means in one run."""

    def __init__(self, run: Run, record: Injection):
        super().__init__(run, record, NEXT if record.shifted else EXACT)
        blocks = run.model.diffusion_model.output_blocks
        self.resnets = frozenset((RESNET, block) for block in resnet_blocks(len(blocks)))
        chosen = attention_blocks(len(blocks))
        self.attentions = frozenset(
            (ATTENTION, *site) for site in run.sites if site[0] == "output" and site[1] in chosen
        )

    def places_at(self, sigma: float) -> frozenset[Place]:
        sampling = self.run.model.model_sampling
        shares = ((self.resnets, self.record.features), (self.attentions, self.record.attention))
        acting = (places for places, share in shares if sigma > float(sampling.percent_to_sigma(share)))
        return frozenset().union(*acting)

    def takes(self, chunk: Chunk) -> bool:
        return self.record.role in (chunk.role, "both")


def last_convolution(network: UNetModel, block: int) -> nn.Module:
    """The module whose output is a decoder block's ResNet branch, before the shortcut is added."""
    return next(part for part in network.output_blocks[block] if isinstance(part, ResBlock)).out_layers[-1]
