"""The committed first workflow through the real server: it edits; an interrupt or an error leaves everything usable."""

import re
import time
from pathlib import Path

import av
import numpy as np
import pytest
from shipped import prompt, shortened, titled

from pack.tools.server import Interrupted, PromptError
from pack.videograin.toybox.clips import clip
from pack.videograin.toybox.judge import Judge

PROMPT = prompt("instance_edit")
CLIP, INVERSION, LEFT = (
    titled(PROMPT, title) for title in ("Demo Clip", "DDIM Inversion (Unsample)", "Region Prompt (left)")
)
SAMPLER, EDIT, SOURCE = (
    titled(PROMPT, title) for title in ("KSampler (Advanced), edit", "Save the edit", "Save the source")
)


def short(steps: int = 2, seed: int = 1) -> dict:
    """The same graph with few steps: what the picture shows does not matter then."""
    graph = shortened(PROMPT, steps)
    graph[CLIP]["inputs"]["seed"] = seed  # another clip: nothing is taken from the cache
    return graph


class Edit:
    """One whole run of the committed graph."""

    def __init__(self, server):
        self.steps = []
        history = server.run(PROMPT, on_progress=self.steps.append)
        self.status = history["status"]["status_str"]
        self.files = {
            node: server.output_files({"outputs": {node: history["outputs"][node]}}) for node in (EDIT, SOURCE)
        }

    def progress(self, node_id: str) -> list[tuple[int, int]]:
        return [(step.value, step.maximum) for step in self.steps if step.node_id == node_id and step.maximum]


@pytest.fixture(scope="module")
def edit(server):
    return Edit(server)


def decoded(path: Path) -> tuple[np.ndarray, float]:
    """A video's frames (F, H, W, 3) uint8 and their rate."""
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]), rate


def test_progress_counts_every_step_of_inversion_and_sampling(edit):
    assert edit.status == "success"
    for node_id in (INVERSION, SAMPLER):
        told = edit.progress(node_id)
        assert {maximum for _, maximum in told} == {20}
        assert [value for value, _ in told] == sorted(value for value, _ in told) and told[-1][0] == 20
        assert len(told) >= 15  # the server may merge a few that come within a tenth of a second


def test_the_inversion_tells_phase_and_step(edit):
    told = [step.text for step in edit.steps if step.node_id == INVERSION and step.text]
    assert [text.partition(",")[0] for text in told] == [f"Inverting: step {step} of 20" for step in range(1, 21)]
    assert told[0].endswith("of 20") and all(re.search(r", about \d+ (s|min) left$", text) for text in told[1:-1])


def test_the_sampler_tells_step_and_time_left(edit):
    told = [step.text for step in edit.steps if step.node_id == SAMPLER and step.text]
    assert [text.partition(",")[0] for text in told] == [f"Editing: step {step} of 20" for step in (*range(1, 21), 20)]
    assert told[0].endswith("of 20") and all(re.search(r", about \d+ (s|min) left$", text) for text in told[1:-1])
    assert told[-1] == "Editing: step 20 of 20"  # what stays on the node


def test_other_words_do_not_invert_again_and_mistakes_in_them_come_first(server):
    graph = short(seed=7)
    bound, names = titled(PROMPT, "Bind Region Prompts"), []
    graph[bound]["inputs"]["prompt"] = "a bear and a wolf in the snow"
    with pytest.raises(PromptError, match="a frog"):
        server.run(graph, on_progress=lambda step: names.append(step.node_id))
    assert INVERSION not in names
    for place in ("in the snow", "on grass"):
        names.clear()
        graph[bound]["inputs"]["prompt"] = f"a bear and a frog {place}"
        server.run(graph, on_progress=lambda step: names.append(step.node_id))
        assert bound in names and (INVERSION in names) == (place == "in the snow")


def test_a_sampler_that_cannot_take_the_noise_up_is_told_before_the_first_step(server):
    graph, steps = short(seed=8), []
    graph[SAMPLER]["inputs"]["steps"] = 3
    with pytest.raises(PromptError, match=r"node 6 \(VideoGrainDDIMInversion\).*Steps: inversion 2, sampler 3"):
        server.run(graph, on_progress=steps.append)
    assert not any(step.node_id == INVERSION and step.maximum for step in steps)


