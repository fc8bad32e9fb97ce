"""The proof: its clips and their marks, its three recipes, the drawings laid in, its sheet."""

import json
import re
from pathlib import Path

import pytest
import torch

from pack.proof import clips, comfyui, command, laying, recipes, record, run, sheet
from pack.proof.comfyui import Told
from pack.proof.recipes import DRAW, INPAINT, OURS, RECIPES, Settings
from pack.proof.record import Run
from pack.tools.workflows import blueprint
from pack.videograin.core.regions import Region

HERE = Path(clips.__file__).parent
ROWS = [{"is": "a wolf", "becomes": "a bear", "marks": "box 10, 20, 100, 200, 0; not 5, 6, 0; box 20, 20, 110, 200, 7"}]
ENTRY = {"file": "some.webp", "scene": "a wolf in the snow", "rows": ROWS}
SETTINGS = Settings("some.safetensors")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "some.webp").write_bytes(b"RIFF")
    (tmp_path / "clips.json").write_text(json.dumps([ENTRY]))
    return tmp_path


def written(folder, entries):
    (folder / "clips.json").write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return clips.read(folder)


# ---- clips --------------------------------------------------------------------------------------------------------


def test_our_eight_clips_are_in_the_template_packages():
    found, missing = clips.read(HERE)
    assert len(found) == 8 and not missing
    assert sum(len(clip.words.rows) > 1 for clip in found) >= 3


def test_marks_move_with_the_size_and_those_beyond_the_last_frame_go(folder):
    (clip,), _ = clips.read(folder)
    (row,) = json.loads(clip.scaled(256, 128, 4).rows)
    assert row["marks"] == "box 5, 5, 50, 50, 0; not 2, 1, 0"
    (row,) = json.loads(clip._replace(rows=json.dumps([{**ROWS[0], "marks": "a wolf"}])).scaled(256, 128, 4).rows)
    assert row["marks"] == "a wolf"  # for Regions, which says what a mark is


def test_rows_may_be_the_text_that_the_node_holds(folder):
    (clip,), _ = written(folder, [{**ENTRY, "rows": json.dumps(ROWS)}])
    assert clip.words.edited == "a bear in the snow"


def test_a_clip_that_is_not_there_or_another_is_named(folder):
    found, missing = written(folder, [ENTRY, {**ENTRY, "file": "gone.webp"}, {**ENTRY, "sha256": "0" * 64}])
    assert len(found) == 1 and "gone.webp" in missing[0] and "another clip of that name" in missing[1]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ("[", "is no JSON"),
        ({}, "must be a list"),
        (["some.webp"], "clip 1: it must have “file” and “rows”"),
        ([{**ENTRY, "prompt": "a bear"}], "clip 1: it must have “file” and “rows”"),
        ([ENTRY, {**ENTRY, "scene": "a pig"}], "clip 2: Row 1: \"a wolf\" does not stand in `scene`"),
        ([{**ENTRY, "rows": "nothing"}], "clip 1: it is no JSON"),
        ([{**ENTRY, "size": 512}], "clip 1:"),
    ],
)  # fmt: skip
def test_a_wrong_clips_json_is_told(folder, entries, told):
    with pytest.raises(Told, match=re.escape(told)):
        written(folder, entries)


# ---- the command --------------------------------------------------------------------------------------------------


def test_no_comfyui_no_checkpoint_no_place_to_write(tmp_path, capsys):
    with pytest.raises(Told, match="--comfyui"):
        comfyui.find(tmp_path, HERE.parent)
    with pytest.raises(SystemExit):
        run.arguments([])
    assert "--checkpoint" in capsys.readouterr().err
    (tmp_path / "file").touch()
    with pytest.raises(Told, match="--out"):
        command.Results(tmp_path / "file" / "out")


def test_what_follows_two_dashes_is_for_comfyui():
    chosen = run.arguments(["--rehearse", "--frames", "4", "--", "--lowvram"])
    assert (chosen.frames, chosen.host) == (4, ["--lowvram"])


def test_comfyui_is_found_around_a_pack_that_is_a_link(tmp_path):
    for name in comfyui.FILES:
        (tmp_path / "ComfyUI" / name).mkdir(parents=True)
    (tmp_path / "ComfyUI" / "custom_nodes").mkdir()
    link = tmp_path / "ComfyUI" / "custom_nodes" / "videograin"
    link.symlink_to(HERE.parent, target_is_directory=True)
    assert comfyui.find(None, link) == tmp_path / "ComfyUI"


def test_as_many_clips_as_fit_and_at_least_one():
    assert [command.fit([10.0, 10.0, 10.0], seconds) for seconds in (1, 10, 20, 29, 99)] == [1, 1, 2, 2, 3]


# ---- recipes ------------------------------------------------------------------------------------------------------


def two(folder):
    rows = [*ROWS, {"is": "a pig", "becomes": "a frog", "marks": "1, 1, 0"}]
    (clip,), _ = written(folder, [{**ENTRY, "scene": "a wolf and a pig in the snow", "rows": rows}])
    return clip


