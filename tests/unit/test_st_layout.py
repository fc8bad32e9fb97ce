"""ST-Layout attention against a plain dense implementation of the equations."""

import pytest
import torch
from equations import dense, dense_recipe, padded, problem, relative

from pack.videograin.core import cross_frame, st_layout
from pack.videograin.core.regions import Grid, same_membership, share_any
from pack.videograin.core.score_range import row_range, sampled_keys
from pack.videograin.core.st_layout import PAPER, REFERENCE, Modulation, Settings


@pytest.mark.parametrize("pairs", [share_any, same_membership])
@pytest.mark.parametrize("std", [1.0, 3.0, 6.0])
@pytest.mark.parametrize("frames,height,width", [(1, 12, 20), (17, 4, 6), (3, 10, 6)])
def test_equals_the_dense_equations(pairs, std, frames, height, width):
    q, k, v, strength, labels, table = problem(std, frames, height, width)
    positive = pairs(table, table)
    truth = dense(q, k, v, strength, positive[labels[:, :, None], labels[:, None, :]])
    for dtype, bound in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        ours = st_layout.modulated_attention(
            q.to(dtype), k.to(dtype), v.to(dtype), Modulation(strength.to(dtype), labels, labels, positive)
        )
        assert ours.dtype == dtype
        assert relative(ours, truth) < bound


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("std", [1.0, 3.0, 6.0])
def test_no_worse_than_the_dense_recipe_in_the_same_precision(dtype, std):
    q, k, v, strength, labels, table = problem(std, frames=4, height=8, width=8)
    q, k, v = (x.to(dtype) for x in (q, k, v))
    positive = share_any(table, table)
    pairs = positive[labels[:, :, None], labels[:, None, :]]
    truth = dense(q.double(), k.double(), v.double(), strength, pairs)
    ours = st_layout.modulated_attention(q, k, v, Modulation(strength.float(), labels, labels, positive))
    theirs = dense_recipe(q, k, v, strength.float(), pairs)
    assert relative(ours, truth) <= (1.1 if dtype == torch.float32 else 0.6) * relative(theirs, truth)


def test_huge_scores_stay_finite_in_half_precision():
    q, k, v, strength, labels, table = problem(1.0)
    q, k = (q * 60).half(), (k * 60).half()  # q·k up to 1e6, far above the largest half
    ours = st_layout.modulated_attention(
        q, k, v.half(), Modulation(strength.float(), labels, labels, share_any(table, table))
    )
    assert torch.isfinite(ours).all()


def test_cross_attention_words_act_in_their_regions_only():
    """Queries per frame, keys are tokens: rectangular pairs, words bound to one region, two, or none."""
    g = torch.Generator().manual_seed(1)
    q = torch.randn(4, 2, 15, 32, generator=g, dtype=torch.float64) * 2
    k, v = (torch.randn(4, 2, 77, 32, generator=g, dtype=torch.float64) for _ in range(2))
    pixels = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    tokens = torch.tensor([[False, False], [True, False], [False, True]])
    labels = torch.randint(4, (4, 15), generator=g)
    words = torch.randint(3, (77,), generator=g).expand(4, -1)
    strength = torch.rand(4, 15, generator=g, dtype=torch.float64)
    positive = share_any(pixels, tokens)
    truth = dense(q, k, v, strength, positive[labels[:, :, None], words[:, None, :]])
    assert (
        relative(st_layout.modulated_attention(q, k, v, Modulation(strength, labels, words, positive)), truth) < 1e-12
    )


@pytest.mark.parametrize("padding", [1, 3, 500])
def test_padding_counts_as_one_token_however_long_it_is(padding):
    tensors, modulation, truth = padded(padding=padding)
    assert relative(st_layout.modulated_attention(*tensors, modulation), truth) < 1e-7
    if padding > 1:
        words_alone = modulation._replace(log_count=None)
        assert relative(st_layout.modulated_attention(*tensors, words_alone), truth) > 1e-2


def test_padding_leaves_attention_as_it_is_where_nothing_is_modulated():
    tensors, modulation, _ = padded()
    plain = torch.nn.functional.scaled_dot_product_attention(*tensors)
    none = modulation._replace(strength=torch.zeros_like(modulation.strength))
    assert relative(st_layout.modulated_attention(*tensors, none), plain) < 1e-12


