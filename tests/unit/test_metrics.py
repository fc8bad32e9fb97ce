"""Metrics on truths that are known by construction."""

from math import inf, isnan, nan

import numpy as np
import pytest
import torch
from largest import Largest

from pack.videograin.core.optical_flow import occluded
from pack.videograin.metrics import measures


def angles(*degrees: float, scale: float = 3.0) -> torch.Tensor:
    """Embeddings in a plane, at these angles; their length must not matter."""
    radians = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return (scale * torch.stack((radians.cos(), radians.sin()), -1)).float()


def cosine(degrees: float) -> float:
    return float(np.cos(np.deg2rad(degrees)))


def moving_clip(frames: int = 4, size: int = 32, seed: int = 0):
    """Noise seen through a window that goes 3 pixels left and 2 down a frame, and the flows back and forth."""
    world = torch.rand(100, 100, 3, generator=torch.Generator().manual_seed(seed))
    clip = torch.stack([world[20 + 2 * i :, 40 - 3 * i :][:size, :size] for i in range(frames)])
    forward = torch.tensor([3.0, -2.0]).expand(frames - 1, size, size, 2)
    return clip, -forward, forward


def test_identical_frames():
    pictures = angles(30, 30, 30)
    assert measures.clip_f(pictures) == pytest.approx(1, abs=1e-6)
    assert measures.frame_consistency(pictures) == pytest.approx(1, abs=1e-6)
    clip = torch.rand(3, 16, 16, 3)
    still, nothing = clip[:1].expand(3, -1, -1, -1), torch.zeros(2, 16, 16, 2)
    hidden = occluded(nothing, nothing)
    assert not hidden.any()
    assert measures.warp_err(still[:-1], still[1:], nothing).max() < 1e-8
    assert measures.pixel_mse(still[:-1], still[1:], nothing, hidden).max() < 1e-10
    assert measures.psnr(clip, clip) == inf


def test_consecutive_and_all_pairs_are_different_forms():
    pictures = angles(0, 10, 40)
    assert measures.consecutive_cosines(pictures).tolist() == pytest.approx([cosine(10), cosine(30)], abs=1e-6)
    assert measures.clip_f(pictures) == pytest.approx((cosine(10) + cosine(30)) / 2, abs=1e-6)
    expected = (cosine(10) + cosine(30) + cosine(40)) / 3
    assert measures.frame_consistency(pictures) == pytest.approx(expected, abs=1e-6)


def test_one_frame_has_no_consistency():
    assert isnan(measures.clip_f(angles(5))) and isnan(measures.frame_consistency(angles(5)))


def test_clip_t_and_frame_acc():
    pictures, (target, source) = angles(10, 45, 80), angles(0, 90, scale=0.1)
    assert measures.text_scores(pictures, target).tolist() == pytest.approx([100 * cosine(a) for a in (10, 45, 80)])
    assert measures.clip_t(pictures, target) == pytest.approx(100 * np.mean([cosine(a) for a in (10, 45, 80)]))
    assert measures.frame_acc(angles(10, 80, 70, 60), target, source) == 0.25
    assert measures.frame_acc(pictures, target, target) == 1  # a tie counts, as in FateZero's code


def test_a_known_shift_with_its_flow_has_no_warping_error():
    clip, back, forward = moving_clip()
    hidden = occluded(back, forward)
    assert hidden.float().mean() == pytest.approx(1 - (29 / 32) * (30 / 32))  # 3 columns and 2 rows are new
    before, after = clip[:-1], clip[1:]
    assert measures.warp_err(before, after, back, hidden).max() < 1e-6
    assert measures.pixel_mse(before, after, back, hidden).max() < 1e-8
    unmasked = measures.warp_err(before, after, back)
    assert unmasked.shape == (3,) and unmasked.min() > 1  # what comes into the picture was not there before
    assert measures.warp_err(before, after, forward, occluded(forward, back)).min() > 10  # the wrong way


