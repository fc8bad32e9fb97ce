"""Paste Edit: at its place for every size, the source to the bit farther out, a soft edge between."""

import pytest
import torch

from pack.videograin.media.paste import paste, soft


def mask(height, width, frames=1):
    area = torch.zeros(frames, height, width)
    area[:, 20:45, 24:50] = 1
    return area


@pytest.mark.parametrize("size", [(127, 181), *((side, side + 5) for side in range(64, 81))])
@pytest.mark.parametrize("padded", [False, True])
def test_every_size_lies_where_it_lay(size, padded):
    """As VAE Encode cuts, from (side mod 8) // 2 on; or padded, as Load Video Frames does it."""
    source, lifted = torch.rand(2, *size, 3), []
    for side in size:
        begin = -(-(-side % 8) // 2) * -1 if padded else side % 8 // 2
        lifted.append((torch.arange(-(-side // 8) * 8 if padded else side // 8 * 8) + begin).clamp(0, side - 1))
    edited = source[:, lifted[0]][:, :, lifted[1]]
    assert torch.equal(paste(source, edited, [], 0, 0), source)  # not a pixel off
    found = paste(source, edited + 2, [mask(*size)], 2, 3)
    edge = soft(mask(*size)[0], 2, 3)
    assert found.shape == source.shape
    assert torch.equal(found[:, edge == 0], source[:, edge == 0])  # to the bit
    assert torch.equal(found[:, edge == 1], source[:, edge == 1] + 2)
    assert ((edge > 0) & (edge < 1)).any()


def test_the_edge_is_straight_grown_and_falling():
    edge = soft(mask(64, 64)[0], 2, 3)
    assert edge[30, 50:58].tolist() == pytest.approx([1, 1, 0.75, 0.5, 0.25, 0, 0, 0])
    assert edge[45, 50] == 1 and edge[46, 51] == pytest.approx(1 - (8**0.5 - 2) / 4)  # corners are round
    assert torch.equal(soft(mask(64, 64)[0], 0, 0), mask(64, 64)[0])
    given = mask(64, 64)[0] * 0.7
    assert torch.equal(soft(given, 0, 0), given)  # a soft edge of one's own stays
    assert torch.equal(soft(torch.zeros(8, 8), 9, 9), torch.zeros(8, 8))


def test_several_areas_are_pasted_together_and_frame_by_frame():
    source, edited = torch.zeros(3, 64, 72, 3), torch.ones(3, 64, 72, 3)
    moving = torch.zeros(3, 64, 72)
    for frame in range(3):
        moving[frame, frame] = 1
    found = paste(source, edited, [moving, mask(64, 72)], 0, 0)[..., 0]
    assert torch.equal(found, torch.maximum(moving, mask(64, 72).expand(3, -1, -1)))


def test_a_mask_may_be_that_of_what_was_encoded(caplog):
    source, edited = torch.zeros(1, 127, 181, 3), torch.ones(1, 120, 176, 3)
    found = paste(source, edited, [mask(127, 181)[:, 3:123, 2:178]], 0, 0)[..., 0]
    assert torch.equal(found, mask(127, 181)) and not caplog.records
    paste(source, edited, [mask(64, 64)], 0, 0)
    assert "the masks are 64×64 pixels and were resized to the source's 181×127" in caplog.text


def test_a_broken_edit_does_no_harm_outside():
    source, edited = torch.rand(1, 64, 64, 3), torch.full((1, 64, 64, 3), float("nan"))
    found = paste(source, edited, [mask(64, 64)], 1, 2)
    assert torch.equal(found[0, soft(mask(64, 64)[0], 1, 2) == 0], source[0, soft(mask(64, 64)[0], 1, 2) == 0])


def test_alpha_is_left_out():
    assert torch.equal(
        paste(torch.ones(1, 64, 64, 4), torch.zeros(1, 64, 64, 4), [mask(64, 64)], 0, 0)[0, 0, 0], torch.ones(3)
    )


@pytest.mark.parametrize(
    "edited, areas, message",
    [
        (torch.zeros(2, 64, 64, 3), [], r"`source` has 3 frames of 64×64, but its `edited` has 2 frames"),
        (torch.zeros(3, 32, 32, 3), [], r"`edited` has 3 frames of 32×32\. .*scale it back to their size first"),
        (torch.zeros(3, 64, 64, 3), [mask(64, 64, 2)], "has 2 masks, but the clip has 3 frames"),
    ],
)
def test_what_does_not_go_together_is_told(edited, areas, message):
    with pytest.raises(ValueError, match=message):
        paste(torch.zeros(3, 64, 64, 3), edited, areas, 0, 0)
