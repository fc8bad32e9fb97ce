"""`demo/run.py` and `demo/train.py` in a bare Python: help and errors come at once, in words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pack.demo.showcase import DemoFailed, require_shown

DEMO = Path(__file__).parents[2] / "demo"


def bare(*arguments, **variables):
    """Runs a script in a Python that has no packages, as the system's often is."""
    command, environment = [sys.executable, "-S", *map(str, arguments)], {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.parametrize("script", ["run.py", "train.py"])
def test_help_needs_no_packages_and_starts_nothing(script):
    asked = bare(DEMO / script, "--help", VIDEOGRAIN_CACHE="/dev/null/none")
    assert asked.returncode == 0 and asked.stdout.startswith("usage: ") and not asked.stderr
    assert "[]" not in asked.stdout and "None" not in asked.stdout


@pytest.mark.parametrize("script", ["run.py", "train.py"])
def test_no_comfyui_is_told_in_one_line(script, tmp_path):
    results = {"run.py": "--out", "train.py": "--folder"}[script]
    asked = bare(DEMO / script, results, tmp_path, VIDEOGRAIN_COMFYUI="/nonexistent")
    assert asked.returncode == 1
    assert asked.stderr.strip().startswith("error: /nonexistent is not a ComfyUI folder: it has no main.py")
    assert len(asked.stderr.strip().splitlines()) == 1


def inside(code):
    """Runs some lines of Python as a program of the demo's folder would start."""
    command = [sys.executable, "-c", f"import runpy, sys; sys.argv = ['demo/run.py']; {code}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=DEMO.parent, timeout=120)


def test_the_demo_finds_its_own_work():
    """Imported as `make demo` does, not as a test: their packages have different tops."""
    asked = inside("showcase, server = runpy.run_path('demo/run.py')['work'](); print(showcase.demo, server.Server)")
    assert asked.returncode == 0, asked.stderr
    assert "pack.tools.server.Server" in asked.stdout


def test_the_sprites_find_their_world():
    asked = inside("print(runpy.run_path('demo/make_sprites.py')['OBJECTS']['cat'].isascii())")
    assert asked.stdout.strip() == "False", asked.stderr


def test_results_that_cannot_be_written_are_told_before_anything_else(tmp_path):
    (tmp_path / "out").write_text("a file")
    asked = bare(DEMO / "run.py", "--out", tmp_path / "out", VIDEOGRAIN_COMFYUI="/nonexistent")
    assert asked.returncode == 1
    assert asked.stderr.startswith(f"error: the results go into {tmp_path / 'out'}, which cannot be written")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--vae-steps", "-3"], "--vae-steps: '-3' is not a whole number from 1"),
        (["--seed", "x"], "--seed: 'x' is not a whole number from 0"),
        (["--minutes", "nan"], "--minutes: 'nan' is not more than 0"),
        (["paint"], "there is no stage 'paint'; choose of vae, judge, diffusion, control"),
        (["--tree", "/nonexistent"], "error: /nonexistent is not a ComfyUI folder"),
    ],
)
def test_train_refuses_what_it_cannot_do(arguments, told):
    asked = bare(DEMO / "train.py", *arguments)
    assert asked.returncode in (1, 2) and told in asked.stderr and "Traceback" not in asked.stderr


def report(**changes):
    shown = {"left_word": "bear", "right_word": "frog", "certainty": {"left": 0.94, "right": 0.88}}
    return {"asked": {"left": "bear", "right": "frog"}, **shown, **changes}


def test_the_demo_passes_only_when_each_region_shows_its_word_with_certainty():
    require_shown(report())
    with pytest.raises(DemoFailed, match=r"on the right 'frog'.*seen: 'pig'"):
        require_shown(report(right_word="pig"))
    with pytest.raises(DemoFailed, match=r"on the left 'bear'.*0\.25 or more.*seen: 'bear' with 0\.004"):
        require_shown(report(certainty={"left": 0.004, "right": 0.88}))
