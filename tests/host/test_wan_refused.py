"""What does not work on Wan yet is refused by name, before anything is computed, and says what to do."""

import pytest
import rig
import tiny_umt5
import tiny_wan
import torch

from pack.nodes.anchors import AnchorAttention
from pack.nodes.attention import FullFrameAttention
from pack.nodes.check import RegionCheck
from pack.nodes.chunks import EditInChunks
from pack.nodes.fusion import CrossAttentionFusion
from pack.nodes.instances import SplitInstances
from pack.nodes.inversion import DDIMInversion
from pack.nodes.motion import FlowGuidedAttention
from pack.nodes.placement import PlaceObjects
from pack.nodes.preview import PreviewSeeds
from pack.nodes.rows import Regions
from pack.nodes.seed import SeedRegions
from pack.nodes.source import InjectSourceFeatures
from pack.nodes.track import TrackRegions
from pack.videograin.core.regions import Region

pytestmark = pytest.mark.usefixtures("inference_mode")
ROWS = '[{"is": "a cat", "becomes": "a dog", "marks": "box 4, 4, 24, 24, 0"}]'


@pytest.fixture(scope="module")
def given():
    """What a graph has: a Wan, its text encoder and VAE, frames, masks and the inversion of these frames."""
    with torch.inference_mode():
        model = tiny_wan.model(layers=1)
        source = {"samples": tiny_wan.clip(3, 6, 6)}
        found = {
            "model": model, "clip": tiny_umt5.clip(tiny_wan.TEXT), "vae": tiny_wan.vae(), "source": source,
            "inversion": DDIMInversion.execute(model, tiny_wan.text(3), source, 2, "simple", 0).args[1],
            "frames": torch.rand(9, 48, 48, 3, generator=torch.Generator().manual_seed(0)), "mask": torch.zeros(9, 48, 48),
        }  # fmt: skip
        found["mask"][:, :24, :16] = found["mask"][:, :24, 32:] = 1
        found["regions"] = (Region(found["mask"], "a dog", was="a cat"),)
        return {**found, "model": rig.uncalled(model), "text": tiny_wan.text(3)}


CALLS = {
    "Full-Frame Attention": lambda g: FullFrameAttention.execute(g["model"], "all frames"),
    "Anchor Attention": lambda g: AnchorAttention.execute(g["model"], 2, "swap"),
    "Flow-Guided Attention": lambda g: FlowGuidedAttention.execute(g["model"], g["frames"], "1/1", False),
    "Inject Source Features": lambda g: InjectSourceFeatures.execute(g["model"], g["inversion"], g["text"], 0.8, 0.5),
    "Cross-Attention Fusion": lambda g: CrossAttentionFusion.execute(
        g["model"], g["inversion"], g["text"], "style", g["clip"], "a truck", "a truck"
    ),
    "Place Objects": lambda g: PlaceObjects.execute(g["model"], g["clip"], "a dog", g["regions"]),
    "Edit in Chunks": lambda g: EditInChunks.execute(
        g["model"], g["vae"], g["frames"], g["text"], g["text"], g["text"], 4, 3.0, "euler", "simple", 0, 8, 2, 2, "inversion",
        mask=g["mask"],
    ),
    "Region Check": lambda g: RegionCheck.execute(g["model"], g["clip"], g["source"], g["regions"], g["frames"]),
    "Track Regions": lambda g: TrackRegions.execute(g["model"], g["frames"], g["mask"], inversion=g["inversion"]),
    "Split Instances": lambda g: SplitInstances.execute(
        g["mask"], 2, "left to right", frames=g["frames"], model=g["model"], inversion=g["inversion"]
    ),
    "Regions": lambda g: Regions.execute(g["frames"], ROWS, model=g["model"], vae=g["vae"]),
    "Preview Seeds": lambda g: PreviewSeeds.execute(
        g["model"], g["clip"], g["vae"], g["text"], g["text"], g["source"], g["regions"], -1, 2, 0, 1.0, 1.0, 1
    ),
    "Seed Regions": lambda g: SeedRegions.execute(
        g["frames"], g["regions"], g["model"], g["clip"], g["vae"], "a room", "", 0
    ),
}  # fmt: skip


@pytest.mark.parametrize("node", CALLS)
def test_a_node_that_does_not_take_wan_says_so(given, node):
    with pytest.raises(
        ValueError, match=f"{node} needs .*, which its `model`, a Wan model, does not have. Take {node} out"
    ):
        CALLS[node](given)
