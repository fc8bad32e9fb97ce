"""The edit benchmark's rows run in a real executor: every part that a row can have, on one short clip."""

import json
import math

import nodes
import numpy as np
import pytest
import torch

from pack.benchmarks.edit import suite
from pack.benchmarks.edit.graph import Setup
from pack.benchmarks.edit.methods import METHODS
from pack.benchmarks.edit.plan import jobs
from pack.benchmarks.edit.run import Runner
from pack.benchmarks.edit.store import Store
from pack.benchmarks.ruler import suite as ruler_suite
from pack.benchmarks.ruler.run import OURS
from pack.benchmarks.ruler.run import Runner as Lively
from pack.benchmarks.ruler.stock import REDRAWN, TOGETHER
from pack.videograin.toybox.judge import Judge

FRAMES = 2
ROWS = ("sdedit", "pasted", "with_both", "fatezero", "flow_inject", "clip_norm", "default_control", "with_place", "via")


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nodes, "NODE_CLASS_MAPPINGS", dict(nodes.NODE_CLASS_MAPPINGS))
        store = Store(tmp_path_factory.mktemp("edits"), "weights", "ruler")
        yield Runner(Setup(frames=FRAMES, steps=2, refinements=0), store, Judge.load(), None)


@pytest.mark.once
@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_made_measured_and_kept(runner, name):
    method = METHODS[name]
    job, *_ = jobs([suite.cases("development")[0]], [method])
    row, seconds = runner.run(job)
    assert seconds > 0 and runner.store.frames(row["key"]).shape[0] == FRAMES
    assert 0 <= row["edit_acc"] <= 1 and math.isfinite(row["background_psnr"])
    before, after = row["attn_in_before"], row["attn_in"]
    if method.st_layout is not None:
        assert 0 < before < 0.5 * after < 0.5  # regions bring their words home
    elif method.cross_fusion:
        assert 0 < after != before
    elif method.name == "sdedit":
        assert after == before > 0
    again, seconds = runner.run(job)
    assert seconds == 0 and json.dumps(again) == json.dumps(row)  # not made twice


@pytest.mark.once
def test_stock_recipes_and_ours_edit_a_lively_clip_and_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "NODE_CLASS_MAPPINGS", dict(nodes.NODE_CLASS_MAPPINGS))
    lively = Lively(Setup(frames=FRAMES, steps=2, refinements=0), tmp_path, "weights")
    case = ruler_suite.cases("development")[0]
    one = suite.Example(case, *ruler_suite.example(case, FRAMES))
    shot, task = one.shot, one.task
    far = ~torch.nn.functional.max_pool2d(torch.from_numpy(task.edited(shot)).float(), 33, 1, 16).bool().numpy()
    made = {row: frames for row, frames, _ in lively.edits(one, (TOGETHER, REDRAWN, OURS))}
    for row, frames in made.items():
        assert frames.shape == shot.frames.shape and (frames != shot.frames).any(), row
        np.testing.assert_array_equal(frames[far], shot.frames[far])
    monkeypatch.setattr(lively.host, "run", None)  # a second run must not need it
    for row, frames, _ in lively.edits(one, tuple(made)):
        np.testing.assert_array_equal(frames, made[row])