def test_a_flicker_of_known_size_is_the_warping_error():
    """Every second frame is brighter by 0.2 in one channel of three: each residual is 0.04 / 3."""
    clip, back, forward = moving_clip()
    clip = clip * 0.5
    clip[1::2, ..., 0] += 0.2
    hidden = occluded(back, forward)
    masked = measures.warp_err(clip[:-1], clip[1:], back, hidden)
    assert masked.tolist() == pytest.approx([100 * 0.04 / 3] * 3, rel=1e-4)
    visible = (~hidden).float().mean((-2, -1))
    pixel = measures.pixel_mse(clip[:-1], clip[1:], back, hidden)
    assert pixel.tolist() == pytest.approx((masked / 100 * visible).tolist(), rel=1e-4)
    single = measures.warp_err(clip[0], clip[1], back[0], hidden[0])
    assert float(single) == pytest.approx(float(masked[0]))


def test_all_hidden_is_not_defined():
    clip, back, _ = moving_clip(2)
    hidden = torch.ones(1, 32, 32, dtype=torch.bool)
    assert measures.warp_err(clip[:1], clip[1:], back, hidden).isnan().all()
    assert measures.pixel_mse(clip[:1], clip[1:], back, hidden).tolist() == [0]


def test_q_edit():
    assert measures.q_edit(36.56, 1.42) == pytest.approx(25.75, abs=5e-3)  # VideoGrain's Table 1
    assert measures.q_edit(30, 0) == inf
    assert measures.q_edit(-3, 0) == -inf
    assert isnan(measures.q_edit(nan, 0)) and isnan(measures.q_edit(30, nan))


@pytest.mark.parametrize("change, expected", [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0)])
def test_psnr_of_a_known_colour_change(change, expected):
    grey = torch.zeros(2, 8, 8, 3, dtype=torch.float64)
    assert measures.psnr(grey, grey + change) == pytest.approx(expected)


def test_psnr_is_of_the_pixels_chosen_and_of_one_mean_error():
    a = torch.zeros(2, 8, 8, 3)
    b, where = a.clone(), torch.zeros(2, 8, 8, dtype=torch.bool)
    b[0, :4] = 0.1  # a quarter of the clip
    where[0, :4] = True
    assert measures.psnr(a, b, where) == pytest.approx(20, abs=1e-5)
    assert measures.psnr(a, b, ~where) == inf
    assert measures.psnr(a, b) == pytest.approx(20 + 10 * np.log10(4), abs=1e-5)
    assert isnan(measures.psnr(a, b, torch.zeros_like(where)))


def test_psnr_frame_by_frame_is_that_of_the_whole_clip():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(5, 16, 24, 3, generator=generator) for _ in range(2))
    b[2] = a[2]
    where = torch.rand(5, 16, 24, generator=generator) > 0.5
    error = (a.double() - b.double()).square().mean(-1)
    frames, whole = measures.psnrs(a, b, where)
    assert whole == measures.psnr(a, b, where) == pytest.approx(-10 * np.log10(float(error[where].mean())), abs=1e-6)
    assert measures.psnr(a, b) == pytest.approx(-10 * np.log10(float(error.mean())), abs=1e-6)
    assert frames[2] == inf and frames[0] == measures.psnr(a[0], b[0], where[0])
    assert measures.psnrs(a, b, torch.zeros_like(where)) == (pytest.approx([nan] * 5, nan_ok=True), pytest.approx(nan, nan_ok=True))  # fmt: skip


@pytest.mark.parametrize("chosen", [False, True])
def test_psnr_of_a_long_clip_needs_no_more_room_than_one_frame(chosen):
    a, b = (torch.rand(9, 16, 16, 4)[..., :3] for _ in range(2))
    where = torch.rand(9, 16, 16) > 0.5
    with Largest(a, b, where) as seen:
        measures.psnr(a, b, where if chosen else None)
    assert 16 * 16 <= seen.elements <= 16 * 16 * 3


def test_background_is_outside_the_union():
    source = torch.rand(2, 8, 8, 3)
    regions = torch.zeros(2, 2, 8, 8, dtype=torch.bool)
    regions[0, :, :4], regions[1, :, 3:6] = True, True  # overlapping; rows 6 and 7 are background
    edited = source.clone()
    edited[:, :6] = 0.5
    assert measures.background_psnr(source, edited, regions) == inf
    edited[:, 7] += 0.1  # half of the background
    assert measures.background_psnr(source, edited, regions) == pytest.approx(20 + 10 * np.log10(2), abs=1e-4)
    assert isnan(measures.background_psnr(source, edited, torch.ones_like(regions)))
