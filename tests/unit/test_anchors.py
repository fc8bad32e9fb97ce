"""Who looks at whom around anchors, and the boundary that shrinks: against plain loops."""

import math

import pytest
import torch
from einops import rearrange

from pack.videograin.core import st_layout
from pack.videograin.core.latent_blend import blend_mask, progressive_mask, remaining
from pack.videograin.core.regions import Grid
from pack.videograin.core.via_anchors import EARLIER, GATHERS, MODES, attend_groups, groups, spread, visible_frames


def test_anchors_are_spread_from_the_first_frame_to_the_last():
    assert spread(4, 16) == (0, 5, 10, 15)
    assert spread(1, 16) == (0,) and spread(0, 16) == ()
    assert spread(4, 3) == (0, 1, 2) and spread(4, 1) == (0,)
    steps = {b - a for a, b in zip(spread(7, 600), spread(7, 600)[1:], strict=False)}
    assert len(spread(7, 600)) == 7 and steps <= {99, 100}


def truth(frames, chosen, mode, gather, key_set):
    """The frames each frame sees, said once more in words."""
    seen = {}
    for frame in range(frames):
        if frame in chosen:
            seen[frame] = {a for a in chosen if gather != EARLIER or a <= frame}
        elif mode == "swap":
            seen[frame] = set(chosen)
        else:
            seen[frame] = set(range(frames)) if key_set == "all frames" else {frame, *chosen}
    return seen


@pytest.mark.parametrize("key_set", ["own", "all frames"])
@pytest.mark.parametrize("gather", GATHERS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames,chosen", [(9, (0, 4, 8)), (5, (2,)), (3, (0, 1, 2)), (12, (3, 4))])
def test_every_frame_is_served_once_and_sees_the_right_ones(frames, chosen, mode, gather, key_set):
    found = groups(frames, chosen, mode, gather, key_set)
    served = [frame for group in found for row in group.looking for frame in row]
    assert sorted(served) == list(range(frames))
    expected = truth(frames, chosen, mode, gather, key_set)
    for frame, seen in enumerate(visible_frames(found)):
        assert len(seen) == len(set(seen)) and set(seen) == expected[frame]


@pytest.mark.parametrize("frames", [8, 40, 200])
def test_copies_of_keys_never_exceed_the_clip(frames):
    chosen = spread(4, frames)
    for group in groups(frames, chosen, "concat", GATHERS[0], "own"):
        assert len(group.seen) * len(group.seen[0]) <= max(frames, 5)
    pairs = sum(
        len(g.looking) * len(g.looking[0]) * len(g.seen[0])
        for g in groups(frames, chosen, *MODES[:1], GATHERS[0], "own")
    )
    assert pairs == 4 * 4 + (frames - 4) * 5  # frame pairs: linear in the clip


def test_grouped_attention_equals_attention_with_a_mask():
    frames, n, m, d, chosen = 6, 5, 7, 8, (1, 4)
    g = torch.Generator().manual_seed(0)
    q = torch.randn(2, frames, n, d, generator=g, dtype=torch.float64)
    k, v = (torch.randn(2, frames, m, d, generator=g, dtype=torch.float64) for _ in range(2))

    def attend(q, k, v):
        return (q @ k.transpose(-1, -2) / math.sqrt(d)).softmax(-1) @ v

    for gather in GATHERS:
        for mode in MODES:
            found = groups(frames, chosen, mode, gather, "own")
            sees = torch.zeros(frames, frames, dtype=torch.bool)
            for frame, seen in enumerate(visible_frames(found)):
                sees[frame, list(seen)] = True
            allowed = sees.repeat_interleave(n, 0).repeat_interleave(m, 1)
            flat_q, flat_k, flat_v = (rearrange(x, "c f n d -> c (f n) d") for x in (q, k, v))
            scores = (flat_q @ flat_k.transpose(-1, -2) / math.sqrt(d)).masked_fill(~allowed, -math.inf)
            expected = rearrange(scores.softmax(-1) @ flat_v, "c (f n) d -> c f n d", f=frames)
            assert (attend_groups(found, [q], [k, v], attend) - expected).abs().max() < 1e-14


def test_the_size_term_counts_what_a_frame_sees():
    """A region in frame 0 alone: half of frame 0's own tokens, a quarter of what frame 1 sees with it, none of frame 2's."""
    masks = torch.zeros(1, 3, 16, 16, dtype=torch.bool)
    masks[0, 0, :8] = True
    seen = ((0,), (0, 1), (2,))
    found = st_layout.layout(masks, torch.ones(1), Grid(3, 4, 4), st_layout.PAPER, seen)
    inside = int(found.table[:, 0].nonzero())
    assert found.self_factor[inside].tolist() == [0.5, 0.75, 1.0]
    code = st_layout.layout(masks, torch.ones(1), Grid(3, 4, 4), st_layout.REFERENCE, seen)
    assert code.self_factor[inside].tolist() == [1 - 0.5 / 1, 1 - 0.25 / 2, 1.0]
    everybody = st_layout.layout(masks, torch.ones(1), Grid(3, 4, 4), st_layout.PAPER, ((0, 1, 2),) * 3)
    whole = st_layout.layout(masks, torch.ones(1), Grid(3, 4, 4), st_layout.PAPER)
    assert torch.equal(everybody.self_factor, whole.self_factor[:, None].expand(-1, 3))


# ---- the boundary schedule ------------------------------------------------------------------------------------------


def test_the_boundary_is_the_formula_cell_by_cell():
    masks = torch.zeros(1, 160, 160)
    masks[0, 64:80, 48:72] = 1
    mask = blend_mask(masks, 20, 20)
    for reach in (8.0, 3.5, 1.0, 0.0):
        found = progressive_mask(mask, reach)[0, 0]
        inside = mask[0, 0].nonzero().tolist()
        for y in range(20):
            for x in range(20):
                distance = min(max(abs(y - iy), abs(x - ix)) for iy, ix in inside)
                expected = 1.0 if distance == 0 else max(0.0, 1 - distance / reach) if reach else 0.0
                assert found[y, x] == pytest.approx(expected, abs=1e-6)


def test_the_boundary_never_takes_from_the_feather():
    masks = torch.zeros(1, 160, 160)
    masks[0, 64:80, 48:72] = 1
    feathered = blend_mask(masks, 20, 20, grow=1, feather=2)
    assert (progressive_mask(feathered, 1.0) == feathered).all()
    assert (progressive_mask(feathered, 2.0) >= feathered).all()


def test_the_boundary_shrinks_evenly_by_steps_and_is_gone_at_the_last():
    sigmas = [14.6, 7.0, 2.0, 0.5, 0.0]
    assert [remaining(sigma, sigmas) for sigma in sigmas[:-1]] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert remaining(4.5, sigmas) == pytest.approx(1 / 2)  # between two levels, as some samplers ask
    assert remaining(20.0, sigmas) == 1 and remaining(0.1, sigmas) == 0
    assert remaining(14.6, [14.6, 0.0]) == 0  # a single step is the last
