"""Fusion by sums of attention calls against maps built densely, and word alignment."""

import math
from functools import partial

import pytest
import torch
from einops import rearrange

from pack.videograin.core import cross_frame, fatezero, prompt_alignment
from pack.videograin.core.cross_frame import KEY_SETS
from pack.videograin.core.fatezero import Words
from pack.videograin.core.phrase_tokens import Token
from pack.videograin.core.prompt_alignment import REFINE, REPLACE, Prompt, aligned, parse_emphasis
from pack.videograin.core.regions import Grid

FRAMES, TOKENS, HEADS, WIDTH = 4, 6, 3, 5


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def attend(q, k, v):
    """Ordinary attention, (f, n, heads · width), as the host's."""
    q, k, v = (rearrange(x, "f n (h d) -> f h n d", h=HEADS) for x in (q, k, v))
    return rearrange(torch.nn.functional.scaled_dot_product_attention(q, k, v), "f h n d -> f n (h d)")


def over(kind):
    """The same over a key set."""

    def joined(q, k, v):
        q = cross_frame.queries(q, FRAMES, kind)
        return cross_frame.ungroup(attend(q, *(cross_frame.keys(x, FRAMES, kind) for x in (k, v))), FRAMES, kind)

    return joined


def dense_map(q, k):
    """(f, heads, n, m)"""
    q, k = (rearrange(x, "f n (h d) -> f h n d", h=HEADS) for x in (q, k))
    return (q.double() @ k.double().transpose(-1, -2) / math.sqrt(WIDTH)).softmax(-1)


def applied(found, v):
    return rearrange(found @ rearrange(v.double(), "f n (h d) -> f h n d", h=HEADS), "f h n d -> f n (h d)")


def clip(seed, tokens=TOKENS):
    return random(FRAMES, tokens, HEADS * WIDTH, seed=seed)


# ---- self fusion ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KEY_SETS)
def test_self_fusion_is_a_map_with_rows_of_both(kind):
    q, k, v, source_q, source_k = (clip(seed) for seed in range(5))
    inside = random(FRAMES, TOKENS, seed=9) > 0
    ours = fatezero.self_fusion(over(kind)(q, k, v), source_q, source_k, v, inside, over(kind))

    grouped, source = (
        dense_map(cross_frame.queries(a, FRAMES, kind), cross_frame.keys(b, FRAMES, kind))
        for a, b in ((q, k), (source_q, source_k))
    )
    rows = cross_frame.queries(inside, FRAMES, kind)[:, None, :, None]
    truth = cross_frame.ungroup(
        applied(torch.where(rows, grouped, source), cross_frame.keys(v, FRAMES, kind)), FRAMES, kind
    )
    assert (ours - truth).abs().max() < 1e-5
    assert inside.any() and not inside.all()


def test_a_map_fused_everywhere_is_the_sources():
    """Recovered with one value per key: what comes out is the map itself."""
    q, k, source_q, source_k = (clip(seed) for seed in range(4))
    eye = torch.zeros(FRAMES, TOKENS, HEADS * WIDTH)
    for token in range(WIDTH):  # as many keys as a head is wide
        eye[:, token, token::WIDTH] = 1
    nowhere = torch.zeros(FRAMES, TOKENS, dtype=torch.bool)
    ours = fatezero.self_fusion(attend(q, k, eye), source_q, source_k, eye, nowhere, attend)
    truth = rearrange(dense_map(source_q, source_k)[..., :WIDTH], "f h n d -> f n (h d)")
    assert (ours - truth).abs().max() < 1e-6


# ---- cross fusion ---------------------------------------------------------------------------------------------------


def dense_cross(q, k, v, source_q, source_k, taken, gains):
    """Columns of the fused map one by one: the aligned source's, else the edit's, times the gain."""
    source, edit = dense_map(source_q, source_k), dense_map(q, k)
    fused = torch.zeros_like(edit)
    for j in range(edit.shape[-1]):
        partners = [i for i in range(taken.shape[0]) if taken[i, j] > 0]
        fused[..., j] = sum(float(taken[i, j]) * source[..., i] for i in partners) if partners else edit[..., j]
        fused[..., j] *= float(gains[j])
    return applied(fused, v)


