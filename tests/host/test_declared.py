"""What comes over a link of any type: told by the node and the input, never a traceback from inside."""

import pytest
import rig
import torch

from pack.nodes.attention import FullFrameAttention
from pack.nodes.inversion import DDIMInversion
from pack.nodes.regions import RegionPrompt

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "change,message",
    [
        ({"steps": "3"}, r"DDIM Inversion's `steps` is str '3', but must be a whole number"),
        ({"steps": [3]}, "`steps` is list"),
        ({"steps": 2.5}, "`steps` is float '2.5', but must be a whole number"),
        ({"steps": None}, "`steps` is empty. Connect a whole number"),
        ({"steps": float("nan")}, "`steps` is nan, but must be from 1"),
        ({"latent": {}}, "`latent` is dict .*must be a LATENT"),
        ({"latent": torch.zeros(3, 4, 8, 8)}, "`latent` is Tensor .*must be a LATENT"),
        ({"latent": None}, "`latent` is empty. Connect a LATENT"),
        ({"conditioning": "a cat"}, "`conditioning` is str 'a cat', but must be a CONDITIONING"),
        ({"conditioning": []}, "`conditioning` is list .*at least one prompt"),
        ({"conditioning": [[None, {}]]}, "`conditioning` is list .*must be a CONDITIONING"),
        ({"conditioning": [[torch.full((1, 77, 768), float("nan")), {}]]}, "`conditioning` contains NaN"),
        ({"sigmas": torch.tensor([float("inf"), 1.0, 0.0])}, "`sigmas` must descend to 0 or more"),
        ({"sigmas": torch.tensor([3.0, -1.0])}, "`sigmas` must descend to 0 or more"),
        ({"sigmas": torch.ones(2, 2)}, "`sigmas` must descend"),
    ],
)
def test_what_is_not_what_the_socket_says_is_told(unet, change, message):
    width = unet.model.model_config.unet_config["context_dim"]
    if (
        change.get("conditioning")
        and isinstance(change["conditioning"], list)
        and change["conditioning"][0][0] is not None
    ):
        change = {"conditioning": [[change["conditioning"][0][0][..., :width], {}]]}
    inputs = {"model": unet, "conditioning": rig.text(1), "latent": {"samples": rig.latent()}, "steps": 2,
              "scheduler": "normal", "refinements": 0, **change}  # fmt: skip
    with torch.inference_mode(), pytest.raises(ValueError, match=message):
        DDIMInversion.execute(**inputs)


def test_numbers_of_other_kinds_are_numbers(unet):
    """NumPy's, and whole ones that come as floats: nodes for arithmetic give them."""
    import numpy as np

    assert FullFrameAttention.execute(unet, "all frames").args
    with torch.inference_mode():
        for steps in (np.int64(1), 1.0, True):
            found = DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent()}, steps, "normal", 0).args
            assert torch.isfinite(found[0]["samples"]).all()


def test_a_mask_that_is_none(unet):
    with pytest.raises(ValueError, match="Region Prompt's `mask` is empty"):
        RegionPrompt.execute(None, "a cat")
