"""The proof's command as somebody runs it: a process of its own, ComfyUI's real nodes, random weights, one clip."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pack.proof.recipes import RECIPES
from pack.tools.proof_tables import Refused, read

PROOF = Path(__file__).parents[2] / "proof"
WRITTEN_TO = ("input", "output", "temp", "user", "models", "custom_nodes")


def files(tree: Path) -> set[Path]:
    return {path for name in WRITTEN_TO for path in (tree / name).rglob("*") if path.is_file()}


@pytest.mark.once
def test_a_rehearsal_from_the_command_to_the_sheet(comfyui_tree, tmp_path):
    clips = json.loads((PROOF / "clips.json").read_text(encoding="utf-8"))
    empty = {**clips[4], "rows": [{**clips[4]["rows"][0], "marks": "not 1, 1, 0"}]}
    (tmp_path / "clips.json").write_text(json.dumps([clips[4], empty]))
    before, out = files(comfyui_tree), tmp_path / "out"
    command = [sys.executable, PROOF / "run.py", "--rehearse", "--small", "--frames", "2", "--comfyui", comfyui_tree,
               "--clips", tmp_path, "--out", out]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "2 of 2 clips, by a measured step" in ended.stdout
    assert files(comfyui_tree) == before

    record = json.loads((out / "proof.json").read_text(encoding="utf-8"))
    assert record["rehearsal"] and record["machine"]["gpu"] is None
    (row,) = record["clips"]
    assert (row["prompt"], row["frames"], row["size"]) == ("a bear running in the jungle", 2, [64, 64])
    assert [run["recipe"] for run in row["runs"]] == list(RECIPES)
    assert all(run["seconds"] > 0 and run["peak_mb"] > 0 for run in row["runs"])
    (line,) = record["left_out"]
    assert "Row 1" in line
    sheet = (out / "sheet.html").read_text(encoding="utf-8")
    assert sheet.count("data:image/webp;base64,") == 1 and "the numbers say nothing" in sheet
    assert sorted(path.name for path in out.iterdir()) == ["proof.json", "sheet.html"]
    with pytest.raises(Refused, match="names no GPU"):
        read(out / "proof.json")
