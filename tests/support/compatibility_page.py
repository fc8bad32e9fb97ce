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
                  "stand-in that patches the model as the real pack does. “Composed”: both act, "
                  "and the tensor is what the equations give, computed without this pack. “Works”: both act, and a warning says "
                  "what that means. “Refused”: an error that names the node and the "
                  "fix, before anything is sampled or at the first call of the network. Some of our nodes ask for more and say so: Anchor "
                  "Attention, Edit in Chunks, Show Attention and Attention Layout refuse Context Windows, Inject Source Features, "
                  "the fusions and Place Objects refuse EasyCache, and where Perturbed-Attention Guidance acts in a block, its attention stands."),
    "model": ("Models", "At reduced width, with random weights: attention and inversion against their equations, "
              "the background of an edit."),
    "sampler": ("Samplers", "“inversion” and “renoised” are Latent Blend's modes. With “inversion” the background comes "
                "out within 1e-3 of the source before it is pasted."),
    "scheduler": ("Schedulers", "Inversion and edit on the same levels."),
    "fault": ("Faults", "After each, the next run is right and nothing is left behind."),
    "bad input": ("Bad input", "Told with what was found, what was expected and what to change."),
}  # fmt: skip
# Tried by hand, on ComfyUI 0.30.0 unless it says another: (pack, commit, what was found).
PACKS = (
    ("IPAdapter_plus", "9d076a3", "Composes, within 2.1e-6 of the equations: one image, two adapters, an image or a mask for each "
     "frame, “style transfer precise”. Put all IPAdapters before the MODEL branches to inversion and edit: the pack's own "
     "nodes change what they find on it. *Again after a mend:* the object that it puts on cross-attention composes, and nothing is said."),
    ("AnimateDiff-Evolved", "d8d163c", "Motion modules v1, v2, v3 and all windows compose, within 1.9e-6 window by window; "
     "Anchor Attention is refused in windows. *Again after a mend:* in its windows Inject Source Features, both fusions and Place "
     "Objects give the same bits as in core's; iterations are refused before the inversion. v1 modules with `clip_norm` are "
     "refused. With keyframes, the “next step” pairing of source features may reach a keyframe a step early. *On 30 November:* the "
     "workflow motion_module_sd15 ran whole in ComfyUI's server, with random weights in a full Stable Diffusion 1.5 checkpoint's "
     "format and in a v3 and a v2 module's: 18 frames of 64×64 in two windows, 2 steps. The module acts in the inversion and in the "
     "edit; a sampler without it is refused."),
    ("Advanced-ControlNet", "9e60d8a", "Hints, strength and masks for each frame, keyframes, windows: within 2.5e-6 of the equations. "
     "*Again after a mend:* Reference, and AnimateDiff-Evolved's ContextRef, act in inversion and edit; with `style_fidelity` "
     "above 0 one warning says that the negative half sees frames one by one."),
    ("ComfyUI-ppm", "200f460", "Does not load on 0.30.0 or 0.26.0 by itself (an import of its own); on 0.18.2, and with that import "
     "put in: guidance nodes and schedulers compose, Attention Couple is refused by name, and its fix works."),
    ("cgem156-ComfyUI", "884563c", "Reference concat and replace compose; Attention Couple is refused, and its fix works."),
    ("attention-couple-ComfyUI", "8730461", "*Again after a mend:* a replacement of cross-attention: its regions and ours act at "
     "once, and a warning names it; with `cross_strength` 0 its own alone act."),
    ("KJNodes", "3f20054", "Mask nodes, previews, CFG Zero Star and TorchCompileModelAdvanced (runs uncompiled, says so) compose. "
     "SageAttention needs a GPU and was not run."),
    ("VideoHelperSuite", "4ee72c0", "Video Combine, Load Video, inversion, decode, Combine: the frames are plain IMAGEs."),
    ("Impact Pack", "727295b", "SEGS and mask lists into Region Prompt and Latent Blend as batches (V7.10.6, without its subpack)."),
    ("FLATTEN", "7ea5105", "Apply Flatten Attention stands at its five blocks, and is named. *Again after a mend:* its own network is "
     "refused by name."),
    ("TiledDiffusion", "a155b1b", "*Again after a mend:* with `tile_batch_size` 1, Full-Frame Attention composes in each tile, the "
     "same bits in either order, by all three methods (SpotDiffusion stops in an inversion, with an error of its own); with more, "
     "all that looks across frames is refused; regions always."),
    ("layerdiffuse", "fffa28a", "Attention sharing does not run on 0.30.0 by itself. It is refused by name (a stand-in, in the tests)."),
    ("controlnet_aux", "e8b689a", "Loads beside this pack; its pictures are plain IMAGEs."),
)  # fmt: skip
UNTESTED = (
    "Any GPU: all of this ran on a CPU, most of it in float32.",
    "Stable Diffusion's own weights: all networks here, also beside the real packs, have random ones, most at a tenth of the width.",
    "FaceID, real CLIP Vision, SparseCtrl and CADS; SDXL beside the real packs.",
    "Multi-GPU clones (MultiGPU Work Units).",
)
NEWER = (
    "Frontends: the browser tests run on comfyui-frontend-package 1.47.12, which ComfyUI 0.30.0 asks for, and on 1.58.1, in "
    "both renderers. Helpers: the host tests run with comfy-kitchen 0.2.26 and comfy-aimdo 0.4.11, and with 0.2.40 and 0.6.0.",
    "ComfyUI after 0.30.0, up to 0.38.1, read and not run: `comfy/samplers.py` (311c014), `sampler_helpers.py` (5375777), "
    "`model_patcher.py` (08d0e51), `model_base.py` (094c74c) and `ldm/modules/attention.py` (05080f6). The wrappers there "
    "(OUTER_SAMPLE, PREPARE_SAMPLING, SAMPLER_SAMPLE, PREDICT_NOISE, CALC_COND_BATCH), the prompts' `uuids`, the order of rows, "
    "what a replacement of attention is called with, and `ModelPatcher.clone` are as in 0.30.0. Not read: `patcher_extension.py` "
    "and the UNet's own `openaimodel.py`, which has DIFFUSION_MODEL. The pack says at start when ComfyUI is newer than tested.",
    "There a checkpoint can ask for int8 attention at a site (`CrossAttention.comfy_attention`, `preferred_attention`). A "
    "replacement is not told of it: where a node of this pack acts, attention is computed in the model's own precision. What "
    "another pack's replacement adds is then measured against that. `--use-ck-attention` takes int8 at every site of the "
    "network, here too, except ST-Layout's; inversion comes back less exactly.",
    "There core hands q, k and v to attention functions in containers that can be emptied once (`AttentionTensorContainer`). "
    "`optimized_attention_override` still gets tensors, and so does everything here; a pack that takes the place of "
    "`optimized_attention` itself meets both.",
    "There the memory for a run is asked of `call_model_memory_required`, which knows of `optimized_attention_memory_efficient`. "
    "This pack asks for more by a larger batch, measured with `memory_required`; beside such an override it may ask for too much.",
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
        if kind == "neighbour":
            parts.append(_packs())
    parts.append("## Newer versions\n\n" + "\n".join(f"- {line}" for line in NEWER) + "\n")
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


def _packs() -> str:
    rows = "\n".join(f"| {name} | {commit} | {found} |" for name, commit, found in PACKS)
    return (
        "## Real packs\n\nThe packs themselves, loaded by ComfyUI's own loader in both orders, on 29 November 2026. All that "
        "composes does so to the same bits whichever node comes first, and leaves the MODEL as it was; the background before "
        f"pasting is within 2.3e-7 of the source. What does not say “again after a mend” was found before the mends of that day.\n\n| pack | commit | found |\n|---|---|---|\n{rows}\n"
    )


def _counts(claims: Iterable[Claim], hosts: dict[str, list[dict]]) -> str:
    kinds = Counter(claim.kind for claim in claims)
    neighbours = Counter(claim.outcome for claim in claims if claim.kind == "neighbour")
    counts = [f"Other nodes composed: {neighbours[COMPOSED]}, refused: {neighbours[REFUSED]}"]
    counts += [
        f"{SECTIONS[kind][0].lower()}: {kinds[kind]}" for kind in SECTIONS if kind != "neighbour" and kinds[kind]
    ]
    return "; ".join([*counts, f"ComfyUI versions: {len({host.split()[0] for host in hosts})}"]) + "."


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
    if not RESULTS.exists():
        raise SystemExit("error: no results of host tests: run `make test-host` first")
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
