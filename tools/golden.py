"""Golden runs: every saved workflow, run at toy size, and a hash of every node's outputs.

Two checkouts of the pack with the same behaviour give the same hashes on the same machine, bit for bit:

    python tools/golden.py --pack CHECKOUT --out golden.json [--only NAME ...] [--quick]
    python tools/golden.py --compare BEFORE.json AFTER.json

The graphs run in a real ComfyUI, in this process and on one CPU core. The runs know only the pack's entry point and
node ids, so its files may move. Checkpoints are tiny and random, clips are drawn here; see golden_models.py,
golden_clips.py, golden_graphs.py, golden_variants.py and golden_hash.py.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import copy
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

OWN = Path(__file__).resolve().parents[1]
TREE = "VIDEOGRAIN_COMFYUI_TREE"  # environment variable: ComfyUI's folder
FOLDERS = ("custom_nodes", "input", "models", "output", "temp", "user")
EXTRAS = (
    "latent", "mask", "post_processing", "custom_sampler", "images", "ip2p", "primitive", "preview_any", "video", "audio",
    "sam3",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    parser.add_argument(
        "--pack", type=Path, default=OWN, help="checkout of the pack to run; by default the one of this tool"
    )
    parser.add_argument("--graphs", type=Path, default=OWN / "demo", help="folder of the workflows, NAME.api.json")
    parser.add_argument("--comfyui", type=Path, default=os.environ.get(TREE), help=f"ComfyUI's folder, or ${TREE}")
    parser.add_argument("--out", type=Path, default=Path("golden.json"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these workflows, and those that they need")
    parser.add_argument("--quick", action="store_true", help="a choice of workflows that has every node")
    chosen = parser.parse_args()
    if chosen.compare:
        return compare(*(json.loads(path.read_text()) for path in chosen.compare))
    if not chosen.comfyui:
        parser.error(f"name ComfyUI's folder by --comfyui or ${TREE}")
    on_one_core()
    found = run_all(chosen)
    chosen.out.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    failed = [name for name, hashes in found.items() if "error" in hashes]
    print(f"{len(found)} workflows, {sum(map(len, found.values()))} hashes in {chosen.out}; failed: {failed or 'none'}")
    return 1 if failed else 0


def compare(before: dict, after: dict) -> int:
    """Prints the differences between two golden runs. Returns the exit status."""
    differences = 0
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name, {}), after.get(name, {})
        for what in sorted(one.keys() | other.keys()):
            if one.get(what) != other.get(what):
                differences += 1
                print(f"{name}: {what}: {one.get(what, 'absent')} -> {other.get(what, 'absent')}")
    print(f"{differences} differences" if differences else "no difference")
    return 1 if differences else 0


def on_one_core() -> None:
    """Restarts this process on one core if needed: sums depend on the number of threads."""
    fixed = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    if any(os.environ.get(name) != value for name, value in fixed.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **fixed})


def run_all(chosen: argparse.Namespace) -> dict[str, dict[str, str]]:
    """The hashes {workflow: {output: hash}} of the chosen workflows."""
    with tempfile.TemporaryDirectory(prefix="videograin-golden-") as base:
        enter_host(Path(chosen.comfyui).resolve(), Path(base))
        asyncio.run(register(chosen.pack.resolve()))
        import golden_clips
        import golden_graphs

        golden_clips.write(Path(base) / "input")
        graphs = golden_graphs.graphs(chosen.graphs)
        names = golden_graphs.names(graphs, chosen.only, chosen.quick)
        return {name: timed(name, graphs[name], base) for name in names}


@contextlib.contextmanager
def short_of_memory(short: bool) -> Iterator[None]:
    """Makes the host call the model for one prompt at a time, as it does when memory is short."""
    import comfy.model_base

    kind = comfy.model_base.BaseModel
    needed = kind.memory_required
    if short:
        kind.memory_required = lambda *_, **__: 1e20
    try:
        yield
    finally:
        kind.memory_required = needed


def enter_host(tree: Path, base: Path) -> None:
    """Imports ComfyUI as its main.py does: arguments first, since its modules read them when imported."""
    for folder in FOLDERS:
        (base / folder).mkdir()
    sys.path.insert(0, str(tree))
    import comfy.options

    comfy.options.enable_args_parsing()
    arguments = ["--cpu", "--use-pytorch-cross-attention", "--base-directory", str(base)]
    own, sys.argv = sys.argv, [str(tree / "main.py"), *arguments]
    try:
        import comfy.cli_args
    finally:
        sys.argv = own
        comfy.options.enable_args_parsing(False)


async def register(pack: Path) -> None:
    """Registers the stock nodes, the pack's nodes and the stand-ins for loaders in the host."""
    import golden_models
    import nodes
    import torch

    torch.set_num_threads(1)
    for name in EXTRAS:
        await nodes.load_custom_node(str(Path(nodes.__file__).parent / "comfy_extras" / f"nodes_{name}.py"))
    if not await nodes.load_custom_node(str(pack)):
        raise SystemExit(f"ComfyUI cannot import {pack}; its reason is above.")
    nodes.NODE_CLASS_MAPPINGS.update(golden_models.LOADERS)


def timed(name: str, graph: dict, base: str) -> dict[str, str]:
    begun = time.perf_counter()
    with short_of_memory("short_memory" in name):
        found = run(graph, base)
    print(f"{name}: {time.perf_counter() - begun:.1f} s, {len(found)} hashes", found.get("error", ""), flush=True)
    return found


def run(graph: dict, base: str) -> dict[str, str]:
    """Runs one graph from a fresh cache. Returns its hashes; "error" among them if it was refused or failed."""
    import execution
    import torch
    from golden_hash import Recorder

    torch.manual_seed(0)
    graph = copy.deepcopy(graph)  # the host writes the state of files into a graph
    with Recorder(graph, base) as recorder:
        sizes = dict.fromkeys(("lru", "ram", "ram_inactive"), 0)
        executor = execution.PromptExecutor(recorder.page, execution.CacheType.CLASSIC, sizes)
        valid, error, outputs, errors = asyncio.run(execution.validate_prompt("golden", copy.deepcopy(graph), None))
        if not valid:
            return {"error": f"refused: {error} {errors}"}
        executor.execute(graph, "golden", {"client_id": recorder.page.client_id}, outputs)
    status = dict(executor.status_messages)
    if not executor.success:
        failure = status.get("execution_error", {})
        recorder.found["error"] = f"{failure.get('node_type')}: {failure.get('exception_message', 'interrupted')}"
    return recorder.found


if __name__ == "__main__":
    sys.exit(main())
