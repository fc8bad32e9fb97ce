"""Each kind of checkpoint at reduced width with random weights: attention, inversion, a kept background."""

import comfy.model_base
import comfy.supported_models
import oracle as exact
import pytest
import rig
import torch
from compatibility import WORKS, claim
from neighbours import truth
from recipe import st_layout

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.videograin.backbones.unet import UNet
from pack.videograin.core.ddim_inversion import LOW
from pack.videograin.core.latent_blend import blend_mask

STEPS = 8
WIDER = {"model_channels": 64, "use_linear_in_transformer": True}  # heads of these families are 64 wide
pytestmark = pytest.mark.usefixtures("inference_mode")


def zero_terminal_snr():
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    return ModelSamplingDiscrete().patch(rig.small_unet(), "v_prediction", True)[0]


def inpaint():
    model = rig.small_unet(in_channels=9)
    model.model.set_inpaint()
    return model


def sdxl():
    """Two transformer blocks at a site, a pooled text and sizes beside the time."""
    shape = {"transformer_depth": [0, 2], "transformer_depth_output": [2, 2, 0, 0], "transformer_depth_middle": 2}
    extra = {"adm_in_channels": 2816, "num_classes": "sequential"}
    return rig.small_unet(family=comfy.supported_models.SDXL, base=comfy.model_base.SDXL, **WIDER, **shape, **extra)


MODELS = {
    "Stable Diffusion 1.5": rig.small_unet,
    "Stable Diffusion 2.x, v-prediction": lambda: rig.small_unet(
        v_prediction=True, family=comfy.supported_models.SD20, **WIDER
    ),
    "Zero terminal SNR, v-prediction": zero_terminal_snr,
    "SDXL": sdxl,
    "Inpainting, 9 channels": inpaint,
    "InstructPix2Pix, 8 channels": lambda: rig.small_unet(base=comfy.model_base.SD15_instructpix2pix, in_channels=8),
}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=claim("model", name, WORKS)) for name in MODELS])
def model(request):
    return MODELS[request.param]()


def mask():
    area = torch.zeros(1, 128, 128)
    area[:, 32:96, 32:80] = 1
    return area


def told(conditioning, source, seed=7):
    """A prompt with all that some checkpoint is told beside its words; the others do not look at it."""
    pooled = torch.randn(1, 1280, generator=torch.Generator().manual_seed(seed))
    notes = {"pooled_output": pooled, "concat_latent_image": source / 4, "concat_mask": mask()[None]}
    return [[text, {**own, **notes}] for text, own in conditioning]


def test_attention_is_that_of_the_equations(model):
    x = rig.latent(2)
    positive, negative = (
        told(exact.bound(rig.text(1), exact.regions(2, 16, 16)), x), told(rig.text(2), x, seed=8)
    )  # fmt: skip
    expected = exact.one_step(truth(model, positive, 2), positive, negative, x)
    ours = exact.one_step(st_layout(model), positive, negative, x)
    assert rig.rms(ours - expected) < 2e-5 * rig.rms(expected)
    assert rig.rms(exact.one_step(model, positive, negative, x) - expected) > 1e-3 * rig.rms(expected)


def test_inversion_goes_up_by_its_equation(model):
    """z(sigma') = z + (sigma' - sigma) (z - x_0(z, sigma)) / sigma, with x_0 from core's own sampling under all that the model is told."""
    source = rig.latent(2)
    prompt = told(rig.text(1), source)
    _, inversion, _ = DDIMInversion.execute(model, prompt, {"samples": source}, STEPS, "normal", 0, LOW).args
    into, out_of = model.model.process_latent_in, model.model.process_latent_out
    for low in (len(inversion.sigmas) - 2, 1):
        z, sigma, higher = inversion.latents[low], float(inversion.sigmas[low]), float(inversion.sigmas[low - 1])
        denoised = into(exact.one_step(model, prompt, prompt, out_of(z), cfg=1.0, sigma=sigma))
        expected = z + (higher - sigma) * (z - denoised) / sigma
        assert rig.rms(inversion.latents[low - 1] - expected) < 1e-4 * rig.rms(expected)
    assert len(UNet().sites(model.model.diffusion_model)) in (4, 8)


def test_the_background_of_an_edit_is_the_source(model):
    source, unpasted = rig.latent(2), []
    seeing = FullFrameAttention.execute(model, "all frames").args[0]
    noise, inversion, _ = DDIMInversion.execute(
        seeing, told(rig.text(1), source), {"samples": source}, STEPS, "normal", 0
    ).args
    edited = st_layout(LatentBlend.execute(seeing, "inversion", inversion, mask=mask()).args[0])

    def before_the_paste(executor, *args, **kwargs):
        unpasted.append(executor(*args, **kwargs))
        return unpasted[0]

    edited.add_wrapper_with_key("outer_sample", "spy", before_the_paste)
    positive = told(exact.bound(rig.text(3), exact.regions(2, 16, 16)), source)
    out = rig.sample(edited, positive, told(rig.text(2), source), noise["samples"], steps=STEPS, scheduler="normal")
    outside = (blend_mask(mask(), 16, 16) == 0).expand_as(out)
    scale = model.model.latent_format.scale_factor
    assert rig.rms((unpasted[0] - source)[outside]) * scale < 1e-3
    assert torch.equal(out[outside], source[outside]) and rig.rms((out - source)[~outside]) * scale > 0.05