def test_row_range_is_the_span_of_the_scores():
    g = torch.Generator().manual_seed(2)
    q, k = torch.randn(2, 3, 300, 24, generator=g), torch.randn(2, 3, 2500, 24, generator=g)
    scores = q.double() @ k.double().transpose(-1, -2)
    assert torch.allclose(row_range(q, k).double(), scores.amax(-1) - scores.amin(-1), rtol=1e-6)


def test_sampled_keys_tell_most_of_the_span_and_never_more():
    g = torch.Generator().manual_seed(2)
    q, k = torch.randn(1, 2, 300, 40, generator=g), torch.randn(1, 2, 6000, 40, generator=g)
    some = sampled_keys(k)
    assert some.shape[2] == 750 and torch.equal(some, sampled_keys(k))
    assert torch.equal(sampled_keys(k[:, :, :500]), k[:, :, :500])
    share = row_range(q, some) / row_range(q, k)
    assert share.max() <= 1.0 and 0.8 < share.mean() < 0.95


def test_an_estimated_span_stands_where_the_exact_one_stood():
    """As the equations with Delta of those keys: scores change by (1-lambda), then lambda Delta is added on positive pairs."""
    q, k, v, strength, labels, table = problem(3.0, frames=5, height=16, width=10)
    positive, some = share_any(table, table), sampled_keys(k)
    assert some.shape[2] < k.shape[2]
    ours = st_layout.modulated_attention(q, k, v, Modulation(strength, labels, labels, positive), spanned=some)
    scores, lam = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, strength[:, None, :, None]
    few = q @ some.transpose(-1, -2) / q.shape[-1] ** 0.5
    span = (few.amax(-1) - few.amin(-1))[..., None]
    pairs = positive[labels[:, :, None], labels[:, None, :]][:, None]
    truth = ((1 - lam) * scores + lam * span * pairs).softmax(-1) @ v
    assert relative(ours, truth) < 1e-12
    exact = st_layout.modulated_attention(q, k, v, Modulation(strength, labels, labels, positive))
    assert 1e-4 < relative(ours, exact) < 0.1


def test_parts_of_a_long_call_fit_together():
    """Heads and queries are worked off in parts; the last ones are smaller."""
    q, k, v, strength, labels, table = problem(1.0, frames=5, height=31, width=29, heads=3)
    positive = share_any(table, table)
    truth = dense(q, k, v, strength, positive[labels[:, :, None], labels[:, None, :]])
    assert q.shape[2] > 2048 and q.shape[2] % 2048
    assert (
        relative(st_layout.modulated_attention(q, k, v, Modulation(strength, labels, labels, positive)), truth) < 1e-12
    )
    few = [x[:, :, :600] for x in (q, k, v)], strength[:, :600], labels[:, :600]  # 3 heads at once, then none left over
    pairs = positive[few[2][:, :, None], few[2][:, None, :]]
    ours = st_layout.modulated_attention(*few[0], Modulation(few[1], few[2], few[2], positive))
    assert relative(ours, dense(*few[0], few[1], pairs)) < 1e-12


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_of_stable_diffusion_2_do_not_overflow(dtype):
    """SD 2's scores pass half precision's 65504: a plain product is infinite there, and its span not a number."""
    q, k, v, strength, labels, table = problem(3.0, frames=2, d=64)
    q, k = ((x * 30).to(dtype) for x in (q, k))
    positive = share_any(table, table)
    ours = st_layout.modulated_attention(q, k, v.to(dtype), Modulation(strength.float(), labels, labels, positive))
    truth = dense(q.double(), k.double(), v, strength, positive[labels[:, :, None], labels[:, None, :]])
    assert (q @ k.transpose(-1, -2)).isinf().any() == (dtype == torch.float16)
    assert torch.isfinite(ours).all() and relative(ours, truth) < 0.3  # nearly one-hot: rounding picks the key


def test_a_fused_kernel_takes_the_padded_call():
    """The math backend would hold the whole score matrix."""
    q, k, v, strength, labels, table = problem(1.0)
    args = (q.float(), k.float(), v.float(), Modulation(strength.float(), labels, labels, share_any(table, table)))
    backends = [torch.nn.attention.SDPBackend.FLASH_ATTENTION, torch.nn.attention.SDPBackend.EFFICIENT_ATTENTION]
    with torch.nn.attention.sdpa_kernel(backends):
        st_layout.modulated_attention(*args)


