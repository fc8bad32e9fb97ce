"""Seed Regions inside ComfyUI: the demo model draws, cuts out and lays in; what it cannot take, it says."""

import comfy.model_management
import numpy as np
import pytest
import rig
import torch
from recipe import full_frame, st_layout

from pack.nodes.seed import SeedRegions
from pack.videograin.core.regions import Region
from pack.videograin.toybox import world
from pack.videograin.toybox.judge import Judge
from pack.videograin.toybox.lively import Lively, lively_clip

pytestmark = pytest.mark.usefixtures("inference_mode")
FAST = {"place": "on grass", "leave_out": "", "seed": 3, "drawings": 2, "steps": 8, "scheduler": "ddim_uniform"}


@pytest.fixture(scope="module")
def passing():
    """A cat that goes behind a firetruck: frames, and regions in which the cat becomes a pumpkin."""
    shot = lively_clip(("cat", "firetruck"), "grass", 3, 5, Lively(passing=True))
    masks = torch.from_numpy(shot.masks).float()
    return torch.from_numpy(shot.frames).float() / 255, (Region(masks[0], "a pumpkin"), Region(masks[1], "a firetruck"))


def seeded(demo, clip, model=None, regions=None, **inputs):
    frames, own = clip
    loaded, text, vae = demo
    return SeedRegions.execute(
        frames, own if regions is None else regions, model or loaded, text, vae, **{**FAST, "leave_out": "2", **inputs}
    ).result


@pytest.fixture(scope="module")
def pumpkin(demo, passing):
    with torch.inference_mode():
        return seeded(demo, passing)


def in_bytes(frames):
    return (frames * 255).round().byte().numpy()


@pytest.mark.once
def test_the_new_thing_is_in_its_region_and_nothing_else_has_changed(passing, pumpkin):
    frames, (cat, firetruck) = passing
    found, mask, drawn = pumpkin
    changed = mask > 0
    assert mask.shape == frames.shape[:3] and drawn.shape == (1, *frames.shape[1:])
    assert torch.equal(found[~changed], frames[~changed])
    assert changed[cat.mask > 0].all() and not changed[firetruck.mask > 0].any()
    reading = Judge.load().read(in_bytes(found))
    for frame in (0, 2):
        assert reading.region(frame, cat.mask[frame].numpy() > 0).name == "pumpkin"


@pytest.mark.once
def test_what_the_model_has_passed_through_does_not_draw(demo, passing, pumpkin):
    """With keys of all frames, drawings would see each other; so would those of one context window."""
    again = seeded(demo, passing, rig.windowed(st_layout(full_frame(demo[0]))))
    assert all(torch.equal(a, b) for a, b in zip(again, pumpkin, strict=True))


def test_a_picture_with_its_mask_is_laid_in_without_the_network(demo, passing):
    idle = demo[0].clone()

    def fail(apply, call):
        raise AssertionError("the network was asked")

    idle.set_model_unet_function_wrapper(fail)
    picture, shape = torch.zeros(1, 50, 80, 3), torch.zeros(1, 50, 80)
    picture[..., 2] = 1
    shape[:, 5:45, 5:75] = 1
    found, _, drawn = seeded(demo, passing, idle, picture_1=picture, picture_mask_1=shape)
    cat, firetruck = (region.mask > 0 for region in passing[1])
    blue = (found[..., 2] > 0.8) & (found[..., 0] < 0.2)
    assert not (blue & firetruck).any() and (blue & cat).sum() > 0.4 * cat.sum()
    assert drawn.shape[0] == 1 and drawn.shape[1] == drawn.shape[2]


@pytest.mark.once
def test_a_picture_without_a_mask_is_cut_out_by_its_phrase(demo, passing):
    """Load Image gives a small empty mask with a picture that has none."""
    ground = world.draw_background("grass", (world.SIZE,) * 2, np.random.default_rng(1))
    alone = world.Placed("pumpkin", x=96, y=100, size=90)
    picture, (true,) = world.compose(ground, [alone], world.sprites())
    shown = torch.from_numpy(picture.copy())[None].float() / 255
    *_, drawn = seeded(demo, passing, picture_1=shown, picture_mask_1=torch.zeros(1, 64, 64))
    kept = (drawn - shown).abs().amax(-1)[0] < 0.01
    assert (kept.numpy() & true).sum() / (kept.numpy() | true).sum() > 0.85


def test_cancelling_ends_the_drawing(demo, passing):
    cancelled, calls = demo[0].clone(), []

    def cancel(apply, call):
        calls.append(1)
        comfy.model_management.interrupt_current_processing()
        return apply(call["input"], call["timestep"], **call["c"])

    cancelled.set_model_unet_function_wrapper(cancel)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        seeded(demo, passing, cancelled, drawings=1)
    assert len(calls) <= 2


def test_fill_off_leaves_the_old_thing_beside_the_new_one(demo, passing):
    frames, (cat, _) = passing
    picture, shape = torch.ones(1, 20, 60, 3), torch.ones(1, 20, 60)
    shape[:, :, :20] = 0
    found, mask, _ = seeded(demo, passing, picture_1=picture, picture_mask_1=shape, fill=False)
    bare = (cat.mask > 0) & (found != 1).any(-1)
    assert (mask > 0)[cat.mask > 0].all()
    assert (found == frames).all(-1)[bare].float().mean() > 0.7


