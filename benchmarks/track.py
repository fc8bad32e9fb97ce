"""How well Track Regions follows things, beside mark following and plain colour: `make bench-track`, to TRACK.md.

    make bench-track                     every set of clips; an hour on a CPU
    make bench-track ARGS="--sets test"  some of them; the others keep what was measured before

Everybody starts from the true masks of frame 0.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from track_clips import SETS, clips

HERE = Path(__file__).resolve().parent
OUT, PAGE = HERE / "out" / "track.json", HERE / "TRACK.md"
LEAST, AGAIN = 0.05, 0.5  # shares of a thing's first area: from where on J counts, and where it has come back
OTHERS = "## Split Instances"  # the first section that is not made here
WRONG = 0.7  # J below which a frame is wrong
OURS, COPY, CARRIED = "Track Regions", "the first mask, copied", "optical flow and GrabCut (Points to Region's)"
COLOUR = "the same on mere colour (Lab)"
ALONE, KEYS = "the same, marked frame alone", "the same on keys alone"
ROWS = {
    "development": (OURS, ALONE, KEYS, COLOUR, CARRIED, COPY),
    "test": (OURS, COLOUR, CARRIED),
    "long": (OURS, CARRIED),
}
SHARES = ((0.05, 0.25), (0.25, 0.5))  # of a thing's first area that still show


def carried(frames, masks):
    """What Points to Region does from the marked frame on, from a true mask."""
    import numpy as np
    import torch

    from pack.videograin.core.optical_flow import dis_flow, warp_masks
    from pack.videograin.masks.grabcut import redraw

    found = np.zeros(masks.shape, bool)
    found[:, 0] = masks[:, 0]
    pictures = (frames * 255).round().byte().numpy()
    for f in range(1, len(frames)):
        back = dis_flow(frames[f], frames[f - 1])
        for k in range(len(masks)):
            found[k, f] = redraw(pictures[f], warp_masks(found[k, f - 1], back))
    return torch.from_numpy(found)


def followed(model, vae, frames, truth, rows):
    """The masks (K, F, H, W) of each of these rows, our confidence, and our seconds a frame."""
    from pack.videograin.core.label_propagation import Settings
    from pack.videograin.core.token_likeness import Tokens, colours
    from pack.videograin.jobs import track_regions as job

    start = time.perf_counter()
    marks = job.Known([{0: mask[0].float()} for mask in truth])
    keys, grid = job.look(model, job.from_frames(model, vae, frames, 2, OURS), None)
    looked = time.perf_counter()
    under = colours(frames, grid)
    tokens = Tokens(keys, under, (0,))

    def by(features, **settings):
        return job.followed(features, grid, frames, marks, Settings(**settings), model.load_device)

    ours = by(tokens)
    seconds = [(looked - start) / len(frames), (time.perf_counter() - looked) / len(frames)]
    ways = {
        OURS: lambda: ours.masks,
        ALONE: lambda: by(tokens, recent=0).masks,
        KEYS: lambda: by(keys).masks,
        COLOUR: lambda: by(under, temperature=0.0005).masks,
        CARRIED: lambda: carried(frames, truth.numpy()),
        COPY: lambda: truth[:, :1].expand_as(truth),
    }
    return {row: ways[row]() for row in rows}, ours.confidence, seconds


def measured(found, truth):
    """One thing: J by frame, None where less than LEAST of it shows. (F, H, W) bool both."""
    first = int(truth[0].sum())
    both = zip(found, truth, strict=True)
    return [float((a & b).sum() / (a | b).sum()) if b.sum() >= LEAST * first else None for a, b in both]


def after_hiding(similarity, truth):
    """J of the frames in which at least AGAIN of a thing shows that had less than LEAST before."""
    first, hidden, found = int(truth[0].sum()), False, []
    for value, mask in zip(similarity, truth, strict=True):
        hidden = hidden or bool(mask.sum() < LEAST * first)
        if hidden and mask.sum() >= AGAIN * first:
            found.append(value)
    return found


def measure(model, vae, name):
    """The results of a set, one a clip."""
    import torch

    results = []
    for clip, shot in clips(SETS[name]):
        frames, truth = torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks)
        rows, confidence, seconds = followed(model, vae, frames, truth, ROWS[name])
        result = {"clip": clip, "seconds": seconds, "rows": {}, "frames": []}
        for row, masks in rows.items():
            values = [measured(mask, thing) for mask, thing in zip(masks, truth, strict=True)]
            result["rows"][row] = {
                "mean": mean([v for each in values for v in each[1:] if v is not None]),
                "last": mean([each[-1] for each in values if each[-1] is not None]),
                "again": [v for each, thing in zip(values, truth, strict=True) for v in after_hiding(each, thing)],
            }
            if row == OURS:
                result["frames"] = [
                    (float(confidence[k, f]), bool(masks[k, f].any()), float(truth[k, f].sum() / truth[k, 0].sum()), each[f])
                    for k, each in enumerate(values) for f in range(1, len(frames))
                ]  # fmt: skip
        results.append(result)
        shown = {row: round(values["mean"], 3) for row, values in result["rows"].items()}
        sys.stderr.write(f"{clip}: {shown}\n")
    return results


HEAD = """# How well things are followed

