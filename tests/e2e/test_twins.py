"""The workflows for Stable Diffusion 1.5 cannot run here; the server itself says what keeps them from running."""

import json
import urllib.error
import urllib.request

import pytest
from shipped import TWINS, prompt, require_nodes

FILES = {("CheckpointLoaderSimple", "ckpt_name"), ("ControlNetLoader", "control_net_name"),
         ("VideoGrainLoadVideoFrames", "file"), ("VideoGrainLoadInversion", "file")}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_only_files_are_wanting(server, name):
    """ComfyUI checks every node, link and widget before it queues a graph."""
    require_nodes(name, server.object_info())
    inputs = {(node["class_type"], key) for node in prompt(name).values() for key in node["inputs"]}
    wanting = refused(server, prompt(name))
    assert wanting == inputs & FILES


def refused(server, graph: dict) -> set[tuple[str, str]]:
    """The inputs that the server does not accept, by node type."""
    body = json.dumps({"prompt": graph, "client_id": ""}).encode()
    request = urllib.request.Request(f"{server.url}/prompt", body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request, timeout=60)
    nodes = json.loads(answer.value.read())["node_errors"]
    assert nodes
    return {
        (node["class_type"], error["extra_info"]["input_name"]) for node in nodes.values() for error in node["errors"]
    }
