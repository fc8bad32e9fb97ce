"""The command, from its arguments to the files it writes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from . import bench, clips, comfyui, record, sheet
from .clips import Clip
from .comfyui import Told
from .recipes import RECIPES, Settings

SHEET, RECORD = "sheet.html", "proof.json"
SIZE, STEPS = 64, 2  # of a rehearsal: pixels of a side, steps
BENCH_SHARE = 1 / 3  # of the time, for the benchmark at the end
CPU = ["--cpu", "--use-pytorch-cross-attention"]  # ComfyUI's own attention on a CPU is several times slower


def run(chosen: argparse.Namespace, here: Path) -> None:
    """Runs the proof. chosen: as run.py reads them; here: the folder of run.py. Raises Told."""
    deadline, pack = time.monotonic() + 60 * chosen.minutes, here.parent
    tree = comfyui.find(chosen.comfyui, pack)
    found, missing = clips.read(chosen.clips)
    if not found:
        raise Told(f"{chosen.clips / clips.NAME} names no clip that is there. {' '.join(missing)}")
    results = Results(chosen.out)
    with tempfile.TemporaryDirectory(prefix="videograin-proof-", ignore_cleanup_errors=True) as scratch:
        comfyui.enter(tree, Path(scratch), [*CPU * chosen.rehearse, *chosen.host])
        machine = comfyui.machine(pack) | (dict.fromkeys(("gpu", "vram_mb")) if chosen.rehearse else {})
        if not (machine["gpu"] or chosen.rehearse):
            raise Told("PyTorch sees no GPU here. --rehearse tries on the CPU whether all of it runs.")
        settings = Settings(model(chosen, Path(scratch)), chosen.frames, STEPS if chosen.rehearse else chosen.steps)
        results.record = record.begun(machine, settings, chosen.rehearse)
        for line in missing:
            results.leave_out(line)
        speed = benchmark(chosen, pack)
        minutes = chosen.minutes * (1 - BENCH_SHARE if speed else 1)
        ended = edits(prepared(found, settings, Path(scratch), chosen.rehearse), settings, results, minutes)
        if speed and ended:
            results.record["bench"] = bench.rows(speed, tree, results.out, (deadline - time.monotonic()) / 60)
        results.write()
    print(f"Wrote {results.out / SHEET} and {results.out / RECORD}. proof/README.md says what to do with them.")


def benchmark(chosen: argparse.Namespace, pack: Path) -> Path | None:
    """The speed benchmark's script, if it is to run and is there."""
    if chosen.no_bench or chosen.rehearse:
        return None
    found = bench.script(pack)
    if found is None:
        print("Without the speed benchmark: only a clone of the repository has it.")
    return found


def model(chosen: argparse.Namespace, scratch: Path) -> str:
    """The checkpoint's name for ComfyUI; in a rehearsal, of one with random weights."""
    if not chosen.rehearse:
        return comfyui.checkpoint(chosen.checkpoint)
    from . import random_weights as weights

    print("Making random weights of Stable Diffusion 1.5's build.")
    path = scratch / "random.safetensors"
    weights.write_checkpoint(path, weights.SMALL if chosen.small else weights.UNET)
    return comfyui.checkpoint(str(path))


def prepared(found: list[Clip], settings: Settings, scratch: Path, rehearsal: bool) -> list[Clip]:
    """The clips at the size of the run, copied into the input folder, each under a name of its own."""
    ready = []
    for number, clip in enumerate(found):
        name = f"{number}_{clip.path.name}"  # the same clip may come twice, with other words
        shutil.copyfile(clip.path, scratch / "input" / name)
        width, height = (SIZE, SIZE) if rehearsal else clip.size
        ready.append(clip.scaled(width, height, settings.frames)._replace(path=Path(name)))
    return ready


def edits(todo: list[Clip], settings: Settings, results: Results, minutes: float) -> bool:
    """Edits as many clips as the time allows, and writes the results after each. False if the user stopped it."""
    from .course import Course
    from .host import Stopped

    course = Course(settings)
    try:
        print("Loading the model, and trying two steps to see how long all will take.")
        try:
            costs = course.estimate(todo)
        except RuntimeError as error:
            raise Told(f"the trial with {todo[0].file} failed. {str(error).splitlines()[0]}") from None
        fitting = fit(costs, 60 * minutes)
        print(f"About {told(sum(costs[:fitting]))} for {fitting} of {len(todo)} clips, by a measured step.")
        for clip in todo[fitting:]:
            results.leave_out(f"{clip.file}: it does not fit into --minutes.")
        for number, clip in enumerate(todo[:fitting]):
            print(f"[{number + 1}/{fitting}] {clip.words.source} -> {clip.words.edited}")
            edit(course, clip, results)
            results.write()
        return True
    except Stopped:
        print("Stopped. What was finished is kept.")
        return False
    finally:
        course.leave()


def edit(course: Any, clip: Clip, results: Results) -> None:
    """One clip by all recipes, into the results."""
    try:
        frames, regions = course.begin(clip)
    except RuntimeError as error:
        results.leave_out(f"{clip.file}: {str(error).splitlines()[0]}")
        return
    runs = []
    for recipe in RECIPES:
        runs.append(course.edit(clip, recipe))
        cost = runs[-1].failed or f"{runs[-1].seconds:.1f} s, {runs[-1].peak_mb:,.0f} MiB"
        print(f"    {recipe}: {cost}")
    results.add(record.clip_row(clip, frames, runs), sheet.picture(frames, regions, runs))


def fit(costs: list[float], seconds: float) -> int:
    """How many of the clips, in order, fit into the time; at least one."""
    count = 1
    while count < len(costs) and sum(costs[: count + 1]) <= seconds:
        count += 1
    return count


def told(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


class Results:
    """What is written into the output folder: the record, and a sheet that shows it."""

    def __init__(self, out: Path):
        """Makes the folder; raises Told where it cannot be written."""
        try:
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=out):
                self.out = out.absolute()
        except OSError as error:
            raise Told(
                f"the results go into {out}, which cannot be written ({error.strerror}). Choose with --out."
            ) from None
        self.record: dict[str, Any] = {}
        self.pictures: list[str] = []

    def add(self, row: dict[str, Any], picture: str) -> None:
        self.record["clips"].append(row)
        self.pictures.append(picture)

    def leave_out(self, line: str) -> None:
        print(f"Left out: {line}")
        self.record["left_out"].append(line)

    def write(self) -> None:
        """Replaces both files, each whole or not at all."""
        text = json.dumps(self.record, indent=1, ensure_ascii=False) + "\n"
        for name, content in ((RECORD, text), (SHEET, sheet.page(self.record, self.pictures))):
            part = self.out / f"{name}.part"
            part.write_text(content, encoding="utf-8")
            os.replace(part, self.out / name)