def test_a_warning_of_the_run_stands_on_the_node(server):
    graph, steps = short(seed=9), []
    graph[SAMPLER]["inputs"]["sampler_name"] = "euler_ancestral"
    server.run(graph, on_progress=steps.append)
    told = [step.text for step in steps if step.node_id == SAMPLER and step.text]
    assert all(text.startswith("euler_ancestral adds noise on the way") for text in told)
    assert told[-1].splitlines()[-1].startswith("Editing: step 2 of 2")


def test_both_videos_have_the_clips_length_rate_and_size(edit):
    for node_id in (EDIT, SOURCE):
        (path,) = edit.files[node_id]
        frames, rate = decoded(path)
        assert frames.shape == (8, 192, 192, 3) and rate == 8


def test_the_regions_show_the_words_asked_for(edit):
    inputs = PROMPT[CLIP]["inputs"]
    truth = clip(
        (inputs["left"], inputs["right"]), inputs["background"], inputs["frames"], inputs["motion"], inputs["seed"]
    )
    source, edited = decoded(edit.files[SOURCE][0])[0], decoded(edit.files[EDIT][0])[0]
    asked = [
        PROMPT[titled(PROMPT, f"Region Prompt ({side})")]["inputs"]["phrase"].split()[-1] for side in ("left", "right")
    ]
    judge = Judge.load()
    for masks, was, wanted in zip(truth.masks, truth.names, asked, strict=True):
        assert [seen.name for seen in judge.names(source, masks)] == [was] * len(source)
        found = [seen.name for seen in judge.names(edited, masks)]
        assert found.count(wanted) >= len(edited) - 1, found


def test_interrupt_within_the_inversion_and_run_again(server):
    steps, stopped_at = [], []

    def stop(step):
        steps.append(step)
        if step.node_id == INVERSION and step.value >= 2 and not stopped_at:
            stopped_at.append(step.value)
            server.interrupt()

    with pytest.raises(Interrupted, match="VideoGrainDDIMInversion"):
        server.run(short(steps=30, seed=2), on_progress=stop)
    assert max(step.value for step in steps if step.node_id == INVERSION) <= stopped_at[0] + 2
    assert SAMPLER not in {step.node_id for step in steps}
    assert server.run(short(seed=2))["status"]["status_str"] == "success"


def test_two_prompts_queued_at_once(server):
    """The second waits for the first, and each ends with its own clip."""
    ids, ends = [server.queue(short(seed=seed)) for seed in (3, 4)], time.monotonic() + 300
    while not all(server.get(f"/history/{prompt_id}") for prompt_id in ids):
        assert time.monotonic() < ends
        time.sleep(0.5)
    clips = []
    for prompt_id in ids:
        history = server.history(prompt_id)
        assert history["status"]["status_str"] == "success"
        (path,) = server.output_files({"outputs": {SOURCE: history["outputs"][SOURCE]}})
        clips.append(decoded(path)[0])
    assert all(frames.shape == (8, 192, 192, 3) for frames in clips) and (clips[0] != clips[1]).any()
    queue = server.get("/queue")
    assert not queue["queue_running"] and not queue["queue_pending"]


def missing_phrase(graph: dict) -> None:
    graph[LEFT]["inputs"]["phrase"] = "a giraffe"


def empty_mask(graph: dict) -> None:
    graph["empty"] = {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 192, "height": 192}}
    graph[LEFT]["inputs"]["mask"] = ["empty", 0]


def other_schedule(graph: dict) -> None:
    graph[SAMPLER]["inputs"]["scheduler"] = "karras"


def noise_added(graph: dict) -> None:
    graph[SAMPLER]["inputs"]["add_noise"] = "enable"


@pytest.mark.parametrize(
    ("breakage", "text"),
    [
        (missing_phrase, r"VideoGrainBindRegionPrompts.*a giraffe.*a bear and a frog in the snow.*append"),
        (empty_mask, r"VideoGrainRegionPrompt.*`mask`.*a bear.*empty"),
        (other_schedule, r"KSamplerAdvanced.*inversion"),
        (noise_added, r"KSamplerAdvanced.*(noise|add_noise)"),
    ],
)
def test_an_error_tells_what_to_change_and_loses_nothing(server, breakage, text):
    server.run(short())
    broken, steps = short(), []
    breakage(broken)
    with pytest.raises(PromptError, match=f"(?is){text}"):
        server.run(broken)
    again = server.run(short(), on_progress=steps.append)
    assert again["status"]["status_str"] == "success"
    assert INVERSION not in {step.node_id for step in steps}  # still in the cache
