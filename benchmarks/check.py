"""How well Region Check tells regions that are empty or wrong: `make bench-check`, to CHECK.md.

    make bench-check                      24 development clips, two ways to edit them: half an hour on a CPU
    make bench-check ARGS="--clips 4"     the first so many, without the page
    make bench-check ARGS="--page"        the page anew, of what was measured

The judges of the edit benchmark say in which frames a region shows its words. The limit is chosen on clips of even number
and read on those of odd number. It resumes: results are in out/check.json, latents of finished edits in out/latents/.
"""

import argparse
import json
import sys
import tempfile
from math import nan
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT, LATENTS, PAGE = HERE / "out" / "check.json", HERE / "out" / "latents", HERE / "CHECK.md"
OURS, ALL = "regions", ""
ROWS = {OURS: "regions", "noise-mask": "stock: noise mask, one by one"}
UNKNOWN = ("material", "style")  # tasks whose words the demo model does not know
FRAMES, STEPS, BOTH = 4, 10, 2
UNASKED = float("inf")  # a score that is never doubted


def asked_of(one):
    """The regions as a user has them: mask, words, and what was there before."""
    import torch

    from pack.benchmarks.edit.areas import areas
    from pack.videograin.core.regions import Region
    from pack.videograin.toybox.world import PLACES

    before = [track[0].noun for track in one.shot.tracks]
    return tuple(
        Region(
            torch.from_numpy(area.mask).float(),
            area.phrase,
            was=PLACES[one.shot.place] if area.is_place else before[number],
        )
        for number, area in enumerate(areas(one))
    )


def votes(judges, region, frames, edited):
    """How many of both judges see what is wanted, in each of the frames."""
    import numpy as np

    from pack.benchmarks.ruler.crops import crop

    answers = judges.read(np.stack([crop(edited[f], region.outline[f]) for f in frames])).answers
    return [
        sum(all(getattr(a, w) == getattr(region.wanted, w) for w in region.asked) for a in both) for both in answers
    ]


def latent_of(bench, one, row):
    """The LATENT of an edit as its sampler gave it, (F, C, h, w); from disk if it is there."""
    from safetensors.torch import load_file, save_file

    from pack.benchmarks.edit.rows import ROWS as GRAPHS

    runner, prompt = bench.runner, GRAPHS[row].graph(one, bench.setup)
    path = LATENTS / f"{runner.store.key(one, prompt)}.safetensors"
    if not path.exists():
        last = [node for node in prompt.values() if node["class_type"] == "VAEDecode"][-1]
        keep = {
            "class_type": "BenchmarkKeep",
            "inputs": {"latent": last["inputs"]["samples"]},
            "_meta": {"title": "keep"},
        }
        runner.examples.clear()
        runner.examples[one.case.name] = one
        runner.run({**prompt, "keep": keep})
        save_file({"latent": runner.outcome.latent.contiguous()}, path)
    return load_file(path)["latent"]


def measure(bench, model, clip, case, row):
    """A result for each changed region of an edit: the judges' votes and our scores, frame by frame."""
    from pack.videograin.comfyui.progress import Notes
    from pack.videograin.jobs.region_check import check

    one, held = bench.held(case, FRAMES)
    asked = asked_of(one)
    scores = check(model, clip, latent_of(bench, one, row), asked, Notes()).scores
    edited = bench.runner.edit(one, row).frames
    found = []
    for region, frames, words, mine in zip(held.regions, held.frames, asked, scores, strict=True):
        if region.changes and frames:
            seen = votes(bench.judges, region, frames, edited)
            numbers = [mine[f] if mine else UNASKED for f in frames]
            found.append({"clip": case.name, "row": row, "words": words.phrase, "votes": seen, "scores": numbers})
    return found


def measured(clips):
    """All results, in the file as soon as they are known; those that it has are not made again."""
    import torch

    from pack.benchmarks.edit.bench import Bench
    from pack.benchmarks.edit.parts import Setup
    from pack.benchmarks.ruler import suite
    from pack.videograin.jobs import demo_model

    LATENTS.mkdir(exist_ok=True, parents=True)
    bench = Bench(Setup(frames=FRAMES, steps=STEPS), HERE / "out")
    model, clip, _ = demo_model.load()
    found = json.loads(OUT.read_text()) if OUT.exists() else []
    known = {(each["clip"], each["row"]) for each in found}
    cases = [case for case in suite.cases("development")[:clips] if case.kind not in UNKNOWN]
    for case, row in ((case, row) for row in ROWS for case in cases if (case.name, row) not in known):
        with torch.inference_mode():
            found += measure(bench, model, clip, case, row)
        OUT.write_text(json.dumps(found, indent=1) + "\n")
        sys.stderr.write(f"{case.name} {row}\n")
    return found


