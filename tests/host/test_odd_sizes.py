"""Clips whose sides are no multiple of 8: what VAE Encode cuts, and what is padded, lies where it lay in the clip."""

import json

import nodes as host
import pytest
import rig
import torch
from cases import variants
from chunked import alike, edited, hinted, st_layout
from oracle import bound

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.evaluate import EvaluateEdit
from pack.nodes.instances import SplitInstances
from pack.nodes.inversion import DDIMInversion
from pack.nodes.layout import ClustersToMask
from pack.nodes.placement import PlaceObjects
from pack.nodes.regions import BindRegionPrompts, RegionPrompt
from pack.nodes.show import ShowAttention
from pack.videograin.comfyui import wrappers
from pack.videograin.core.attention_clusters import ClusterLayout
from pack.videograin.core.regions import Region
from pack.videograin.features.flatten_paths import Motion
from pack.videograin.views.region_report import look
from pack.videograin.views.region_sheet import strip

STEPS = 2
NETWORK = rig.small_unet
pytestmark = pytest.mark.usefixtures("inference_mode", "private_output")


def clip(frames, height, width):
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(0))


def areas(frames, height, width):
    """Two regions, a pixel wider in each frame: another row or column of cells for a mask that is not where it was."""
    masks = torch.zeros(2, frames, height, width)
    for f in range(frames):
        masks[0, f, : height // 2 + f, : width // 2 - f] = 1
        masks[1, f, 37 - f :, 36 + f :] = 1
    return masks


def regions(masks):
    return tuple(Region(mask, phrase) for mask, phrase in zip(masks, ("one", "two"), strict=False))


def cut(clip, height_axis):
    """By the centre, as VAE Encode cuts: from pixel (side mod 8) // 2 on."""
    for axis in (height_axis, height_axis + 1):
        side = clip.shape[axis]
        clip = clip.narrow(axis, side % 8 // 2, side // 8 * 8)
    return clip


def pad(clip, height_axis):
    """To a multiple of 8, edge pixels repeated, an odd one more before than after."""
    for axis in (height_axis, height_axis + 1):
        side = clip.shape[axis]
        more = -side % 8
        rows = torch.arange(side + more) - -(-more // 2)
        clip = clip.index_select(axis, rows.clamp(0, side - 1))
    return clip


def motion(frames, height, width):
    """To the right, faster further down: (frames - 1, height, width, 2) pixels; hidden below."""
    flow = torch.zeros(frames - 1, height, width, 2)
    flow[..., 0] = torch.arange(height)[:, None] / 3
    hidden = torch.zeros(frames - 1, height, width, dtype=torch.bool)
    hidden[:, height // 2 + 3 :] = True
    return flow, hidden


def edit(unet, vae, frames, masks, blend_mask, flow, hidden):
    model = wrappers.add(FullFrameAttention.execute(unet, "all frames").args[0], Motion(flow, hidden, (1, 2), True))
    latent = host.VAEEncode().encode(vae, frames)[0]
    noise, inversion = DDIMInversion.execute(model, rig.text(1), latent, STEPS, "ddim_uniform", 0).args[:2]
    model = LatentBlend.execute(st_layout(model), "inversion", inversion, mask=blend_mask).args[0]
    return rig.sample(model, bound(rig.text(2), regions(masks)), rig.text(3), noise["samples"], steps=STEPS)


@pytest.mark.parametrize(("size", "own_mask"), variants(((67, 77), False), ((71, 64), True), ((127, 181), True)))
def test_an_edit_is_that_of_the_clip_cut_by_hand(unet, demo, size, own_mask):
    """Masks of regions, of Latent Blend, and motion; bit for bit."""
    frames, masks, (flow, hidden) = clip(3, *size), areas(3, *size), motion(3, *size)

    def found(frames, masks, flow, hidden):
        return edit(unet, demo[2], frames, masks, masks.amax(0) if own_mask else None, flow, hidden)

    by_hand = found(cut(frames, 1), cut(masks, 2), cut(flow, 1), cut(hidden, 1))
    assert torch.equal(found(frames, masks, flow, hidden), by_hand)
    shifted = found(cut(frames, 1), masks[..., : size[0] // 8 * 8, : size[1] // 8 * 8], cut(flow, 1), cut(hidden, 1))
    assert not torch.equal(by_hand, shifted)  # or the masks would say nothing


@pytest.mark.once
def test_a_masks_own_size_may_be_the_clips_or_the_latents(unet, demo):
    """One region drawn on the frames, the other from Clusters to Mask, at the size of what was encoded."""
    frames, masks, (flow, hidden) = clip(2, 67, 77), areas(2, 67, 77), motion(2, 67, 77)
    small = cut(masks, 2)
    found = [edit(unet, demo[2], frames, pair, None, flow, hidden) for pair in (small, (masks[0], small[1]))]
    assert torch.equal(*found)


def chunked(unet, vae, frames, masks, hints, **more):
    words = rig.text(1), bound(rig.text(2), regions(masks)), rig.text(3)
    words = [hinted(prompt, hints) for prompt in words]
    return edited(st_layout(unet), vae, frames, 2, words=words, **more)[0]


@pytest.mark.parametrize("size", variants((67, 77), ((127, 64),)))
def test_chunks_are_padded_and_cut_back(demo, size):
    """The size is the clip's, the edges are edited too, and all lies where it does in a clip padded by hand."""
    unet = rig.random_unet()
    frames, masks, hints = clip(3, *size), areas(3, *size), clip(3, *size).flip(2)
    found = chunked(unet, demo[2], frames, masks, hints, mask=masks.amax(0))
    whole = chunked(unet, demo[2], pad(frames, 1), pad(masks, 2), pad(hints, 1), mask=pad(masks, 2).amax(0))
    top, left = (-(-(-side % 8) // 2) for side in size)
    assert found.shape == frames.shape
    alike(found, whole[:, top : top + size[0], left : left + size[1]])


@pytest.mark.once
def test_chunks_go_with_a_latent_that_a_prompt_brings(unet, demo):
    """It was cut by VAE Encode: so is the clip, and the strip that is left out is the source's."""
    frames, masks = clip(2, 67, 77), areas(2, 67, 77)
    words = rig.text(1), bound(rig.text(2), regions(masks)), rig.text(3)
    for prompt in words:
        prompt[0][1]["concat_latent_image"] = torch.zeros(2, 4, 8, 9)
    found = edited(unet, demo[2], frames, 2, words=words)[0]
    words[1][0] = bound(rig.text(2), regions(cut(masks, 2)))[0]
    inside = edited(unet, demo[2], cut(frames, 1), 2, words=words)[0]
    assert torch.equal(cut(found, 1), inside) and not torch.equal(inside, cut(frames, 1))
    found[:, 1:65, 2:74] = frames[:, 1:65, 2:74]
    assert torch.equal(found, frames)


# ---- what looks at clips and masks ----------------------------------------------------------------------------------


@pytest.mark.once
def test_evaluate_edit_compares_what_was_encoded():
    source, masks = clip(2, 67, 77), areas(2, 67, 77)
    result = cut(source, 1).clone()
    result[cut(masks[0], 1).bool()] = 0
    found = EvaluateEdit.execute(source, result, regions(masks[:1])).args
    assert found[7] == float("inf")  # the background's PSNR
    shown = EvaluateEdit.execute(cut(source, 1), result, regions(cut(masks[:1], 2))).args
    assert found[8] == shown[8] and torch.equal(found[9], shown[9])


@pytest.mark.once
def test_pictures_of_clusters_and_regions_show_what_was_encoded(monkeypatch):
    frames, labels = clip(2, 67, 77), torch.zeros(2, 8, 9, dtype=torch.long)
    labels[:, 3:] = 1
    layout = ClusterLayout(labels, ("", ""), 64, 72)
    seen = []
    monkeypatch.setattr("pack.videograin.comfyui.previews.pictures", lambda clip, *_: seen.append(clip) or [""])
    mask = ClustersToMask.execute(layout, "1", frames=frames).args[0]
    assert torch.equal(seen[0], cut(frames, 1)) and mask.shape == (2, 64, 72)
    found = [strip(look(regions([mask]), "", ""), shown) for shown in (frames, cut(frames, 1))]
    assert torch.equal(*found)


@pytest.mark.once
def test_split_instances_takes_the_frames_that_were_encoded():
    frames, masks = clip(2, 67, 77), areas(2, 67, 77)
    mask = cut(torch.maximum(masks[0], masks[1]), 1)
    mask[:, 30:37] = 0
    found = [SplitInstances.execute(mask, 2, "left to right", frames=shown).args for shown in (frames, cut(frames, 1))]
    assert all(torch.equal(a, b) for a, b in zip(found[0][:5], found[1][:5], strict=True))


@pytest.mark.once
def test_show_attention_shows_what_the_model_sees(unet, demo):
    frames, masks = clip(2, 67, 77), areas(2, 67, 77)
    latent = host.VAEEncode().encode(demo[2], frames)[0]
    inversion = DDIMInversion.execute(unet, rig.text(1), latent, STEPS, "ddim_uniform", 0).args[1]

    def shown(frames, masks, points):
        words = bound(rig.text(2), regions(masks))
        return ShowAttention.execute(unet, inversion, words, frames, 0.0, 1.0, 1, points).args

    found, by_hand = shown(frames, masks, "22, 31, 1"), shown(cut(frames, 1), cut(masks, 2), "20, 30, 1")
    assert torch.equal(found[0], by_hand[0])
    assert found[2] == by_hand[2].replace("(20, 30, 1)", "(22, 31, 1)")  # in the frames' own pixels


@pytest.mark.once
def test_place_objects_judges_by_what_the_model_sees(demo):
    unet, vae = rig.random_unet(), demo[2]
    frames, masks = clip(2, 79, 77), areas(2, 79, 77)
    start = vae.encode(frames)

    def placed(masks):
        model = PlaceObjects.execute(unet, demo[1], "a cat and a dog", words(masks), refinements=0, level="1/1").args[0]
        return rig.sample(model, rig.text(2), rig.text(3), start, noise=True, steps=2, scheduler="normal")

    def words(masks):
        return tuple(Region(mask, phrase) for mask, phrase in zip(masks, ("cat", "dog"), strict=True))

    found = placed(masks)
    assert torch.equal(found, placed(cut(masks, 2)))
    assert not torch.equal(found, placed(masks[..., :72, :72]))  # or the masks would say nothing


# ---- what is resized is told ----------------------------------------------------------------------------------------


@pytest.mark.once
def test_masks_of_another_size_are_told_on_the_node_and_at_the_sampler(demo, caplog):
    """Of each region, whichever is the largest; of the same clip's size, cut or whole, nothing is said."""
    unet, clip_ = rig.random_unet(), demo[1]
    blended = LatentBlend.execute(unet, "renoised", source={"samples": rig.latent(2, 12, 12)}).args[0]
    placed = PlaceObjects.execute(
        unet, clip_, "a cat and a dog", boxes="cat: 1, 1, 20, 20", frames=clip(2, 48, 48)
    ).args[0]

    def told(model, sizes, frames=None):
        caplog.clear()
        found = ()
        for size, phrase in zip(sizes, ("a cat", "a dog"), strict=False):
            (found,) = RegionPrompt.execute(torch.ones(1, *size), phrase, regions=found).args
        bind = BindRegionPrompts.execute(clip_, "a cat and a dog", found, frames=frames)
        rig.sample(model, bind.args[0], rig.text(3), rig.latent(2, 12, 12), noise=True, steps=1)
        sheet = json.loads(bind.ui["videograin"][0])
        marks = [
            mark["values"]["size"] for region in sheet["regions"] for mark in region["marks"] if mark["key"] == "size"
        ]
        return marks, [record.getMessage() for record in caplog.records if "resized to fit" in record.getMessage()]

    marks, warnings = told(st_layout(unet), ((48, 48), (96, 96)))
    assert marks == ["48×48"] and len(warnings) == 1
    assert 'The masks of region 1 "a cat" are 48×48 pixels, but the frames are 96×96' in warnings[0]
    marks, warnings = told(blended, ((96, 96), (96, 128)), clip(2, 96, 96))
    assert marks == ["128×96"] and 'region 2 "a dog" are 128×96' in warnings[0]
    assert told(st_layout(blended), ((96, 96), (103, 97)), clip(2, 103, 97)) == ([], [])
    assert any("Place Objects' masks of “cat” are 48×48" in warning for warning in told(placed, ((96, 96),))[1])
