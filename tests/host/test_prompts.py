"""Whole prompts through ComfyUI's own executor: many in a row, two queued at once, inputs exchanged between two."""

import gc
import shutil
import threading
from pathlib import Path
from typing import NamedTuple

import execution
import folder_paths
import psutil
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from compatibility import SURVIVED, claim
from prompts import Failed, Page, Runner, editing, inverting, leftovers, node, opening, register, write_clip

WARM = 4  # prompts after which nothing new is loaded


@pytest.fixture(autouse=True)
def _host(private_folders, monkeypatch):
    register(monkeypatch)


def whole(clip: str, **changes) -> dict:
    return {**opening(clip), **inverting(), **editing(**changes)}


class Held(NamedTuple):
    """What the process holds: tensors, models and things of the pack; objects of Python at all; bytes."""

    ours: int
    objects: int
    memory: int


def held() -> Held:
    gc.collect()
    objects = gc.get_objects()
    ours = [thing for thing in objects if is_ours(type(thing))]
    return Held(len(ours), len(objects), psutil.Process().memory_info().rss)


def is_ours(kind: type) -> bool:
    return issubclass(kind, torch.Tensor | ModelPatcher) or str(kind.__module__).startswith("pack.")


@pytest.mark.once
@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.soak)])
@claim("fault", "Many prompts in a row, one in four failing", SURVIVED)
def test_many_prompts_in_a_row(count):
    runner, names = Runner(), set()
    graph = whole(write_clip("clip"))
    wrong = {**graph, "sample": node("KSamplerAdvanced", **{**graph["sample"]["inputs"], "add_noise": "enable"})}
    first = runner.run(graph)
    for number in range(1, count + 1):
        write_clip("clip", seed=number)
        if number % 4 == 3:
            with pytest.raises(Failed, match="add_noise"):
                runner.run(wrong)
        else:
            names.add(runner.run(graph)["result"])
            assert {"load", "invert", "result"} <= set(runner.ran)
        assert not leftovers()
        if number == WARM:
            then = held()
    now = held()
    assert now.ours == then.ours
    assert now.objects - then.objects < 15 * (count - WARM)  # ComfyUI notes each loading of a clone: a dozen objects
    assert now.memory - then.memory < 40e6
    assert len(names) == count - (count + 1) // 4  # every clip another result
    write_clip("clip")
    assert runner.run(graph) == first


@claim("fault", "Two prompts queued at once", SURVIVED)
def test_two_prompts_queued_at_once():
    """As in main.py: the web page's threads put, one worker takes."""
    graphs = [whole(write_clip(name, seed=seed)) for seed, name in enumerate(("one", "two"))]
    expected = [Runner().run(graph)["result"] for graph in graphs]
    queue, runner, found = execution.PromptQueue(Page()), Runner(), {}

    def put(number):
        queue.put((number, str(number), graphs[number], {}, ["result"], {}))

    threads = [threading.Thread(target=put, args=[number]) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for _ in threads:
        (number, _, graph, _, outputs, _), item = queue.get(timeout=60)
        found[number] = runner.execute(graph, outputs)["result"]
        queue.task_done(item, runner.executor.history_result, status=None)
    for thread in threads:
        thread.join()
    assert [found[0], found[1]] == expected and len(set(expected)) == 2
    assert queue.get_tasks_remaining() == 0 and not leftovers()


@claim("fault", "The clip replaced by another of its name between two runs", SURVIVED)
def test_the_clip_replaced():
    runner, graph = Runner(), whole(write_clip("clip"))
    first = runner.run(graph)
    runner.run(graph)
    assert runner.ran == []
    write_clip("clip", seed=1)  # of the same names and sizes
    second = runner.run(graph)
    assert {"load", "invert", "sample"} <= set(runner.ran)
    assert second != first and second == Runner().run(graph)


@claim("fault", "A saved inversion replaced by another between two runs", SURVIVED)
def test_the_inversion_replaced():
    runner, clips = Runner(), [write_clip(name, seed=seed) for seed, name in enumerate(("one", "two"))]
    save = {"save": node("VideoGrainSaveInversion", inversion=["invert", 1], noise=["invert", 0],
                         filename_prefix="clip", precision="fp32")}  # fmt: skip
    fresh = [runner.run({**whole(clip), **save}) for clip in clips]
    folder = Path(folder_paths.get_output_directory()) / "inversions"
    load = {"reload": node("VideoGrainLoadInversion", file="output/inversions/clip_00001_.safetensors")}
    again = {**opening(clips[0]), **load, **editing("reload")}
    assert runner.run(again) == fresh[0]
    shutil.copyfile(folder / "clip_00002_.safetensors", folder / "clip_00001_.safetensors")
    assert runner.run(again) == fresh[1] != fresh[0]
