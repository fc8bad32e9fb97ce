"""Every sampler and scheduler core offers, in the mode of Latent Blend that is made for it."""

import comfy.samplers
import pytest
import recipe
import rig
import torch
from compatibility import WORKS, claim

from pack.nodes.blend import LatentBlend
from pack.videograin.comfyui.validate import sampler_name
from pack.videograin.core.latent_blend import blend_mask
from pack.videograin.core.samplers import is_random

DETERMINISTIC = [
    "euler", "euler_cfg_pp", "heun", "heunpp2", "exp_heun_2_x0", "dpm_2", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2m",
    "dpmpp_2m_cfg_pp", "ipndm", "ipndm_v", "deis", "res_multistep", "res_multistep_cfg_pp", "gradient_estimation",
    "gradient_estimation_cfg_pp", "ddim", "uni_pc", "uni_pc_bh2",
]  # fmt: skip
RANDOM = [
    "euler_ancestral", "euler_ancestral_cfg_pp", "exp_heun_2_x0_sde", "dpm_2_ancestral", "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm", "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp", "er_sde", "seeds_2", "seeds_3", "sa_solver", "sa_solver_pece",
]  # fmt: skip
SCHEDULERS = ["simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic",
              "kl_optimal"]  # fmt: skip
STEPS = 6
NETWORK = rig.small_unet
pytestmark = pytest.mark.usefixtures("inference_mode")


def invert(unet, scheduler):
    with torch.inference_mode():
        noise, inversion, sigmas = recipe.invert(unet, frames=2, steps=STEPS, scheduler=scheduler)
    return noise["samples"], inversion, sigmas


@pytest.fixture(scope="module")
def inverted(unet):
    return invert(unet, "normal")


def cases(kind, names, mode=""):
    outcome = f"{WORKS} with “{mode}”" if mode else WORKS
    return pytest.mark.parametrize(kind, [pytest.param(name, marks=claim(kind, name, outcome)) for name in names])


def square():
    mask = torch.zeros(1, 128, 128)
    mask[:, 32:96, 32:80] = 1
    return mask


def edit(model, start, sampler, scheduler="normal", noise=False, sigmas=None, seed=0):
    """The edit before Latent Blend's last paste, and after it."""
    unpasted = []

    def before_the_paste(executor, *args, **kwargs):
        unpasted.append(executor(*args, **kwargs))
        return unpasted[0]

    model = model.clone()
    model.add_wrapper_with_key("outer_sample", "spy", before_the_paste)
    out = rig.sample(model, rig.text(2), rig.text(3), start, noise, STEPS, sampler=sampler, scheduler=scheduler,
                     sigmas=sigmas, seed=seed)  # fmt: skip
    return unpasted[0], out


def parts(inversion):
    outside = (blend_mask(square(), 16, 16) == 0).expand_as(inversion.source)
    return outside, ~outside


def offered(name, names):
    if name not in names:
        pytest.skip(f"this ComfyUI has no {name}")


def assert_background(unet, unpasted, out, inversion):
    """Outside within 1e-3 before the paste, to the bit after it; inside something else."""
    outside, inside = parts(inversion)
    scale = unet.model.latent_format.scale_factor
    assert rig.rms((unpasted - inversion.source)[outside]) * scale < 1e-3
    assert torch.equal(out[outside], inversion.source[outside]) and torch.isfinite(out).all()
    assert rig.rms((out - inversion.source)[inside]) * scale > 0.05


@cases("sampler", DETERMINISTIC, "inversion")
def test_a_deterministic_sampler_keeps_the_background(unet, inverted, sampler):
    offered(sampler, comfy.samplers.SAMPLER_NAMES)
    noise, inversion, sigmas = inverted
    model = LatentBlend.execute(unet, "inversion", inversion, mask=square()).args[0]
    assert_background(unet, *edit(model, noise, sampler, sigmas=sigmas), inversion)


@cases("sampler", RANDOM, "renoised")
def test_a_random_sampler_keeps_the_source_by_renoising(unet, inverted, sampler):
    offered(sampler, comfy.samplers.SAMPLER_NAMES)
    _, inversion, _ = inverted
    model = LatentBlend.execute(unet, "renoised", source={"samples": inversion.source}, mask=square()).args[0]
    _, out = edit(model, inversion.source, sampler, noise=True)
    outside, inside = parts(inversion)
    assert torch.isfinite(out).all() and torch.equal(out[outside], inversion.source[outside])
    assert rig.rms((out - inversion.source)[inside]) * unet.model.latent_format.scale_factor > 0.05
    _, other = edit(model, inversion.source, sampler, noise=True, seed=1)
    assert not torch.equal(out[inside], other[inside])


@cases("scheduler", SCHEDULERS)
def test_a_schedulers_levels_go_up_and_down(unet, scheduler):
    offered(scheduler, comfy.samplers.SCHEDULER_NAMES)
    noise, inversion, _ = invert(unet, scheduler)
    model = LatentBlend.execute(unet, "inversion", inversion, mask=square()).args[0]
    steps = len(inversion.sigmas) - 1
    assert steps in (STEPS, STEPS + 1)
    assert_background(unet, *edit(model, noise, "euler", scheduler), inversion)


@pytest.mark.parametrize("sampler", ["dpm_fast", "dpm_adaptive"])
def test_a_sampler_with_levels_of_its_own_may_stop_early(unet, inverted, sampler):
    """Stopped above 0, the background is the source's path there."""
    noise, inversion, _ = inverted
    model = LatentBlend.execute(unet, "inversion", inversion, mask=square()).args[0]
    unpasted, out = edit(model, noise, sampler, sigmas=inversion.sigmas[:4])
    outside, _ = parts(inversion)
    path = unet.model.process_latent_out(inversion.at(float(inversion.sigmas[3])))
    assert rig.rms((unpasted - path)[outside]) < 1e-3 * rig.rms(path[outside])
    assert torch.equal(out[outside], path[outside])


def test_no_sampler_and_no_scheduler_is_left_out():
    assert set(comfy.samplers.SAMPLER_NAMES) <= {*DETERMINISTIC, *RANDOM}
    assert set(comfy.samplers.SCHEDULER_NAMES) <= set(SCHEDULERS)


def test_the_random_ones_are_those_that_are_warned_of():
    for name in comfy.samplers.SAMPLER_NAMES:
        known = sampler_name(comfy.samplers.sampler_object(name))
        assert is_random(known) == (name in RANDOM)
