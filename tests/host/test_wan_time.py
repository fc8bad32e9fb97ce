"""Which frames of a clip lie in which frame of Wan's latent: asked of ComfyUI's own Wan VAE."""

import nodes as host
import pytest
import rig
import tiny_umt5
import tiny_wan
import torch

from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.invert_clip import InvertClip
from pack.nodes.paste import PasteEdit
from pack.videograin.core import latent_time

pytestmark = pytest.mark.usefixtures("inference_mode")


@pytest.fixture(scope="module")
def vae():
    with torch.inference_mode():
        return tiny_wan.vae()


def clip(frames=17, height=32, width=32):
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(0))


def encoded(vae, frames):
    return host.VAEEncode().encode(vae, frames)[0]["samples"]


def test_a_frame_first_shows_where_we_say(vae):
    """And in later ones too, for the VAE looks back."""
    frames = clip()
    before = encoded(vae, frames)
    assert before.shape == (1, 16, 5, 4, 4)
    for frame in range(0, 17, 3):
        changed = frames.clone()
        changed[frame] = 1 - changed[frame]
        moved = (encoded(vae, changed) - before).abs().amax((0, 1, 3, 4)) > 1e-5
        assert int(moved.nonzero()[0]) == latent_time.latent_frame(17, 4)[frame]


@pytest.mark.parametrize("count", [1, 4, 5, 16, 17, 20])
def test_a_clip_has_as_many_latent_frames_as_we_say(vae, count):
    latents = encoded(vae, clip(count)).shape[2]
    assert latent_time.belongs(count, latents, 4)
    kept = encoded(vae, clip(count)[: latent_time.shown(latents, 4)])
    assert torch.equal(kept, encoded(vae, clip(count)))  # the rest is left out


def test_from_frames_to_frames(vae):
    """A clip encoded, inverted, edited in a region, decoded and pasted: outside its mask each pixel is the source's."""
    model, frames = tiny_wan.model(layers=2), clip(9, 40, 48)
    latent = {"samples": encoded(vae, frames)}
    noise, inversion, _ = DDIMInversion.execute(model, tiny_wan.text(3), latent, 6, "simple", 2).args
    mask = torch.zeros(9, 40, 48)
    mask[:, :20, :24] = 1
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask).args[0]
    samples = rig.sample(blended, tiny_wan.text(5), tiny_wan.text(9, 7), noise["samples"], scheduler="simple")
    (edited,) = host.VAEDecode().decode(vae, {"samples": samples})
    assert edited.shape == frames.shape
    pasted = PasteEdit.execute(frames, edited, mask=mask).args[0]
    assert torch.equal(pasted[:, 36:], frames[:, 36:]) and torch.equal(pasted[..., 44:, :], frames[..., 44:, :])
    assert (pasted - frames)[:, :16, :20].abs().mean() > 1e-2


def test_invert_clip_is_what_its_parts_give_and_tells_what_the_vae_left_out(vae, private_folders, caplog):
    model, text, frames = tiny_wan.model(layers=1), tiny_umt5.clip(tiny_wan.TEXT), clip(7)
    noise, inversion, sigmas = InvertClip.execute(model, text, vae, frames, "a truck", 3, 1).args
    assert (
        "Invert Clip's `frames` are 7, but" in caplog.text
        and "left out the last 2. Load 5 frames, or 9." in caplog.text
    )
    (prompt,) = host.CLIPTextEncode().encode(text, "a truck")
    parts = DDIMInversion.execute(model, prompt, {"samples": encoded(vae, frames[:5])}, 3, "simple", 1).args
    assert torch.equal(noise["samples"], parts[0]["samples"]) and torch.equal(sigmas, parts[2])
    again = InvertClip.execute(model, text, vae, frames, "a truck", 3, 1).args  # from its file
    assert torch.equal(again[0]["samples"], noise["samples"]) and torch.equal(again[1].latents, inversion.latents)
