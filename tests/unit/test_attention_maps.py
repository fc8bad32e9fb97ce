"""Maps of attention against a plain dense implementation of the equations, and their pictures."""

from math import isnan

import pytest
import torch
from equations import dense, padded
from torch.utils._python_dispatch import TorchDispatchMode

from pack.videograin.core import cross_frame
from pack.videograin.core.attention_probs import phrase_shares, point_shares, probabilities
from pack.videograin.core.cross_frame import KeySet
from pack.videograin.core.regions import share_any
from pack.videograin.core.score_range import sampled_keys
from pack.videograin.core.st_layout import Modulation, modulated_attention
from pack.videograin.views import attention_maps, heatmaps
from pack.videograin.views.attention_maps import Average, Column, Point, attention_inside, middle, parse_points

HEADS, WIDTH = 2, 24


def clip(frames=3, tokens=20, keys=20, regions=2, seed=0):
    """q, k of a clip as ComfyUI has them, and a modulation with overlapping regions and background."""
    g = torch.Generator().manual_seed(seed)
    q = torch.randn(frames, tokens, HEADS * WIDTH, generator=g) * 2
    k = torch.randn(frames, keys, HEADS * WIDTH, generator=g) * 2
    table = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    strength = torch.rand(frames, tokens, generator=g)
    labels, key_labels = (torch.randint(4, (frames, count), generator=g) for count in (tokens, keys))
    return q, k, Modulation(strength, labels, key_labels, share_any(table, table))


def matrix(q, k, strength, pairs):
    """Every probability, (N, M): the mean over heads of dense attention with an identity for values."""
    q, k = (x.double().view(1, -1, HEADS, WIDTH).transpose(1, 2) for x in (q, k))
    identity = torch.eye(k.shape[2], dtype=torch.float64).expand(1, HEADS, -1, -1)
    return dense(q, k, identity, strength.double()[None], pairs[None])[0].mean(0)


def test_probabilities_are_the_softmax_of_the_equations():
    q, k, modulation = clip(1, 15, 40)
    pairs = modulation.positive[modulation.query_labels[0]][:, modulation.key_labels[0]]
    truth = matrix(q[0], k[0], modulation.strength[0], pairs)
    split = [x[0].view(-1, HEADS, WIDTH).transpose(0, 1) for x in (q, k)]
    assert (probabilities(*split, modulation.strength[0], pairs) - truth).abs().max() < 1e-6
    plain = matrix(q[0], k[0], torch.zeros(15), pairs)
    assert (probabilities(*split) - plain).abs().max() < 1e-6
    assert (probabilities(*split).sum(-1) - 1).abs().max() < 1e-6 and (truth - plain).abs().max() > 0.05


def test_a_phrase_gets_the_probabilities_of_its_tokens():
    q, k, modulation = clip(3, 15, 12)
    tokens = torch.zeros(2, 12, dtype=torch.bool)
    tokens[0, 2:5] = tokens[1, 4:6] = True  # they may share one
    found = phrase_shares(q, k, HEADS, tokens, modulation)
    assert found.shape == (2, 2, 3, 15)
    for frame in range(3):
        pairs = modulation.positive[modulation.query_labels[frame]][:, modulation.key_labels[frame]]
        for row, strength in enumerate((torch.zeros(15), modulation.strength[frame])):
            truth = matrix(q[frame], k[frame], strength, pairs)
            for phrase in range(2):
                assert (found[row, phrase, frame] - truth[:, tokens[phrase]].sum(1)).abs().max() < 1e-6
    unmodulated = phrase_shares(q, k, HEADS, tokens, None)
    assert torch.equal(unmodulated[0], unmodulated[1]) and torch.equal(unmodulated[0], found[0])


def test_a_phrase_beside_padding_gets_what_the_model_gives_it():
    (q, k, _), modulation, _ = padded()
    q, k = q.float(), k.float()
    modulation = modulation._replace(strength=modulation.strength.float(), log_count=modulation.log_count.float())
    words = torch.zeros(1, k.shape[2], dtype=torch.bool)
    words[0, 2:5] = True
    found = phrase_shares(*(x.transpose(1, 2).flatten(2) for x in (q, k)), 3, words, modulation)
    of_words = torch.zeros_like(k)
    of_words[:, :, 2:5, 0] = 1
    given = modulated_attention(q, k, of_words, modulation)[..., 0].mean(1)
    assert (found[1, 0] - given).abs().max() < 1e-6 < (found[0] - found[1]).abs().max()


