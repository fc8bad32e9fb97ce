"""Reconstruction: inversion and back on the toy world, frame by frame, against the autoencoder's own limit.

`make bench-reconstruction` writes out/reconstruction.json and RECONSTRUCTION.md: the demo clip and 24 others, attention
over all frames, CFG 1 on the way back. Finished clips are stored; a second run continues where the first stopped.
"""

import argparse
import json
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "out" / "reconstruction.json", HERE / "RECONSTRUCTION.md"
CLIPS, FRAMES, SEED = 24, 4, 3000
BAR = 1.0  # dB below the autoencoder that a frame may lose
PLAIN, OURS = "plain iteration, 2 refinements", "mixed per frame, 2 refinements"
RUNS = ((OURS, 20), (PLAIN, 20), (OURS, 50))  # method and steps


def plain_walk(denoise, x, sigmas, convention, refinements):
    """Plain fixed-point iteration, x+ <- x + (sigma+ - sigma) eps(x+, sigma+), from the variance-preserving guess."""
    from pack.videograin.core.ddim_inversion import Step

    for low, high in pairwise(sigmas):
        point = x * ((1 + high**2) / (1 + low**2)) ** 0.5
        for _ in range(refinements + 1):
            denoised = denoise(point, high)
            image = x + (point - denoised) * ((high - low) / high)
            residual = (image - point).flatten(1).norm(dim=1) / point.flatten(1).norm(dim=1)
            point = image
        x = point
        yield Step(x, denoised, residual)


def shots():
    """The clips as (name, objects, place, frames, motion, seed): the demo clip, then random clips."""
    import numpy as np

    from pack.videograin.toybox import world

    yield "demo clip", ("wolf", "pig"), "snow", 8, 1.0, 0
    for number in range(CLIPS):
        rng = np.random.default_rng(SEED + number)
        names = tuple(map(str, rng.choice(list(world.OBJECTS), 3 if number % 4 == 2 else 2, replace=False)))
        place = str(rng.choice(list(world.PLACES)))
        yield f"{', '.join(names)}; {place}", names, place, FRAMES, 1.5, SEED + number


def frame_psnr(a, b):
    """PSNR of each frame in dB, for frames (F, H, W, 3) in 0…1."""
    return (-10 * (a - b).square().flatten(1).mean(1).log10()).tolist()


def measure(rows: list[dict]) -> None:
    import comfy.sample
    import comfy.samplers
    import torch

    from pack.nodes.attention import FullFrameAttention
    from pack.videograin.comfyui.progress import Notes
    from pack.videograin.core.ddim_inversion import HIGH, ddim_invert
    from pack.videograin.jobs import demo_model, invert
    from pack.videograin.toybox import clips

    plain, clip, vae = demo_model.load()
    model = FullFrameAttention.execute(plain, "all frames").result[0]
    done = {(row["clip"], row["method"], row["steps"]) for row in rows}
    for name, names, place, count, motion, seed in shots():
        shot = clips.clip(names, place, count, motion, seed)
        frames = torch.from_numpy(shot.frames).float() / 255
        latent = vae.encode(frames)
        limit = frame_psnr(vae.decode(latent), frames)
        prompt = clip.encode_from_tokens_scheduled(clip.tokenize(shot.caption))
        for method, steps in RUNS:
            if (name, method, steps) in done:
                continue
            invert.ddim_invert = plain_walk if method == PLAIN else ddim_invert
            levels, notes = invert.schedule(model, "ddim_uniform", steps), Notes()
            noise, _ = invert.invert(
                model,
                prompt,
                {"samples": latent},
                levels,
                invert.Method(HIGH, 2),
                invert.Reporting(notes, on_step=lambda *_: None),
            )
            back = comfy.sample.sample_custom(
                model, torch.zeros_like(latent), 1.0, comfy.samplers.sampler_object("euler"), levels, prompt, prompt,
                noise["samples"], disable_pbar=True,
            )  # fmt: skip
            found = frame_psnr(vae.decode(back), frames)
            lost = [ours - best for ours, best in zip(found, limit, strict=True)]
            rows.append(
                {"clip": name, "method": method, "steps": steps, "psnr": found, "lost": lost, "told": notes.lines}
            )
            print(f"{name}, {method}, {steps} steps: worst frame {min(lost):+.2f} dB {notes.lines}", flush=True)
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


def page(rows: list[dict]) -> str:
    clips = len({row["clip"] for row in rows})
    lines = [
        "# Does every frame come back?",
        "",
        f"Inversion and back on the demo model, {clips} clips: the demo clip with 8 frames, {clips - 1} drawn by chance with {FRAMES}; scheduler",
        "ddim_uniform, attention over all frames, euler at CFG 1 back, float32 on a CPU. A frame is *lost* that comes back more than",
        f"{BAR:g} dB below what the autoencoder alone gives; *told*, if DDIM Inversion names it. `make bench-reconstruction` renews this page.",
        "",
        "| method | steps | network calls a step | frames lost | lost and told | told, not lost | worst frame | mean over frames |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, steps in RUNS:
        mine = [row for row in rows if (row["method"], row["steps"]) == (method, steps)]
        if not mine:
            continue
        frames = [(loss, told(row, i)) for row in mine for i, loss in enumerate(row["lost"])]
        lost = sum(loss < -BAR for loss, _ in frames)
        lines.append(
            f"| {method} | {steps} | 3 | {lost} of {len(frames)} | "
            f"{sum(loss < -BAR and said for loss, said in frames)} | {sum(loss >= -BAR and said for loss, said in frames)} | "
            f"{min(loss for loss, _ in frames):+.2f} dB | {sum(loss for loss, _ in frames) / len(frames):+.2f} dB |"
        )
    return "\n".join(lines) + "\n"


def told(row: dict, frame: int) -> bool:
    """Whether a warning names this frame: "Frames 0, 3 may come back …"."""
    named = (line.split(" may ")[0].partition(" ")[2].split(", ") for line in row["told"] if line.startswith("Frame"))
    return any(str(frame) in numbers for numbers in named)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=os.environ.get("VIDEOGRAIN_COMFYUI_TREE"), help="ComfyUI's folder")
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE.parent / "tools"))
    from inprocess import enter_host, import_pack

    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    with tempfile.TemporaryDirectory() as base:
        enter_host(Path(arguments.tree).resolve(), Path(base), "--use-pytorch-cross-attention")
        import_pack()
        import torch

        with torch.inference_mode():
            measure(rows)
    PAGE.write_text(page(rows))


if __name__ == "__main__":
    main()
