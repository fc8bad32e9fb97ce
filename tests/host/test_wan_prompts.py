"""Words bound to regions on Wan: its own text encoder and tokenizer, and what the model then makes of them."""

import pytest
import tiny_umt5
import tiny_wan
import torch
from wan_oracle import agree, regions

from pack.nodes.regions import BindRegionPrompts
from pack.videograin.backbones.wan import Wan
from pack.videograin.core.phrase_tokens import KEY

PROMPT = "a (polar bear:1.2) and a red firetruck, in the snow (at night)"
pytestmark = pytest.mark.usefixtures("inference_mode")


@pytest.fixture(scope="module")
def clip():
    with torch.inference_mode():
        return tiny_umt5.clip(tiny_wan.TEXT)


def bound(clip, prompt=PROMPT, phrases=("polar bear", "firetruck"), alone=True):
    found = tuple(r._replace(phrase=p) for r, p in zip(regions(3, 6, 6), phrases, strict=True))
    return BindRegionPrompts.execute(clip, prompt, found, encode_phrases_alone=alone).args[0]


def spelling(clip, pieces):
    """What each piece writes, without spaces."""
    return [name.replace("\u2581", "") for _, name in clip.tokenizer.untokenize(pieces)]


def test_phrases_are_bound_to_the_pieces_that_spell_them(clip):
    ((text, notes),) = bound(clip)
    pieces = spelling(clip, clip.tokenize(PROMPT)["umt5xxl"][0])
    spelled = ["".join(pieces[number] for number in row.nonzero().flatten().tolist()) for row in notes[KEY].tokens]
    assert spelled == ["polarbear", "firetruck"]
    assert text.shape == (1, 512, tiny_wan.TEXT) and notes[KEY].tokens.shape == (2, 512)


def test_rows_of_a_phrase_are_those_of_the_phrase_alone(clip):
    ((text, notes),), ((whole, _),) = bound(clip), bound(clip, alone=False)
    tokens = clip.tokenize("firetruck")
    letters = [
        number for number, piece in enumerate(spelling(clip, tokens["umt5xxl"][0])) if piece in "firetruck" and piece
    ]
    rows = notes[KEY].tokens[1]
    assert torch.allclose(text[0, rows], clip.encode_from_tokens(tokens)[0, letters], atol=1e-5)
    assert not torch.allclose(whole[0, rows], text[0, rows], atol=1e-2)
    others = ~notes[KEY].tokens.any(0)
    assert torch.equal(whole[0, others], text[0, others])


def test_what_fills_the_text_up_is_known_and_no_word_is_among_it(clip):
    ((text, notes),) = bound(clip)
    end = [token for token, _ in clip.tokenize(PROMPT)["umt5xxl"][0]].index(1)
    padding = Wan().padding(text)
    assert torch.equal(padding, torch.arange(512) > end)
    assert not (padding & notes[KEY].tokens.any(0)).any()


def test_words_act_in_their_regions(clip):
    """The whole way from a prompt to the sampled clip, as the equations have it."""
    agree(tiny_wan.model(layers=2), bound(clip), tiny_wan.clip(3, 6, 6))


def test_a_phrase_that_the_prompt_lacks_is_named(clip):
    with pytest.raises(ValueError, match=r'"panda", which does not occur .* Write it there once'):
        bound(clip, phrases=("polar bear", "panda"))


def test_a_long_prompt_keeps_its_places(clip):
    long = "snow and " * 300 + PROMPT
    ((text, notes),) = bound(clip, long)
    assert text.shape[1] > 512 and notes[KEY].tokens.shape[1] == text.shape[1]
    assert notes[KEY].tokens[0].nonzero()[0] > 512
