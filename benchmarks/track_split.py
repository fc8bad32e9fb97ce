"""How well Split Instances tells apart what crosses, with and without a MODEL: `make bench-track-split`, into TRACK.md.

Lively clips of their own seeds, in which two bent things change places, and track.py's clips in which a small thing walks
behind a large one. Both ways start from the true mask of the two together.
"""

import itertools
import json
import sys
import tempfile
from pathlib import Path

from track import OTHERS as TITLE
from track import PAGE, interval, mean

HERE = Path(__file__).resolve().parent
OUT = HERE / "out" / "track_split.json"
PASSING, TWINS = tuple(range(7200, 7208)), tuple(range(7400, 7404))  # seeds
MODEL, FLOW = WAYS = ("with a MODEL", "without (optical flow)")


def clips():
    import numpy as np

    from pack.benchmarks.track_clips import SETS, hiding_clip
    from pack.videograin.toybox import world
    from pack.videograin.toybox.lively import Lively, lively_clip

    frames = SETS["development"].frames
    for seed in PASSING + TWINS:
        rng = np.random.default_rng([seed, 43])
        names, place = rng.choice(list(world.OBJECTS), 2, replace=False), str(rng.choice(list(world.PLACES)))
        names, kind = ([str(names[0])] * 2, "twins") if seed in TWINS else (list(map(str, names)), "passing")
        yield f"{kind}-{seed}", lively_clip(names, place, frames, seed, Lively(passing=True))
    for seed in SETS["development"].hiding[:3]:  # in the last one the two touch in every frame, which the node refuses
        yield f"hiding-{seed}", hiding_clip(seed, frames)


def split_both_ways(model, vae, frames, truth):
    """Each way's masks (2, F, H, W) bool."""
    import torch

    from pack.nodes.instances import SplitInstances

    mask, found = truth.any(0).float(), {}
    for way, more in ((MODEL, {"model": model, "vae": vae}), (FLOW, {})):
        masks = SplitInstances.execute(mask, 2, "left to right", "", frames, **more).result[:2]
        found[way] = torch.stack(masks) > 0.5
    return found


def similarity(found, truth):
    """J of every thing and frame that shows at least 5 % of the thing's largest area, under the better of the two numberings."""
    import torch

    area = truth.sum((2, 3))
    shown = area >= 0.05 * area.amax(1, keepdim=True)
    numberings = (found[list(order)] for order in itertools.permutations(range(len(found))))
    tables = [(each & truth).sum((2, 3)) / (each | truth).sum((2, 3)) for each in numberings]
    return max((table[shown] for table in tables), key=torch.mean)


def measure(model, vae):
    import torch

    results = []
    for name, shot in clips():
        frames, truth = torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks)
        found = split_both_ways(model, vae, frames, truth)
        results.append({"clip": name, "rows": {way: similarity(found[way], truth).tolist() for way in WAYS}})
        sys.stderr.write(f"{name}: { {way: sum(js) / len(js) for way, js in results[-1]['rows'].items()} }\n")
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps({"clips": results}, indent=1) + "\n")


SECTION = """{title}

{passing} clips of 17 frames in which two bent things change places, the first behind the second, and {hiding} of the hiding ones (in the fourth the two touch in every frame, and the node refuses). Given is the true
mask of the two together in every frame; which is which is to be found. J as above, under the better of the two numberings; *wrong*: masks with
J below 0.5. `make bench-track-split` renews this section.

| | J | passing | hiding | wrong | twins |
|---|---|---|---|---|---|
{rows}

Difference, clip by clip: J {difference}. Worst clip with a MODEL: {worst:.3f}. No setting was chosen on these clips.

**What speaks against it.** Two things of one kind that change places (*twins*, {twins} clips, in no other column) are lost both ways: the model cannot
tell them apart, the node sees that by its own doubts, says so and takes the way without. It doubted in {doubted} of the other clips too, where the
things differ. A mask that misses or adds parts was not tried.
"""


def section(results):
    def of(way, *kinds):
        return [
            mean(each["rows"][way])
            for each in results
            if each["clip"].split("-")[0] in (kinds or ("passing", "hiding"))
        ]

    def row(way):
        masks = [j for each in results if "twins" not in each["clip"] for j in each["rows"][way]]
        wrong = f"{sum(j < 0.5 for j in masks)} of {len(masks)}"
        kinds = " | ".join(f"{mean(of(way, kind)):.3f}" for kind in ("passing", "hiding"))
        return f"| {way} | {interval(of(way))} | {kinds} | {wrong} | {mean(of(way, 'twins')):.3f} |"

    doubted = sum(a == b for a, b in zip(of(MODEL), of(FLOW), strict=True))
    return SECTION.format(
        title=TITLE, passing=len(of(MODEL, "passing")), hiding=len(of(MODEL, "hiding")), twins=len(TWINS), doubted=doubted, rows="\n".join(map(row, WAYS)),
        difference=interval([a - b for a, b in zip(of(MODEL), of(FLOW), strict=True)]), worst=min(of(MODEL)),
    )  # fmt: skip


def main():
    sys.path.insert(0, str(HERE.parent))
    from tools.inprocess import enter_host, import_pack

    tree = Path(sys.argv[sys.argv.index("--tree") + 1])
    with tempfile.TemporaryDirectory() as base:
        enter_host(tree, Path(base), "--use-pytorch-cross-attention")
        import_pack()
        import torch

        from pack.videograin.jobs import demo_model

        if "--page" not in sys.argv:  # else of the last measurement
            model, _, vae = demo_model.load()
            with torch.inference_mode():
                measure(model, vae)
    above = PAGE.read_text().partition(TITLE)[0].rstrip()
    PAGE.write_text(f"{above}\n\n{section(json.loads(OUT.read_text())['clips'])}")


if __name__ == "__main__":
    main()
