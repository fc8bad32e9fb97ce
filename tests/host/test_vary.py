"""Vary Noise in an edit: a seed that does something, inside the regions only."""

import pytest
import rig
import torch
from recipe import full_frame

from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.vary import VaryNoise
from pack.videograin.core.regions import Region

STEPS = 4
NETWORK = rig.small_unet
pytestmark = [pytest.mark.usefixtures("inference_mode"), pytest.mark.once]


@pytest.fixture(scope="module")
def inverted(unet):
    with torch.inference_mode():
        return DDIMInversion.execute(
            full_frame(unet), rig.text(1), {"samples": rig.latent(3)}, STEPS, "ddim_uniform", 1
        ).args[:2]


def area():
    mask = torch.zeros(1, 128, 128)
    mask[:, :, :64] = 1
    return mask


def edited(unet, inverted, noise):
    model = LatentBlend.execute(full_frame(unet), "inversion", inverted[1], mask=area()).args[0]
    return rig.sample(model, rig.text(2), rig.text(3), noise["samples"], steps=STEPS)


def vary(inverted, variation, seed, **areas):
    return VaryNoise.execute(*inverted, variation, seed, **(areas or {"mask": area()})).args[0]


def test_nothing_varied_is_the_same_edit_to_the_bit(unet, inverted):
    assert torch.equal(vary(inverted, 0.0, 7)["samples"], inverted[0]["samples"])


def test_another_seed_is_another_edit_and_the_background_is_the_sources(unet, inverted, caplog):
    first, again, second = (edited(unet, inverted, vary(inverted, 0.4, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert rig.rms((first - second)[..., :8]) > 0.05 * rig.rms(first[..., :8])
    for found in (first, second):
        assert torch.equal(found[..., 8:], inverted[1].source[..., 8:])
    assert "another latent" not in caplog.text


def test_regions_say_where_and_without_them_it_is_everywhere(inverted):
    by_regions = vary(inverted, 0.4, 1, regions=(Region(area(), "a cat"),))
    assert torch.equal(by_regions["samples"], vary(inverted, 0.4, 1)["samples"])
    everywhere = VaryNoise.execute(*inverted, 0.4, 1).args[0]["samples"]
    assert torch.equal(everywhere, vary(inverted, 0.4, 1, mask=torch.ones(1, 128, 128))["samples"])


def test_a_clip_of_other_noise_is_refused(unet, inverted):
    other = {"samples": inverted[0]["samples"].flip(0)}
    with pytest.raises(ValueError, match="is not the noise of its `inversion`"):
        VaryNoise.execute(other, inverted[1], 0.4, 1, mask=area())
    with pytest.raises(ValueError, match=r"is \(2, 4, 16, 16\).*Connect both"):
        VaryNoise.execute({"samples": inverted[0]["samples"][:2]}, inverted[1], 0.4, 1, mask=area())


@pytest.mark.parametrize(
    ("areas", "message"),
    [
        ({"mask": torch.ones(2, 128, 128)}, "`mask` has 2 masks, but the clip has 3 frames"),
        ({"regions": (Region(torch.ones(2, 8, 8), "a cat"),)}, "has 2 masks, but the latent has 3 frames"),
    ],
)
def test_areas_that_fit_no_clip_are_refused(inverted, areas, message):
    with pytest.raises(ValueError, match=message):
        VaryNoise.execute(*inverted, 0.4, 1, **areas)


def test_another_clips_noise_is_still_told(unet, inverted, caplog):
    edited(unet, inverted, {"samples": rig.latent(3, seed=9) * inverted[0]["samples"].std()})
    assert "another latent than the inversion's" in caplog.text
