"""What every shipped workflow must have, told from its API form."""

import json
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "demo"
GRAPHS = {path.name.removesuffix(".api.json"): json.loads(path.read_text()) for path in DEMO.glob("*.api.json")}
LOADING = [
    name for name, graph in GRAPHS.items() if "VideoGrainLoadVideoFrames" in {n["class_type"] for n in graph.values()}
]
DEMO_CLIP = "VideoGrain demo clip.mp4 [temp]"  # the pack's own
SOUND = 2  # Load Video Frames' output


@pytest.mark.parametrize("name", LOADING)
def test_a_clip_that_is_loaded_is_saved_with_its_sound(name):
    graph = GRAPHS[name]
    (clip,) = (key for key, node in graph.items() if node["inputs"].get("file") in ("clip.mp4", DEMO_CLIP))
    made = [node["inputs"] for node in graph.values() if node["class_type"] == "CreateVideo"]
    assert made and all(inputs.get("audio") == [clip, SOUND] for inputs in made)


def test_all_twins_load_a_clip():
    twins = {name for name in GRAPHS if name.endswith("_sd15")}
    assert set(LOADING) == twins | {"start_here", "any_generator"} and len(twins) == 26


@pytest.mark.parametrize("name", GRAPHS)
def test_an_edit_is_pasted_at_its_place(name):
    """Core's composite lays a clip that VAE Encode has cut into the corner."""
    kinds = {node["class_type"] for node in GRAPHS[name].values()}
    assert not kinds & {"ImageCompositeMasked", "ImageBlur"}
