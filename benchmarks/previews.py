"""Does Preview Seeds pick a better seed than the first? Into benchmarks/out/previews.json, and in sentences in CHECK.md.

    $PY benchmarks/previews.py --tree TREE --clips 10

Each development clip is edited whole with each of SEEDS seeds, by regions from fresh noise, and its middle frame is
previewed with the same ones. Compared is what the judges say of the whole clips. It resumes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE / "out" / "previews.json"
ROW, SEEDS, FRAMES, STEPS = "fresh-regions", 4, 4, 10
UNKNOWN = ("material", "style")  # tasks whose words the demo model does not know


def previewing(prompt):
    """A row's graph that ends in previews of what its sampler is about to make."""
    sampler = prompt["sample"]["inputs"]
    regions = prompt[sampler["positive"][0]]["inputs"]["regions"]
    alike = {
        name: sampler[name]
        for name in ("model", "positive", "negative", "seed", "cfg", "denoise", "sampler_name", "scheduler")
    }
    given = {"clip": ["loader", 1], "vae": ["loader", 2], "latent": sampler["latent_image"], "regions": regions,
             "frame": -1, "variations": SEEDS, "steps": 6, "pick": 1, "variation": 0.0}  # fmt: skip
    previews = {"class_type": "VideoGrainPreviewSeeds", "inputs": {**alike, **given}}
    return {
        **{name: node for name, node in prompt.items() if name != "collect"},
        "previews": previews,
        "read": {"class_type": "BenchmarkRead", "inputs": {"text": ["previews", 3]}},
    }


def measure(bench, case):
    """The whole clips' `word`, seed by seed, and the previews' scores in the same order."""
    from pack.benchmarks.edit.rows import ROWS
    from pack.benchmarks.ruler.score import score

    one, held = bench.held(case, FRAMES)
    words = [score(held, bench.runner.edit(one, ROW, noise).frames, bench.judges)["word"] for noise in range(SEEDS)]
    bench.runner.examples.clear()
    bench.runner.examples[case.name] = one
    bench.runner.host.run(previewing(ROWS[ROW].graph(one, bench.setup)))
    rows = sorted(json.loads(bench.runner.outcome.text), key=lambda row: row["seed"])
    return {"clip": case.name, "word": words, "previews": rows}


def measured(clips):
    from pack.benchmarks.edit.bench import Bench
    from pack.benchmarks.edit.parts import Setup
    from pack.benchmarks.ruler import suite

    bench = Bench(Setup(frames=FRAMES, steps=STEPS), HERE / "out")
    found = json.loads(OUT.read_text()) if OUT.exists() else []
    known = {each["clip"] for each in found}
    for case in [case for case in suite.cases("development") if case.kind not in UNKNOWN][:clips]:
        if case.name not in known:
            found.append(measure(bench, case))
            OUT.write_text(json.dumps(found, indent=1) + "\n")
            sys.stderr.write(f"{case.name} {found[-1]['word']} {[row['score'] for row in found[-1]['previews']]}\n")
    return found


def summary(found):
    """Means over clips of the whole clip's `word`, and the picked seed's less the first one's, with its interval."""
    from pack.benchmarks.ruler.statistics import bootstrapped

    ways = {"first": lambda words: words[0], "mean": lambda words: sum(words) / len(words), "most": max}
    shown = {name: [way(each["word"]) for each in found] for name, way in ways.items()}
    shown["picked"] = [each["word"][_best(each)] for each in found]
    gain = bootstrapped([a - b for a, b in zip(shown["picked"], shown["first"], strict=True)])
    means = {name: sum(values) / len(values) for name, values in shown.items()}
    return {"clips": len(found), **means, "picked - first": gain}


def _best(each):
    scores = [row["score"] for row in each["previews"]]
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
        print(json.dumps(summary(found)))


if __name__ == "__main__":
    main()
