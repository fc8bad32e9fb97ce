"""Varied noise: its variance, its place, and its exact ends."""

import pytest
import torch

from pack.videograin.core.noise_variation import fresh_noise, varied

SCALE, SIGMA = torch.tensor([5.5, 4.0, 3.0, 7.0]).view(1, 4, 1, 1), 14.6


@pytest.fixture
def noise():
    """(LATENT's, the sampler's) of one clip; channels have scales of their own."""
    level = SIGMA * torch.randn(6, 4, 24, 24, generator=torch.Generator().manual_seed(0))
    return level / SCALE, level


def left(value):
    mask = torch.zeros(1, 1, 24, 24)
    mask[..., :12] = value
    return mask


def test_no_variation_is_the_noise_itself(noise):
    assert varied(noise[0], left(1.0), torch.ones(1, 4, 24, 24), 0.0) is noise[0]


@pytest.mark.parametrize("variation", [0.2, 0.6, 1.0])
def test_inside_it_keeps_its_strength_and_outside_its_bits(noise, variation):
    fresh = fresh_noise(*noise, SIGMA, seed=3)
    found = varied(noise[0], left(1.0), fresh, variation)
    assert torch.equal(found[..., 12:], noise[0][..., 12:])
    ratio = found[..., :12].std((0, 2, 3)) / noise[0][..., :12].std((0, 2, 3))
    assert (ratio - 1).abs().max() < 0.1
    expected = (1 - variation**2) ** 0.5
    both = torch.stack([found[..., :12].flatten(), noise[0][..., :12].flatten()])
    assert float(torch.corrcoef(both)[0, 1]) == pytest.approx(expected, abs=0.1)


def test_fresh_noise_is_one_for_all_frames_of_each_channels_scale(noise):
    fresh = fresh_noise(*noise, SIGMA, seed=3)
    assert fresh.shape == (1, 4, 24, 24)
    assert ((fresh * SCALE).std((0, 2, 3)) / SIGMA - 1).abs().max() < 0.15
    assert torch.equal(fresh, fresh_noise(*noise, SIGMA, seed=3))
    assert not torch.equal(fresh, fresh_noise(*noise, SIGMA, seed=4))


def test_a_soft_edge_is_between_both(noise):
    fresh = fresh_noise(*noise, SIGMA, seed=3)
    whole, half = (varied(noise[0], left(value), fresh, 0.5) for value in (1.0, 0.5))
    assert torch.allclose(half, (whole + noise[0]) / 2, atol=1e-5)
