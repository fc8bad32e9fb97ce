"""One number that is none, in one frame of one call: named at its step, before it becomes a black clip."""

import pytest
import rig
import torch
from cases import variants
from chunked import clip, edited, st_layout
from oracle import bound
from recipe import invert

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.show import ShowAttention
from pack.videograin.core.regions import Region
from pack.videograin.jobs import demo_model

STEPS = 4
CURED = r"start ComfyUI with --force-upcast-attention, or with --force-fp32"
NETWORK = rig.small_unet
pytestmark = pytest.mark.usefixtures("inference_mode", "private_output")


def broken(model, call, frame, value=float("nan")):
    """The MODEL whose network's call of this number, from 1, gives one value that is none, in every prompt's row of a frame."""
    faulty, calls = model.clone(), []

    def wrapper(apply, args):
        calls.append(1)
        out = apply(args["input"], args["timestep"], **args["c"])
        if len(calls) == call:
            out = out.clone()
            out.unflatten(0, (len(args["cond_or_uncond"]), -1))[:, frame, 0, 3, 3] = value
        return out

    faulty.set_model_unet_function_wrapper(wrapper)
    return faulty


@pytest.mark.parametrize("full", variants(False, True))
def test_an_inversion_tells_the_step_and_the_frame(unet, full):
    model = FullFrameAttention.execute(unet, "all frames").args[0] if full else unet
    told = rf"NaN or infinite values at step 3 of {STEPS} \(sigma [\d.]+\), in frame 1 \(from 0\)\. .*{CURED}"
    with pytest.raises(ValueError, match=told):
        invert(broken(model, 3, 1))
    with pytest.raises(ValueError, match="at step 2 of 4"):
        invert(broken(model, 4, 2), refinements=1)  # two calls a step
    assert invert(model)[1].latents.isfinite().all()


@pytest.mark.parametrize("value", variants(float("nan"), float("inf")))
@pytest.mark.parametrize("blended", variants(True, False))
def test_an_edit_tells_the_step_and_the_frame(unet, blended, value):
    full = FullFrameAttention.execute(unet, "all frames").args[0]
    noise, inversion, _ = invert(full)
    mask = torch.zeros(3, 128, 128)
    mask[:, :64] = 1
    model = st_layout(broken(full, 2, 2, value))
    if blended:
        model = LatentBlend.execute(model, "inversion", inversion).args[0]
    words = bound(rig.text(2), (Region(mask, "one"), Region(1 - mask, "two")))
    with pytest.raises(ValueError, match=rf"at step 2 of {STEPS} \(sigma [\d.]+\), in frame 2 .*{CURED}"):
        rig.sample(model, words, rig.text(3), noise["samples"], steps=STEPS)


@pytest.mark.once
def test_an_unbroken_background_would_be_lost_in_the_vae(unet):
    """Why it is refused: outside the mask the latent stays the source's, but decoding lets it spread."""
    latent = rig.latent(1, 8, 8)
    latent[0, 0, 3, 3] = float("nan")
    assert not demo_model.load()[2].decode(latent).isfinite().any()


@pytest.mark.once
def test_show_attention_tells_it_too(unet):
    inversion = invert(unet)[1]
    mask = torch.zeros(3, 128, 128)
    mask[:, :64] = 1
    words = bound(rig.text(2), (Region(mask, "one"), Region(1 - mask, "two")))
    with pytest.raises(ValueError, match="The model's prediction holds NaN or infinite values at step 1 of"):
        ShowAttention.execute(broken(unet, 1, 0), inversion, words, torch.zeros(3, 128, 128, 3), 0.0, 1.0, 2)


@pytest.mark.once
def test_chunks_keep_nothing_that_is_broken(unet, tmp_path):
    """Without a feature of ours on the MODEL too; and the decoder is named where it is to blame."""
    vae, frames = demo_model.load()[2], clip(2)
    plain = rig.text(1), rig.text(2), rig.text(3)
    with pytest.raises(ValueError, match=r"NaN or infinite values at step 2 of 2 .*, in frame 1 \(from 0\)"):
        edited(broken(unet, 4, 1), vae, frames, 2, anchors=0, blend="off", words=plain)
    assert not list(tmp_path.rglob("*.safetensors"))

    class BrokenDecoder:
        encode = vae.encode

        def decode(self, latents):
            return vae.decode(latents) * torch.tensor([1.0, float("nan")])[:, None, None, None]

    with pytest.raises(
        ValueError, match=r"`vae` decodes frame 1 \(from 0\) to NaN .*--fp32-vae.*finished chunks are kept"
    ):
        edited(unet, BrokenDecoder(), frames, 2, anchors=0, blend="off", words=plain)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