def pairs(found, row=ALL, odd=None, clear=False):
    """(score, wrong) of the judged region-frames. odd: only clips of odd or even number. clear: only where both judges agree."""
    return [
        (UNASKED if score != score else score, seen < BOTH)
        for each in found
        if row in (ALL, each["row"]) and odd in (None, int(each["clip"].split("-")[1]) % 2 == 1)
        for score, seen in zip(each["scores"], each["votes"], strict=True)
        if seen != 1 or not clear
    ]


def told(known, limit):
    """(told, wrong, both): how many are below the limit, how many are wrong, how many are both."""
    return (
        sum(score < limit for score, _ in known),
        sum(wrong for _, wrong in known),
        sum(wrong and score < limit for score, wrong in known),
    )


def best_limit(known):
    """The limit of the best F1, in hundredths."""
    limits = [number / 100 for number in range(-20, 60)]

    def f1(limit):
        told_of, wrong, both = told(known, limit)
        return 2 * both / max(1, told_of + wrong)

    return max(limits, key=f1)


def area(known):
    """The chance that a wrong region scores lower than a right one."""
    wrong, right = ([score for score, is_wrong in known if is_wrong == kind] for kind in (True, False))
    beaten = sum((a < b) + 0.5 * (a == b) for a in wrong for b in right)
    return beaten / (len(wrong) * len(right)) if wrong and right else nan


def line(title, known, limit):
    told_of, wrong, both = told(known, limit)
    precision, recall = both / max(1, told_of), both / max(1, wrong)
    return (
        f"| {title} | {len(known)} | {wrong} | {area(known):.2f} | {precision:.2f} ({both} of {told_of}) | "
        f"{recall:.2f} ({both} of {wrong}) |"
    )


HEAD = """# Does Region Check find what went wrong?

{by_hand}

{clips} development clips of the edit benchmark ({frames} frames, {steps} steps), two ways to edit them. A region-frame is *wrong* where not both
judges see the word that was asked ([RULER.md](RULER.md)); *clear*: where they agree with each other. *Chance*: that a wrong
one scores lower than a right one. Materials and styles are left out: the demo model does not know their words. Places are
not checked, and count as not told. `make bench-check` renews this page.

The limit of the best F1 on clips of even number is {own:.2f} for regions alone and {both:.2f} for both ways; the node takes
{limit:.2f}, and so does the table. Tasks of even clips (instance, part, object, bigger, remove) are others than those of odd
ones (class, background, swap, smaller, small).

| region-frames | number | wrong | chance | precision | recall |
|---|---|---|---|---|---|
"""


def page(found):
    """The page. What stands above the numbers is written by hand and kept."""
    from pack.videograin.core.region_presence import LIMIT

    text = PAGE.read_text() if PAGE.exists() else "\n\n**What speaks against it.**\n\n"
    groups = ((False, "even"), (True, "odd"), (None, "all"))
    lines = [
        line(f"{label}, {name}{', clear' if clear else ''}", pairs(found, row, odd, clear), LIMIT)
        for row, label in ROWS.items()
        for clear in (False, True)
        for odd, name in groups
    ]
    own, both = (best_limit(pairs(found, row, odd=False)) for row in (OURS, ALL))
    clips = len({each["clip"] for each in found})
    about = {"clips": clips, "frames": FRAMES, "steps": STEPS, "own": own, "both": both, "limit": LIMIT}
    return HEAD.format(by_hand=_by_hand(text), **about) + "\n".join(lines) + "\n"


def _by_hand(text):
    """The paragraphs between the title and the one that begins with the number of clips."""
    kept = []
    for paragraph in text.split("\n\n")[1:]:
        if paragraph.strip()[:1].isdigit():
            break
        kept.append(paragraph)
    return "\n\n".join(kept)


def main():
    sys.path[0] = str(HERE.parent)
    from tools.inprocess import enter_host, import_pack

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--clips", type=int, help="only the first so many, without the page")
    parser.add_argument("--page", action="store_true", help="only the page, of what was measured before")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        enter_host(chosen.tree, Path(base), "--use-pytorch-cross-attention")
        import_pack()
        found = json.loads(OUT.read_text()) if chosen.page else measured(chosen.clips)
        if not chosen.clips:
            PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
