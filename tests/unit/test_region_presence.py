"""Region presence: on a toy denoiser that knows what its words look like, and in words."""

from math import isnan

import pytest
import torch

from pack.videograin.core.region_presence import (
    LEAST,
    Question,
    doubted,
    error,
    noises,
    question,
    scores,
    together,
    verdict,
)
from pack.videograin.core.regions import Region

LOOKS = {"red": 1.0, "blue": -1.0, "": 0.0}  # a word -> what a denoiser expects in every cell


def denoised(shown, word, sigma):
    """The best guess where a cell is a word's look, give or take 1."""
    return (shown + sigma**2 * LOOKS[word]) / (1 + sigma**2)


def errors(clean, sigma=1.0):
    noise = noises(clean)[0]
    return {word: error(denoised(clean + sigma * noise, word, sigma), clean, sigma) for word in LOOKS}


def halves(frames=2):
    """Left and right half of 8×8 cells, as masks of 64×64 pixels."""
    masks = torch.zeros(2, frames, 64, 64, dtype=torch.bool)
    masks[0, ..., :32], masks[1, ..., 32:] = True, True
    return masks


def test_words_explain_what_they_name_and_nothing_else():
    """Left is red, right is blue, and no words expect something between."""
    clean = torch.ones(2, 4, 8, 8)
    clean[..., 4:] = -1
    found = errors(clean)
    left, right = (scores(found["red"], found[""], mask) for mask in halves())
    assert min(left) > 0.5 and max(right) < -0.2


def test_words_do_not_help_where_nothing_is():
    found = errors(torch.zeros(1, 4, 8, 8))
    assert scores(found["red"], found[""], halves(1)[0])[0] < -0.2


def test_every_frame_gets_the_same_noise():
    one, other = noises(torch.zeros(3, 4, 8, 8)), noises(torch.zeros(7, 4, 8, 8))
    assert all(torch.equal(a, b) and a.shape == (1, 4, 8, 8) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[0], one[1])


def test_frames_that_show_too_little_are_not_judged():
    mask = halves()[0]
    mask[1] = False
    mask[1, :8, : 8 * int(LEAST - 1)] = True  # fewer cells
    found = errors(torch.ones(2, 4, 8, 8))
    first, second = scores(found["red"], found[""], mask)
    assert not isnan(first) and isnan(second)
    assert doubted([first, second], 100.0) == [0]


@pytest.mark.parametrize(
    ("region", "why"),
    [
        (Region(halves()[0], "a frog"), ""),
        (Region(halves()[0], " a frog ", was="a dog"), ""),
        (Region(halves()[0], "A frog", was=" a frog "), "its words are those of before"),
        (Region(halves()[0], "", was="a dog"), "it has no words of its own"),
        (
            Region(torch.ones(1, 8, 8), "in the snow"),
            "it is most of the picture, and the model sees a place without words",
        ),
    ],
)
def test_what_is_asked_of_a_region(region, why):
    assert question(region) == (region.phrase.strip(), why)


@pytest.mark.parametrize(
    ("asked", "found", "text"),
    [
        (Question("frog"), [1, 1, 1, 0, 0, 0, 0, 0, 0, 1], "region 2 (“frog”) looks empty or wrong in frames 3 to 8"),
        (Question("frog"), [0, 1, float("nan")], "region 2 (“frog”) looks empty or wrong in frame 0"),
        (Question("frog"), [1, 1], "region 2 (“frog”) shows its words in every frame"),
        (
            Question("frog"),
            [1, float("nan")],
            "region 2 (“frog”) shows its words in the 1 of 2 frames in which it is large enough to tell",
        ),
        (Question("frog"), [float("nan")] * 2, "region 2 (“frog”) is not checked: it is too small in every frame"),
        (Question("", why="it has no words of its own"), [], "region 2 is not checked: it has no words of its own"),
    ],
)
def test_a_region_in_words(asked, found, text):
    assert verdict(2, asked, found, 0.5) == text


def test_regions_together_are_those_that_are_judged():
    assert together([0.5, float("nan"), 0.1]) == pytest.approx(0.3)
    assert isnan(together([float("nan")])) and isnan(together([]))


def test_a_region_that_nothing_changes_does_not_hide_the_others():
    """It scores lowest, and alike in every picture."""
    assert together([-0.2, 0.4]) > together([-0.2, 0.3])
