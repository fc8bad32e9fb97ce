"""Before/After Video: which pixels come from which clip."""

import pytest
import torch

from pack.videograin.views.before_after import MODES, before_after

SOURCE, EDIT = torch.rand(8, 20, 30, 3) * 0.4, 0.6 + torch.rand(8, 20, 30, 3) * 0.4


def test_side_by_side_and_top_and_bottom_hold_both_clips_exactly():
    out = before_after(SOURCE, EDIT, "side by side", line=4, colour="black")
    assert torch.equal(out[:, :, :30], SOURCE) and torch.equal(out[:, :, 34:], EDIT) and (out[:, :, 30:34] == 0).all()
    out = before_after(SOURCE, EDIT, "top and bottom", line=0)
    assert torch.equal(out, torch.cat([SOURCE, EDIT], 1))


@pytest.mark.parametrize("position", [0.0, 0.3, 1.0])
def test_a_fixed_wipe_takes_the_source_left_of_the_line(position):
    out = before_after(SOURCE, EDIT, "wipe, fixed line", position, line=0)
    column = round(position * 30)
    assert torch.equal(out[:, :, :column], SOURCE[:, :, :column])
    assert torch.equal(out[:, :, column:], EDIT[:, :, column:])


def test_a_moving_line_goes_to_the_right_end_and_back():
    out = before_after(SOURCE, EDIT, "wipe, moving line", line=2)
    shares = [float((frame < 0.5).float().mean()) for frame in out]
    assert shares[0] == 0 and shares[4] > 0.9
    assert shares[1] == shares[7] and shares[1] < shares[2] < shares[3]
    assert (out[2, :, 14:16] == 1).all()  # the line itself, white, around the middle


@pytest.mark.parametrize("mode", MODES)
def test_another_size_is_resized_with_one_warning(mode, caplog):
    out = before_after(SOURCE, torch.rand(8, 32, 48, 4), mode)
    assert len(out) == 8
    assert len(caplog.records) == 1 and "`edited` is 48×32" in caplog.text


def test_a_single_frame_stands_still():
    out = before_after(SOURCE[:1], EDIT, line=0)
    assert torch.equal(out[:, :, :30], SOURCE[:1].expand(8, -1, -1, -1))


def test_different_lengths():
    with pytest.raises(ValueError, match=r"`source` has 8 frames and `edited` has 5"):
        before_after(SOURCE, EDIT[:5])
