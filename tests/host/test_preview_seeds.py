"""Preview Seeds inside ComfyUI: one frame of the edit at hand, under the noise that it has in the whole clip."""

import json

import comfy.model_management
import comfy.samplers
import comfy.utils
import pytest
import recipe
import rig
import torch

from pack.nodes.anchors import AnchorAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.preview import PreviewSeeds
from pack.nodes.vary import VaryNoise
from pack.videograin.core.regions import Region

pytestmark = pytest.mark.usefixtures("inference_mode", "private_folders")
NETWORK = rig.small_unet
GIVEN = {"frame": 1, "variations": 3, "seed": 5, "steps": 2, "cfg": 4.0, "denoise": 1.0, "pick": 1, "scheduler": "normal"}


class Plain:
    """A VAE whose pictures are the latent's first channels, to the bit."""

    def decode(self, samples):
        return samples[:, :3].movedim(1, -1)


def regions(frames=3, words="a cat"):
    return (Region(recipe.half(frames), words),)


def run(model, clip, latent, positive=None, asked=None, **changes):
    given = {**GIVEN, **changes}
    texts = positive or rig.text(2), rig.text(3)
    return PreviewSeeds.execute(model, clip, Plain(), *texts, latent, asked or regions(), **given).result


def by_seed(found):
    """The pictures by their seeds."""
    return {row["seed"]: picture for row, picture in zip(json.loads(found[3]), found[0], strict=True)}


def plainly(model, latent, seed, steps=2, **more):
    """The whole clip as KSampler makes it, seen by Plain."""
    edited = rig.sample(model, rig.text(2), rig.text(3), latent, True, steps, 4.0, "euler", "normal", seed, **more)
    return Plain().decode(edited)


def test_a_preview_is_the_frame_that_the_sampler_would_make(unet, clip):
    """Where frames do not see each other: to the bit, but for how a batch is summed."""
    latent, mask = rig.latent(3), recipe.half(3)[:, None]
    mask[1, :, 64:] = 0
    found = by_seed(run(unet, clip, {"samples": latent, "noise_mask": mask}))
    assert set(found) == {5, 6, 7}
    for seed, picture in found.items():
        truth = plainly(unet, latent, seed, noise_mask=mask)
        assert rig.rms(picture - truth[1]) < 1e-5 * rig.rms(truth[1])
        assert rig.rms(picture - truth[0]) > 0.1 * rig.rms(truth[0])
