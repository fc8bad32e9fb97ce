"""Edit quality: how well regions are edited and all else is kept, by every method, on clips with ground truth.

    make bench-edit                     the whole benchmark: about two hours on 2 cores; it resumes where it stopped
    make bench-edit ARGS=--quick        4 clips, 3 methods, 12 steps
    make bench-edit ARGS=--gpu          16 frames, 50 steps, on the GPU
    make bench-edit ARGS="--split systems"   FateZero, ReAtCo, VIA and the paper's other parts, alone and mixed:
                                        6 development clips, 10 steps; about an hour

Writes out/edit_quality.json, .md and .png (other forms of the run have other names); every edit with its numbers stays
in out/edit/. EDIT_QUALITY.md has the findings.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=os.environ.get("VIDEOGRAIN_COMFYUI_TREE"), help="ComfyUI's folder")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_true", help="a look in five minutes; says little about single methods")
    form.add_argument("--gpu", action="store_true", help="longer clips, more steps, on the GPU")
    parser.add_argument("--frames", type=int, help="frames of a clip (default 8)")
    parser.add_argument(
        "--steps", type=int, help="steps of the inversion, and again of the edit (default 20; 10 for systems)"
    )
    parser.add_argument("--refinements", type=int, help="of the inversion, per step (default 1)")
    parser.add_argument("--methods", help="only these, by name, with commas; see edit/methods.py")
    parser.add_argument(
        "--split", choices=("both", "development", "test", "systems"), default="both",
        help="settings on the development clips, the headline on the test clips, or both; systems: FateZero, ReAtCo, VIA, "
        "flow, injection and ControlNet, alone and mixed, on the development clips (hours)",
    )  # fmt: skip
    parser.add_argument("--clips", type=int, help="only the first so many clips of each split")
    parser.add_argument(
        "--fresh", action="store_true", help="make the edits of this run again (after a change of the product's code)"
    )
    chosen = parser.parse_args()
    if not chosen.tree:
        parser.error("name ComfyUI's folder with --tree or VIDEOGRAIN_COMFYUI_TREE; `make bench-edit` does")
    return chosen


def main() -> int:
    chosen = arguments()
    sys.path[0] = str(HERE.parent / "tools")
    from inprocess import enter_host, import_pack

    with tempfile.TemporaryDirectory(prefix="videograin-bench-") as base:
        # The host's default on a CPU splits full-frame attention and takes three times as long.
        enter_host(chosen.tree.resolve(), Path(base), "--use-pytorch-cross-attention")
        import comfy.cli_args

        comfy.cli_args.args.cpu = not chosen.gpu  # before anything of ComfyUI reads it
        import_pack()
        from pack.benchmarks.edit.bench import bench

        return bench(chosen, HERE / "out")


if __name__ == "__main__":
    sys.exit(main())
