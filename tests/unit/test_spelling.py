"""Texts letter by letter, and the tokens that write them."""

import pytest

from pack.videograin.core.phrase_search import hint, occurrences, places
from pack.videograin.core.spelling import EMBEDDING, piece_bytes, read, token_spans


def written(text, span):
    return span and text.letters[slice(*span)]


def spelled(prompt, pieces):
    """What each token writes of the prompt."""
    text = read(prompt)
    return [written(text, span) for span in token_spans(text, piece_bytes(pieces))]


# ---- letters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt, letters",
    [
        ("A Red\n\t Bear ", "a red bear"),
        ("a (red:1.2) ((big) bear:0.9)", "a red big bear"),
        ("a (red)(bear)", "a red bear"),
        ("(a:b) (:1.2) (1:2)", "a:b :1.2 1"),
        ("a \\(left\\) bear", "a (left) bear"),
        ("a (red bear", "a (red bear"),
        ("a) b (c)", "a) b (c)"),
        ("cafe\u0301 \ufb01n \uff22 \u1112\u1161\u11ab", "caf\u00e9 fin b \ud55c"),
        ("be\u200bar", "bear"),
        ("", ""),
    ],
)
def test_letters_are_what_is_left_without_weights_and_forms(prompt, letters):
    text = read(prompt)
    assert text.letters == letters and len(text.at) == len(letters)


def test_every_letter_knows_where_it_was_written():
    text = read("a (Big:1.2) \ufb01t bear\\)")
    assert text.letters == "a big fit bear)"
    assert [text.written[slice(*place)] for place in text.at] == [*"a Big", "", "\ufb01", "\ufb01", *"t bear", "\\)"]
    assert text.source((2, 9)) == (3, 14)


@pytest.mark.parametrize(
    "prompt, phrase, alone",
    [
        ("a (Red:1.3)  Panda", "red panda", "Red Panda"),
        ("(red)(panda)", "red panda", "red panda"),
        ("a bear \\(left\\)", "bear (left)", "bear \\(left\\)"),
        ("a (bear", "a (bear", "a \\(bear"),
        ("the \ufb01re", "fire", "\ufb01re"),
    ],
)
def test_a_phrase_is_encoded_as_the_prompt_writes_it_without_weights(prompt, phrase, alone):
    text = read(prompt)
    assert text.alone(occurrences(text, phrase)[0]) == alone


# ---- phrases --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt, phrase, count",
    [
        ("a firetruck and a truck", "truck", 1),
        ("a swordsman and a man", "man", 1),
        ("trucks, truck_2, truck2", "truck", 0),
        ("the bear's hat", "bear", 1),
        ("50 cats", "5", 0),
        ("naiv\u0308e naive", "naive", 1),
        ("\u4e00\u53ea\u718a\u548c\u4e00\u53ea\u732b", "\u718a", 1),  # Chinese: no spaces, so no ends of words
        ("aa aa aa", "aa aa", 2),
        ("a cat , a cat", "a cat,", 1),
        ("a cat, a cat", "", 0),
    ],
)
def test_a_match_begins_and_ends_with_words(prompt, phrase, count):
    assert len(occurrences(read(prompt), phrase)) == count


def test_a_part_of_a_word_with_a_hyphen_is_meant_where_there_is_no_other():
    assert occurrences(read("Spider-Man and a man"), "man") == [(17, 20)]
    assert (
        occurrences(read("Spider-Man on a road"), "man") == [(7, 10)]
        and len(occurrences(read("a man - a man"), "man")) == 2
    )
    assert occurrences(read("a red-haired woman"), "red") == [(2, 5)]


def test_phrases_take_the_first_free_occurrence():
    text = read("a b c a b")
    assert places(text, ["a b", "a b", "a b", "b a"]) == [(0, 3), (6, 9), None, None]


def test_nothing_of_a_phrase_is_a_pattern():
    assert occurrences(read("a.b (x|y) *"), ".*") == [] and len(occurrences(read("a .* b"), ".*")) == 1


@pytest.mark.parametrize(
    "prompt, phrase, message",
    [
        ("a firetruck", "truck", 'only inside "firetruck"'),
        ("a [bear] runs", "a bear", "square and curly brackets are no weights in ComfyUI"),
        ("a (bear runs", "a bear", "parenthesis there without its other half"),
        ("a \\(bear\\) runs", "a bear", "parentheses there that are signs"),
        ("a bear runs", "a [bear]", "The phrase has brackets that the prompt has not"),
    ],
)
def test_what_keeps_a_phrase_from_being_found_is_told(prompt, phrase, message):
    text = read(prompt)
    assert occurrences(text, phrase) == [] and message in hint(text, phrase)
    assert hint(text, "wolf") == ""


# ---- tokens ---------------------------------------------------------------------------------------------------------


def test_clips_tokens_write_bytes_and_end_words():
    assert spelled("A firetruck!, (red:1.2) caf\u00e9", ["a</w>", "fire", "truck</w>", "!,</w>", "red</w>", "caf", "\u00c3", "\u00a9</w>"]) == [
        "a", "fire", "truck", "!,", "red", "caf", "\u00e9", "\u00e9",
    ]  # fmt: skip


def test_gpts_tokens_begin_with_a_space():
    assert spelled("a red bear", ["a", "\u0120red", "\u0120be", "ar"]) == ["a", "red", "be", "ar"]


def test_sentencepiece_marks_where_words_begin_and_spells_bytes():
    pieces = ["\u2581(", "P", "olar", "\u2581bear", ")", "\u2581", "<0xE7>", "<0x86>", "<0x8A>"]
    assert spelled("\\(Polar bear\\) \u718a", pieces) == ["(", "p", "olar", "bear", ")", None, *["\u718a"] * 3]


def test_an_embedding_is_written_by_all_its_tokens():
    text = read("a cat, embedding:cat-like, on embedding:missing grass")
    pieces = [
        *piece_bytes(["a</w>", "cat</w>", ",</w>"]),
        EMBEDDING.encode(),
        None,
        *piece_bytes([",</w>", "on</w>", "grass</w>"]),
    ]
    found = [written(text, span) for span in token_spans(text, pieces)]
    assert found == ["a", "cat", ",", "embedding:cat-like", "embedding:cat-like", ",", "on", "grass"]


def test_letters_that_the_tokenizer_does_not_know_are_written_by_what_stands_for_them():
    assert spelled("a \u718a runs", ["\u2581a", "\u2581", "<unk>", "\u2581runs"]) == ["a", None, "\u718a", "runs"]
