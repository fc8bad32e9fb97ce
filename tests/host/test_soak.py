"""600 frames on the demo model in the long form, killed once and resumed: hours on a CPU, so `make soak` alone runs it.

VIDEOGRAIN_SOAK_FRAMES and VIDEOGRAIN_SOAK_STEPS make it shorter. What it measures is printed as JSON.
"""

import json
import os
import time

import psutil
import pytest
import torch

from pack.benchmarks.ruler.statistics import seam_ratio
from pack.benchmarks.timing import long
from pack.videograin.core.chunking import borders, windows
from pack.videograin.core.optical_flow import dis_flow, occluded
from pack.videograin.jobs import long_video
from pack.videograin.metrics.measures import background_psnr, warp_err

FRAMES, STEPS = (int(os.environ.get(f"VIDEOGRAIN_SOAK_{name}", n)) for name, n in (("FRAMES", 600), ("STEPS", 10)))
LENGTH = 16


def warp_errors(source, edited):
    """Warp-Err of each pair of frames along the source's own motion, pair by pair."""
    errors = []
    for i in range(len(source) - 1):
        back, there = dis_flow(source[i + 1], source[i]), dis_flow(source[i], source[i + 1])
        errors.append(warp_err(edited[i], edited[i + 1], back, occluded(back, there)))
    return torch.stack(errors)


class Stopped(Exception):
    """The crash."""


@pytest.mark.soak
def test_a_long_clip_is_edited_in_constant_memory_without_seams_and_survives_a_crash(tmp_path, monkeypatch):
    monkeypatch.setattr("folder_paths.output_directory", str(tmp_path))
    asked = long.task(FRAMES)
    frames, masks = asked.frames, asked.masks
    cuts, memory, made, edit_chunk = windows(FRAMES, LENGTH, long.OVERLAP), [], [], long_video.edit_chunk

    def watched(job, window, progress):
        if len(made) == len(cuts) // 2 and "crash" not in made:
            made.append("crash")
            raise Stopped
        latents = edit_chunk(job, window, progress)
        made.append(window)
        output = window.start * frames[0].numel() * 4  # the clip returned fills up, and is no part of what is held
        memory.append((psutil.Process().memory_info().rss - output) / 1e6)
        return latents

    monkeypatch.setattr(long_video, "edit_chunk", watched)
    began = time.monotonic()
    with pytest.raises(Stopped):
        long.edit(asked, STEPS, LENGTH)
    edited, report = long.edit(asked, STEPS, LENGTH)
    seconds = time.monotonic() - began
    assert [window for window in made if window != "crash"] == cuts  # each made once, the crash in between
    assert f"taken from disk: {len(cuts) // 2} chunks" in report

    ratio = seam_ratio(warp_errors(frames, edited), borders(cuts))
    third = len(memory) // 3
    growth = max(memory[-third:]) - max(memory[:third])
    found = {
        "frames": FRAMES, "chunks": len(cuts), "steps": STEPS, "seconds_per_frame": round(seconds / FRAMES, 3),
        "seam_ratio": round(ratio, 4), "memory_growth_mb": round(growth), "memory_mb": round(max(memory)),
        "background_psnr": round(background_psnr(frames, edited, masks > 0.5), 2),
    }  # fmt: skip
    print("\n" + json.dumps(found), "\n" + report)  # noqa: T201 - what a soak is run for
    assert edited.shape == frames.shape and torch.isfinite(edited).all()
    assert ratio <= 1.1
    assert growth < 100