@pytest.mark.parametrize("key_set", cross_frame.KEY_SETS)
@pytest.mark.parametrize("appended", [0, 3])
def test_a_point_is_its_row_of_the_whole_matrix(key_set, appended):
    """Over every key set; tokens another patch appended take their share and are not shown."""
    frames, tokens = 4, 9
    q, k, modulation = clip(frames, tokens, tokens + appended)
    points = [(0, 0), (2, 5), (3, 8)]
    found = point_shares(q, k, HEADS, points, KeySet(key_set, frames), modulation)
    seen = {cross_frame.ALL: lambda f: [0, 1, 2, 3], cross_frame.OWN: lambda f: [f], cross_frame.MIDDLE: lambda f: [2],
            cross_frame.FIRST_PREVIOUS: lambda f: [0, max(f - 1, 0)]}[key_set]  # fmt: skip
    for number, (frame, token) in enumerate(points):
        keys = torch.cat([k[f] for f in seen(frame)])
        labels = torch.cat([modulation.key_labels[f] for f in seen(frame)])
        pairs = modulation.positive[modulation.query_labels[frame, token]][labels][None]
        for row, strength in enumerate((torch.zeros(1), modulation.strength[frame, token][None])):
            truth = matrix(q[frame, token][None], keys, strength, pairs)[0].view(-1, tokens + appended)
            expected = torch.zeros(frames, tokens, dtype=torch.float64)
            for part, f in zip(truth, seen(frame), strict=True):
                expected[f] += part[:tokens]
            assert (found[row, number] - expected).abs().max() < 1e-6


def test_a_point_of_the_fast_form_has_that_forms_span():
    q, k, modulation = clip(4, 400, 400)
    modulation.strength[1, 7] = 0.2
    fast, exact = (
        point_shares(q, k, HEADS, [(1, 7)], KeySet(cross_frame.ALL, 4), modulation._replace(fast=fast))[1, 0]
        for fast in (True, False)
    )
    heads = k.view(1, -1, HEADS, WIDTH).transpose(1, 2)
    query = q[1, 7].view(HEADS, 1, WIDTH)
    some, scores = (query @ x[0].transpose(-1, -2) / WIDTH**0.5 for x in (sampled_keys(heads), heads))
    span = some.amax(-1, keepdim=True) - some.amin(-1, keepdim=True)
    pairs = modulation.positive[modulation.query_labels[1, 7]][modulation.key_labels].flatten()
    truth = (0.8 * scores + 0.2 * span * pairs).softmax(-1).mean(0)
    assert (fast.flatten() - truth).abs().max() < 1e-6 < (fast - exact).abs().max()


