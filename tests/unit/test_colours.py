"""Our colours as colour-blind readers see them: far enough apart, by computation rather than by reputation."""

import re
from itertools import combinations
from pathlib import Path

import pytest
import torch

from pack.videograin.views.palette import PALETTE

ROOT = Path(__file__).parents[2]
# How linear RGB is seen without one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
SEEN = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no medium": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = torch.tensor([0.9505, 1.0, 1.089])
APART = 10  # CIELAB 1976; about 2.3 is just noticeable side by side

# Of ComfyUI's dark and light palette: MODEL, CLIP, VAE, CONDITIONING, LATENT, IMAGE, MASK, CONTROL_NET, SIGMAS, all others.
CORE = ["b39ddb", "ffd500", "ff6e6e", "ffa931", "ff9cf9", "64b5f6", "81c784", "6ee7b7", "cdffcd", "aaaaaa",
        "7e57c2", "ffa726", "ff7043", "ef5350", "ab47bc", "42a5f5", "9ccc65", "66bb6a"]  # fmt: skip


def linear(colour) -> torch.Tensor:
    value = torch.tensor(colour, dtype=torch.float32) / 255
    return torch.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(colour, cones: str) -> torch.Tensor:
    share = XYZ @ (torch.tensor(SEEN[cones], dtype=torch.float32) @ linear(colour)).clamp(0, 1) / WHITE
    x, y, z = torch.where(share > 0.008856, share ** (1 / 3), 7.787 * share + 16 / 116)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def written(program: str) -> list[tuple[int, ...]]:
    """The colours in one of our programs."""
    line = re.search(r"const COLOURS = \{(.+?)\}", (ROOT / "js" / program).read_text())[1]
    return [tuple(bytes.fromhex(colour)) for colour in re.findall("#([0-9a-f]{6})", line)]


def nearest(colours, cones: str) -> float:
    return min(float((lab(one, cones) - lab(other, cones)).norm()) for one, other in combinations(colours, 2))


def test_the_simulation_sees_what_is_known():
    """Red and green of about one lightness come together without medium cones, and are far apart to everyone else."""
    pair = ((200, 60, 60), (110, 125, 40))
    assert nearest(pair, "all cones") > 50
    assert nearest(pair, "no medium") < 25


@pytest.mark.parametrize("cones", SEEN)
def test_clusters_and_regions_are_told_apart(cones):
    assert nearest(PALETTE, cones) > APART


@pytest.mark.parametrize("cones", SEEN)
def test_marks_are_told_apart(cones):
    marks = written("mark_drawing.js")
    assert len(marks) == 3 and nearest(marks, cones) > 3 * APART


@pytest.mark.parametrize("cones", SEEN)
def test_our_sockets_are_told_apart(cones):
    ours = written("socket_colours.js")
    assert len(ours) == 3 and nearest(ours, cones) > 2 * APART


def test_our_sockets_are_told_from_cores():
    """By all cones only: with fewer, core's own come together."""
    core = [tuple(bytes.fromhex(colour)) for colour in CORE]
    for one in written("socket_colours.js"):
        assert min(nearest((one, other), "all cones") for other in core) > 3 * APART


def test_a_number_is_read_on_its_swatch():
    """Black on a colour of the palette, as WCAG counts contrast: 3 is its least for large or bold text."""
    for colour in PALETTE:
        luminance = float(XYZ[1] @ linear(colour))
        assert (luminance + 0.05) / 0.05 > 3, colour