def test_our_default_is_the_blueprint(folder):
    names = {"frames": "full frame", "inversion": "invert", "bound": "bind", "layout": "st-layout", "sampler": "sample",
             "decoded": f"{OURS}: decode", "result": f"{OURS}: paste",
             "clip": "frames", "rows": "regions"}  # fmt: skip
    prompt = recipes.ours(two(folder), SETTINGS)
    nodes = [node for column in blueprint.INSIDE.columns for node in column if node.type != "PrimitiveInt"]
    for node in nodes:
        mine = prompt[names.get(node.key, node.key)]
        assert mine["class_type"] == node.type
        values = {
            name: node.values[name] for name in node.values if name not in ("noise_seed", "control_after_generate")
        }
        assert {name: mine["inputs"].get(name, value) for name, value in values.items()} == values
        for name, link in node.links.items():
            source = link.partition(".")[0]
            if source != "steps":
                assert mine["inputs"][name][0] == names.get(source, source), (node.key, name)
    extra = {"frames", "regions", "model", "latent", f"{OURS}: keep"}
    assert set(prompt) - extra == {names.get(node.key, node.key) for node in nodes}


def test_each_thing_is_inpainted_in_its_own_mask_with_its_own_words(folder):
    prompt = recipes.inpaint(two(folder), SETTINGS)
    assert [prompt[f"words {row}"]["inputs"]["text"] for row in (0, 1)] == ["a bear in the snow", "a frog in the snow"]
    assert [prompt[f"mask {row}"]["inputs"]["row"] for row in (0, 1)] == [0, 1]
    assert prompt["noise mask 1"]["inputs"]["samples"] == ["inpaint 0", 0]  # the second goes on from the first
    assert {prompt[f"inpaint {row}"]["inputs"]["denoise"] for row in (0, 1)} == {1.0}


def test_all_recipes_sample_alike_and_end_alike(folder):
    clip = two(folder)
    made = {OURS: recipes.ours, INPAINT: recipes.inpaint, DRAW: recipes.settle}
    for recipe, make in made.items():
        prompt = make(clip, SETTINGS)
        samplers = [node["inputs"] for node in prompt.values() if node["class_type"].startswith("KSampler")]
        for one in samplers:
            assert (one["steps"], one["cfg"], one["sampler_name"], one["scheduler"]) == (
                20,
                7.5,
                "euler",
                "ddim_uniform",
            )
        assert prompt[f"{recipe}: paste"]["inputs"]["source"] == ["frames", 0]


def test_the_estimate_counts_pictures_through_the_network():
    small = Settings("", frames=8, steps=20)
    assert recipes.calls(OURS, 2, small, refinements=2) == 8 * 20 * (3 + 2)
    assert recipes.calls(INPAINT, 2, small, 2) == 2 * 8 * 20 * 2
    assert recipes.calls(DRAW, 2, small, 2) == 2 * 20 * 2 + 8 * 20 * 2


# ---- drawings laid in ---------------------------------------------------------------------------------------------


def drawing():
    """A red disc on grey, 80 wide, a little left of the middle, as large as Stable Diffusion draws a thing alone."""
    y, x = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    disc = ((x - 56) ** 2 + (y - 64) ** 2 < 40**2)[..., None]
    return torch.where(disc, torch.tensor([1.0, 0, 0]), torch.tensor([0.5, 0.5, 0.5]))


def test_the_thing_is_found_in_its_drawing():
    box = laying.thing_in(drawing())
    assert all(abs(found - true) <= 2 for found, true in zip(box, (17, 25, 96, 104), strict=True))
    assert laying.thing_in(torch.full((64, 64, 3), 0.5)) is not None  # nothing there: some box, and no error


def test_a_drawing_follows_the_mask_and_stays_inside_it():
    frames = torch.zeros(3, 96, 96, 3)
    mask = torch.zeros(3, 96, 96)
    mask[0, 30:60, 10:50], mask[1, 30:70, 40:60] = 1, 1  # the last frame does not show it
    laid = laying.lay(frames, [mask], [drawing()], 0, 0)
    for number, (left, top, right, bottom) in ((0, (15, 30, 45, 60)), (1, (40, 50, 60, 70))):
        red = laid[number, ..., 0] - laid[number, ..., 1] > 0.5
        box = laying.box_of(red.float())
        assert all(abs(found - true) <= 2 for found, true in zip(box, (left, top, right, bottom), strict=True))
        assert torch.equal(laid[number][mask[number] == 0], frames[number][mask[number] == 0])
        assert (laid[number][mask[number] > 0].amax(-1) > 0.4).all()  # the old thing is covered whole
    assert torch.equal(laid[2], frames[2])


# ---- the sheet ----------------------------------------------------------------------------------------------------


def test_the_sheet_shows_costs_failures_and_words_as_text(folder):
    clip = two(folder)._replace(file="<b>.webp")
    frames = torch.rand(2, 32, 48, 3)
    regions = (Region(torch.ones(1, 32, 48)), Region(torch.zeros(2, 32, 48)))
    runs = [
        Run(OURS, 12.34, 3456.7, frames),
        Run(INPAINT, failed="out of memory <here>"),
        Run(DRAW, 5.0, 2000.0, frames),
    ]
    told = record.begun({**dict.fromkeys(("torch", "comfyui", "videograin", "system"), "1"), "gpu": "Card", "vram_mb": 8192},
                        SETTINGS, False)  # fmt: skip
    told["clips"].append(record.clip_row(clip, frames, runs))
    page = sheet.page(told, [sheet.picture(frames, regions, runs)])
    assert "12.3 s, 3,457 MiB" in page and "out of memory &lt;here&gt;" in page and "&lt;b&gt;.webp" in page
    assert "Card (8,192 MiB)" in page and "rehearsal" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "http" not in page
    assert [run["recipe"] for run in told["clips"][0]["runs"]] == list(RECIPES)