class Largest(TorchDispatchMode):
    """The largest tensor any operation makes."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for made in result if isinstance(result, tuple | list) else (result,):
            if isinstance(made, torch.Tensor):
                self.numel = max(self.numel, made.numel())
        return result


def test_nothing_as_large_as_tokens_by_tokens_is_made():
    frames, tokens = 8, 1024
    q, k, modulation = clip(frames, tokens, tokens)
    with Largest() as largest:
        point_shares(q, k, HEADS, [(0, 3), (7, 1000)], KeySet(cross_frame.ALL, frames), modulation)
    assert largest.numel <= 2 * q.numel()
    text = clip(frames, tokens, 77)
    with Largest() as largest:
        phrase_shares(*text[:2], HEADS, torch.ones(3, 77, dtype=torch.bool), text[2])
    assert largest.numel <= 2 * HEADS * tokens * 77


def test_averages_and_places():
    average = Average()
    for value in (1.0, 2.0, 6.0):
        average.add(torch.full((2, 3), value, dtype=torch.float16))
    assert torch.equal(average.mean(), torch.full((2, 3), 3.0)) and average.count == 3
    assert Point(191, 0, 2).token((192, 192), (24, 12)) == 11
    assert Point(0, 191, 2).token((192, 192), (24, 12)) == 23 * 12
    ring = torch.zeros(3, 9, 9, dtype=torch.bool)
    ring[1:, 1:8, 1:8] = True
    ring[1:, 3:6, 3:6] = False
    found = middle(ring)
    assert found.frame == 1 and ring[1, found.y, found.x]  # on the region itself, whose centre is a hole


def test_points_are_read_as_written():
    text = "310, 200, 0; (4,5,6)\n 7 , 8 , 2 ;"
    assert parse_points(text, "`points`", 7, 400, 400) == [(310, 200, 0), (4, 5, 6), (7, 8, 2)]
    for wrong in ("310, 200", "a, b, c", "1, 2, 3, 4", "-1, 2, 3"):
        with pytest.raises(ValueError, match=r"`points` has .* three whole numbers"):
            parse_points(wrong, "`points`", 8, 400, 400)
    for outside in ("400, 0, 0", "0, 300, 0", "0, 0, 7"):
        with pytest.raises(ValueError, match="x goes from 0 to 399, y from 0 to 299, the frame from 0 to 6"):
            parse_points(outside, "`points`", 7, 300, 400)


def column(before=0.1, after=0.4, name="a bear", point=None):
    """A region that is the left half of two frames; attention inside it, and a tenth as much outside."""
    mask = torch.zeros(2, 32, 64)
    mask[..., :32] = 1
    maps = torch.stack([torch.full((2, 4, 8), value) for value in (before, after)])
    maps[..., 4:] /= 10
    return Column(name, maps, mask, point)


def test_the_report_has_the_numbers():
    assert column().inside() == pytest.approx([10 / 11, 10 / 11])
    assert column()._replace(mask=None).inside() == [None, None]
    text = attention_maps.report([column()], [column(point=Point(3, 4, 1))], "3 steps")
    assert "a bear: 5.5% \u2192 22.0%, inside its region 90.9% \u2192 90.9% of it" in text
    assert "a bear at (3, 4, 1), inside its region 90.9% \u2192 90.9% of it" in text


def test_sheets_show_before_above_after_on_one_scale():
    frames = torch.full((2, 32, 64, 3), 0.5)
    columns = [column(), column(0.3, 0.3, "a phrase much too long for the width of its own column, so it is cut")]
    shared = heatmaps.sheets(frames, columns, heatmaps.SHARED, 256)
    assert shared.shape == (2, 28 + 2 * 128 + 4, 2 * 256 + 4, 3)
    assert shared.min() >= 0 and shared.max() <= 1
    middle_left, middle_right = (28 + 64, 64), (28 + 64, 192)
    after = (28 + 128 + 4 + 64, 64)

    def light(sheet, place):
        return float(sheet[0][place].sum())

    assert light(shared, after) > light(shared, middle_left) > light(shared, middle_right)
    own = heatmaps.sheets(frames, columns, heatmaps.OWN, 256)
    assert light(own, middle_left) == pytest.approx(light(own, after), abs=0.05)
    odd = heatmaps.sheets(torch.rand(1, 37, 53, 4), [column()._replace(maps=torch.zeros(1, 1, 3, 4))], "own", 101)
    assert odd.shape[1] % 2 == odd.shape[2] % 2 == 0 and torch.isfinite(odd).all()


def test_a_point_is_marked_in_its_own_frame():
    frames = torch.full((2, 32, 64, 3), 0.5)
    with_mark, without = (
        heatmaps.sheets(frames, [column(point=point)], "shared", 256) for point in (Point(40, 16, 1), None)
    )
    assert torch.equal(with_mark[0], without[0])
    y, x = (with_mark[1] - without[1]).abs().sum(-1)[:156].nonzero().float().mean(0).tolist()
    assert (x, y) == (pytest.approx(40.5 * 4, abs=1), pytest.approx(28 + 16.5 * 4, abs=1))


def test_attention_inside():
    maps, mask = torch.ones(2, 4, 4), torch.zeros(2, 32, 32)
    mask[:, :8] = 1
    assert attention_inside(maps, mask) == pytest.approx(0.25)
    maps[:, 1:] = 0
    assert attention_inside(maps, mask) == 1
    assert attention_inside(maps, mask[:1] * 0.5) == 0.5
    half = torch.zeros(1, 32, 32)
    half[:, :4] = 1  # half of the first row of cells
    assert attention_inside(maps, half) == pytest.approx(0.5)
    assert isnan(attention_inside(torch.zeros(2, 4, 4), mask))
