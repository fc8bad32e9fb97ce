"""motion_module_sd15 through the real server: a stand-in for AnimateDiff-Evolved puts its layers into the demo model."""

import copy

import numpy as np
import pytest
from footage import write
from safetensors.torch import load_file
from shipped import prompt, shortened, titled

from pack.tools.server import PromptError
from pack.videograin.toybox.clips import clip

FRAMES, SIDE = 18, 64  # more than the 16 of a window; pixels
MODULE = "animatediff_models/mm_sd15_v3.safetensors"


@pytest.fixture(scope="module")
def graph(server):
    """The workflow as it is, but for its files, size, steps and checkpoint."""
    made = clip(("dog", "cat"), "grass", FRAMES)
    masks = np.repeat(made.masks[..., None] * np.uint8(255), 3, -1)
    files = [server.base / "input" / f"motion_{name}.mp4" for name in ("clip", "left_mask", "right_mask")]
    for file, frames in zip(files, (made.frames, *masks), strict=True):
        write(file, frames, "libx264", 8)
    module = server.base / "models" / MODULE
    module.touch()
    yield on_the_demo_model(prompt("motion_module_sd15"))
    for file in (*files, module):
        file.unlink()


def on_the_demo_model(graph: dict) -> dict:
    graph = shortened(graph, 2)
    graph[titled(graph, "Load Checkpoint")].update(class_type="VideoGrainLoadDemoModel", inputs={})
    for node in graph.values():
        if node["class_type"] == "VideoGrainLoadVideoFrames":
            file = f"motion_{node['inputs']['file']}"
            node["inputs"] |= {"file": file, "cap": FRAMES, "width": SIDE, "height": SIDE}
    return graph


def changed(graph: dict, title: str, **inputs) -> dict:
    graph = copy.deepcopy(graph)
    graph[titled(graph, title)]["inputs"] |= inputs
    return graph


def latents(server, graph: dict) -> tuple:
    """What the inversion ends in and what the sampler gives, (frames, 4, h, w) each."""
    wanted = {"noise": "DDIM Inversion (Unsample)", "edit": "KSampler (Advanced), edit"}
    saving = {
        name: {"class_type": "SaveLatent", "inputs": {"samples": [titled(graph, of), 0], "filename_prefix": name}}
        for name, of in wanted.items()
    }
    outputs = server.run({**graph, **saving})["outputs"]
    assert {titled(graph, "Save the edit"), titled(graph, "Save before and after")} <= set(outputs)
    files = [server.output_files({"outputs": {name: outputs[name]}})[0] for name in wanted]
    return tuple(load_file(file)["latent_tensor"] for file in files)


def differ(a, b) -> bool:
    return (a - b).square().mean() > 1e-4 * b.square().mean()


def test_it_runs_and_the_module_acts_in_the_inversion_and_in_the_edit(server, graph):
    noise, _ = latents(server, graph)
    assert len(noise) == FRAMES
    # On the checkpoint's own noise levels, so that layers and windows alone are compared.
    graph = changed(graph, "AnimateDiff Loader", beta_schedule="use existing")
    inverted, edited = latents(server, graph)
    assert differ(inverted, noise)
    without = changed(graph, "Full-Frame Attention", model=[titled(graph, "Load Checkpoint"), 0])  # bypassed
    assert differ(latents(server, without)[0], inverted)
    again, edited_without = latents(server, with_the_module_in_the_inversion_alone(graph))
    assert (again == inverted).all() and differ(edited_without, edited)
    whole = changed(graph, "Context Options (16 frames)", context_length=FRAMES)
    assert differ(latents(server, whole)[1], edited)


def test_a_sampler_without_the_module_is_refused(server, graph):
    """The module has noise levels of its own, so the sampler would not start where the inversion ended."""
    with pytest.raises(PromptError, match=r"inverted with another model .* motion modules"):
        latents(server, with_the_module_in_the_inversion_alone(graph))


def with_the_module_in_the_inversion_alone(graph: dict) -> dict:
    plain = copy.deepcopy(graph[titled(graph, "Full-Frame Attention")])
    plain["inputs"]["model"] = [titled(graph, "Load Checkpoint"), 0]
    return changed({**graph, "plain": plain}, "ST-Layout Attention (Regions)", model=["plain", 0])
