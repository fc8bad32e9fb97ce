"""Phrases in real tokenizers' tokens: CLIP's, SDXL's two, T5's, SentencePiece's as Wan has them; and what is told."""

import random
from types import SimpleNamespace

import comfy.sd1_clip
import pytest
import tiny_umt5
import torch
from comfy.sdxl_clip import SDXLTokenizer
from comfy.text_encoders.flux import T5XXLTokenizer
from comfy.text_encoders.wan import WanT5Tokenizer

from pack.nodes.regions import BindRegionPrompts, RegionPrompt
from pack.videograin.comfyui.prompts import bind, read, rows_of, spell
from pack.videograin.core.phrase_tokens import KEY
from pack.videograin.core.regions import Region
from pack.videograin.core.spelling import read as letters_of
from pack.videograin.jobs.attention_clusters import word_positions
from pack.videograin.views.region_report import look


def chain(*phrases):
    regions = ()
    for phrase in phrases:
        (regions,) = RegionPrompt.execute(torch.ones(1, 64, 64), phrase, regions=regions).args
    return regions


def rows(clip, prompt, *phrases, **options):
    """The rows bound to each phrase."""
    bound = BindRegionPrompts.execute(clip, prompt, chain(*phrases), **options).args[0]
    return [row.nonzero().flatten().tolist() for row in bound[0][1][KEY].tokens]


def encoded(clip, text):
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))[0][0]


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    "prompt, phrase, expected",
    [
        ("a firetruck and a truck", "truck", [6]),  # start, a, fire, truck, and, a
        ("a swordsman and a man", "man", [7]),
        ("a firetruck and a truck", "a firetruck", [1, 2, 3]),
        ("a [bear], a fox", "a [bear]", [1, 2, 3, 4]),  # the last is “],”
        ("a bear \\(left\\) runs", "a bear (left)", [1, 2, 3, 4, 5]),
        ("a bear \\(left\\) runs", "a bear \\(left\\)", [1, 2, 3, 4, 5]),
        ("a cafe\u0301 bear", "caf\u00e9 bear", [2, 3]),
        ("a bear!, fox", "a bear!", [1, 2, 3]),
        ("a (red:1.2) bear", "a red bear", [1, 2, 3]),
    ],
)
def test_a_phrase_is_bound_to_whole_words(clip, prompt, phrase, expected):
    assert rows(clip, prompt, phrase) == [expected]
    assert rows_of(clip, read(clip, prompt), phrase, "Some input") == expected
    assert word_positions(clip, prompt, [phrase]) == {phrase: expected}


@pytest.mark.once
def test_only_the_phrases_rows_are_replaced(clip):
    prompt = "a firetruck and a truck"
    found, plain = (BindRegionPrompts.execute(clip, prompt, chain("truck")).args[0][0][0], encoded(clip, prompt))
    others = [row for row in range(77) if row != 6]
    assert torch.equal(found[:, others], plain[:, others])
    assert torch.equal(found[:, 6], encoded(clip, "truck")[:, 1])


@pytest.mark.once
def test_a_sign_shared_with_what_follows_keeps_the_rest_of_its_words(clip):
    """“],” is one token: its row is that of “]” alone, and the phrase's others are theirs."""
    found = BindRegionPrompts.execute(clip, "a [bear], a fox", chain("a [bear]")).args[0][0][0]
    assert torch.equal(found[:, 1:5], encoded(clip, "a [bear]")[:, 1:5])


@pytest.mark.once
def test_a_shared_token_belongs_to_the_first_of_two_phrases(clip):
    assert rows(clip, "a cat!?dog", "cat!", "?dog") == [[2, 3], [4]]


@pytest.mark.once
def test_a_word_cut_by_the_end_of_a_chunk_is_found_in_both(clip):
    """75 tokens a chunk: “firetruck” is its last and the first of the next."""
    assert rows(clip, "a " * 74 + "firetruck and a truck", "firetruck", "truck") == [[75, 78], [81]]


