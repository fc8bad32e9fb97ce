"""PnP (Tumanyan et al. 2023): the blocks that take features of the source, as VideoGrain chose them.

Stable Diffusion 1.5 has twelve decoder blocks, coarse to fine. VideoGrain's released code injects the ResNet outputs of
blocks 3, 4 and 6 and the self-attention queries and keys of blocks 4 to 9. In a decoder of another depth, the blocks at
the same relative positions are used.
"""

from __future__ import annotations

from math import floor


def resnet_blocks(count: int) -> tuple[int, ...]:
    """Decoder blocks whose ResNet output is injected: those nearest to 1/4, 1/3 and 1/2 of the way through `count`."""
    return tuple(sorted({floor(share * count + 0.5) for share in (1 / 4, 1 / 3, 1 / 2)}))


def attention_blocks(count: int) -> tuple[int, ...]:
    """Decoder blocks whose self-attention is injected: those from 1/3 up to, not including, 5/6 of the way."""
    return tuple(block for block in range(count) if count <= 3 * block and 6 * block < 5 * count)
