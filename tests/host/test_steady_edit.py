"""Steady Edit in ComfyUI: from frames and regions to frames that flicker less."""

import comfy.model_management
import pytest
import torch

from pack.nodes.paste import PasteEdit
from pack.nodes.regions import RegionPrompt
from pack.nodes.steady import SteadyEdit
from pack.videograin.toybox.lively import Lively, lively_clip


@pytest.fixture(scope="module")
def edit():
    """The source, an edit of it that flickers, and its regions: a fox and a bus."""
    shot = lively_clip(("fox", "bus"), "grass", 5, 8, Lively())
    source = torch.from_numpy(shot.frames).float() / 255
    spots = torch.randn(5, 24, 24, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    edited = (source + spots.repeat_interleave(8, 1).repeat_interleave(8, 2)).clamp(0, 1)
    return source, edited, torch.from_numpy(shot.masks).float()


def regions(*masks, phrases=("a bear", "a car", "")):
    chain = ()
    for mask, phrase in zip(masks, phrases, strict=False):
        chain = RegionPrompt.execute(mask, phrase, regions=chain).result[0]
    return chain


def test_an_edit_flickers_less_and_is_pasted(edit):
    source, edited, masks = edit
    chain = regions(*masks)
    (found,) = SteadyEdit.execute(source, edited, chain).result
    fox = masks[0] > 0.5
    assert found.shape == source.shape
    assert (found - source)[fox].abs().mean() < 0.7 * (edited - source)[fox].abs().mean()
    assert torch.equal(found[:, :4, :4], edited[:, :4, :4])
    pasted = PasteEdit.execute(source, found, regions=chain).result[0]
    assert torch.equal(pasted[:, 0, 0], source[:, 0, 0]) and not torch.equal(pasted[fox], source[fox])


def test_reach_0_changes_nothing_and_a_place_is_left_alone(edit):
    source, edited, masks = edit
    assert torch.equal(SteadyEdit.execute(source, edited, regions(*masks), 0).result[0], edited)
    ground = 1 - masks.amax(0)
    with_ground = SteadyEdit.execute(source, edited, regions(*masks, ground)).result[0]
    assert torch.equal(with_ground, SteadyEdit.execute(source, edited, regions(*masks)).result[0])


def test_an_edit_that_the_vae_cut_is_put_back(edit):
    source, edited = (part[:, :67, :77] for part in edit[:2])
    mask = torch.zeros(5, 67, 77)
    mask[:, 20:50, 20:55] = 1
    found = SteadyEdit.execute(source, edited[:, 1:65, 2:74], regions(mask)).result[0]
    assert found.shape == source.shape and torch.equal(found[:, 0], source[:, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": ()}, "`regions` is empty. Connect those of the edit"),
        ({"edited": torch.rand(4, 192, 192, 3)}, "`source` has 5 frames of 192×192, but its `edited` has 4 frames"),
        ({"edited": torch.full((5, 192, 192, 3), float("nan"))}, "`edited` has pixels without a colour"),
        ({"regions": regions(torch.ones(1, 192, 192))}, "has nothing to make steady: each of its `regions` is a place"),
        ({"regions": regions(torch.ones(3, 192, 192))}, "has 3 masks, but Steady Edit's `frames` has 5 frames"),
    ],
)  # fmt: skip
def test_bad_input_is_named(edit, changes, message):
    source, edited, masks = edit
    with pytest.raises(ValueError, match=message):
        SteadyEdit.execute(**{"source": source, "edited": edited, "regions": regions(*masks), **changes})


def test_it_can_be_cancelled(edit):
    source, edited, masks = edit
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        SteadyEdit.execute(source, edited, regions(*masks))
