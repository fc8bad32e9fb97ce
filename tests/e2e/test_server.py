"""The development server itself: the pack is loaded; progress, refusals, failures, interrupt and death are told."""

import json
import time
from pathlib import Path

import pytest

from pack.tools.provision import OLDEST, provision
from pack.tools.server import Interrupted, PromptError, Server, ServerError

ROOT = Path(__file__).parents[2]
IMAGES = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 32, "batch_size": 3, "color": 255}}
SAVE = {"class_type": "SaveImage", "inputs": {"images": ["images", 0], "filename_prefix": "e2e"}}


def slow_graph(seed: int) -> dict:
    """A graph of core nodes that works for many seconds: an image blurred again and again."""
    size = {"width": 512, "height": 512, "batch_size": 2, "color": seed}
    graph = {"0": {"class_type": "EmptyImage", "inputs": size}}
    for i in range(1, 60):
        blur = {"image": [str(i - 1), 0], "blur_radius": 31, "sigma": 9.0}
        graph[str(i)] = {"class_type": "ImageBlur", "inputs": blur}
    return {**graph, "save": {"class_type": "SaveImage", "inputs": {"images": ["59", 0], "filename_prefix": "slow"}}}


def test_a_graph_runs_and_its_files_are_found(server):
    steps = []
    history = server.run({"images": IMAGES, "save": SAVE}, on_progress=steps.append)
    assert history["status"]["status_str"] == "success"
    files = server.output_files(history)
    assert len(files) == 3 and all(path.read_bytes().startswith(b"\x89PNG") for path in files)
    assert [step.node_type for step in steps] == ["EmptyImage", "SaveImage"]


def test_the_packs_nodes_are_served_with_tooltips(server):
    ours = {name: node for name, node in server.object_info().items() if name.startswith("VideoGrain")}
    assert ours, server.log_tail()
    for name, node in ours.items():
        assert node["python_module"] == "custom_nodes.videograin" and node["category"].startswith("VideoGrain")
        for inputs in (node["input"].get(kind, {}) for kind in ("required", "optional")):  # "hidden" is the host's own
            assert all(declared[1].get("tooltip") for declared in inputs.values()), name
        assert all(node["output_tooltips"] or [not node["output"]]), name


def test_the_oldest_supported_host_serves_the_same_nodes(server):
    oldest = provision(OLDEST)
    if oldest.comfyui == Path(server.comfyui):
        pytest.skip("VIDEOGRAIN_COMFYUI names the one host there is")
    with Server(oldest.python, oldest.comfyui, ROOT) as older:
        theirs, ours = older.object_info(), server.object_info()
        older.run({"images": IMAGES, "save": SAVE})
    assert {n for n in theirs if n.startswith("VideoGrain")} == {n for n in ours if n.startswith("VideoGrain")}
    assert older.peak_rss_mb() > 100


def test_a_refused_graph_names_node_input_and_reason(server):
    bad = {**IMAGES, "inputs": {**IMAGES["inputs"], "width": -4}}
    with pytest.raises(PromptError, match=r"node images \(EmptyImage\): Value -4 smaller than min of 1: width"):
        server.run({"images": bad, "save": SAVE})
    with pytest.raises(PromptError, match="NoSuchNode"):
        server.run({"images": {"class_type": "NoSuchNode", "inputs": {}}, "save": SAVE})


def test_a_failing_node_is_named_with_its_error(server):
    inputs = {"string": "abc", "regex_pattern": "(", "replace": ""}
    graph = {
        "regex": {"class_type": "RegexReplace", "inputs": inputs},
        "show": {"class_type": "PreviewAny", "inputs": {"source": ["regex", 0]}},
    }
    with pytest.raises(PromptError, match=r"node regex \(RegexReplace\) failed with re\.error: missing \)"):
        server.run(graph)


def test_interrupt_stops_a_running_graph_and_the_next_one_runs(server):
    started = time.monotonic()

    def stop(step):
        if step.node_id == "3":
            server.interrupt()

    with pytest.raises(Interrupted, match="ImageBlur"):
        server.run(slow_graph(int(started)), on_progress=stop)
    assert server.run({"images": IMAGES, "save": SAVE})["status"]["status_str"] == "success"


def test_a_dying_server_is_told_with_its_last_words(server):
    with Server(server.python, server.comfyui, ROOT) as doomed:
        with pytest.raises(ServerError, match=r"(?s)ended with code -9.*got prompt"):
            doomed.run(slow_graph(1), on_progress=lambda step: doomed.process.kill())
        pid = doomed.process.pid
    assert not Path(f"/proc/{pid}").exists() and not doomed.base.exists()


def test_a_server_that_cannot_start_is_told_with_its_last_words(server):
    with pytest.raises(ServerError, match="unrecognized arguments: --no-such-option"):
        Server(server.python, server.comfyui, ROOT, options=("--no-such-option",)).__enter__()


@pytest.mark.parametrize("name", ["instance_edit", "instance_edit_clusters", "object_only", "part_edit"])
def test_what_was_saved_first_is_still_accepted(server, name):
    """The API form of the first workflows; inputs that came since take their defaults."""
    path = ROOT / "tests" / "saved" / "first" / f"{name}.api.json"
    queued = server.queue(json.loads(path.read_text(encoding="utf-8")))
    server.post("/queue", {"delete": [queued]})
    server.interrupt()
    while server.get("/queue")["queue_running"]:
        time.sleep(0.2)
