"""Which decoder blocks are injected."""

import pytest

from pack.videograin.core.pnp import attention_blocks, resnet_blocks


def test_stable_diffusion_15_has_the_blocks_of_the_released_code():
    assert resnet_blocks(12) == (3, 4, 6)
    assert attention_blocks(12) == (4, 5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    "count,resnets,attentions",
    [(4, (1, 2), (2, 3)), (6, (2, 3), (2, 3, 4)), (8, (2, 3, 4), (3, 4, 5, 6)), (9, (2, 3, 5), (3, 4, 5, 6, 7))],
)
def test_other_decoders_have_them_at_the_same_relative_positions(count, resnets, attentions):
    assert resnet_blocks(count) == resnets
    assert attention_blocks(count) == attentions
