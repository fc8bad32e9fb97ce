"""Inversion, trajectory and blend on a denoiser whose truth is known."""

from itertools import pairwise

import pytest
import torch

from pack.videograin.core import latent_blend, noise_path
from pack.videograin.core.ddim_inversion import HIGH, LOW, SETTLED, ddim_invert
from pack.videograin.core.inversion_record import Inversion
from pack.videograin.core.noise_path import FLOW, low_levels

SIGMAS = [0.0, 0.1, 0.4, 1.0, 2.5, 6.0, 14.6]


def denoise(x, sigma):
    """The exact posterior mean for data N(0.5, 0.8²): smooth, and with a real dependence on sigma."""
    return 0.5 + (x - 0.5) * 0.64 / (0.64 + sigma**2)


def two_clusters(x, sigma):
    """The exact posterior mean for the two values ±1, each with spread 0.2: where sigma is about 1, the guess decides which."""
    spread = 0.04 + sigma**2
    tilt = torch.tanh(x / spread)
    return tilt + (x - tilt) * 0.04 / spread


def euler_of(denoiser, x, sigmas):
    for high, low in pairwise(sigmas):
        x = x + (low - high) * (x - denoiser(x, high)) / high
    return x


def plain_iteration(denoiser, x, sigmas, refinements):
    """x+ <- x + (sigma+ - sigma) eps(x+, sigma+), from the variance-preserving guess."""
    for low, high in pairwise(sigmas):
        point = x * ((1 + high**2) / (1 + low**2)) ** 0.5
        for _ in range(refinements + 1):
            point = x + (point - denoiser(point, high)) * ((high - low) / high)
        x = point
    return x


def clusters(frames=6):
    """(frames, 4, 3, 5): points of both clusters, of the world of `two_clusters`."""
    rng = torch.Generator().manual_seed(0)
    sign = torch.randint(0, 2, (frames, 4, 3, 5), generator=rng) * 2.0 - 1
    return sign.double() + 0.2 * torch.randn(frames, 4, 3, 5, generator=rng, dtype=torch.float64)


FINE = [0.0, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8, 1.1, 1.6, 2.5, 4.0, 7.0, 14.6]


@pytest.mark.parametrize("convention", [LOW, HIGH])
def test_refinements_converge_to_the_exact_inverse(convention):
    x, errors = clusters(), []
    for refinements in (0, 2, 60):
        *_, last = ddim_invert(two_clusters, x, FINE, convention, refinements)
        errors.append(float((euler_of(two_clusters, last.x, FINE[::-1]) - x).norm() / x.norm()))
    assert errors[2] < 1e-6 < errors[1] < errors[0] / 3


def test_mixing_comes_closer_than_plain_iteration_with_the_same_calls():
    x, calls = clusters(), []

    def counted(point, sigma):
        calls.append(sigma)
        return two_clusters(point, sigma)

    *_, ours = ddim_invert(counted, x, FINE, HIGH, 2)
    assert len(calls) == 3 * (len(FINE) - 1)
    off = [
        (euler_of(two_clusters, noise, FINE[::-1]) - x).flatten(1).norm(dim=1)
        for noise in (ours.x, plain_iteration(two_clusters, x, FINE, 2))
    ]
    assert (off[0] < 0.5 * off[1]).all()


def test_a_frame_is_mixed_by_itself():
    x = clusters()
    x[1:] = 0.01 * x[1:]  # frames that settle at another pace
    alone = [step.x[0] for step in ddim_invert(two_clusters, x[:1], FINE, HIGH, 2)]
    among = [step.x[0] for step in ddim_invert(two_clusters, x, FINE, HIGH, 2)]
    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in zip(alone, among, strict=True))


def test_the_residual_tells_the_frames_that_did_not_settle():
    """One frame in the valley between the clusters, where eps bends most; the residual falls with more refinements."""
    x = clusters(2)
    x[1] = 1e-3 * x[1]
    few = torch.stack([step.residual for step in ddim_invert(two_clusters, x, [0.0, 1.0], HIGH, 1)]).amax(0)
    many = torch.stack([step.residual for step in ddim_invert(two_clusters, x, [0.0, 1.0], HIGH, 60)]).amax(0)
    assert few.shape == (2,) and few.max() > SETTLED > 100 * many.max()


def test_without_refinements_the_step_is_the_papers_to_the_bit():
    x = clusters().float()
    expected = x
    for low, high in pairwise(FINE):
        point = expected * ((1 + high**2) / (1 + low**2)) ** 0.5
        expected = expected + (point - two_clusters(point, high)) * ((high - low) / high)
    *_, last = ddim_invert(two_clusters, x, FINE, HIGH, 0)
    assert torch.equal(last.x, expected) and not last.residual.any()


def test_conventions_take_epsilon_where_they_say():
    calls = []

    def spy(x, sigma):
        calls.append((float(x), sigma))
        return denoise(x, sigma)

    x = torch.tensor([0.7], dtype=torch.float64)
    list(ddim_invert(spy, x, [0.5, 2.0], LOW, 0))
    list(ddim_invert(spy, x, [0.5, 2.0], HIGH, 0))
    list(ddim_invert(spy, x, [0.0, 2.0], LOW, 0))
    z = 0.7 / (1 + 0.25) ** 0.5  # the variance-preserving latent is what stays the same under HIGH
    assert calls[0] == (0.7, 0.5)
    assert calls[1] == (pytest.approx(z * 5**0.5), 2.0)
    assert calls[2] == (pytest.approx(0.7 * 5**0.5), 2.0)  # eps is undefined at sigma = 0


