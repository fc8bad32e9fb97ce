"""The memory told before sampling, against the most that a process of its own then holds."""

import peak
import pytest

pytestmark = pytest.mark.once

PYTORCH = ', "--use-pytorch-cross-attention"'
SAMPLED = """
import tempfile
from pathlib import Path
from pack.tools.inprocess import enter_host

enter_host(Path({tree!r}), Path(tempfile.mkdtemp(dir={folder!r})){flags})
import rig
from oracle import bound, regions
from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.fusion import SelfAttentionFusion
from pack.nodes.inversion import DDIMInversion
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.comfyui import memory
from pack.videograin.comfyui.plan import records

SIDE, network = 24, rig.random_unet()

def joined(frames):
    return FullFrameAttention.execute(network, "first + previous").args[0], rig.latent(frames, SIDE, SIDE)

def modulated(frames):
    model, start = joined(frames)
    return STLayoutAttention.execute(model, "paper", 0.3, 1.0, 1.0, power=1.0).args[0], start

def sourced(frames):
    clip, words = {{"samples": rig.latent(frames, SIDE, SIDE)}}, rig.text(1)
    noise, inversion, _ = DDIMInversion.execute(network, words, clip, 1, "ddim_uniform", 0).args
    model = InjectSourceFeatures.execute(network, inversion, words, 1.0, 1.0, "both").args[0]
    model = SelfAttentionFusion.execute(model, inversion, words, "custom", "outside regions").args[0]
    return model, noise["samples"]

@torch.inference_mode()
def prepare(frames):
    return *{plan}(frames), bound(rig.text(2), regions(frames, SIDE, SIDE))

@torch.inference_mode()
def work(given):
    model, start, positive = given
    rig.sample(model, positive, rig.text(3), start, noise={plan} is not sourced, steps=1)
    shape = [len(start), 4, SIDE, SIDE]
    return memory.work_bytes(shape, network.model) + memory.extra_bytes(records(model), shape, network.model)
"""


@peak.needs_linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("plan", "flags", "off"),
    [*((plan, PYTORCH, 1.5) for plan in ("modulated", "sourced")), ("modulated", "", 2)],
)
def test_what_is_told_is_what_is_held(plan, flags, off, tmp_path, comfyui_tree):
    """Two frames' keys for each frame, modulated; features and attention of the source.

    Without the flag ComfyUI's choice on a CPU is attention in slices. It stays so within a frame, where ComfyUI itself does
    not count the slices; across frames they would be many times what is told.
    """
    code = SAMPLED.format(tree=str(comfyui_tree), folder=str(tmp_path), plan=plan, flags=flags)
    told, held = peak.grown(code, 3, 24, tmp_path)
    assert told / off < held < told * off, f"{told / 2**20:.0f} MiB told, {held / 2**20:.0f} MiB held"
