"""Flow by RAFT's published weights, through core's Load Optical Flow Model."""

import folder_paths
import pytest
import rig
import torch
from registry import fetch

from pack.nodes.motion import FlowGuidedAttention
from pack.videograin.comfyui.optical_flow import raft
from pack.videograin.comfyui.plan import find, records
from pack.videograin.core.flatten import token_steps
from pack.videograin.core.optical_flow import dis_flow
from pack.videograin.features.flatten_paths import Motion

RENAMED = (  # the authors' names -> torchvision's, in this order
    ("module.", ""),
    ("fnet.", "feature_encoder."),
    ("cnet.", "context_encoder."),
    ("encoder.conv1.", "encoder.convnormrelu.0."),
    ("encoder.norm1.", "encoder.convnormrelu.1."),
    ("encoder.conv2.", "encoder.conv."),
    ("update_block.encoder.convc", "update_block.motion_encoder.convcorr"),
    ("update_block.encoder.convf", "update_block.motion_encoder.convflow"),
    ("update_block.encoder.conv.", "update_block.motion_encoder.conv.0."),
    ("update_block.mask.0.", "mask_predictor.convrelu.0."),
    ("update_block.mask.2.", "mask_predictor.conv."),
)


def renamed(key: str) -> str:
    for theirs, ours in RENAMED:
        key = key.replace(theirs, ours)
    for part in (1, 2):
        if "layer" in key:
            key = key.replace(f".conv{part}.", f".convnormrelu{part}.0.").replace(
                f".norm{part}.", f".convnormrelu{part}.1."
            )
        if ".motion_encoder." in key:
            key = key.replace(f"convcorr{part}.", f"convcorr{part}.0.").replace(
                f"convflow{part}.", f"convflow{part}.0."
            )
        for gate in "zrq":
            key = key.replace(f"gru.conv{gate}{part}.", f"recurrent_block.convgru{part}.conv{gate}.")
    return key


@pytest.fixture(scope="module")
def optical_flow(tmp_path_factory):
    """The published weights in torchvision's names, loaded as a user loads them."""
    nodes = pytest.importorskip("comfy_extras.nodes_void", reason="this ComfyUI has no optical flow model")
    theirs = torch.load(fetch("markdiffusion") / "raft-things.pth", map_location="cpu", weights_only=True)
    folder = tmp_path_factory.mktemp("optical_flow")
    # norm3 is the downsampling's own norm once more.
    weights = {renamed(key): value for key, value in theirs.items() if ".norm3." not in key}
    torch.save(weights, folder / "raft-things.pth")
    folder_paths.add_model_folder_path("optical_flow", str(folder))
    return nodes.OpticalFlowLoader.execute("raft-things.pth").args[0]


def moved(right: int, down: int, frames: int = 2, side: int = 128) -> torch.Tensor:
    """A clip, (frames, side, side, 3), of one picture that moves by so many pixels a frame."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 24, 24, generator=generator)
    large = torch.nn.functional.interpolate(coarse, (2 * side, 2 * side), mode="bicubic").clamp(0, 1)[0].movedim(0, -1)
    corners = ((side // 2 - frame * down, side // 2 - frame * right) for frame in range(frames))
    return torch.stack([large[top : top + side, left : left + side] for top, left in corners])


@pytest.mark.parametrize("right, down", [(5, 0), (-7, 3)])
def test_the_published_weights_see_the_motion(optical_flow, right, down):
    first, second = moved(right, down)
    truth = torch.tensor([right, down]).float()
    with torch.inference_mode():
        found = raft(optical_flow, "Flow-Guided Attention")(first, second)
    inner = slice(16, -16)  # what leaves the picture cannot be found
    error = (found - truth)[inner, inner].norm(dim=-1)
    assert found.shape == (128, 128, 2) and error.median() < 0.2
    assert (dis_flow(first, second) - truth)[inner, inner].norm(dim=-1).median() < 1  # the same direction and unit


def test_attention_goes_along_it(optical_flow):
    """Eight pixels are one token at the finest level."""
    clip, unet = moved(8, 0, frames=3), rig.random_unet()
    with torch.inference_mode():
        model, drawn = FlowGuidedAttention.execute(unet, clip, "1/1", True, optical_flow=optical_flow).args
    record = find(records(model), Motion)
    steps = token_steps(record.flow, 16, 16)
    inner = steps[:, 3:-3, 3:-3]
    assert (inner == inner.new_tensor([1, 0])).all(-1).float().mean() > 0.95
    assert drawn.shape[0] == 3 and drawn.shape[-1] == 3