@pytest.mark.parametrize("gains", [[1, 1, 1, 1], [1, 10, 0, 0.5]])
@pytest.mark.parametrize(
    "pairs",
    [
        {(0, 0): 1, (1, 2): 1, (4, 3): 1},  # one target token is new, two of the source's are gone
        {(0, 0): 1, (1, 1): 0.5, (1, 2): 0.5, (2, 1): 0.5, (2, 2): 0.5, (3, 3): 1},  # replaced, shared evenly
        {(0, 0): 1, (0, 1): 1, (3, 2): 1, (4, 3): 1},  # two take one
        {},
    ],
)
def test_cross_fusion_is_a_map_with_columns_of_both(pairs, gains):
    q, source_q = clip(0), clip(1)
    k, v, source_k = clip(2, 4), clip(3, 4), clip(4, 5)
    taken = torch.zeros(5, 4)
    for place, share in pairs.items():
        taken[place] = share
    words = Words(taken, torch.tensor(gains, dtype=torch.float))
    ours = fatezero.cross_fusion(v, (source_q, source_k), words, 4, attend, partial(attend, q, k))
    assert (ours - dense_cross(q, k, v, source_q, source_k, taken, gains)).abs().max() < 1e-4


def test_a_repeated_prompt_and_more_text_after_it_change_nothing():
    """ComfyUI repeats the shorter text of a batch; concatenated text is not aligned, appended keys neither."""
    q, source_q = clip(0), clip(1)
    k, v, source_k = clip(2, 4), clip(3, 4), clip(4, 5)
    taken = torch.zeros(5, 4)
    taken[0, 0] = taken[1, 2] = 1
    words = Words(taken, torch.tensor([1.0, 3.0, 1.0, 1.0]))
    once = fatezero.cross_fusion(v, (source_q, source_k), words, 4, attend, partial(attend, q, k))
    repeated = partial(attend, q, k.repeat(1, 2, 1))
    twice = fatezero.cross_fusion(v.repeat(1, 2, 1), (source_q, source_k), words, 4, attend, repeated)
    assert (once - twice).abs().max() < 1e-5

    own = partial(attend, q, clip(5, 6))
    more = fatezero.cross_fusion(clip(6, 6), (source_q, clip(7, 6)), words, 5, attend, own)
    longer = torch.nn.functional.pad(taken, (0, 2, 0, 1))
    gains = [1, 3, 1, 1, 1, 1]
    assert (more - dense_cross(q, clip(5, 6), clip(6, 6), source_q, clip(7, 6), longer, gains)).abs().max() < 1e-4


def test_emphasis_without_a_source_scales_the_words_values():
    q, k, v = clip(0), clip(2, 8), clip(3, 8)
    words = Words(torch.zeros(5, 4), torch.tensor([1.0, 2.0, 1.0, 0.0]))
    gains = torch.tensor([1, 2, 1, 0] * 2, dtype=torch.float64)
    truth = applied(dense_map(q, k) * gains, v)
    assert (attend(q, k, fatezero.emphasised(v, words, 4)) - truth).abs().max() < 1e-5
    assert fatezero.emphasised(v, Words(words.taken, torch.ones(4)), 4) is v


# ---- where words are ------------------------------------------------------------------------------------------------


def test_a_word_map_is_the_words_columns_summed():
    q, k = clip(0), clip(2, 8)
    words = torch.tensor([False, True, False, True, False, False])
    truth = dense_map(q, k)[..., [1, 3]].sum(-1).mean(1)
    assert (fatezero.word_map(q, k, words, attend) - truth).abs().max() < 1e-6


def test_the_mask_is_the_released_codes():
    """Averaged, widened by a token, at the layer's grid, relative to each frame's own maximum."""
    low, high = torch.full((2, 16, 16), 0.1), torch.full((2, 16, 16), 0.1)
    low[0, 5, 7], high[0, 5, 7] = 0.5, 0.9  # mean 0.7
    low[1, 0, 0] = high[1, 0, 0] = 0.02  # frame 1 has its own scale
    coarse, fine = torch.rand(2, 8, 8), torch.rand(2, 32, 32)
    mask = fatezero.words_mask([coarse, low, fine, high], Grid(2, 32, 32), 0.3).view(2, 32, 32)
    expected = torch.zeros(32, 32, dtype=torch.bool)
    expected[8:14, 12:18] = True  # 3 × 3 tokens around it, twice as fine
    assert torch.equal(mask[0], expected)
    assert mask[1].all()  # 0.1 everywhere after widening
    assert not fatezero.words_mask([low], Grid(2, 32, 32), 1.0).any()


