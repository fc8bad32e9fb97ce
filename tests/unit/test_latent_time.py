"""Which frames of a clip lie in which frame of its latent."""

import pytest
import torch

from pack.videograin.core import latent_time


@pytest.mark.parametrize(("frame", "latent"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (16, 4)])
def test_a_frame_lies_where_the_vae_puts_it(frame, latent):
    masks = torch.zeros(2, 17, 3, 3)
    masks[1, frame] = 1
    found = latent_time.grouped(masks, 5, 4).amax((2, 3, 4))
    assert found[0].sum() == 0 and found[1].nonzero().flatten().tolist() == [latent]
    assert latent_time.latent_frame(17, 4)[frame] == latent


def test_the_share_of_a_latent_frame_is_the_mean_of_its_frames():
    masks = torch.zeros(5, 2, 2)
    masks[1:3, 0] = 1
    share = latent_time.grouped(masks, 2, 4).mean(1)
    assert torch.equal(share[1], torch.tensor([[0.5, 0.5], [0.0, 0.0]])) and share[0].sum() == 0


def test_one_mask_is_every_frame():
    mask = torch.eye(3)[None]
    assert torch.equal(latent_time.grouped(mask, 4, 4), mask.expand(4, 4, 3, 3))


def test_without_compression_nothing_moves():
    masks = torch.rand(6, 2, 2)
    assert torch.equal(latent_time.grouped(masks, 6, 1)[:, 0], masks)


def test_frames_behind_the_last_full_group_are_cut():
    assert [n for n in range(1, 40) if latent_time.belongs(n, 5, 4)] == [17, 18, 19, 20]
    masks = torch.zeros(20, 2, 2)
    masks[17:] = 1
    assert latent_time.grouped(masks, 5, 4).sum() == 0
    assert latent_time.shown(5, 4) == 17
