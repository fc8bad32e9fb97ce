"""Makes the demo model from nothing, on a CPU or one GPU: `make train-demo` (or: python demo/train.py --help).

Stops and continues at any time: every stage keeps its state under --folder. Writes the files of demo/toybox/ only when
asked to (--export), so that a half-trained model replaces nothing.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

STAGES = {"vae": 3000, "judge": 2000, "diffusion": 8000, "control": 500}  # and their steps


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "stages", nargs="*", choices=[*STAGES, []], default=[], help="all, in order, when none is named"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "demo" / "training" / "out", help="where states are kept")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this long")
    parser.add_argument("--seed", type=int, default=0)
    for stage in STAGES:
        parser.add_argument(f"--{stage}-steps", type=int, default=STAGES[stage])
    parser.add_argument("--export", action="store_true", help="afterwards, write the weights into demo/toybox/")
    parser.add_argument("--evaluate", action="store_true", help="at the end, measure the weights in demo/toybox/")
    parser.add_argument("--tree", type=Path, help="a ComfyUI folder; provisioned when not given")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.tree is None:
        from demo.host.provision import provision

        host = provision()
        return subprocess.call([str(host.python), __file__, *sys.argv[1:], "--tree", str(host.comfyui)])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    from demo.host.inprocess import enter_host, import_pack

    with tempfile.TemporaryDirectory(prefix="videograin-training-") as base:
        enter_host(options.tree.resolve(), Path(base), "--use-pytorch-cross-attention")
        import_pack()
        import importlib

        stop_at = time.time() + 60 * options.minutes
        for name in options.stages or (() if options.export or options.evaluate else STAGES):
            stage = importlib.import_module(f"pack.demo.training.{name}")
            if not stage.train(options.folder, getattr(options, f"{name}_steps"), options.seed, stop_at).done:
                break
        if options.export:
            importlib.import_module("pack.demo.training.export").export(options.folder)
        if options.evaluate:
            importlib.import_module("pack.demo.training.evaluate").evaluate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
