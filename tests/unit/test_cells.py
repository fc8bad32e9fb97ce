"""Pixels beside a latent: cut or padded around the centre, and laid back where they were."""

import pytest
import torch

from pack.videograin.core.cells import cut_like, fits, on_cells, put_back, same_clip
from pack.videograin.media.resize import Fit
from pack.videograin.views.before_after import before_after


@pytest.mark.parametrize("side", range(64, 81))
def test_every_size_comes_back_where_it_was(side):
    frames = torch.rand(2, side, side + 3, 3)
    for cells in ((side // 8, (side + 3) // 8), (-(-side // 8), -(-(side + 3) // 8))):
        seen = cut_like(frames, (cells[0] * 8, cells[1] * 8))
        assert seen.shape == (2, cells[0] * 8, cells[1] * 8, 3)
        assert torch.equal(put_back(seen, frames), frames)  # what was padded is cut, what was cut is the source's
        changed = put_back(seen + 1, frames) - frames
        inside = (changed > 0.5).all(-1)
        assert inside.sum() == 2 * min(side, cells[0] * 8) * min(side + 3, cells[1] * 8)


def test_it_pads_as_load_video_frames_does():
    frames = torch.rand(1, 67, 77, 3)
    target = torch.empty(72, 80, 3)
    Fit("multiple of 8, padded").place(frames[0], target)
    assert torch.equal(cut_like(frames, (72, 80))[0], target)


def test_the_same_and_another_clips_size_are_left_alone():
    frames = torch.rand(1, 67, 77, 3)
    assert cut_like(frames, (67, 77)) is frames and put_back(frames, frames) is frames
    mask = torch.rand(2, 48, 48)
    assert not fits((48, 48), (12, 12)) and on_cells(mask, (12, 12)) is mask
    assert not same_clip((512, 512), (256, 256)) and not same_clip((67, 77), (63, 72))


@pytest.mark.parametrize("mode", ["side by side", "wipe, fixed line"])
def test_before_and_after_lie_on_each_other(mode, caplog):
    """The strip that VAE Encode cut off is the source's."""
    source = torch.rand(3, 67, 77, 3)
    found = before_after(source, source[:, 1:65, 2:74], mode, position=0.3, line=0)
    assert torch.equal(found, torch.cat((source, source), 2) if mode == "side by side" else source)
    assert not caplog.records