def test_inverse_against_the_closed_form_step():
    """One step in alpha_bar notation, as the paper writes it: z+ = sqrt alpha_bar+ (z - sqrt(1-alpha_bar) eps)/sqrt alpha_bar + sqrt(1-alpha_bar+) eps."""
    low, high, x = 0.4, 1.0, torch.tensor([0.9], dtype=torch.float64)
    ((got, *_),) = ddim_invert(denoise, x, [low, high], LOW, 0)
    a, b = 1 / (1 + low**2), 1 / (1 + high**2)
    z, eps = x * a**0.5, (x - denoise(x, low)) / low
    expected = b**0.5 * (z - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - b) ** 0.5 * eps
    assert float(got * b**0.5) == pytest.approx(float(expected), rel=1e-12)


def trajectory():
    sigmas = torch.tensor([4.0, 2.0, 1.0, 0.0])
    latents = torch.tensor([40.0, 20.0, 12.0, 3.0])[:, None, None, None, None].expand(4, 2, 4, 3, 3)
    return Inversion(latents, sigmas, latents[-1], "own", "id", "SD")


@pytest.mark.parametrize("sigma,value", [(4, 40), (2, 20), (1, 12), (0, 3), (3, 30), (0.5, 7.5), (9, 40)])
def test_z_of_sigma_is_the_straight_line_between_levels(sigma, value):
    assert float(trajectory().at(float(sigma)).mean()) == pytest.approx(value)


def test_towards_lands_an_euler_step_on_the_target():
    x, target = torch.tensor(5.0, dtype=torch.float64), torch.tensor(1.5, dtype=torch.float64)
    sigma, lower = 2.0, 0.7
    denoised = latent_blend.towards(target, x, lower / sigma)
    assert float(x + (lower - sigma) * (x - denoised) / sigma) == pytest.approx(1.5, rel=1e-12)
    assert float(latent_blend.towards(target, x, 0.0)) == 1.5


def test_next_level_skips_the_present_one():
    levels = [4.0, 2.0, 1.0, 0.0]
    assert [noise_path.next_level(s, levels) for s in (4.0, 3.0, 2.0000001, 1.0, 0.5)] == [2.0, 2.0, 1.0, 0.0, 0.0]


def test_blend_mask_covers_grows_and_feathers():
    masks = torch.zeros(1, 64, 64)
    masks[0, 30:34, 30:34] = 1  # touches four cells
    plain = latent_blend.blend_mask(masks, 8, 8)
    assert plain.shape == (1, 1, 8, 8) and plain.sum() == 4
    assert latent_blend.blend_mask(masks, 8, 8, grow=1).sum() == 16
    soft = latent_blend.blend_mask(masks, 8, 8, feather=2)
    assert (
        soft[0, 0, 3, 3] == 1 and soft[0, 0, 3, 2] == pytest.approx(2 / 3) and soft[0, 0, 3, 1] == pytest.approx(1 / 3)
    )
    assert soft[0, 0, 3, 0] == 0


def test_mix_keeps_bits_where_the_mask_is_hard():
    a, b = torch.randn(2, 4, 3, 3) * 1e3, torch.randn(2, 4, 3, 3)
    mask = torch.tensor([1.0, 0.0, 0.5]).expand(2, 1, 3, 3)
    mixed = latent_blend.mix(mask, a, b)
    assert torch.equal(mixed[..., 0], a[..., 0]) and torch.equal(mixed[..., 1], b[..., 1])
    assert torch.allclose(mixed[..., 2], (a[..., 2] + b[..., 2]) / 2)


def test_on_a_flow_model_the_walk_is_undone_too():
    """The exact velocity of data N(0.5, 0.8²) under x = (1 - sigma) x_0 + sigma n, walked up and Euler's way back down."""

    def prediction(x, sigma):
        keep = 1 - sigma
        return 0.5 + 0.64 * keep / (0.64 * keep**2 + sigma**2) * (x - keep * 0.5)

    x = 0.5 + 0.8 * torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    levels = low_levels(30).double().tolist()[::-1]
    *_, few = ddim_invert(prediction, x, levels, HIGH, 0, FLOW)
    *_, last = ddim_invert(prediction, x, levels, HIGH, 2, FLOW)
    back = [float((euler_of(prediction, end.x, levels[::-1]) - x).norm() / x.norm()) for end in (few, last)]
    assert back[1] < 1e-4 < back[0] / 10
    assert abs(float(last.x.std()) - 1) < 0.15  # at the top a flow model's latent is nothing but noise


def test_the_released_pair_on_a_flow_model_is_the_lower_levels_latent():
    """There the latent itself keeps its variance from level to level."""
    found = Inversion(torch.randn(3, 2, 4, 3, 3), torch.tensor([0.9, 0.5, 0.0]), torch.zeros(2, 4, 3, 3), "", "", "")
    shown, level = found.paired(0.9, "as released", FLOW)
    assert torch.equal(shown, found.at(0.5)) and level == 0.9
    assert not torch.equal(found.paired(0.9, "as released")[0], shown)