TOKENIZERS = {
    "SDXL": SDXLTokenizer,
    "T5": T5XXLTokenizer,
    "umT5": lambda: WanT5Tokenizer(tokenizer_data=tiny_umt5.vocabulary()),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    """As a CLIP has it."""
    made = TOKENIZERS[request.param]()

    def tokenize(text, **options):
        found = made.tokenize_with_weights(text, **options)
        return found if isinstance(found, dict) else {"t5xxl": found}

    return SimpleNamespace(tokenizer=made, tokenize=tokenize)


@pytest.mark.once
@pytest.mark.parametrize(
    "prompt, phrase",
    [
        ("a firetruck and a truck", "truck"),
        ("a swordsman and a man", "man"),
        ("\\(polar bear\\) in snow", "polar bear"),
        ("the \u201cpolar bear\u201d, and (A Polar Bears:1.2)", "polar bear"),
        ("a caf\u00e9 with \u718a and a man", "man"),
        ("un cafe\u0301, " * 30 + "a man", "man"),
    ],
)
def test_every_tokenizer_finds_the_same_words(tokenizer, prompt, phrase):
    spelled = spell(tokenizer, prompt)
    covered = [letter for letter, _ in enumerate(spelled.text.letters) if spelled.within((letter, letter + 1))]
    assert "".join(spelled.text.letters[letter] for letter in covered) == spelled.text.letters.replace(" ", "")
    found = rows_of(tokenizer, read(tokenizer, prompt), phrase, "Some input")
    words = [spelled.spans[number] for number, token in enumerate(spelled.tokens) if token.position in found]
    start, end = words[0][0], words[-1][1]
    assert spelled.text.letters[start:end].strip("()\u201c\u201d,") == phrase
    assert all(phrase not in word for word in read(tokenizer, prompt.replace(phrase, "")).spelling)


@pytest.mark.once
def test_words_of_every_tokenizer(tokenizer):
    assert read(tokenizer, "a Red (polar bear:1.2)").spelling == ("a", "red", "polar", "bear")


@pytest.mark.once
def test_textual_inversions_that_move_rows_are_refused(clip):
    one, pad = torch.randn(192), [(0, 1.0, 0)]
    made = {"g": [[(7, 1.0, 1), (8, 1.0, 2), *pad]], "l": [[(one, 1.0, 1), (7, 1.0, 2), (8, 1.0, 3)]]}
    twice = SimpleNamespace(tokenize=lambda text, **_: made, tokenizer=clip.tokenizer)
    with pytest.raises(ValueError, match=r"text encoders split the prompt .* differently: a textual inversion"):
        spell(twice, "embedding:one a b")
    wide = SimpleNamespace(tokenize=lambda text, **_: {"l": [[(torch.randn(768), 1.0, 1)]]}, tokenizer=clip.tokenizer)
    with pytest.raises(ValueError, match=r"textual inversion of 768 numbers a token, but the text encoder reads 192"):
        spell(wide, "embedding:wide")


# ---- as ComfyUI reads weights, and as the overview shows them ------------------------------------------------------


def drawn(generator, signs="ab (():1.2)\\,[]"):
    return "".join(generator.choice(signs) for _ in range(generator.randrange(16)))


@pytest.mark.once
def test_weights_are_read_as_comfyui_reads_them():
    generator = random.Random(0)
    for _ in range(3000):
        text = drawn(generator)
        parts = comfy.sd1_clip.token_weights(comfy.sd1_clip.escape_important(text), 1.0)
        expected = " ".join(comfy.sd1_clip.unescape_important(part) for part, _ in parts)
        assert letters_of(text).letters == " ".join(expected.split()), text


@pytest.mark.once
def test_the_overview_underlines_what_is_bound(clip):
    generator, seen = random.Random(1), 0
    for _ in range(25):
        prompt = " ".join(
            generator.choice(["cat", "concat", "(cat:1.2)", "a", "[cat],", "cat's", "\\(cat\\)"]) for _ in range(5)
        )
        regions = (Region(torch.ones(1, 8, 8), "cat"), Region(torch.ones(1, 8, 8), "a cat"))
        bound, text = bind(clip, prompt, regions, "append it", replace=False)
        pieces = look(regions, prompt, text).prompt
        spelled, table = spell(clip, text), bound[0][1][KEY].tokens
        for number in (0, 1):
            tokens = [token for token, own in enumerate(spelled.tokens) if table[number, own.position]]
            starts = [spelled.text.source(spelled.spans[token])[0] for token in tokens]
            place, shown = 0, None
            for piece, owner in pieces:
                shown = (place, place + len(piece)) if owner == number else shown
                place += len(piece)
            assert shown[0] == starts[0] and shown[0] <= starts[-1] < shown[1]
            seen += 1
    assert seen == 50


# ---- told -----------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    "prompt, phrase, message",
    [
        ("a firetruck in snow", "truck", r'does not occur.*stands there only inside "firetruck"'),
        ("a [bear] runs", "a bear", r"“\[” there: square and curly brackets are no weights in ComfyUI"),
        ("a (bear runs", "a bear", r"parenthesis there without its other half.*Close it"),
        ("a \\(bear\\) runs", "a bear", r"parentheses there that are signs.*into the phrase"),
        ("a beer runs", "a bear", r'The closest there is "a beer"'),
    ],
)
def test_what_keeps_a_phrase_from_being_found_is_told(clip, prompt, phrase, message):
    with pytest.raises(ValueError, match=message):
        rows(clip, prompt, phrase)
    with pytest.raises(ValueError, match=message.removeprefix("does not occur.*")):
        rows_of(clip, read(clip, prompt), phrase, "Some input")
