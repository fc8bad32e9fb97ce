"""Regions with a MODEL: rows are marked where their things are seen, and the demo model carries them through the clip."""

import json

import numpy as np
import pytest
import rig
import torch
import torch.nn.functional as F

from pack.nodes.rows import Regions
from pack.videograin.core.label_propagation import Settings
from pack.videograin.jobs.track_regions import Known, enlargement, followed
from pack.videograin.toybox import world
from pack.videograin.toybox.clips import MARGIN, film

pytestmark = [pytest.mark.usefixtures("inference_mode"), pytest.mark.once]
SIDE, FRAMES = 12, 9  # of the staged clip, in tokens


@pytest.fixture(autouse=True)
def _host(tmp_path, monkeypatch):
    monkeypatch.setattr("folder_paths.temp_directory", str(tmp_path))


def rows(*marks):
    return json.dumps(
        [{"is": f"a thing {number}", "becomes": "", "marks": text} for number, text in enumerate(marks, 1)]
    )


def box(mask, frame, margin=3):
    """A box around a mask, (H, W) bool."""
    (top, bottom), (left, right) = (
        (found[0], found[-1]) for found in (mask.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    )
    return f"box {max(left - margin, 0)}, {max(top - margin, 0)}, {right + margin}, {bottom + margin}, {frame}"


def overlap(found, truth):
    found = found > 0.5
    return float((found & truth).sum() / (found | truth).sum())


# ---- regions that know different frames -----------------------------------------------------------------------------


def staged():
    """A clip on which two coloured squares cross: its frames, its true masks (2, F, H, W), and its features (F, n, C)."""
    owner = torch.full((FRAMES, SIDE, SIDE), 2)
    for frame in range(FRAMES):
        owner[frame, 1:4, frame : frame + 3] = 0
        owner[frame, 6:9, 8 - frame : 11 - frame] = 1
    looks = torch.eye(3, 8)[owner].flatten(1, 2)
    noise = 0.05 * torch.randn(looks.shape, generator=torch.Generator().manual_seed(0))
    pixels = owner.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return torch.eye(3)[pixels], torch.stack([pixels == 0, pixels == 1]), F.normalize(looks + noise, dim=-1)


def carried(marked):
    """marked: of each thing, the frames that mark it."""
    frames, truth, features = staged()
    marks = [{frame: mask[frame].float() for frame in known} for mask, known in zip(truth, marked, strict=True)]
    return followed(features, (SIDE, SIDE), frames, Known(marks), Settings(), torch.device("cpu")), truth


def test_a_frame_says_nothing_of_a_thing_that_it_does_not_mark():
    """Each is in sight in the frame that marks the other alone, and is found there."""
    found, truth = carried(([0], [5]))
    assert all(
        overlap(a, b) > 0.9
        for one, other in zip(found.masks, truth, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    assert not found.masks.all(0).any() and float(found.confidence.min()) > 0.9


def test_another_mark_of_one_thing_changes_no_other():
    once, truth = carried(([0], [0]))
    twice, _ = carried(([0, 6], [0]))
    assert torch.equal(once.masks[1], twice.masks[1]) and torch.equal(twice.masks[0, 6], truth[0, 6])


def test_what_two_claim_goes_to_the_one_that_is_marked_there():
    """Unlike marks of one frame: the first thing's mask is all of frame 4, and the second is not marked in it."""
    frames, truth, features = staged()
    whole = torch.ones_like(truth[0, 4]).float()
    marks = [{0: truth[0, 0].float(), 4: whole}, {0: truth[1, 0].float()}]
    found = followed(features, (SIDE, SIDE), frames, Known(marks), Settings(), torch.device("cpu")).masks
    assert found[0, 4].all() and not found[1, 4].any() and found[1, 3].any()


def hiding_clip():
    """A small thing walks behind a large one and comes out on the other side: 7 frames, and the true masks (2, F, H, W)."""
    wide = world.draw_background("grass", (world.SIZE + 2 * MARGIN,) * 2, np.random.default_rng(3))
    xs = torch.linspace(24, 168, 7).tolist()
    tracks = [[world.Placed("pig", x, 100, 34) for x in xs], [world.Placed("pumpkin", 96, 96, 90)] * 7]
    shot = film(wide, "grass", tracks, np.zeros((7, 2), int))
    return torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks)


# ---- the node -------------------------------------------------------------------------------------------------------


def test_a_marked_thing_that_hides_is_found_again(demo, caplog):
    """By flow it is lost for good. From one box each, with nothing taken for it while it is hidden."""
    model, _, vae = demo
    frames, truth = hiding_clip()
    text = rows(box(truth[0, 0], 0), box(truth[1, 0], 0))
    lost, seen = (
        [region.mask for region in Regions.execute(frames, text, **more).result[0]]
        for more in ({}, {"model": model, "vae": vae})
    )
    assert overlap(lost[0][-1], truth[0, -1]) < 0.2 and overlap(seen[0][-1], truth[0, -1]) > 0.85
    assert not seen[0][[f for f in range(7) if not truth[0, f].any()]].any() and not truth[0].any((1, 2)).all()
    assert sum(overlap(a, b) for a, b in zip(seen[1], truth[1], strict=True)) / len(frames) > 0.9
    (said,) = [text for record in caplog.records if (text := record.getMessage()).startswith("Row 1: not se")]
    assert said.endswith("(right if it is out of sight).")


def test_rows_are_marked_in_frames_of_their_own_and_erased_in_others(demo, monkeypatch):
    """No side is a multiple of the latent's cell. Neither row's frame is the other's. The last that is told stays on the node."""
    told = []
    monkeypatch.setattr("pack.videograin.comfyui.progress.tell", told.append)
    frames = torch.rand(3, 67, 77, 3, generator=torch.Generator().manual_seed(0)) * 0.2
    frames[:, 10:30, 10:30, 0] = frames[:, 40:60, 45:70, 2] = 1
    erase = "; erase 20, 20, 40, 2"
    text = rows(f"box 7, 7, 33, 33, 0{erase}", "box 42, 37, 73, 63, 2")
    first, second = (
        region.mask > 0.5 for region in Regions.execute(frames, text, model=demo[0], vae=demo[2]).result[0]
    )
    assert first.shape == second.shape == (3, 67, 77) and first[0, 20, 20] and second[2, 50, 57]
    assert not first[2].any() and not (first & second).any()
    assert told[:3] == ["Encoding: 0 of 3 frames", "Looking: 0 of 3 frames", "Following the regions"]
    assert told[-1] == "Row 1: not seen in frame 2 (right if it is out of sight)."
    Regions.execute(frames, text.replace(erase, ""), model=demo[0], vae=demo[2])
    assert told[-1] == "All rows: sure in every frame"


def test_a_connected_mask_stays_as_it_is_and_alone_needs_no_look(demo):
    frames, mask = torch.rand(2, 64, 64, 3), torch.zeros(1, 64, 64)
    mask[:, 10:30] = 1
    (region,) = Regions.execute(frames, rows(""), mask_1=mask, model=rig.uncalled(demo[0]), vae=demo[2]).result[0]
    assert torch.equal(region.mask, mask)


def test_a_first_look_needs_no_model(demo):
    output = Regions.execute(torch.rand(2, 64, 64, 3), "", model=rig.uncalled(demo[0]), vae=demo[2])
    assert output.block_execution.startswith("Row 1: the thing is not marked")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("vae", "Regions has a `model` but no `vae`, .* Connect the checkpoint's VAE to `vae`, or take the link out of `model`"),
        ("model", "Regions has a `vae` but no `model`"),
        (None, "Row 1: nothing was found at its marks"),
    ],
)  # fmt: skip
def test_bad_input_is_named_before_the_model_runs(demo, missing, message):
    given = {"model": rig.uncalled(demo[0]), "vae": demo[2]}
    given.pop(missing, None)
    with pytest.raises(ValueError, match=message):
        Regions.execute(torch.rand(2, 64, 64, 3), rows("not 5, 5, 0"), **given)


def test_another_models_vae_is_named_as_regions_own_input(demo):
    class Wider:
        def encode(self, pixels):
            return torch.zeros(len(pixels), 16, 8, 8)

    with pytest.raises(ValueError, match="The `vae` of Regions makes latents of shape"):
        Regions.execute(torch.rand(2, 64, 64, 3), rows("box 5, 5, 40, 40, 0"), model=demo[0], vae=Wider())


def test_only_what_stays_small_is_seen_enlarged(demo):
    """More than 4096 tokens a frame would be seen on a coarser grid, and gain nothing."""
    assert [enlargement(demo[0], torch.zeros(1, side, side, 3)) for side in (192, 256, 264, 512)] == [2, 2, 1, 1]
