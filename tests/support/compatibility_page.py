"""docs/compatibility.md from tests/out/compatibility.json: run `make compatibility` after `make test-host`."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from compatibility import COMPOSED, REFUSED, RESULTS, Claim, version_key

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
SECTIONS = {
    "neighbour": ("Other nodes", "Beside Full-Frame Attention, ST-Layout Attention, DDIM Inversion and Latent Blend: what "
                  "changes the model goes before the inversion and the edit alike. Each with core's own node, or with a "
                  "stand-in that patches the model as the real pack does: the packs themselves were not run. “Composed”: both act, "
                  "and the tensor is what the equations give, computed without this pack. “Refused”: an error that names the node and the "
                  "fix, before anything is sampled or at the first call of the network. Some of our nodes ask for more and say so: Anchor "
                  "Attention, Edit in Chunks, Show Attention and Attention Layout refuse Context Windows, Inject Source Features, "
                  "the fusions and Place Objects refuse EasyCache, and where Perturbed-Attention Guidance acts in a block, its attention stands. "
                  "Not told yet: attention-couple-ComfyUI replaces cross-attention by regions of its own, which are added to ours."),
    "model": ("Models", "At reduced width, with random weights: attention and inversion against their equations, "
              "the background of an edit."),
    "sampler": ("Samplers", "“inversion” and “renoised” are Latent Blend's modes. With “inversion” the background comes "
                "out within 1e-3 of the source before it is pasted."),
    "scheduler": ("Schedulers", "Inversion and edit on the same levels."),
    "fault": ("Faults", "After each, the next run is right and nothing is left behind."),
    "bad input": ("Bad input", "Told with what was found, what was expected and what to change."),
}  # fmt: skip
UNTESTED = (
    "Any GPU: all of this ran on a CPU, most of it in float32.",
    "Stable Diffusion's own weights, and the packs IPAdapter, AnimateDiff-Evolved and the like themselves.",
    "Multi-GPU clones (MultiGPU Work Units).",
)
ROW = re.compile(r"^\| (?P<name>[^|]+?) \| (?P<outcome>[^|]+?) \|$", re.M)


def page(results: dict[str, dict[str, list[dict]]]) -> str:
    """The page of all host versions' results, {version: {test file: [entry]}}."""
    hosts = {version: [entry for file in files.values() for entry in file] for version, files in results.items()}
    claims = sorted({Claim(e["kind"], e["name"], e["outcome"]) for entries in hosts.values() for e in entries})
    parts = [
        "# Compatibility\n\nWhat the host tests assert, written by `make compatibility` from their results; a test fails "
        f"when this page and the tests differ.\n\n{_counts(claims, hosts)}\n",
        _hosts(hosts),
    ]
    for kind, (title, about) in SECTIONS.items():
        if found := [claim for claim in claims if claim.kind == kind]:
            rows = "\n".join(f"| {claim.name} | {claim.outcome} |" for claim in found)
            parts.append(f"## {title}\n\n{about}\n\n| what | outcome |\n|---|---|\n{rows}\n")
    parts.append("## Untested\n\n" + "\n".join(f"- {line}" for line in UNTESTED) + "\n")
    return "\n".join(parts)


def claims_on(text: str) -> set[Claim]:
    """What a page claims."""
    kinds = {title: kind for kind, (title, _) in SECTIONS.items()}
    found = set()
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title in kinds:
            table = body.split("|---|---|\n", 1)[1]
            found |= {Claim(kinds[title], row["name"], row["outcome"]) for row in ROW.finditer(table)}
    return found


def _counts(claims: Iterable[Claim], hosts: dict[str, list[dict]]) -> str:
    kinds = Counter(claim.kind for claim in claims)
    neighbours = Counter(claim.outcome for claim in claims if claim.kind == "neighbour")
    counts = [f"Other nodes composed: {neighbours[COMPOSED]}, refused: {neighbours[REFUSED]}"]
    counts += [
        f"{SECTIONS[kind][0].lower()}: {kinds[kind]}" for kind in SECTIONS if kind != "neighbour" and kinds[kind]
    ]
    return "; ".join([*counts, f"ComfyUI versions: {len(hosts)}"]) + "."


def _hosts(hosts: dict[str, list[dict]]) -> str:
    lines = ["## ComfyUI versions\n", "| version | passed | failed | not there |", "|---|---|---|---|"]
    reasons = []
    for version in sorted(hosts, key=version_key):
        results = Counter(entry["result"] for entry in hosts[version])
        lines.append(f"| {version} | {results['passed']} | {results['failed']} | {results['skipped']} |")
        reasons += [f"- {version}, {e['name']}: {e['why']}" for e in hosts[version] if e["result"] == "skipped"]
    lines.append("\nWhat no version of ComfyUI changes, such as broken media, ran on the newest only.")
    return "\n".join(lines) + "\n" + "".join(f"\n{reason}" for reason in reasons) + ("\n" if reasons else "")


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
