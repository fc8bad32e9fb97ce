"""Does Preview Seeds pick a better seed than the first? Results in benchmarks/out/previews.json, sentences in CHECK.md.

    make bench-previews                      20 development clips: an hour on a CPU
    make bench-previews ARGS="--clips 10"    the first so many

Each clip is edited whole with each of SEEDS seeds, by regions from fresh noise; its middle frame is previewed with the same
seeds. Compared is what the judges see in the whole clips. It resumes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE / "out" / "previews.json"
ROW, SEEDS, FRAMES, STEPS = "fresh-regions", 4, 4, 10
TRIED = (6, 12)  # steps of a preview
UNKNOWN = ("material", "style")  # tasks whose words the demo model does not know
ALIKE = ("model", "positive", "negative", "seed", "cfg", "denoise", "sampler_name", "scheduler")


def previewing(prompt, steps):
    """A row's graph that ends in previews of what its sampler is about to make."""
    sampler = prompt["sample"]["inputs"]
    regions = prompt[sampler["positive"][0]]["inputs"]["regions"]
    given = {"clip": ["loader", 1], "vae": ["loader", 2], "latent": sampler["latent_image"], "regions": regions,
             "frame": -1, "variations": SEEDS, "steps": steps, "pick": 1, "variation": 0.0}  # fmt: skip
    inputs = {**{name: sampler[name] for name in ALIKE}, **given}
    previews = {"class_type": "VideoGrainPreviewSeeds", "inputs": inputs}
    read = {"class_type": "BenchmarkRead", "inputs": {"text": ["previews", 3]}}
    return {**{name: node for name, node in prompt.items() if name != "collect"}, "previews": previews, "read": read}


def edited(bench, case):
    """The whole clips' `word`, seed by seed."""
    from pack.benchmarks.ruler.score import score

    one, held = bench.held(case, FRAMES)
    return [score(held, bench.runner.edit(one, ROW, noise).frames, bench.judges)["word"] for noise in range(SEEDS)]


def previewed(bench, case, steps):
    """The previews' scores, in the order of the seeds; None where no region is checked."""
    from pack.benchmarks.edit.rows import ROWS

    one, _ = bench.held(case, FRAMES)
    bench.runner.examples.clear()
    bench.runner.examples[case.name] = one
    bench.runner.host.run(previewing(ROWS[ROW].graph(one, bench.setup), steps))
    return [row["score"] for row in sorted(json.loads(bench.runner.outcome.text), key=lambda row: row["seed"])]


def measured(clips):
    """The results of some clips, in the file as soon as they are known."""
    from pack.benchmarks.edit.bench import Bench
    from pack.benchmarks.edit.parts import Setup
    from pack.benchmarks.ruler import suite

    bench = Bench(Setup(frames=FRAMES, steps=STEPS), HERE / "out")
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    chosen = [case for case in suite.cases("development") if case.kind not in UNKNOWN][:clips]
    for case in chosen:
        if case.name not in found:
            words = edited(bench, case)  # first: the runner asks what each node of an edit has cost
            scores = {str(steps): previewed(bench, case, steps) for steps in TRIED}
            found[case.name] = {"word": words, "scores": scores}
            OUT.write_text(json.dumps(found, indent=1) + "\n")
            sys.stderr.write(f"{case.name} {found[case.name]}\n")
    return [found[case.name] for case in chosen]


def summary(found, steps):
    """Means over clips of the whole clip's `word`, and the picked seed's less the first one's, with its interval."""
    from pack.benchmarks.ruler.statistics import bootstrapped

    ways = {"first": lambda words: words[0], "mean": lambda words: sum(words) / len(words), "best": max}
    shown = {name: [way(each["word"]) for each in found] for name, way in ways.items()}
    shown["picked"] = [each["word"][_best(each["scores"][str(steps)])] for each in found]
    means = {name: sum(values) / len(values) for name, values in shown.items()}
    gains = {
        f"picked - {name}": bootstrapped([a - b for a, b in zip(shown["picked"], shown[name], strict=True)])[:3]
        for name in ("first", "mean")
    }
    return {"steps": steps, "clips": len(found), **means, **gains}


def _best(scores):
    return max(range(SEEDS), key=lambda seed: float("-inf") if scores[seed] is None else scores[seed])


def main():
    sys.path[0] = str(HERE.parent)
    from tools.inprocess import enter_host, import_pack

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--clips", type=int, help="only the first so many")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        enter_host(chosen.tree, Path(base), "--use-pytorch-cross-attention")
        import_pack()
        found = measured(chosen.clips)
        for steps in TRIED:
            print(json.dumps(summary(found, steps)))


if __name__ == "__main__":
    main()
