"""Feature injection (PnP, Tumanyan et al. 2023) in a run: when, where, and into which chunks.

At the same noise level the edit's decoder is given the source's ResNet outputs, before the shortcut is added, and the
source's self-attention queries and keys; values stay its own. VideoGrain's released code does this for both halves of
guidance, each from its own half of the inversion's batch; here, as in the original PnP, one source serves both.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel
from torch import Tensor, nn

from ..blend import next_level
from ..injection import attention_blocks, resnet_blocks
from .plan import Injection
from .source import ROLE, Place, Source

if TYPE_CHECKING:
    from .dispatch import Call
    from .run import Run

RESNET, ATTENTION = "resnet", "attn1"


class Injector:
    """What Inject Source Features means in one run."""

    def __init__(self, run: Run, record: Injection):
        self.run, self.record = run, record
        self.source = Source(record.inversion, record.conditioning, record.node)
        blocks = run.model.diffusion_model.output_blocks
        self.resnets = frozenset((RESNET, block) for block in resnet_blocks(len(blocks)))
        chosen = attention_blocks(len(blocks))
        self.attentions = frozenset(
            (ATTENTION, *site) for site in run.sites if site[0] == "output" and site[1] in chosen
        )

    def looking(self, sigma: float, guider: Any, x: Tensor, options: dict) -> AbstractContextManager:
        """Has the source at hand for one evaluation of the edit at σ."""
        level = next_level(sigma, self.record.inversion.sigmas.tolist()) if self.record.shifted else sigma
        places = self.places(sigma) if level > 0 else frozenset()  # at σ = 0 there is no ε, and nothing to look at
        return self.source.seen_at(level, places, guider, x, options)

    def places(self, sigma: float) -> frozenset[Place]:
        """Where the source's tensors are injected at σ."""
        sampling = self.run.model.model_sampling
        shares = ((self.resnets, self.record.features), (self.attentions, self.record.attention))
        acting = (places for places, share in shares if sigma > float(sampling.percent_to_sigma(share)))
        return frozenset().union(*acting)

    def exchange(self, call: Call, place: Place, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Where the network sees the source, keeps its tensors; in the edit, puts them into the chunks that take them.

        tensors: "(chunk frame) ...", as ComfyUI has them; returned unchanged where nothing is injected.
        """
        source = self.source
        if place not in source.places or call.indices is None:
            return tensors
        replaced = None
        for number, chunk in enumerate(call.chunks):
            rows = slice(number * call.frames, (number + 1) * call.frames)
            if chunk is None:
                continue
            if chunk.role == ROLE:
                source.keep(place, chunk.area, call.indices, tuple(tensor[rows] for tensor in tensors))
            elif self.record.role in (chunk.role, "both"):
                theirs = source.at(place, chunk.area, call.indices)
                if theirs is None or any(a.shape != b[rows].shape for a, b in zip(theirs, tensors, strict=True)):
                    self.run.warn_once(
                        f"{self.record.node} has no features of the source that fit a model call (another node changes "
                        "the batch or its tokens between two calls): nothing is injected there."
                    )
                    continue
                replaced = replaced or tuple(tensor.clone() for tensor in tensors)
                for ours, tensor in zip(replaced, theirs, strict=True):
                    ours[rows] = tensor.to(ours)
        return replaced or tensors


def last_convolution(network: UNetModel, block: int) -> nn.Module:
    """The module whose output is a decoder block's ResNet branch, before the shortcut is added."""
    return next(part for part in network.output_blocks[block] if isinstance(part, ResBlock)).out_layers[-1]
