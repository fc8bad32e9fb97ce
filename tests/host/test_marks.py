"""Points to Region as a node: a marked thing becomes a mask, nothing marked an empty one, and mistakes are told."""

import json

import pytest
import torch

from pack.nodes.demo import DemoClip
from pack.nodes.marks import PointsToRegion

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def clip():
    frames, left, *_ = DemoClip.execute("tiger", "frog", "snow", 8, 1.0, 1).result
    return frames, left


@pytest.fixture(autouse=True)
def _pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("folder_paths.temp_directory", str(tmp_path))


def around(mask):
    rows, columns = (mask.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    return f"box {columns[0] - 3}, {rows[0] - 3}, {columns[-1] + 3}, {rows[-1] + 3}, 0"


def test_a_box_becomes_a_mask_for_each_frame(clip):
    frames, left = clip
    marks = around(left[0])
    output = PointsToRegion.execute(frames, marks)
    (mask,) = output.result
    assert mask.shape == left.shape and mask.dtype == torch.float32 and set(mask.unique().tolist()) == {0.0, 1.0}
    assert ((mask * left).sum() / (mask + left).clamp(max=1).sum()) > 0.85
    shown = json.loads(output.ui["videograin"][0])
    assert shown["marks"] == marks and shown["size"] == [192, 192] and len(shown["pictures"]) == 8


@pytest.mark.parametrize("marks", ["", "not 5, 5, 0"])
def test_nothing_marked_is_an_empty_mask_to_look_first(clip, marks):
    output = PointsToRegion.execute(clip[0], marks)
    assert not output.result[0].any() and len(json.loads(output.ui["videograin"][0])["pictures"]) == 8


def test_mistakes_are_told(clip):
    with pytest.raises(ValueError, match=r'Points to Region\'s `marks`: "here" is no mark'):
        PointsToRegion.execute(clip[0], "here")
    with pytest.raises(ValueError, match=r"lies outside the clip: x goes from 0 to 191.*the frame from 0 to 7"):
        PointsToRegion.execute(clip[0], "5, 5, 8")


def test_doubtful_frames_are_named_once_with_the_frame_to_mark(clip, caplog):
    frames = clip[0].clone()
    frames[5:] = torch.rand(3, *frames.shape[1:], generator=torch.Generator().manual_seed(0))  # a cut to something else
    with caplog.at_level("WARNING"):
        PointsToRegion.execute(frames, around(clip[1][0]))
    (said,) = [record.getMessage() for record in caplog.records]
    assert "Points to Region: look at these frames" in said
    assert "Another mark helps most in frame 6 (“7 / 8” below the picture)" in said


def test_a_mask_without_doubt_says_nothing(clip, caplog):
    with caplog.at_level("WARNING"):
        PointsToRegion.execute(clip[0], around(clip[1][0]))
    assert not caplog.records


def test_the_bar_fills(clip, monkeypatch):
    done = []
    monkeypatch.setattr("pack.videograin.comfyui.follow_marks.watcher", lambda: done.append)
    PointsToRegion.execute(clip[0], around(clip[1][0]))
    assert [share for share in done if share] == [count / 8 for count in range(1, 9)]
