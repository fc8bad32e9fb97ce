"""What is said of a source prompt before a clip is inverted under it."""

import pytest

from pack.videograin.comfyui.prompt_graph import Link, PromptGraph
from pack.videograin.comfyui.source_prompt import encoder_of, remarks, unnamed


@pytest.mark.parametrize(
    "source, prompt, phrases, expected",
    [
        ("a man in the snow", "a bear in the snow", ["a bear"], []),
        ("in the snow", "a bear in the snow", ["a bear"], ["a bear"]),
        ("a man in the snow", "a bear and a fox in the snow", ["a bear", "a fox"], []),
        ("two men play", "a bear and a fox play", ["a bear", "a fox"], []),
        ("a cat on grass", "a cat with a hat on grass", ["a cat with a hat"], []),
        ("a cat on grass", "a cat with a hat on grass", ["a hat"], ["a hat"]),
        ("a cat and a dog on grass", "a dog and a cat on grass", ["a dog", "a cat"], []),
        ("in the garden a man runs", "a bear runs in the garden", ["a bear"], []),
        ("a cat", "a (cat:1.2) at sea", ["a cat", "sea"], ["sea"]),
        ("A Man's boat", "a bear's boat", ["bear"], []),
        ("", "a bear", ["a bear"], ["a bear"]),
        ("a cat", "a bear", ["", "a wolf", "the"], []),
    ],
)
def test_phrases_that_replace_nothing_the_source_names(source, prompt, phrases, expected):
    assert unnamed(source, prompt, phrases) == expected


def graph(source, prompt="a bear in the snow", phrases=("a bear",), **more):
    nodes = {
        "source": {"class_type": "CLIPTextEncode", "inputs": {"text": source}, "_meta": {"title": "Source"}},
        "other": {"class_type": "CLIPTextEncode", "inputs": {"text": ""}},
        "bind": {"class_type": "VideoGrainBindRegionPrompts", "inputs": {"prompt": prompt}},
        "control": {
            "class_type": "ControlNetApplyAdvanced",
            "inputs": {"positive": ["source", 0], "negative": ["other", 0]},
        },
        "area": {"class_type": "ConditioningSetArea", "inputs": {"conditioning": ["bind", 0]}},
        **more,
    }
    for number, phrase in enumerate(phrases):
        before = {"regions": [f"region{number - 1}", 0]} if number else {}
        nodes[f"region{number}"] = {"class_type": "VideoGrainRegionPrompt", "inputs": {"phrase": phrase, **before}}
        nodes["bind"]["inputs"]["regions"] = [f"region{number}", 0]
    return PromptGraph(nodes)


def said(graph, conditioning="control", positive="area", output=0):
    return remarks(graph, encoder_of(graph, Link(conditioning, output)), positive and Link(positive, 0))


def test_an_empty_source_prompt_is_said():
    (remark,) = said(graph(" \n"))
    assert remark.startswith("The source prompt “Source” (#source) is empty. Describe the clip")
    assert said(graph(" "), positive=None) == [remark] and said(graph("a man in the snow")) == []
    (remark,) = said(graph("a man"), output=1)
    assert remark.startswith("The source prompt “CLIPTextEncode” (#other) is empty")


def test_a_source_prompt_that_lacks_what_regions_replace_is_said():
    found = said(graph("in the snow", "a bear and a fox in the snow", ("a bear", "a fox")))
    assert [remark.split(" is to")[0] for remark in found] == [
        f"The source prompt “Source” (#source), “in the snow”, has no words for what “{phrase}”"
        for phrase in ("a bear", "a fox")
    ]


def test_texts_are_read_from_primitive_nodes():
    primitive = {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "in the snow"}}
    assert len(said(graph(["text", 0], text=primitive))) == 1


@pytest.mark.parametrize("unknown", ["source", "prompt", "phrase", "node", "positive"])
def test_what_a_link_brings_is_left_alone(unknown):
    made = {"class_type": "Somebody's", "inputs": {}}
    asked = {
        "source": graph(["made", 0], made=made),
        "prompt": graph("in the snow", ["made", 0], made=made),
        "phrase": graph("in the snow", phrases=(["made", 0],), made=made),
        "node": graph("in the snow", made=made),
        "positive": graph("in the snow"),
    }[unknown]
    conditioning = "made" if unknown == "node" else "control"
    assert said(asked, conditioning, None if unknown == "positive" else "area") == []


def test_a_circle_of_links_ends():
    assert said(graph("x", made={"class_type": "A", "inputs": {"conditioning": ["made", 0]}}), "made") == []
