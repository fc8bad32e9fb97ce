"""Noise levels of both kinds of models: the same straight lines, written out."""

from itertools import pairwise

import pytest
import torch

from pack.videograin.core.latent_blend import towards
from pack.videograin.core.noise_path import EPS, FLOW, low_levels

LEVELS = {EPS: [14.6, 6.0, 1.5, 0.3, 0.0], FLOW: [1.0, 0.8, 0.45, 0.1, 0.0]}
PATHS = pytest.mark.parametrize("path", [EPS, FLOW], ids=lambda path: path.name)


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 4, 5, 6, generator=generator, dtype=torch.float64) for _ in range(2)]


def test_each_path_is_its_formula(pair):
    clean, noise = pair
    assert torch.equal(EPS.noisy(clean, noise, 2.5), clean + 2.5 * noise)
    assert torch.allclose(FLOW.noisy(clean, noise, 0.25), 0.75 * clean + 0.25 * noise)
    assert torch.equal(FLOW.noisy(clean, noise, 1.0), noise) and torch.equal(FLOW.noisy(clean, noise, 0.0), clean)
    assert EPS.keep(9.0) == 1.0 and FLOW.keep(0.25) == 0.75


@PATHS
def test_eulers_step_walks_the_path(path, pair):
    """With the clip as the prediction, k-diffusion's step goes from one level of the path to the next."""
    clean, noise = pair
    levels = LEVELS[path]
    x = path.noisy(clean, noise, levels[0])
    for sigma, lower in pairwise(levels):
        x = x + (lower - sigma) * (x - clean) / sigma
        assert torch.allclose(x, path.noisy(clean, noise, lower))


@PATHS
def test_a_prediction_towards_the_path_leads_back_to_it(path, pair):
    """Latent Blend's prediction, from anywhere: one Euler step later x is on the source's path."""
    clean, noise = pair
    sigma, lower = LEVELS[path][1:3]
    x = torch.randn_like(clean)
    denoised = towards(path.noisy(clean, noise, lower), x, lower / sigma)
    assert torch.allclose(x + (lower - sigma) * (x - denoised) / sigma, path.noisy(clean, noise, lower))


@PATHS
def test_between_two_levels_it_is_their_straight_line(path, pair):
    """Which is why an inversion may be read at any level."""
    clean, noise = pair
    high, low = LEVELS[path][1:3]
    middle = torch.lerp(path.noisy(clean, noise, low), path.noisy(clean, noise, high), 0.3)
    assert torch.allclose(middle, path.noisy(clean, noise, low + 0.3 * (high - low)))


@PATHS
def test_a_latent_is_handed_from_one_sampler_to_the_next(path, pair):
    """Also at the highest level, where core's own x / (1 - sigma) divides by 0 on a flow model."""
    x = pair[0].float()
    for sigma in LEVELS[path]:
        between = path.handed_over(x, sigma)
        assert between.isfinite().all()
        assert torch.allclose(path.taken_up(between, sigma), x, rtol=1e-6)
    assert torch.equal(path.taken_up(path.handed_over(x, path.top), path.top), x)  # a power of two: exact


@PATHS
def test_a_sampler_starts_where_it_is_to(path, pair):
    """Core mixes noise into the latent it is given; at sigma = 1 a flow model takes nothing of that latent."""
    clean, wanted = pair
    for sigma in LEVELS[path][:-1]:
        assert torch.allclose(path.noisy(clean, path.noise_to(wanted, clean, sigma), sigma), wanted)


def test_the_levels_of_an_inversion_come_close_to_the_clip():
    levels = low_levels(30)
    assert len(levels) == 31 and levels[-1] == 0 and levels[0] == FLOW.top
    assert (levels.diff() < 0).all()
    assert 0.08 < levels[-2] < 0.11  # 0.216 at Wan's own shift
