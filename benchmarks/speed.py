"""Speed and memory: attention, a whole network, a whole edit, and the demo's edit part by part.

    make bench                          all of it: on a CPU about half an hour on 2 cores; a GPU is used where there is one
    make bench ARGS=--quick             small sizes, a few minutes, to see that it runs; writes out/speed_quick.json only
    make bench ARGS="--only attention"  one benchmark; the others' rows stay as they are
    make bench ARGS="--small-card"      a GPU of 8 GB, in some ten minutes (proof/ asks for this)

Every case runs in its own process, so that the peak memory is its own. Writes out/speed.json and SPEED.md after each
benchmark: a stopped run loses only the current one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BENCHES = {  # benchmark -> its devices
    "attention": ("cpu", "cuda"),
    "network": ("cpu", "cuda"),
    "end to end": ("cuda",),
    "long": ("cpu",),
    "paths": ("cpu",),
    "follow": ("cpu", "cuda"),
    "toy": ("cpu",),
}
ATTENTION_TASKS = ("times", "memory", "fast_error")
WITHOUT_HOST = (*ATTENTION_TASKS, "linking")
# attention: (tokens, head size, dtype, turns)
ATTENTION = {
    "cpu": [(4096, 80, "float32", 5), (16384, 80, "float32", 3)],
    "cuda": [
        (4096, 80, "float16", 9), (16384, 80, "float16", 9), (16384, 80, "bfloat16", 9), (65536, 40, "float16", 5),
        (262144, 40, "float16", 3),
    ],
    "small card": [(4096, 80, "float16", 9), (16384, 80, "float16", 5)],
    "quick": [(1024, 80, "float32", 3), (4096, 80, "float32", 1)],
}  # fmt: skip
TURNS = 3  # repetitions of each step of a network, interleaved, so that other load falls on all steps alike
# network: frames, pixels
NETWORK = {
    "cpu": ((4, 8, 16), 256),
    "cuda": ((8, 16, 32, 64), 512),
    "small card": ((8, 16), 512),
    "quick": ((1, 2, 3), 64),
}
# long: frames of the clips, the first in one chunk; frames of a chunk; steps
LONG = {"cpu": ((16, 40, 88), 16, 2), "quick": ((6, 8), 6, 1)}

Row = dict[str, Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=os.environ.get("VIDEOGRAIN_COMFYUI_TREE"), help="ComfyUI's folder")
    parser.add_argument("--quick", action="store_true", help="small sizes: says that it runs, not how fast")
    parser.add_argument("--small-card", action="store_true", help="sizes for a GPU of 8 GB")
    parser.add_argument("--out", type=Path, help="folder for the rows, instead of out/ and SPEED.md")
    parser.add_argument("--only", choices=BENCHES, action="append", help="one benchmark; may be given again")
    parser.add_argument("--device", choices=("cpu", "cuda"), action="append", help="default: CPU, and CUDA if there")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)  # one case, in this process
    chosen = parser.parse_args()
    if not chosen.tree:
        parser.error("name ComfyUI's folder with --tree or VIDEOGRAIN_COMFYUI_TREE; `make bench` does")
    if not (Path(chosen.tree) / "comfy").is_dir():
        parser.error(f"--tree: {chosen.tree} is no folder of ComfyUI's")
    return chosen


# ---- in a process of its own ------------------------------------------------------------------------------------------


def run_task(task: Row, tree: Path) -> Any:
    """Measures one case: {"what", "device", arguments of the function that measures it}."""
    sys.path.insert(0, str(HERE.parent / "tools"))
    from inprocess import enter_host, import_pack

    what, gpu = task.pop("what"), task["device"] == "cuda"
    with tempfile.TemporaryDirectory(prefix="videograin-bench-") as base:
        if what not in WITHOUT_HOST:
            # The host's default on a CPU splits full-frame attention and takes three times as long.
            enter_host(tree, Path(base), "--use-pytorch-cross-attention")
            import comfy.cli_args

            comfy.cli_args.args.cpu = not gpu  # before anything of ComfyUI reads it
        import_pack()
        import torch

        from pack.benchmarks.timing import machine

        torch.set_num_threads(machine.cores())
        task["device"] = torch.device(task["device"])
        with torch.inference_mode():
            try:
                return measure(what, task)
            except torch.cuda.OutOfMemoryError:
                print(f"  {what} does not fit on this card: left out", file=sys.stderr)
                return None


def measure(what: str, task: Row) -> Any:
    from pack.benchmarks.timing import machine

    if what == "name":
        return machine.describe(task["device"])
    if what in ATTENTION_TASKS:
        from pack.benchmarks.timing import attention

        return getattr(attention, what)(**task)
    if what == "linking":
        from pack.benchmarks.timing import linking

        return linking.linking(**task)
    if what == "chunks":
        from pack.benchmarks.timing import long

        return long.chunks(**task)
    if what == "follow":
        from pack.benchmarks.timing import follow

        return follow.follow(**task)
    if what == "profile":
        from pack.benchmarks.timing import toy

        return toy.profile(task["steps"])
    from pack.benchmarks.timing import network

    return getattr(network, what)(**task)


def alone(what: str, device: str, tree: Path, **task: Any) -> Any:
    """The result of one case in a fresh process; None where it does not fit on the card."""
    told = json.dumps({"what": what, "device": device, **task})
    print(f"  {told}", file=sys.stderr, flush=True)
    command = [sys.executable, __file__, "--tree", str(tree), "--task", told]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


# ---- the whole of it --------------------------------------------------------------------------------------------------


def attention(device: str, cases: list[tuple], tree: Path) -> list[Row]:
    from pack.benchmarks.timing.rows import attention_rows

    found = []
    for tokens, d, dtype, repeats in cases:
        case = {"tokens": tokens, "d": d, "dtype": dtype}
        times = alone("times", device, tree, **case, repeats=repeats)
        if times is None:
            continue
        memory = {form: alone("memory", device, tree, **case, form=form) for form in times}
        memory = {form: most for form, most in memory.items() if most is not None}
        size = 3 * 8 * tokens * d * (4 if dtype == "float32" else 2) / 2**20
        error = alone("fast_error", device, tree, **case)
        found += attention_rows(case, times, memory, size, error)
    return found


def network(device: str, counts: tuple[int, ...], size: int, tree: Path) -> list[Row]:
    from pack.benchmarks.timing.rows import MODES, network_rows

    cases = [{"mode": mode, "frames": frames, "size": size} for frames in counts for mode in MODES]
    measured = (alone("step", device, tree, **case) for _ in range(TURNS) for case in cases)
    return network_rows(row for row in measured if row)


def long(device: str, counts: tuple[int, ...], length: int, steps: int, tree: Path) -> list[Row]:
    from pack.benchmarks.timing.rows import long_rows

    return long_rows(alone("chunks", device, tree, frames=frames, steps=steps, length=length) for frames in counts)


def follow(device: str, frames: int, tree: Path) -> list[Row]:
    from pack.benchmarks.timing.rows import FOLLOWED

    return [row for case in FOLLOWED for row in alone("follow", device, tree, case=case, frames=frames) or ()]


def benchmark(bench: str, device: str, chosen: argparse.Namespace, tree: Path) -> list[Row]:
    """The rows of one benchmark on one kind of device; none where it is for the other."""
    quick = chosen.quick
    sizes = "quick" if quick else "small card" if chosen.small_card and device == "cuda" else device
    if bench == "attention":
        return attention(device, ATTENTION[sizes], tree)
    if bench == "network":
        return network(device, *NETWORK[sizes], tree)
    if device not in BENCHES[bench]:
        return []
    if bench == "end to end":
        row = alone("edit", device, tree, frames=2 if quick else 16, size=512, steps=2 if quick else 50)
        return [row] if row else []
    if bench == "long":
        return long(device, *LONG[sizes], tree)
    if bench == "follow":
        return follow(device, 2 if quick else 8, tree)
    if bench == "paths":
        return alone("linking", device, tree, frames=4 if quick else 16, size=128 if quick else 512)
    return alone("profile", device, tree, steps=2 if quick else None)


def rows_of(file: Path) -> list[Row]:
    """The rows measured before. Raises SystemExit for an unreadable file, since measured rows would be lost."""
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    except ValueError as error:
        raise SystemExit(f"{file} is damaged ({error}): remove it, or get it back from version control") from error


def replace(file: Path, text: str) -> None:
    """Replaces a file, whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def main() -> None:
    chosen = arguments()
    if chosen.task:
        print(json.dumps(run_task(chosen.task, Path(chosen.tree).resolve())))
        return
    sys.path.insert(0, str(HERE.parent / "tools"))
    from inprocess import import_pack

    import_pack()
    import torch

    from pack.benchmarks.timing.page import page
    from pack.benchmarks.timing.rows import complete, merged
    from pack.tools.proof_tables import kept

    tree, out = Path(chosen.tree).resolve(), chosen.out or HERE / "out"
    file, page_too = out / ("speed_quick.json" if chosen.quick else "speed.json"), not (chosen.quick or chosen.out)
    if "cuda" in (chosen.device or []) and not torch.cuda.is_available():
        raise SystemExit("--device cuda: PyTorch sees no CUDA device here")
    out.mkdir(parents=True, exist_ok=True)
    rows = rows_of(file)
    devices = chosen.device or ["cpu", *["cuda"] * torch.cuda.is_available()]
    if not any(device in BENCHES[bench] for bench in chosen.only or BENCHES for device in devices):
        raise SystemExit(f"--only {', '.join(chosen.only)} measures nothing on {', '.join(devices)}")
    for device in devices:
        name = alone("name", device, tree)
        for bench in chosen.only or BENCHES:
            print(f"{bench} on {name}", file=sys.stderr)
            rows = merged(rows, [complete(row, name) for row in benchmark(bench, device, chosen, tree)])
            replace(file, json.dumps(rows, indent=1) + "\n")
            if page_too:
                written = HERE / "SPEED.md"
                replace(written, kept(page(rows), written.read_text(encoding="utf-8")))
    print(
        f"Wrote {file}"
        + (": small sizes, which say that it runs and not how fast" if chosen.quick else " and SPEED.md" * page_too)
    )


if __name__ == "__main__":
    main()
