"""Feature injection (PnP, Tumanyan et al. 2023) in a run: when, where, and into which chunks.

At the same noise level the edit's decoder is given the source's ResNet outputs, before the shortcut is added, and the
source's self-attention queries and keys; values stay its own. VideoGrain's released code does this for both halves of
guidance, each from its own half of the inversion's batch; here, as in the original PnP, one source serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel
from torch import nn

from ..comfyui.plan import Injection
from ..comfyui.source_pass import EXACT, NEXT, Place, Reader
from ..comfyui.validate import Site, attention_sites
from ..core.pnp import attention_blocks, resnet_blocks

if TYPE_CHECKING:
    from ..comfyui.run import Chunk, Run

RESNET, ATTENTION = "resnet", "attn1"


class Injector(Reader):
    """What Inject Source Features means in one run."""

    def __init__(self, run: Run, record: Injection):
        super().__init__(run, record, NEXT if record.shifted else EXACT)
        network = run.model.diffusion_model
        self.resnets = frozenset((RESNET, block) for block in injected_blocks(network))
        self.attentions = frozenset((ATTENTION, *site) for site in injected_sites(network))

    def places_at(self, sigma: float) -> frozenset[Place]:
        shares = ((self.resnets, self.record.features), (self.attentions, self.record.attention))
        acting = (places for places, share in shares if self.run.schedule(0.0, share).active(sigma))
        return frozenset().union(*acting)

    def takes(self, chunk: Chunk) -> bool:
        return self.record.role in (chunk.role, "both")


def injected_blocks(network: UNetModel) -> tuple[int, ...]:
    """Decoder blocks whose ResNet output is injected."""
    return resnet_blocks(len(network.output_blocks))


def injected_sites(network: UNetModel) -> list[Site]:
    """The layers whose self-attention is injected."""
    chosen = attention_blocks(len(network.output_blocks))
    return [site for site in attention_sites(network) if site[0] == "output" and site[1] in chosen]


def last_convolution(network: UNetModel, block: int) -> nn.Module:
    """The module whose output is a decoder block's ResNet branch, before the shortcut is added."""
    return next(part for part in network.output_blocks[block] if isinstance(part, ResBlock)).out_layers[-1]
