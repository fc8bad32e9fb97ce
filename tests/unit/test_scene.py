"""The prompts that Regions makes of its rows: every phrase stands where Bind Region Prompts looks for it."""

import json
import random

import pytest
import torch

from pack.videograin.core.phrase_search import places
from pack.videograin.core.scene import Row, read_rows, told
from pack.videograin.core.spelling import read
from pack.videograin.masks.doubles import doubles

WOLF, PIG = Row(1, "a wolf", "a bear"), Row(2, "a pig", "a frog")


def phrases_are_found(scene):
    return all(places(read(scene.edited), [row.phrase for row in scene.rows]))


def test_without_a_scene_the_rows_are_the_prompts():
    made = told(" ", [WOLF, PIG])
    assert made[:2] == ("a wolf and a pig", "a bear and a frog") and made.rows == (WOLF, PIG)
    assert told("", [WOLF, PIG, Row(3, "a cat")])[:2] == ("a wolf, a pig and a cat", "a bear, a frog and a cat")
    assert told("", [WOLF])[:2] == ("a wolf", "a bear")


def test_in_a_scene_each_word_gives_way_once():
    made = told("A Wolf and a pig, a wolf cub in the snow", [WOLF, PIG])
    assert made.edited == "a bear and a frog, a wolf cub in the snow"
    made = told("a wolf cub and a wolf", [WOLF, Row(2, "a wolf cub", "a cat")])
    assert made.edited == "a cat and a bear" and made.rows[0] == WOLF
    two = [Row(1, "a man", "a king"), Row(2, "a man", "a queen")]
    assert told("a man beside a man", two).edited == "a king beside a queen"


def test_weights_of_the_scene_stay_around_the_new_words():
    assert told("(a wolf:1.2) in (the snow)", [WOLF]).edited == "(a bear:1.2) in (the snow)"
    assert told("a (grey:1.1) wolf", [Row(1, "a grey wolf")]).edited == "a (grey:1.1) wolf"
    with pytest.raises(ValueError, match=r"Row 1: a bracket of `scene` begins or ends inside “a \(wolf”"):
        told("a (wolf:1.2) in the snow", [WOLF])


def test_the_order_lets_every_row_have_its_own_words():
    bear, any_bear = Row(1, "pig", "bear"), Row(2, "a wolf", "a bear")
    made = told("a wolf and pig", [bear, any_bear])  # “bear” alone would be found in “a bear” first
    assert made.edited == "a bear and bear" and made.rows == (any_bear, bear) and phrases_are_found(made)


@pytest.mark.parametrize(
    ("scene", "rows", "message"),
    [
        ("", [WOLF, Row(2, "", "a frog")], "Row 2: `is` is empty"),
        ("", [Row(1, "a wolf", "\u200b")], "Row 1: `becomes` has no words"),
        ("", [Row(1, "a wolf", "a bear (big")], "Row 1: `becomes` .* has a bracket without its other half"),
        ("a wolf in snow", [WOLF, PIG], 'Row 2: "a pig" does not stand in `scene` "a wolf in snow"'),
        ("two wolfs", [Row(1, "two wolves")], 'The closest there is "two wolfs"'),
        ("a wolf", [WOLF, Row(2, "a wolf")], 'Row 2: "a wolf" stands .* only where another row has it'),
        ("a bear and a wolf", [WOLF], 'Row 1: "a bear" cannot be told from other words of the edited prompt'),
    ],
)
def test_mistakes_name_the_row(scene, rows, message):
    with pytest.raises(ValueError, match=message):
        told(scene, rows)


def test_rows_are_read_and_anything_else_is_told():
    text = json.dumps([{"is": " a wolf ", "becomes": "a bear", "marks": "1, 2, 0"}, {}])
    assert read_rows(text) == [Row(1, "a wolf", "a bear", "1, 2, 0"), Row(2, "")]
    assert read_rows("") == [] and read_rows(text)[1].blank
    for wrong in ("{}", "3", "[", '["a wolf"]', '[{"is": 3}]', "[" * 100_000):
        with pytest.raises(ValueError, match=r"^(it|entry 1) is "):
            read_rows(wrong)


NAMES = ["wolf", "a wolf", "a wolf cub", "Spider-Man", "man", "a (grey:1.2) dog", "(a pig)", "caf\u00e9", "\u718a", "a bear", "bear",
         "a red car", "red", "Tom and Jerry", "a man, old", "embedding:toad"]  # fmt: skip
BETWEEN = [" and ", ", ", " beside ", " in the snow, ", " (far away:0.8) ", " with bear-like ", " near a bear, "]


def test_whatever_the_rows_no_phrase_is_missing():
    """Random rows and scenes: the edited prompt has each row's phrase where the row's `is` was, or the row is told."""
    chance, made, refused = random.Random(0), 0, 0
    for _ in range(3000):
        count = chance.randint(1, 4)
        rows = [Row(n, chance.choice(NAMES), chance.choice(["", *NAMES])) for n in range(1, count + 1)]
        order = chance.sample(rows, count)
        scene = "".join(row.thing + chance.choice(BETWEEN) for row in order) if chance.random() < 0.6 else ""
        try:
            found = told(scene, rows)
        except ValueError as error:
            assert str(error).startswith("Row ")
            refused += 1
            continue
        made += 1
        assert sorted(found.rows) == rows and phrases_are_found(found)
    assert made > 2000 and refused


def test_rows_of_their_own_words_are_never_refused():
    chance = random.Random(1)
    words = [f"{article} {name}" for article in ("a", "the", "one") for name in ("wolf", "pig", "frog", "bear", "cat")]
    for _ in range(500):
        count = chance.randint(1, 6)
        names = chance.sample(words, 2 * count)
        rows = [Row(n, *names[2 * n - 2 : 2 * n]) for n in range(1, count + 1)]
        scene = " near ".join(row.thing for row in chance.sample(rows, count)) if chance.random() < 0.5 else ""
        made = told(scene, rows)
        assert made.rows == tuple(rows) and phrases_are_found(made)


def test_masks_of_one_thing_are_found():
    left, most, right = (torch.zeros(4, 8, 8) for _ in range(3))
    left[..., :4], most[..., :5], right[..., 4:] = 1, 1, 1
    assert doubles([left, right]) == []
    assert doubles([left, most, right]) == [(0, 1, 1.0)]
    assert doubles([left, left[:1]]) == [(0, 1, 1.0)]
    large = torch.zeros(1, 16, 16)
    large[..., :8] = 1
    assert doubles([left, large]) == [(0, 1, 1.0)]