def halves(frames=4, size=32):
    """Left third and right quarter of a square frame."""
    masks = torch.zeros(2, frames, size, size, dtype=torch.bool)
    masks[0, :, :, : size // 4] = True
    masks[1, :, :, -size // 8 :] = True
    return masks


def test_size_terms_of_paper_and_reference():
    """spec numbers: the code divides the clip's area by the number of frames, the paper does not."""
    masks, grid, ones = halves(), Grid(4, 16, 16), torch.ones(2)
    code = st_layout.layout(masks, ones, grid, REFERENCE)
    paper = st_layout.layout(masks, ones, grid, PAPER)
    by_region = lambda layout, factor, k: factor[layout.table.nonzero()[layout.table.nonzero()[:, 1] == k][0, 0]]  # noqa: E731
    assert by_region(code, code.self_factor, 0) == pytest.approx(1 - 0.25 / 4)
    assert by_region(code, code.cross_factor, 0)[2] == pytest.approx(1 - 0.25)
    assert by_region(paper, paper.self_factor, 0) == pytest.approx(1 - 0.25)
    assert by_region(paper, paper.self_factor, 1) == pytest.approx(1 - 0.125)
    nowhere = (~paper.table.any(1)).nonzero()[0, 0]
    assert paper.self_factor[nowhere] == pytest.approx(1 - 0.625)  # Eq. 5: the background is a region too
    assert code.self_factor[nowhere] == 1 and not code.positive[nowhere].any()


def test_factors_never_turn_the_modulation_around():
    masks = torch.ones(3, 2, 16, 16, dtype=torch.bool)  # three regions over everything: areas sum to 3
    for settings in (REFERENCE, PAPER):
        layout = st_layout.layout(masks, torch.ones(3), Grid(2, 8, 8), settings)
        assert (layout.self_factor >= 0).all() and (layout.cross_factor >= 0).all()


def test_region_strength_and_background_choice():
    layout = st_layout.layout(halves(), torch.tensor([0.0, 1.0]), Grid(4, 16, 16), Settings(background="untouched"))
    left, nowhere = layout.labels[0, 0], layout.labels[0, 6]
    assert layout.self_factor[left] == 0 and layout.self_factor[nowhere] == 0
    assert layout.self_factor[layout.labels[0, 15]] > 0


@pytest.mark.parametrize(
    "timestep,self_lambda,cross_lambda", [(981, 0.271, 0.904), (801, 0.098, 0.328), (701, 0.050, 0.168)]
)
def test_schedule_of_the_released_code(timestep, self_lambda, cross_lambda):
    decay = st_layout.decay(timestep, REFERENCE)
    assert 0.3 * decay == pytest.approx(self_lambda, abs=6e-4)
    assert 1.0 * decay == pytest.approx(cross_lambda, abs=6e-4)


@pytest.mark.parametrize("kind", cross_frame.KEY_SETS)
def test_key_sets_pick_the_right_frames(kind):
    frames, chunks, tokens = 5, 2, 3
    x = torch.arange(chunks * frames)[:, None].expand(-1, tokens)[..., None]  # every token carries its frame's number
    keys = cross_frame.keys(x, frames, kind)
    groups = cross_frame.queries(x, frames, kind)
    assert torch.equal(cross_frame.ungroup(groups, frames, kind), x)
    seen = {  # of frame 3 of the second chunk
        "all frames": {5, 6, 7, 8, 9},
        "first + previous": {5, 7},
        "middle": {7},
        "own": {8},
    }[kind]
    row = 1 if kind == "all frames" else frames + 3
    assert set(keys[row].flatten().tolist()) == seen


@pytest.mark.parametrize(("half", "bound"), [(torch.float16, 1e-3), (torch.bfloat16, 8e-3)])
def test_padding_in_half_precision(half, bound):
    """As Wan has it: heads of 128 channels, 500 copies."""
    tensors, modulation, truth = padded(padding=500, d=128)
    float32 = modulation._replace(strength=modulation.strength.float(), log_count=modulation.log_count.float())
    ours = st_layout.modulated_attention(*(x.to(half) for x in tensors), float32)
    assert ours.dtype == half and relative(ours, truth) < bound
