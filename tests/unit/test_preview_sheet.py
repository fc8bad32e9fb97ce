"""Previews on one sheet: rows, captions, the chosen one framed."""

import pytest
import torch

from pack.videograin.views.preview_sheet import ACROSS, BAR, CHOSEN, MARGIN, sheet


def pictures(count, height=32, width=64):
    """Each of another grey."""
    return torch.linspace(0.1, 0.6, count)[:, None, None, None].expand(-1, height, width, 3)


def captions(count):
    return [f"{n}: seed {2**53 - n}\nscore 0.12" for n in range(count)]


@pytest.mark.parametrize(("count", "rows", "across"), [(1, 1, 1), (2, 1, 2), (4, 2, 2), (5, 2, 3), (9, 3, 3)])
def test_pictures_stand_in_rows_in_their_order(count, rows, across):
    found = sheet(pictures(count), captions(count), 0)
    tall, wide = ACROSS // 2 + BAR + MARGIN, ACROSS + MARGIN
    assert found.shape == (1, rows * tall + MARGIN, across * wide + MARGIN, 3)
    middles = [
        found[0, MARGIN + row * tall + 80, MARGIN + column * wide + 160, 0]
        for row, column in (divmod(n, across) for n in range(count))
    ]
    assert torch.allclose(torch.stack(middles), pictures(count)[:, 0, 0, 0], atol=0.01)


def test_each_has_its_caption_below_and_the_chosen_one_a_frame():
    found = sheet(pictures(2), captions(2), 1)[0]
    bars = found[MARGIN + ACROSS // 2 + 4 :]
    dark = [bars[:, MARGIN + n * (ACROSS + MARGIN) :][:, :ACROSS].mean(-1).lt(0.4).sum() for n in range(2)]
    assert min(dark) > 100
    frame = ((found * 255).round() == torch.tensor(CHOSEN)).all(-1).any(0)
    assert not frame[:ACROSS].any() and frame[ACROSS + MARGIN :].any()


def test_a_picture_brighter_than_white_and_a_tall_one_can_be_drawn():
    found = sheet(torch.full((1, 100, 2, 3), 2.0), captions(1), 0)
    assert found.max() == 1 and found.shape[1] > 10 * ACROSS
