"""The tables that a proof fills in: in README.md and benchmarks/SPEED.md."""

import copy
import json
import re
from pathlib import Path

import pytest

from pack.tools import proof_tables
from pack.tools.proof_tables import Refused, filled, kept, read, readme_part, speed_part

ROOT = Path(__file__).parents[2]
RECORD = {
    "format": 1,
    "rehearsal": False,
    "machine": {"gpu": "Some Card", "vram_mb": 8192, "torch": "2.9", "comfyui": "0.30.0", "videograin": "0.1.0", "system": "Linux"},
    "settings": {"checkpoint": "v1-5.safetensors", "steps": 20},
    "clips": [
        {"prompt": "a bear", "things": 1, "frames": 8, "size": [512, 512],
         "runs": [{"recipe": "one", "seconds": seconds, "peak_mb": 4000}, {"recipe": "two", "failed": "out of memory"}]}
        for seconds in (90.0, 110.0)
    ],
    "bench": [],
}  # fmt: skip


@pytest.mark.parametrize("page", ["README.md", "benchmarks/SPEED.md"])
def test_the_pages_have_their_marked_part(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    again = filled(text, "new\n")
    assert "\nnew\n" in again and kept(again, text) == text
    with pytest.raises(Refused, match="lost its marks"):
        filled("no marks", "")


def test_a_row_for_each_card_and_what_failed_beside_it():
    text = readme_part([RECORD, {**RECORD, "machine": {**RECORD["machine"], "gpu": "Other"}}])
    assert "| Card | Clip | Clips | one | two |" in text
    assert "| Some Card, 8 GB | 8 frames of 512×512, 20 steps | 2 | 100 s, 4.0 GB | failed |" in text
    assert "| Other, 8 GB |" in text
    assert text.count("\n") <= 9  # README stays short


def test_a_row_for_each_clip():
    text = speed_part([RECORD])
    assert "**Some Card, 8 GB**: v1-5.safetensors, 20 steps; torch 2.9" in text
    assert re.findall(r"\| a bear \| 1 \| 8 frames of 512×512 \| (\d+) s, 4.0 GB \| failed \|", text) == ["90", "110"]


def test_only_a_gpu_makes_a_table(tmp_path):
    file = tmp_path / "proof.json"
    for change, told in (
        ({"rehearsal": True}, "a rehearsal"),
        ({"machine": {**RECORD["machine"], "gpu": None}}, "names no GPU"),
        ({"clips": []}, "no finished edit"),
        ({"machine": None}, "no proof.json"),
    ):
        file.write_text(json.dumps({**copy.deepcopy(RECORD), **change}))
        with pytest.raises(Refused, match=told):
            read(file)
    file.write_text(json.dumps(RECORD))
    assert read(file) == RECORD


def test_make_again_what_stood_there(tmp_path, monkeypatch):
    """Both pages and the benchmark's rows, in a copy of the repository's files."""
    (tmp_path / "benchmarks" / "out").mkdir(parents=True)
    for name in ("README.md", "benchmarks/SPEED.md", "benchmarks/out/speed.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(proof_tables, "ROOT", tmp_path)
    row = {
        "bench": "network",
        "device": "Some Card",
        "case": "full frame",
        "frames": 8,
        "size": 512,
        "seconds": 0.5,
        "peak_mb": 9,
    }
    proof_tables.write([{**RECORD, "bench": [row]}])
    readme, speed = ((tmp_path / name).read_text(encoding="utf-8") for name in ("README.md", "benchmarks/SPEED.md"))
    assert "| Some Card, 8 GB |" in readme and readme.count("\n") <= 150
    assert "**CUDA**: Some Card" in speed and "| a bear |" in speed
    assert row in json.loads((tmp_path / "benchmarks/out/speed.json").read_text())
