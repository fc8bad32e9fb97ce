"""The shipped graphs with a clip of 181×127: the edit lies where the clip is, and all beyond its soft edge is the source's."""

import nodes as host
import pytest
import torch
from cases import variants
from comfy_api.latest import io
from comfy_extras.nodes_mask import InvertMask, MaskComposite
from prompts import Runner, register
from shipped import prompt, shortened, titled

from pack.nodes.demo import DemoClip
from pack.videograin.media.paste import soft

HEIGHT, WIDTH, FRAMES = 127, 181, 2
TOP, LEFT = 3, 2  # of what VAE Encode leaves, 120×176
KEPT: dict[str, torch.Tensor] = {}


class OddClip(DemoClip):
    """Demo Clip's first frames and masks, cut to a size that no autoencoder likes."""

    @classmethod
    def execute(cls, *args, **kwargs):
        outputs = super().execute(*args, **kwargs).args
        cut = (
            value[:FRAMES, 20 : 20 + HEIGHT, 5 : 5 + WIDTH] if isinstance(value, torch.Tensor) else value
            for value in outputs
        )
        return io.NodeOutput(*cut)


class Keep(io.ComfyNode):
    """Keeps what comes, for the test to look at."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.String.Input("name"), io.Image.Input("images")]
        return io.Schema("Keep", inputs=inputs, outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, name, images) -> io.NodeOutput:
        KEPT[name] = images
        return io.NodeOutput()


@pytest.fixture(autouse=True)
def _host(private_folders, monkeypatch):
    register(monkeypatch)
    for node in (OddClip, Keep, InvertMask, MaskComposite):
        monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, node.GET_SCHEMA().node_id, node)
    KEPT.clear()


def below(graph: dict, key: str) -> dict:
    """The part of a graph that one node needs."""
    needed = {key: graph[key]}
    for link in graph[key]["inputs"].values():
        if isinstance(link, list):
            needed |= below(graph, link[0])
    return needed


AREAS = {
    "instance_edit": lambda left, right, task: torch.maximum(left, right),
    "long_clip": lambda left, right, task: torch.maximum(left, right),
    "edit_in_passes": lambda left, right, task: right,  # onto the first pass
    "background_only": lambda left, right, task: 1 - torch.maximum(left, right),
    "part_edit": lambda left, right, task: task,
}


@pytest.mark.parametrize("name", variants(*AREAS))
def test_a_shipped_graph_takes_a_clip_of_any_size(name):
    graph = shortened(prompt(name), steps=1)
    paste = titled(graph, "Paste over the source")
    graph, inputs = below(graph, paste), graph[paste]["inputs"]
    (clip,) = (node["inputs"] for node in graph.values() if node["class_type"] == "VideoGrainDemoClip")
    for kept, link in {"source": inputs["source"], "edited": inputs["edited"], "result": [paste, 0]}.items():
        graph[kept] = {"class_type": "Keep", "inputs": {"name": kept, "images": link}}
    Runner().run(graph)
    _, left, right, *_, task, _ = OddClip.execute(**clip).args
    area = AREAS[name](left, right, task)
    source, edited, result = (KEPT[kept] for kept in ("source", "edited", "result"))
    assert source.shape == result.shape == (FRAMES, HEIGHT, WIDTH, 3)
    if name == "long_clip":
        assert edited.shape == source.shape  # Edit in Chunks cuts back by itself
    else:
        assert edited.shape == (FRAMES, HEIGHT - 7, WIDTH - 5, 3)
        whole = source.clone()
        whole[:, TOP : TOP + HEIGHT - 7, LEFT : LEFT + WIDTH - 5] = edited
        edited = whole
    edge = torch.stack([soft(mask, inputs["grow"], inputs["feather"]) for mask in area])
    assert torch.equal(result[edge == 0], source[edge == 0])
    assert torch.equal(result[edge == 1], edited[edge == 1])
    assert 0.02 < (edge == 1).float().mean() < 0.9 and not torch.equal(result, source)
