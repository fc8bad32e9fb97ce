"""The step and the time left, told on the node at work: of an edit by any sampler, of an inversion, of a look."""

import pytest
import recipe
import rig

from pack.nodes.blend import LatentBlend
from pack.nodes.layout import AttentionLayout
from pack.videograin.comfyui.progress import Notes
from pack.videograin.comfyui.wrappers import noting
from pack.videograin.core.attention_clusters import FEATURES

STEPS = 4
pytestmark = pytest.mark.usefixtures("inference_mode")


@pytest.fixture
def said(monkeypatch):
    """What is told while the clock goes on by 30 s each time that it is asked."""
    texts, now = [], [0.0]

    def clock():
        now[0] += 30.0
        return now[0]

    monkeypatch.setattr("pack.videograin.comfyui.progress.tell", texts.append)
    monkeypatch.setattr("pack.videograin.core.time_left.TimeLeft.__init__.__defaults__", (clock,))
    return texts


def edit(unet, sampler, **more):
    return recipe.edit(recipe.full_frame(unet), rig.latent(), sampler=sampler, scheduler="normal", **more)


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm_2", "dpmpp_sde", "uni_pc"])
def test_each_step_of_an_edit_is_told_once_however_often_the_network_is_called(unet, said, sampler):
    edit(unet, sampler)
    assert said == [
        f"Editing: step 1 of {STEPS}",
        f"Editing: step 2 of {STEPS}, about 2 min left",
        f"Editing: step 3 of {STEPS}, about 1 min left",
        f"Editing: step 4 of {STEPS}, about 30 s left",
        f"Editing: step 4 of {STEPS}",
    ]


def test_nothing_is_told_of_a_sampler_that_chooses_its_own_levels(unet, said):
    edit(unet, "dpm_fast")
    assert said == []


def test_a_part_of_the_steps_is_counted_by_itself(unet, said):
    edit(unet, "euler", start_step=1, last_step=3)
    assert [text.split(",")[0] for text in said] == ["Editing: step 1 of 2", *2 * ["Editing: step 2 of 2"]]


def test_an_inversion_tells_of_itself_and_its_refinements_are_no_steps(unet, said):
    recipe.invert(unet, steps=STEPS, refinements=2)
    assert [text.split(": ")[0] for text in said[:STEPS]] == ["Inverting"] * STEPS
    assert said[0] == f"Inverting: step 1 of {STEPS}" and said[1] == f"Inverting: step 2 of {STEPS}, about 1 min left"


def test_a_look_tells_of_itself_and_of_no_edit(unet, said):
    _, inversion, _ = recipe.invert(unet, steps=STEPS)
    said.clear()
    AttentionLayout.execute(unet, inversion, rig.text(1), 3, 2, FEATURES[0], "per frame")
    assert [text.split(",")[0] for text in said[:2]] == [f"Looking at the source: level {n} of 2" for n in (1, 2)]
    assert not any("Editing" in text for text in said)


def test_a_work_that_samples_within_tells_its_own(unet, said):
    recipe.edit(noting(recipe.full_frame(unet), Notes()), rig.latent())
    assert said == []


def test_warnings_stay_above_the_step(unet, said):
    noise, inversion, _ = recipe.invert(unet, steps=STEPS, scheduler="normal")
    said.clear()
    blended = LatentBlend.execute(unet, "inversion", inversion, mask=recipe.half()).args[0]
    recipe.edit(blended, noise, sampler="euler_ancestral", scheduler="normal")
    assert said[-1].splitlines()[-1].startswith(f"Editing: step {STEPS} of {STEPS}") and len(said[-1].splitlines()) == 2
