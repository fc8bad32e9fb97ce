"""The edit benchmark's rows run in a real executor: every part that a row can have, on one short clip."""

import math

import nodes
import numpy as np
import pytest
import torch

from pack.benchmarks.edit import graph
from pack.benchmarks.edit.parts import Setup
from pack.benchmarks.edit.rows import ROWS
from pack.benchmarks.edit.run import Runner, signature
from pack.benchmarks.ruler import suite

FRAMES = 2
PARTS = (
    "sdedit", "set-mask", "draw-paste-0.4", "regions", "default", "unblended", "passes", "fatezero-shape", "fatezero-style",
    "reatco-place", "reatco-irjs", "via-anchors", "via-adapted", "depth", "followed", "laid-0.25-own",
)  # fmt: skip


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nodes, "NODE_CLASS_MAPPINGS", dict(nodes.NODE_CLASS_MAPPINGS))
        patched.setitem(graph.LEARNING, "steps", 2)
        yield Runner(Setup(frames=FRAMES, steps=2, refinements=0), tmp_path_factory.mktemp("edits"), "weights")


@pytest.fixture(scope="module")
def one():
    return suite.example(suite.cases("development")[0], FRAMES)


@pytest.mark.once
@pytest.mark.parametrize("row", PARTS)
def test_a_row_is_made_priced_and_kept(runner, one, row, monkeypatch):
    edit = runner.edit(one, row)
    assert edit.frames.shape == one.shot.frames.shape and (edit.frames != one.shot.frames).any()
    assert edit.cost["cpu_seconds"] > 0 and edit.cost["calls"] > 0
    if row in ("set-mask", "draw-paste-0.4", "regions", "passes"):  # outside the edit, the source's own pixels
        far = ~torch.nn.functional.max_pool2d(torch.from_numpy(one.task.edited(one.shot)).float(), 33, 1, 16).bool()
        np.testing.assert_array_equal(edit.frames[far.numpy()], one.shot.frames[far.numpy()])
    if row == "unblended":
        assert 0 < edit.cost["attn_in_before"] < 0.5 * edit.cost["attn_in"] < 0.5  # regions bring their words home
    else:
        assert math.isnan(edit.cost["attn_in"])
    monkeypatch.setattr(runner.host, "run", None)  # a second time must not need it
    again = runner.edit(one, row)
    np.testing.assert_array_equal(again.frames, edit.frames)
    assert repr(again.cost) == repr(edit.cost)


@pytest.mark.once
def test_calls_are_counted_and_what_is_shared_is_paid_by_every_row(runner, one):
    steps, both = 2, 2  # both: the prompt and the negative prompt
    cost = {
        row: runner.edit(one, row).cost for row in ("regions", "unblended", "sdedit", "per-frame", "draw-paste-0.4")
    }
    assert cost["per-frame"]["calls"] == cost["regions"]["calls"] == cost["unblended"]["calls"] == steps + both * steps
    assert cost["sdedit"]["calls"] == both * steps
    assert (
        cost["draw-paste-0.4"]["calls"] == both * steps + 2 * 3 * both * steps / FRAMES
    )  # three drawings of two things


def test_a_signature_sees_what_a_node_depends_on_and_not_what_it_is_called(one):
    prompt = ROWS["regions"].graph(one, Setup())
    renamed = {name.upper(): {**node, "inputs": {key: [value[0].upper(), value[1]] if isinstance(value, list) else value
               for key, value in node["inputs"].items()}} for name, node in prompt.items()}  # fmt: skip
    assert signature(prompt, "decode") == signature(renamed, "DECODE")
    other = ROWS["unpasted"].graph(one, Setup())
    assert signature(prompt, "decode") == signature(other, "decode")
    assert signature(prompt, "invert") != signature(ROWS["per-frame"].graph(one, Setup()), "invert")
    assert signature(prompt, "sample") != signature(ROWS["regions"].graph(one, Setup(steps=9)), "sample")
