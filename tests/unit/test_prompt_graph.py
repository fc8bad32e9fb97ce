"""A prompt read as a graph."""

from pack.videograin.comfyui.prompt_graph import Link, PromptGraph

PROMPT = {
    "1": {"class_type": "Loader", "inputs": {"name": "a.safetensors"}, "_meta": {"title": "My checkpoint"}},
    "2": {"class_type": "Patch", "inputs": {"model": ["1", 0], "strength": 0.5}},
    "3": {"class_type": "Patch", "inputs": {"model": ["2", 0], "strength": ["5", 1], "frames": [1, 2]}},
    "4:1": {"class_type": "Sampler", "inputs": {"model": ["3", 0], "positive": ["5", 0], "text": ["word", "word"]}},
    "5": {"class_type": "Encode", "inputs": {"clip": ["1", 1], "model": ["3", 0], "loop": ["5", 0]}},
}


def test_widgets_and_links_are_told_apart():
    graph = PromptGraph(PROMPT)
    assert graph.value("2", "strength") == 0.5 and graph.link("2", "strength") is None
    assert graph.value("3", "strength") is None and graph.link("3", "strength") == Link("5", 1)
    assert graph.value("4:1", "text") == ["word", "word"] and graph.value("3", "nothing") is None
    assert graph.kind("4:1") == "Sampler" and graph.kind("9") == ""


def test_names_are_the_users_titles():
    graph = PromptGraph(PROMPT)
    assert graph.name("1") == "“My checkpoint” (#1)" and graph.name("4:1") == "“Sampler” (#4:1)"


def test_readers_chains_and_what_is_above():
    graph = PromptGraph(PROMPT)
    assert set(graph.readers(Link("3", 0))) == {("4:1", "model"), ("5", "model")}
    assert graph.chain(graph.link("4:1", "model"), "model") == ["3", "2", "1"]
    assert graph.above(graph.link("4:1", "positive")) == {"5", "1", "3", "2"} and graph.above(None) == set()
    assert graph.above(Link("gone", 0)) == set() and graph.chain(Link("gone", 0), "model") == []