def test_the_finest_map_serves_where_none_is_fine_enough():
    small, smaller = torch.zeros(1, 6, 6), torch.zeros(1, 3, 3)
    small[0, 0, 0] = smaller[0, 2, 2] = 1
    mask = fatezero.words_mask([smaller, small], Grid(1, 6, 6), 0.5).view(6, 6)
    assert mask[:2, :2].all() and mask.sum() == 4


# ---- alignment ------------------------------------------------------------------------------------------------------


def prompt(text, length=12, parts=1):
    """Every word `parts` tokens; tokens are what they spell."""
    words, position = [], 1
    for word in text.split():
        words.append(tuple(Token(f"{word}{n}", 1.0, position + n) for n in range(parts)))
        position += parts
    return Prompt(text, tuple(words), tuple(text.split()), length)


def partners(source, target, mode=REFINE):
    """Source rows of each word's tokens in the target, and of what follows them."""
    matrix = prompt_alignment.alignment(source, target, mode)
    return [matrix[:, j].nonzero()[:, 0].tolist() for j in range(target.length)]


def test_alignment_is_the_longest_common_subsequence():
    def names(source, target):
        found = aligned([Token(w, 1.0, 0) for w in source.split()], [Token(w, 1.0, 0) for w in target.split()])
        return [None if i is None else source.split()[i] for i in found]

    assert names("a b c", "x a b c") == [None, "a", "b", "c"]
    assert names("a b c d", "a d") == ["a", "d"]
    assert names("a b", "b a") == ["b", None]
    assert aligned([Token("a", 1.0, 0)], [Token("a", 1.0, 0)] * 2) == [0, None]  # the earliest
    assert names("", "a") == [None] and aligned([Token("a", 1.0, 0)], []) == []


def test_refinement_aligns_words_start_end_and_padding():
    found = partners(prompt("a cat sits"), prompt("red a dog sits"))
    #                start  red  a    dog  sits  end  padding
    assert found == [[0], [], [1], [], [3], [4]] + [[n] for n in range(6, 12)]


def test_padding_never_takes_a_words_map():
    found = partners(prompt("a cat sits on it"), prompt("a cat"))
    assert found[:4] == [[0], [1], [2], [6]]  # end to end
    assert found[4:6] == [[], []]  # "on" and "it" stand there in the source
    assert found[6:] == [[n] for n in range(6, 12)]


def test_a_longer_text_keeps_what_the_source_has_no_place_for():
    found = partners(prompt("a cat", 12), prompt("a cat", 24))
    assert found[11] == [11] and found[12:] == [[]] * 12


def test_replacement_goes_word_by_word():
    source, target = prompt("a cat", parts=1), prompt("the wolf", parts=2)
    matrix = prompt_alignment.alignment(source, target, REPLACE)
    assert matrix[1, 1] == matrix[1, 2] == matrix[2, 3] == matrix[2, 4] == 0.5
    back = prompt_alignment.alignment(target, source, REPLACE)
    assert back[:, 1].nonzero()[:, 0].tolist() == [1, 2] and back[1, 1] == back[2, 1] == 1
    assert prompt_alignment.alignment(target, prompt("a bear", parts=2), REPLACE)[1:5, 1:5].equal(torch.eye(4))
    with pytest.raises(ValueError, match=r'needs a word for each word.*has 2 \("a cat"\) and the target 3'):
        prompt_alignment.alignment(source, prompt("a big cat"), REPLACE)


def test_the_table_shows_new_and_gone_words():
    source, target = prompt("a silver jeep"), prompt("a Porsche car jeep")
    rows = prompt_alignment.table(source, target, prompt_alignment.alignment(source, target, REFINE)).splitlines()[2:]
    assert rows == ["| a | a |", "| Porsche | (new) |", "| car | (new) |", "| jeep | jeep |", "| (gone) | silver |"]


def test_emphasis_is_read_line_by_line():
    assert parse_emphasis(" watercolor: 10 \n\nvan gogh:0.5\nx:.5", "`emphasis`", "`prompt`") == {
        "watercolor": 10,
        "van gogh": 0.5,
        "x": 0.5,
    }
    assert parse_emphasis("", "`emphasis`", "`prompt`") == {}
    for line in ("watercolor", "cat:", ": 2", "cat: -1", "cat: much", "cat: nan"):
        with pytest.raises(ValueError, match=r"has the line"):
            parse_emphasis(f"a: 2\n{line}", "`emphasis`", "`prompt`")
