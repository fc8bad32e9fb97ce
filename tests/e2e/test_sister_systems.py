"""The workflows of FateZero, ReAtCo and VIA through the real server, with few steps: what each shows, makes and keeps."""

from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation
from shipped import prompt, shortened

from pack.videograin.toybox.clips import Clip, clip

SOFT_EDGE = 4 + 3  # pixels that they grow and blur the mask by


class Ran(NamedTuple):
    """frames (F, H, W, 3) uint8, the result · text, what Preview as Text shows · truth, the source."""

    frames: np.ndarray
    text: str
    truth: Clip

    def changed(self) -> np.ndarray:
        """(F, H, W) bool: pixels that are not the source's, but for rounding."""
        return (np.abs(self.frames.astype(int) - self.truth.frames) > 1).any(-1)


@pytest.fixture
def ran(server):
    return lambda name: run(server, shortened(prompt(name)))


def run(server, graph: dict) -> Ran:
    """Runs a graph whose result is compared by Before/After Video, and saves the result without loss too."""
    inputs = {node["class_type"]: node["inputs"] for node in graph.values()}
    result = {"images": inputs["VideoGrainBeforeAfterVideo"]["edited"], "filename_prefix": "result"}
    outputs = server.run({**graph, "result": {"class_type": "SaveImage", "inputs": result}})["outputs"]
    assert {key for key, node in graph.items() if node["class_type"] == "SaveVideo"} <= set(outputs)
    text = [
        line for key in outputs if graph.get(key, {}).get("class_type") == "PreviewAny" for line in outputs[key]["text"]
    ]
    files = server.output_files({"outputs": {"result": outputs["result"]}})
    made = inputs["VideoGrainDemoClip"]
    truth = clip((made["left"], made["right"]), made["background"], made["frames"], made["motion"], made["seed"])
    frames = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files])
    assert frames.shape == truth.frames.shape
    return Ran(frames, "\n".join(text), truth)


def near(masks: np.ndarray) -> np.ndarray:
    """Within the masks or their soft edge, (F, H, W) bool."""
    return np.stack([binary_dilation(mask, np.ones((3, 3)), SOFT_EDGE) for mask in masks])


def test_fusion_shows_which_word_follows_which(ran):
    fused = ran("fatezero")
    assert "| tiger | cat |" in fused.text and "| tree | tree |" in fused.text and "new" not in fused.text
    assert fused.changed()[fused.truth.masks[0]].mean() > 0.5


def test_what_is_placed_changes_and_its_background_is_kept(ran):
    placed = ran("place_objects")
    changed = placed.changed()
    assert all(changed[thing].mean() > 0.5 for thing in placed.truth.masks)
    assert not changed[~near(placed.truth.masks.any(0))].any()


def test_a_long_clip_is_edited_in_chunks_and_its_background_kept(ran):
    long = ran("long_clip")
    assert "16 frames of 192×192 in 2 chunks of up to 8 frames" in long.text
    assert "edited now: 2 chunks" in long.text and "anchors: 0, 8, 15" in long.text
    changed = long.changed()
    assert all(changed[f][long.truth.masks[:, f].any(0)].mean() > 0.5 for f in range(len(long.frames)))
    assert not changed[~near(long.truth.masks.any(0))].any()
