"""Latent Blend's mode "progressive": VIA's boundary, against the formula in a loop written by hand."""

import itertools
from functools import partial

import comfy.sample
import comfy.samplers
import pytest
import recipe
import rig
import torch
from cases import variants

from pack.nodes.blend import LatentBlend
from pack.videograin.core.latent_blend import blend_mask

STEPS = 5
pytestmark = pytest.mark.usefixtures("inference_mode")
edit = partial(recipe.edit, steps=STEPS)


@pytest.fixture(scope="module")
def inverted(unet):
    with torch.inference_mode():
        noise, inversion, sigmas = recipe.invert(unet, frames=2, steps=STEPS, refinements=1)
    return noise["samples"], inversion, sigmas.tolist()


def square():
    mask = torch.zeros(2, 128, 128)
    mask[0, 40:80, 40:80] = 1
    mask[1, 48:88, 40:80] = 1
    return mask


def blended(unet, mode="progressive", **inputs):
    return LatentBlend.execute(unet, mode, mask=square(), **inputs).args[0]


def soft(mask, reach):
    """max(0, 1 - d / reach) around a 0/1 mask, d counted in rings, cell by cell."""
    out = mask.clone()
    for frame in range(len(mask)):
        inside = mask[frame, 0].nonzero()
        for y in range(mask.shape[2]):
            for x in range(mask.shape[3]):
                distance = int((inside - torch.tensor([y, x])).abs().amax(1).min())
                if distance:
                    out[frame, 0, y, x] = max(0.0, 1 - distance / reach) if reach > 0 else 0.0
    return out


def test_it_is_the_formula_step_by_step(unet, inverted):
    """z <- M edit + (1 - M) source at the new level, the reach of M falling from 8 cells to none over the steps."""
    noise, inversion, sigmas = inverted
    guider = comfy.samplers.CFGGuider(unet)
    guider.set_conds(rig.text(2), rig.text(3))
    guider.set_cfg(4.0)
    hard, seen = blend_mask(square(), 16, 16), []

    def walk(denoiser, x, levels, extra_args, callback, disable):
        for step, (high, low) in enumerate(itertools.pairwise(sigmas)):
            mask = soft(hard, 8 * (1 - step / (STEPS - 1)))
            seen.append(mask)
            x = torch.where(mask == 0, inversion.at(high), x)  # what the edge has left is the source again
            denoised = denoiser(x, x.new_full((len(x),), high), **extra_args)
            edited = denoised + (x - denoised) * (low / high)
            x = mask * edited + (1 - mask) * inversion.at(low)
        return x

    levels = torch.tensor(sigmas)
    expected = guider.sample(
        torch.zeros_like(noise), noise, comfy.samplers.KSAMPLER(walk), levels, disable_pbar=True, seed=0
    )
    ours = edit(blended(unet, inversion=inversion), noise)
    assert rig.rms(ours - expected) < 1e-4 * rig.rms(expected)
    assert not torch.equal(seen[0], seen[2]) and torch.equal(seen[-1], hard)
    other = edit(blended(unet, "inversion", inversion=inversion), noise)
    assert rig.rms(other - expected) > 1e-2 * rig.rms(expected)


def test_without_reach_it_is_the_mode_inversion_to_the_bit(unet, inverted):
    noise, inversion, _ = inverted
    plain = edit(blended(unet, "inversion", inversion=inversion), noise)
    for boundary in (0, 1):
        assert torch.equal(edit(blended(unet, inversion=inversion, boundary=boundary), noise), plain)


@pytest.mark.parametrize("sampler", variants("euler", "heun", "dpmpp_2m", "res_multistep"))
def test_at_the_end_the_mask_is_exact_and_outside_is_the_source_to_the_bit(unet, inverted, sampler):
    noise, inversion, _ = inverted
    out = edit(blended(unet, inversion=inversion), noise, sampler=sampler)
    outside = (blend_mask(square(), 16, 16) == 0).expand_as(out)
    assert torch.equal(out[outside], inversion.source[outside])
    assert rig.rms((out - inversion.source)[~outside]) > 0.1


def test_without_inversion_the_source_has_the_samplers_own_noise(unet):
    """As instruct-pix2pix starts: outside the widest edge the model sees the source under the noise it began with."""
    source, seen = rig.latent(2), []

    def spy(apply, args):
        seen.append((args["input"][:2].clone(), float(args["timestep"][0])))
        return apply(args["input"], args["timestep"], **args["c"])

    model = blended(unet, source={"samples": source}, boundary=2)
    model.set_model_unet_function_wrapper(spy)
    out = edit(model, source, noise=True)
    fresh = torch.randn(source.shape, generator=torch.manual_seed(0))
    clean = unet.model.process_latent_in(source)
    far = (slice(None), slice(None), slice(0, 3), slice(0, 3))
    assert len(seen) == STEPS
    for x, sigma in seen:
        assert torch.allclose(x[far], (clean + sigma * fresh)[far], rtol=1e-4, atol=1e-3)
    outside = (blend_mask(square(), 16, 16) == 0).expand_as(out)
    assert torch.equal(out[outside], source[outside])


def test_no_noise_and_no_inversion_are_refused_before_sampling(unet):
    model = blended(unet, source={"samples": rig.latent(2)})
    model.set_model_unet_function_wrapper(lambda apply, args: pytest.fail("the model was called"))
    with pytest.raises(ValueError, match=r"\"progressive\" without `inversion`.*adds none.*Connect DDIM Inversion"):
        edit(model, rig.latent(2))
    with pytest.raises(ValueError, match="needs the source clip"):
        blended(unet)


def test_sampling_in_two_runs_is_sampling_in_one(unet, inverted):
    start, inversion, _ = inverted
    model = blended(unet, inversion=inversion)
    whole = edit(model, start)
    half = comfy.sample.sample(
        model, torch.zeros_like(start), STEPS, 4.0, "euler", "ddim_uniform", rig.text(2), rig.text(3), start,
        disable_noise=True, last_step=2, seed=0, disable_pbar=True,
    )  # fmt: skip
    rest = rig.sample(model, rig.text(2), rig.text(3), half, steps=STEPS, start_step=2)
    assert rig.rms(rest - whole) < 1e-4 * rig.rms(whole)
