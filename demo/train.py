"""Trains the demo model from scratch, on a CPU or one GPU: `make train-demo` (or: python demo/train.py --help).

It stops and continues at any time: every stage keeps its state under --folder. It writes videograin/toybox/
only with --export and when every stage is done, so that a half-trained model replaces nothing. The shipped weights were
trained on a CPU; a GPU is used where torch finds one, but that has not been tried.
"""

import argparse
import importlib
import logging
import math
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from tools.inprocess import enter_host, import_pack  # noqa: E402
from tools.provision import SetupError  # noqa: E402
from tools.reexec import enter_environment  # noqa: E402

STAGES = {"vae": 3000, "judge": 2000, "diffusion": 8000, "control": 500}  # stage -> steps, of the model that ships
# On top of what ships: the judges of the benchmark, and the painter of lively scenes.
LATER = {"ruler": 9800, "lively": 2700}
EVERY = STAGES | LATER


def stage_name(text: str) -> str:
    if text not in EVERY:
        raise argparse.ArgumentTypeError(f"there is no stage {text!r}; choose of {', '.join(EVERY)}")
    return text


def at_least(least: int, most: int = 2**32):
    """The type of an argument: a whole number in this range."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return number


def minutes(text: str) -> float:
    value = float(text)  # argparse reports a ValueError in its own words
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not more than 0")
    return value


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "stages",
        nargs="*",
        type=stage_name,
        metavar="STAGE",
        help=f"{', '.join(EVERY)}: trained in this order (default: the first {len(STAGES)}, or none with --export or --evaluate)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "demo" / "training" / "out",
        help="where states are kept (default: demo/training/out)",
    )
    parser.add_argument("--minutes", type=minutes, default=math.inf, help="stop after this long (default: no limit)")
    parser.add_argument(
        "--seed", type=at_least(0), default=0, help="of the weights at the start and all that is drawn (default: 0)"
    )
    for stage, steps in EVERY.items():
        parser.add_argument(
            f"--{stage}-steps",
            type=at_least(1),
            default=steps,
            metavar="STEPS",
            help=f"when {stage} is done (default: {steps})",
        )
    parser.add_argument("--export", action="store_true", help="afterwards, write the weights into videograin/toybox/")
    parser.add_argument(
        "--evaluate",
        action="store_true",
        help="at the end, measure the weights in videograin/toybox/, into its metrics.json",
    )
    parser.add_argument(
        "--tree", type=Path, help="a ComfyUI folder (default: VIDEOGRAIN_COMFYUI, or else one is set up in a cache)"
    )
    return parser.parse_args()


def work(options: argparse.Namespace, comfyui: Path) -> None:
    """Trains, exports and measures as the options say; ends the program on failure."""
    with tempfile.TemporaryDirectory(prefix="videograin-training-") as base:
        enter_host(comfyui, Path(base), "--use-pytorch-cross-attention")
        import_pack()
        run = importlib.import_module("pack.demo.training.run")
        steps = {name: getattr(options, f"{name}_steps") for name in EVERY}
        stop_at = time.time() + 60 * options.minutes
        try:
            chosen = options.stages or (() if options.export or options.evaluate else STAGES)
            for name in sorted(chosen, key=list(EVERY).index):
                run.require_done(options.folder, run.NEEDS.get(name, ()), steps, name)
                stage = importlib.import_module(f"pack.demo.training.{name}")
                if not stage.train(options.folder, steps[name], options.seed, stop_at).done:
                    break
            if options.export:
                what = "lively" if "lively" in chosen else "export"  # the painter alone, or all four files
                importlib.import_module(f"pack.demo.training.{what}").export(options.folder, steps)
            if options.evaluate:
                importlib.import_module("pack.demo.training.evaluate").evaluate()
        except run.TrainingError as error:
            sys.exit(f"error: {error}")


def main() -> int:
    options = arguments()
    for ending in (signal.SIGTERM, signal.SIGHUP):  # end like Ctrl-C, which saves the training
        signal.signal(ending, signal.default_int_handler)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        work(options, enter_environment(options.tree).comfyui)
    except (SetupError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what is trained is kept, and the same command continues", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