def test_a_thing_is_laid_whole_or_cut_off_but_never_over_what_hides_it(demo, passing):
    cat, firetruck = (region.mask > 0 for region in passing[1])
    picture = {"picture_1": torch.ones(1, 40, 40, 3), "picture_mask_1": torch.ones(1, 40, 40), "fill": False}
    (_, tight, _), (_, wide, _), (_, large, _) = (
        seeded(demo, passing, **picture, **placed) for placed in ({"fit": "inside the region"}, {}, {"size": 1.5})
    )
    assert not ((tight > 0) & ~cat).any() or (tight > 0).sum() < 1.2 * cat.sum()
    assert (wide > 0).sum() > 1.2 * cat.sum() and (large > 0).sum() > 1.3 * (wide > 0).sum()
    for mask in (tight, wide, large):
        assert not (mask > 0)[firetruck].any()


def ground(passing):
    return Region(1 - torch.stack([region.mask for region in passing[1]]).amax(0), "the grass")


def test_a_place_hides_nothing_and_needs_not_be_left_out(demo, passing):
    picture = {"picture_1": torch.ones(1, 40, 40, 3), "picture_mask_1": torch.ones(1, 40, 40)}
    plain = seeded(demo, passing, **picture)
    for place in (ground(passing), Region(ground(passing).mask, ""), Region(torch.ones(1, 192, 192), "the grass")):
        beside = seeded(demo, passing, regions=(*passing[1], place), **picture)
        assert all(torch.equal(a, b) for a, b in zip(beside, plain, strict=True))


def test_rows_that_keep_their_words_stay(demo, passing):
    cat, firetruck = passing[1]
    kept = firetruck._replace(was=firetruck.phrase.title())
    picture = {"picture_1": torch.ones(1, 40, 40, 3), "picture_mask_1": torch.ones(1, 40, 40)}
    _, mask, drawn = seeded(demo, passing, regions=(cat, kept), leave_out="", **picture)
    assert not mask[firetruck.mask > 0].any() and len(drawn) == 1


def test_a_small_thing_on_a_large_one_is_seen_in_any_order(demo):
    large, small = torch.zeros(2, 192, 192), torch.zeros(2, 192, 192)
    large[:, 50:150, 50:150], small[:, 60:90, 80:110] = 1, 1
    frames, shape = torch.full((2, 192, 192, 3), 0.5), torch.ones(1, 30, 30)
    pair = Region(large, "a bear"), Region(small, "a cat")
    for numbers in ((1, 2), (2, 1)):
        pictures = {
            f"picture_{numbers[0]}": torch.zeros(1, 30, 30, 3),
            f"picture_{numbers[1]}": torch.ones(1, 30, 30, 3),
        }
        shapes = {f"picture_mask_{n}": shape for n in (1, 2)}
        regions = tuple(pair[numbers.index(n)] for n in (1, 2))
        found, *_ = seeded(demo, (frames, regions), leave_out="", bend=False, **pictures, **shapes)
        assert (found[:, 70:80, 90:100] > 0.9).all(), numbers


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"picture_1": torch.full((1, 8, 8, 3), float("nan"))}, "`picture_1` has pixels without a colour (NaN)"),
        ({"picture_mask_1": torch.ones(1, 8, 8)}, "`picture_mask_1` is connected, but `picture_1` is not"),
        ({"leave_out": "2, a wolf"}, "names “a wolf”, but its `regions` are 1 \"a pumpkin\", 2 \"a firetruck\""),
        ({"leave_out": "A pumpkin, 2"}, "has nothing to draw"),
        ({"picture_2": torch.ones(1, 8, 8, 3)}, "`picture_2` is connected, but things are laid into the regions 1 only"),
        ({"drawings": 0}, "`drawings` is 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_anything_is_drawn(demo, passing, inputs, words):
    with pytest.raises(ValueError, match="Seed Regions") as caught:
        seeded(demo, passing, **inputs)
    assert words in str(caught.value)


def test_a_phrase_without_a_thing_and_masks_of_another_clip(demo, passing):
    cat = passing[1][0]
    with pytest.raises(ValueError, match="finds no word for a thing in the phrase"):
        seeded(demo, passing, regions=(Region(cat.mask, "in the"),), leave_out="")
    with pytest.raises(ValueError, match=r"has no place for region 1 .*in any frame"):
        seeded(demo, passing, regions=(Region(0.4 * cat.mask, "a pumpkin"),), leave_out="")
    red = seeded(demo, passing, regions=(cat, Region(passing[1][1].mask, "a red, round firetruck")), leave_out="a red,  round firetruck",
                 picture_1=torch.ones(1, 8, 8, 3), picture_mask_1=torch.ones(1, 8, 8))  # fmt: skip
    assert len(red[2]) == 1
    with pytest.raises(ValueError, match="has 2 masks, but Seed Regions' `frames` has 3"):
        seeded(demo, passing, regions=(Region(cat.mask[:2], "a pumpkin"),), leave_out="")
