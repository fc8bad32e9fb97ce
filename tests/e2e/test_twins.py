"""The workflows for Stable Diffusion 1.5 cannot run here; the server itself says what keeps them from running."""

import json
import urllib.error
import urllib.request

import pytest
from shipped import TWINS, prompt, require_nodes

FILES = {("CheckpointLoaderSimple", "ckpt_name"), ("ControlNetLoader", "control_net_name"),
         ("VideoGrainLoadVideoFrames", "file"), ("VideoGrainLoadInversion", "file"),
         ("ADE_AnimateDiffLoaderGen1", "model_name")}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_only_files_are_wanting(server, name):
    """ComfyUI checks every node, link and widget before it queues a graph."""
    require_nodes(name, server.object_info())
    inputs = {(node["class_type"], key) for node in prompt(name).values() for key in node["inputs"]}
    demo = {node["class_type"] for node in prompt(name).values() if node["inputs"].get("file", "").endswith("[temp]")}
    assert refused(server, prompt(name)) == {found for found in inputs & FILES if found[0] not in demo}


def refused(server, graph: dict) -> set[tuple[str, str]]:
    """The inputs that the server does not accept, by node type."""
    body = json.dumps({"prompt": graph, "client_id": ""}).encode()
    request = urllib.request.Request(f"{server.url}/prompt", body, {"Content-Type": "application/json"})
    try:
        answer = urllib.request.urlopen(request, timeout=60)  # what needs none of the missing files may run
    except urllib.error.HTTPError as error:
        answer = error
    nodes = json.loads(answer.read())["node_errors"]
    assert nodes
    return {
        (node["class_type"], error["extra_info"]["input_name"]) for node in nodes.values() for error in node["errors"]
    }