{against}

Clips of 192×192 pixels on which no setting was chosen: lively ones of the ruler (things bend, pass behind each other, come
nearer; the camera moves), and some in which a small thing walks behind a large one. All rows start from the true masks of
frame 0. J is intersection over union in pixels, in the mean over things and frames that show at least 5 % of a thing's
first area; *again*: frames in which at least half of a thing shows that had been hidden. Intervals are of the mean over
clips (95 %). `make bench-track` renews this page.
"""
PART = """
## {title}

{lively} lively clips and {hiding} in which a thing hides.

| | J | last frame | again | lively | hiding |
|---|---|---|---|---|---|
{rows}

{differences} J by the share of a thing that shows: {shares}.

**Confidence.** Of {shown} masks with a pixel (without those of which less than 5 % shows), {wrong} are wrong (J below 0.7). The report calls {unsure} unsure; {hits} of them are wrong.
Masks that are empty although 5 % or more of the thing shows: {missed}; the report calls them “not seen”.

**Cost** on one thread of a shared CPU, with pictures doubled: {look:.2f} s a frame to look, {follow:.2f} s to follow.
"""


def page(found):
    """The page. Its first paragraph, what speaks against, is written by hand and kept, and so is what others measured."""
    text = PAGE.read_text() if PAGE.exists() else "\n\n**What speaks against it.**\n\n"
    _, others, rest = text.partition(OTHERS)
    parts = "".join(part(name, found[name]) for name in SETS if name in found)
    return HEAD.format(against=text.split("\n\n")[1]) + parts + (f"\n{others}{rest}" if others else "")


def part(name, results):
    """What was measured on one set of clips."""
    hiding = [r for r in results if r["clip"].startswith("hiding")]
    lively = [r for r in results if r not in hiding]

    def of(row, key, among):
        return [each["rows"][row][key] for each in among]

    def minus(row, key):
        return interval([a - b for a, b in zip(of(OURS, key, results), of(row, key, results), strict=True)])

    rows = [
        f"| {row} | {interval(of(row, 'mean', results))} | {interval(of(row, 'last', results))} | "
        f"{mean([j for each in of(row, 'again', results) for j in each]):.3f} | {mean(of(row, 'mean', lively)):.3f} | {mean(of(row, 'mean', hiding)):.3f} |"
        for row in ROWS[name]
    ]
    differences = [
        f"Difference to {row}, clip by clip: J {minus(row, 'mean')}, last frame {minus(row, 'last')}."
        for row in (COLOUR, CARRIED)
        if row in ROWS[name]
    ]
    frames = [each for result in results for each in result["frames"]]
    by_share = [[j for *_, share, j in frames if j is not None and low <= share < high] for low, high in SHARES]
    return PART.format(
        title=SETS[name].title, lively=len(lively), hiding=len(hiding), rows="\n".join(rows),
        differences=" ".join(differences),
        shares=", ".join(
            f"{low:.0%} to {high:.0%} {mean(values):.3f} ({len(values)} masks)"
            for (low, high), values in zip(SHARES, by_share, strict=True)
        ),
        **told(frames), look=mean([r["seconds"][0] for r in results]), follow=mean([r["seconds"][1] for r in results]),
    )  # fmt: skip


def told(frames):
    """How many masks are wrong, and what the report says of them."""
    from pack.videograin.core.label_propagation import SURE

    shown = [
        (sure < SURE, j is None or j < WRONG)
        for sure, seen, share, j in frames
        if seen and (j is not None or not share)
    ]
    return {
        "shown": len(shown),
        "wrong": sum(wrong for _, wrong in shown),
        "unsure": sum(unsure for unsure, _ in shown),
        "hits": sum(unsure and wrong for unsure, wrong in shown),
        "missed": sum(not seen and share >= LEAST for _, seen, share, _ in frames),
    }


def interval(values):
    """The mean over clips and its interval, in words."""
    from pack.benchmarks.ruler.statistics import mean_interval

    return "{:.3f} ({:.3f} to {:.3f})".format(*mean_interval(values))


def mean(values):
    return sum(values) / len(values) if values else float("nan")


def main():
    sys.path.insert(0, str(HERE.parent))
    from tools.inprocess import enter_host, import_pack

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS), help="what to measure again")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        enter_host(chosen.tree, Path(base), "--use-pytorch-cross-attention")
        import_pack()
        import torch

        from pack.videograin.jobs import demo_model

        model, _, vae = demo_model.load()
        found = json.loads(OUT.read_text()) if OUT.exists() else {}
        for name in chosen.sets:
            with torch.inference_mode():
                found[name] = measure(model, vae, name)
            OUT.parent.mkdir(exist_ok=True)
            OUT.write_text(json.dumps(found, indent=1) + "\n")
        PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
