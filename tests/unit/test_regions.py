"""Masks as regions, regions as tokens, phrases in prompts."""

import pytest
import torch

from pack.videograin.core.regions import Grid, Region, clip_masks, membership, patterns, same_membership, share_any


def test_one_mask_holds_for_every_frame():
    mask = torch.zeros(1, 8, 8)
    mask[:, :4] = 1
    assert clip_masks((Region(mask, "a"),), 5).sum() == 5 * 32


def test_wrong_number_of_masks_names_both_counts_and_the_input():
    with pytest.raises(ValueError, match=r'Region 2 "a dog" has 3 masks, but the latent has 8 frames. Give it one'):
        clip_masks((Region(torch.ones(8, 4, 4), "a cat"), Region(torch.ones(3, 4, 4), "a dog")), 8)


def test_a_small_region_survives_beside_a_coarser_mask():
    coarse, fine = torch.zeros(1, 32, 32), torch.zeros(1, 512, 512)
    coarse[:, 2:10, 2:10], fine[:, 400:408, 400:408] = 1, 1
    masks = clip_masks((Region(coarse), Region(fine)), 1)
    assert masks.shape == (2, 1, 512, 512) and masks[1].sum() == 64 and masks[0].sum() == 64 * 256


def test_masks_of_other_sizes_are_brought_to_the_largest():
    small, large = torch.zeros(1, 8, 8), torch.zeros(1, 32, 32)
    small[:, :, :4], large[:, :, :16] = 1, 1
    first, second = clip_masks((Region(small), Region(large)), 1)
    assert torch.equal(first, second)


def test_small_regions_survive_by_area_and_vanish_by_nearest():
    masks = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    masks[0, 0, 13:16, 13:16] = True
    assert membership(masks, Grid(1, 8, 8), "area").sum() == 1
    assert membership(masks, Grid(1, 8, 8), "nearest").sum() == 0
    assert membership(torch.zeros_like(masks), Grid(1, 8, 8), "area").sum() == 0


def test_non_square_grids_keep_their_axes():
    masks = torch.zeros(1, 2, 40, 64, dtype=torch.bool)
    masks[0, 1, :, 32:] = True
    member = membership(masks, Grid(2, 5, 8))
    assert not member[0, 0].any() and member[0, 1, :, 4:].all() and not member[0, 1, :, :4].any()


def test_patterns_and_pairs():
    member = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.bool)
    labels, table = patterns(member)
    assert torch.equal(table[labels].T, member)
    share, same = share_any(table, table), same_membership(table, table)
    first, both, second, none = labels.tolist()
    assert share[first, both] and share[both, second] and not share[first, second]
    assert not share[none].any() and same[none, none] and not same[first, both]
