"""Optical flow on motions that are known exactly."""

import builtins

import pytest
import torch
import torch.nn.functional as F

from pack.videograin.core import optical_flow


def texture(size: int = 300, cells: int = 50, seed: int = 0) -> torch.Tensor:
    """(size, size, 3) smooth random colours, to cut moving windows out of."""
    coarse = torch.rand(1, 3, cells, cells, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, (size, size), mode="bicubic")[0].movedim(0, -1).clamp(0, 1)


def window(x: int, y: int, height: int = 128, width: int = 128) -> torch.Tensor:
    return texture()[y : y + height, x : x + width]


def constant(x: float, y: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).expand(height, width, 2).contiguous()


@pytest.mark.parametrize("x, y", [(3, 0), (0, -4), (3, -2)])
def test_dis_finds_a_shift_and_its_direction(x, y):
    """The window moves by (-x, -y), so what it shows moves by (x, y)."""
    found = optical_flow.dis_flow(window(80, 80), window(80 - x, 80 - y))
    assert found.shape == (128, 128, 2) and found.dtype == torch.float32
    error = (found - torch.tensor([float(x), float(y)])).norm(dim=-1)
    assert error[16:-16, 16:-16].max() < 0.25 and error.median() < 0.1


def test_dis_on_a_still_picture_is_zero():
    assert optical_flow.dis_flow(window(50, 50), window(50, 50)).abs().max() == 0


@pytest.mark.parametrize("height, width", [(5, 7), (9, 512), (16, 200), (30, 128), (200, 16), (31, 32)])
def test_dis_takes_frames_of_any_shape(height, width):
    """OpenCV refuses small frames, and reads outside its memory on thin ones."""
    first, second = (torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    found = optical_flow.dis_flow(first, second)
    assert found.shape == (height, width, 2) and found.isfinite().all()


def test_a_missing_opencv_is_named_with_the_fix(monkeypatch):
    real = builtins.__import__

    def without_cv2(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_cv2)
    with pytest.raises(ImportError, match=r"libGL\.so\.1.*opencv-python-headless"):
        optical_flow.dis_flow(window(0, 0), window(0, 0))


def test_warp_by_nothing_changes_nothing():
    picture = window(40, 40, 20, 33)
    assert (optical_flow.warp(picture, torch.zeros(20, 33, 2)) - picture).abs().max() < 1e-5


def test_warp_pulls_what_lies_where_the_flow_points():
    picture = torch.arange(5 * 7, dtype=torch.float32).view(5, 7, 1)  # grows by 1 to the right and by 7 downwards
    right = optical_flow.warp(picture, constant(2, 0, 5, 7))
    assert torch.allclose(right[:, :5], picture[:, 2:], atol=1e-4)
    assert torch.allclose(right[:, 5:], picture[:, -1:].expand(-1, 2, -1), atol=1e-4)  # beyond the edge the edge stands
    down = optical_flow.warp(picture, constant(0, 1, 5, 7))
    assert torch.allclose(down[:4], picture[1:], atol=1e-4)
    between = optical_flow.warp(picture, constant(0.25, 0.5, 5, 7))
    assert torch.allclose(between[:4, :6], picture[:4, :6] + 0.25 + 3.5, atol=1e-4)


def test_warp_takes_any_leading_dimensions():
    pictures = torch.rand(2, 3, 8, 9, 4)
    flows = torch.randn(2, 3, 8, 9, 2)
    together = optical_flow.warp(pictures, flows)
    assert together.shape == pictures.shape
    assert torch.equal(together[1, 2], optical_flow.warp(pictures[1, 2], flows[1, 2]))


def test_what_leaves_the_frame_is_occluded_and_nothing_else():
    there, back = constant(3, -2, 20, 30), constant(-3, 2, 20, 30)
    expected = torch.zeros(20, 30, dtype=torch.bool)
    expected[:, 27:] = expected[:2] = True
    assert torch.equal(optical_flow.occluded(there, back), expected)


def square_clip(step: int = 5):
    """A 10 × 10 square over a still background moves right by `step`: flows both ways between its two frames."""
    forward, backward = torch.zeros(40, 40, 2), torch.zeros(40, 40, 2)
    forward[15:25, 10:20, 0] = step
    backward[15:25, 10 + step : 20 + step, 0] = -step
    return forward, backward


def test_the_ground_a_square_leaves_and_covers_is_occluded():
    forward, backward = square_clip()
    uncovered, covered = (torch.zeros(40, 40, dtype=torch.bool) for _ in range(2))
    uncovered[15:25, 10:15] = True  # in the second frame; the first shows the square there
    covered[15:25, 20:25] = True  # in the first frame; the second shows the square there
    assert torch.equal(optical_flow.occluded(backward, forward), uncovered)
    assert torch.equal(optical_flow.occluded(forward, backward), covered)


def test_the_check_allows_half_a_pixel_and_a_hundredth_of_the_motion():
    there = constant(10, 0, 8, 64)
    inside = (slice(None), slice(0, 50))
    for error, hidden in ((0.69, False), (0.72, True)):  # the bound is 0.5 + 0.01 · (10 + 10 ± error)
        assert (optical_flow.occluded(there, constant(-10 - error, 0, 8, 64))[inside] == hidden).all()
