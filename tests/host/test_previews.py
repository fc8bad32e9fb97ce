"""What nodes hand to the browser: pictures in ComfyUI's temporary folder, and data that is no result of the run."""

import json
import zlib
from base64 import b64decode
from pathlib import Path

import folder_paths
import numpy as np
import pytest
import torch
from PIL import Image

from pack.nodes.layout import ClustersToMask
from pack.nodes.regions import BindRegionPrompts, RegionPrompt
from pack.nodes.video import BeforeAfterVideo
from pack.videograin.comfyui.previews import pictures, shown
from pack.videograin.core.attention_clusters import ClusterLayout
from pack.videograin.jobs import demo_model
from pack.videograin.views.palette import shades


def view(output) -> dict:
    """What a node shows. ComfyUI counts and lists entries of a ui output that are not plain text as results."""
    assert list(output.ui) == ["videograin"] and [type(entry) for entry in output.ui["videograin"]] == [str]
    return json.loads(output.ui["videograin"][0])


def opened(file: dict) -> Image.Image:
    assert file["type"] == "temp"
    return Image.open(Path(folder_paths.get_temp_directory()) / file["subfolder"] / file["filename"])


def layout() -> ClusterLayout:
    labels = torch.zeros(2, 4, 6, dtype=torch.long)
    labels[:, 1:3, 1:3] = labels[:, 1:3, 4:] = 1
    return ClusterLayout(labels, ("grass", "dog"), 64, 96)


def test_the_mask_follows_the_colours_of_the_frames_that_are_seen():
    frames = torch.full((2, 64, 96, 3), 0.2)
    frames[:, 19:45, 13:46] = 0.9  # the dog, not quite in its tokens
    by_grid, by_colours, off = (
        ClustersToMask.execute(layout(), "1@(20, 20, 0)", **given).args[0] > 0.5
        for given in ({}, {"frames": frames}, {"frames": frames, "edges": False})
    )
    dog = frames[..., 0] > 0.5
    assert (by_grid & dog).sum() / (by_grid | dog).sum() < 0.93 < (by_colours & dog).sum() / (by_colours | dog).sum()
    assert torch.equal(by_grid, off)


def test_pictures_keep_their_colours_and_shape_and_are_shrunk_but_never_enlarged():
    frames = torch.rand(3, 5, 7, 1).expand(-1, -1, -1, 3).repeat_interleave(8, 1).repeat_interleave(8, 2)
    files = pictures(frames, "test", 1024)
    assert [opened(file).size for file in files] == [(56, 40)] * 3
    for frame, file in zip(frames, files, strict=True):
        found = torch.from_numpy(np.array(opened(file))) / 255
        assert (found - frame).abs().max() < 0.03
    assert opened(pictures(frames, "test", 28)[0]).size == (28, 20)
    again = pictures(frames, "test", 1024)
    assert not {file["filename"] for file in files} & {file["filename"] for file in again}


def test_pictures_of_values_out_of_range_and_with_transparency():
    frames = torch.full((1, 8, 8, 4), 7.0)
    frames[..., 1] = -7
    assert opened(pictures(frames, "test", 64)[0]).getpixel((4, 4))[0] > 250


def test_text_that_is_shown_arrives_as_it_is():
    text = 'ä "<img src=x>" \\ \u718a'
    assert json.loads(shown("some", {"text": text})["videograin"][0]) == {"view": "some", "text": text}


def test_the_picker_gets_labels_names_and_colours():
    frames = torch.rand(2, 64, 96, 3)
    output = ClustersToMask.execute(layout(), "1@(20, 20, 0)", True, frames)
    found = view(output)
    labels = torch.frombuffer(bytearray(zlib.decompress(b64decode(found["labels"]))), dtype=torch.uint8)
    assert torch.equal(labels.view(found["shape"]).long(), layout().labels)
    assert (found["size"], found["names"], found["choice"]) == ([96, 64], ["grass", "dog"], "1@(20, 20, 0)")
    assert found["colours"] == [list(colour) for colour in shades(2)] and len(found["pictures"]) == 2
    (mask,) = output.result
    assert not mask[:, 22:42, 22:42].any() and mask[:, :, 66:].all()  # inverted: without the left one only
    assert view(ClustersToMask.execute(layout(), "dog"))["pictures"] == []


def test_frames_of_another_clip_are_refused():
    with pytest.raises(ValueError, match="`frames` has 3 frames, but the layout has 2"):
        ClustersToMask.execute(layout(), "0", False, torch.zeros(3, 64, 96, 3))


def test_the_player_gets_both_clips():
    source, edited = torch.rand(3, 16, 24, 3), torch.rand(1, 16, 24, 3)
    found = view(BeforeAfterVideo.execute(source, edited, "wipe, fixed line", 0.25))
    assert (len(found["source"]), len(found["edited"]), found["size"]) == (3, 1, [24, 16])
    assert (found["fps"], found["mode"], found["position"]) == (8.0, "wipe, fixed line", 0.25)
    assert view(BeforeAfterVideo.execute(source, edited, "side by side", 0.5, fps=24.0))["fps"] == 24.0
    assert view(BeforeAfterVideo.execute(source, edited, "side by side", 0.5, fps=0.0))["fps"] == 8.0


def test_the_overview_gets_words_areas_and_marks():
    _, clip, _ = demo_model.load()
    masks = torch.zeros(2, 4, 64, 64)
    masks[0, :, :, :32] = masks[1, 1:, :, 32:] = 1
    word, other = demo_words()
    (regions,) = RegionPrompt.execute(masks[0], f"a {word}").result
    (regions,) = RegionPrompt.execute(masks[1], f"a {other}", regions=regions).result
    prompt = f"a {word} and a {other}"
    output = BindRegionPrompts.execute(clip, prompt, regions, frames=torch.rand(4, 64, 64, 3))
    found, (_, encoded, picture) = view(output), output.result
    assert encoded == prompt and picture.shape[0] == 1 and picture.shape[2:] == (960, 3)
    assert found["prompt"] == [[f"a {word}", 0], [" and ", None], [f"a {other}", 1]]
    assert [region["area"] for region in found["regions"]] == [[0.5] * 4, [0, 0.5, 0.5, 0.5]]
    assert found["regions"][1]["marks"] == [{"key": "empty", "values": {"where": [[0, 0]]}}]
    assert [region["box"] for region in found["regions"]] == [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]
    assert list(opened(found["strip"]).size) == found["size"] == [3 * 302 + 2 * 6, 2 * 302 + 6]


def demo_words() -> tuple[str, str]:
    """Two words that the demo's text encoder knows."""
    from pack.nodes.demo import DemoClip

    left, right = (entry for entry in DemoClip.define_schema().inputs if entry.id in ("left", "right"))
    return left.default, right.default
