"""Other committed workflows through the real server, in 8 steps: every frame shows the words asked for."""

from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation
from shipped import prompt, shortened, titled

from pack.videograin.toybox.clips import Clip, clip
from pack.videograin.toybox.judge import Judge, Seen
from pack.videograin.toybox.tasks import task

SOFT_EDGE = 4 + 3  # pixels that all of them grow and blur the mask by


class Edited(NamedTuple):
    """frames (F, H, W, 3) uint8 · truth, the source with its masks (2, F, H, W) · seed, Demo Clip's."""

    frames: np.ndarray
    truth: Clip
    seed: int

    def words(self, side: int) -> list[str]:
        """What one object shows in each frame."""
        return [seen.name for seen in self.seen(self.truth.masks[side])]

    def seen(self, masks: np.ndarray) -> list[Seen]:
        """What each frame shows within its mask, (F, H, W) bool."""
        return Judge.load().names(self.frames, masks)

    def kept_beyond(self, masks: np.ndarray) -> bool:
        """Whether every pixel beyond the masks' soft edge is the source's, but for rounding."""
        near = np.stack([binary_dilation(mask, np.ones((3, 3)), SOFT_EDGE) for mask in masks])
        return bool((np.abs(self.frames.astype(int) - self.truth.frames)[~near] <= 1).all())


@pytest.fixture(scope="module")
def edited(server):
    return lambda name: run(server, shortened(prompt(name), 8))


def run(server, graph: dict) -> Edited:
    """Runs a graph, and saves its result without loss too."""
    result = {"images": [titled(graph, "Paste over the source"), 0], "filename_prefix": "edit"}
    outputs = server.run({**graph, "frames": {"class_type": "SaveImage", "inputs": result}})["outputs"]
    assert {titled(graph, "Save the edit"), titled(graph, "Save before and after")} <= set(outputs)
    files = server.output_files({"outputs": {"frames": outputs["frames"]}})
    made = graph[titled(graph, "Demo Clip")]["inputs"]
    names = made["left"], made["right"]
    truth = clip(names, made["background"], made["frames"], made["motion"], made["seed"])
    return Edited(np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files]), truth, made["seed"])


def most(words: list[str], asked: str) -> bool:
    """All frames but one at most."""
    return words.count(asked) >= len(words) - 1


def test_clusters_alone_drive_the_edit(edited):
    both = edited("instance_edit_clusters")
    assert most(both.words(0), "bear"), both.words(0)
    assert most(both.words(1), "frog"), both.words(1)


def test_one_object_changes_and_all_else_stays(edited):
    one = edited("object_only")
    assert most(one.words(1), "panda"), one.words(1)
    assert one.words(0) == ["fox"] * len(one.frames)
    assert one.kept_beyond(one.truth.masks[1])


def test_things_drawn_alone_and_laid_in_become_one_picture_with_the_clip(edited):
    both = edited("draw_and_paste")
    assert most(both.words(0), "pumpkin"), both.words(0)
    assert most(both.words(1), "truck"), both.words(1)
    assert both.kept_beyond(np.stack([square(masks) for masks in both.truth.masks]).any(0))


def square(masks: np.ndarray, growth: float = 1.3) -> np.ndarray:
    """The room of a thing that is as long as the old one, masks (F, H, W) bool, a little larger since it bends."""
    found = np.zeros_like(masks)
    for room, mask in zip(found, masks, strict=True):
        y, x = np.nonzero(mask)
        half = growth / 2 * max(np.ptp(x), np.ptp(y))
        top, left = (max(0, int((axis.min() + axis.max()) / 2 - half)) for axis in (y, x))
        room[top : top + int(2 * half), left : left + int(2 * half)] = True
    return found


def test_new_noise_under_regions_edits_without_an_inversion(edited):
    both = edited("without_inversion")
    assert most(both.words(0), "bear"), both.words(0)
    assert most(both.words(1), "frog"), both.words(1)
    assert both.kept_beyond(both.truth.masks.any(0))


def test_a_thing_goes_and_the_ground_comes_back(edited):
    left = edited("remove")
    gone = left.truth.masks[0]
    traces = [seen.certainty for seen in left.seen(gone)]
    assert max(traces) < 0.05, traces
    assert left.words(1) == ["dog"] * len(left.frames)
    assert left.kept_beyond(np.stack([binary_dilation(mask, np.ones((3, 3)), 6) for mask in gone]))


def test_a_part_is_added_and_the_rest_stays(edited):
    part = edited("part_edit")
    wanted = task("part", part.truth, part.seed)
    (wish,) = wanted.wishes
    seen = part.seen(wish.mask)
    assert most([thing.worn for thing in seen], wish.worn) and most([thing.name for thing in seen], wish.name), seen
    assert part.words(1) == [part.truth.names[1]] * len(part.frames)
    assert part.kept_beyond(wish.mask)
