"""Edit quality: how well regions are edited and all else is kept, by every row, on clips whose truth is drawn.

    make bench-edit                               24 development clips: they choose the opponent
    make bench-edit ARGS="--split test"           36 clips for all rows; with pairs that training never had
    make bench-edit ARGS="--split finalists --noises 2 --rows draw-paste-0.4,default"   120 clips for two rows
    make bench-edit ARGS="--claims all"           what the papers claim of their methods
    make bench-edit ARGS=--quick                  4 clips, 3 rows, 8 steps, 2 frames
    make bench-edit ARGS="--split test --seed 7"  clips that nobody has seen

It resumes where it stopped. Writes out/edit_quality_<split>.json, .md and .png; edits and 40 crops of every row are kept in
out/edit/. RULER.md says what is measured, EDIT_QUALITY.md what was found.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)

from tools.inprocess import enter_host, import_pack  # noqa: E402


def count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=os.environ.get("VIDEOGRAIN_COMFYUI_TREE"), help="ComfyUI's folder")
    parser.add_argument("--split", choices=("development", "test", "finalists"), default="development")
    parser.add_argument("--seed", type=int, help="of the first clip, for clips that nobody has seen")
    parser.add_argument("--clips", type=count, help="only the first so many")
    parser.add_argument("--frames", type=count, default=8, help="of a clip (default 8)")
    parser.add_argument("--steps", type=count, default=20, help="of the inversion, and again of the edit (default 20)")
    parser.add_argument(
        "--noises", type=count, default=1, help="noise seeds of each edit, whose mean counts (default 1)"
    )
    parser.add_argument("--rows", help="only these, with commas; see edit/rows.py")
    parser.add_argument("--claims", help='of the papers, with commas, or "all"; see edit/claims.py')
    parser.add_argument("--blind", action="store_true", help="also draw crops to be named by eye; see ruler/blind.py")
    parser.add_argument("--quick", action="store_true", help="a look in five minutes; says little")
    parser.add_argument("--gpu", action="store_true", help="on the GPU")
    chosen = parser.parse_args()
    if not chosen.tree:
        parser.error("name ComfyUI's folder with --tree or VIDEOGRAIN_COMFYUI_TREE; `make bench-edit` does")
    return chosen


def main() -> int:
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="videograin-bench-") as base:
        # The host's default on a CPU splits full-frame attention and takes three times as long.
        enter_host(Path(chosen.tree).resolve(), Path(base), "--use-pytorch-cross-attention")
        import comfy.cli_args

        comfy.cli_args.args.cpu = not chosen.gpu  # before anything of ComfyUI reads it
        import_pack()
        from pack.benchmarks.edit.bench import bench

        return bench(chosen, HERE / "out")


if __name__ == "__main__":
    sys.exit(main())
