"""Stable Diffusion's own weights on your card: three ways to edit the same clips, beside each other (see README.md).

    python custom_nodes/videograin/proof/run.py --checkpoint v1-5-pruned-emaonly-fp16.safetensors

Run it with the Python that runs ComfyUI. It downloads nothing, and writes into the folder --out only. What follows
`--` is for ComfyUI itself, such as --lowvram or --extra-model-paths-config FILE.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).absolute().parent  # not resolved: the pack may be a link in custom_nodes


def import_pack() -> None:
    """Imports the pack as ComfyUI does. Our folders must not be on sys.path: `nodes/` would shadow the host's."""
    sys.path[:] = [entry for entry in sys.path if Path(entry).absolute() not in (HERE, HERE.parent)]
    place = HERE.parent / "__init__.py"
    spec = importlib.util.spec_from_file_location("pack", place, submodule_search_locations=[str(HERE.parent)])
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pack"])


def arguments(given: list[str]) -> argparse.Namespace:
    own, host = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="Stable Diffusion 1.5: a name in ComfyUI's checkpoints folder, or a path")
    parser.add_argument("--clips", type=Path, default=HERE, help="a folder with clips and clips.json (default: ours)")
    parser.add_argument("--out", type=Path, default=Path("videograin_proof"), help="folder for the results")
    parser.add_argument("--comfyui", type=Path, help="ComfyUI's folder, if the pack does not stand in it")
    parser.add_argument("--frames", type=whole, default=8, help="frames of each clip (default 8)")
    parser.add_argument("--steps", type=whole, default=20, help="steps of each sampling (default 20)")
    parser.add_argument("--minutes", type=float, default=30, help="time for all of it (default 30): else fewer clips")
    parser.add_argument("--no-bench", action="store_true", help="leave out the speed benchmark at the end")
    parser.add_argument(
        "--rehearse", action="store_true", help="random weights, tiny, on the CPU: does it all run here?"
    )
    parser.add_argument("--small", action="store_true", help=argparse.SUPPRESS)  # a rehearsal with a smaller network
    chosen = parser.parse_args(own)
    if not (chosen.checkpoint or chosen.rehearse):
        parser.error("name your model: --checkpoint v1-5-pruned-emaonly-fp16.safetensors")
    chosen.host = host
    return chosen


def whole(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def main() -> None:
    sys.stdout.reconfigure(errors="replace")  # a Windows console may lack a clip's letters
    chosen = arguments(sys.argv[1:])
    import_pack()
    from pack.proof import command

    try:
        command.run(chosen, HERE)
    except command.Told as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Stopped.")


if __name__ == "__main__":
    main()
