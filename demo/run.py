"""Runs the first workflow in a real ComfyUI on this machine's CPU, and shows and measures the result.

    make demo        (or: python demo/run.py)

Writes source.mp4, edit.mp4, before_after.png and report.json into demo/out/. The exit code is 1 if an edited region
does not show its object. VIDEOGRAIN_COMFYUI=/path/to/ComfyUI uses that installation; else one is set up in a cache.
"""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of demo/; this process never imports comfy, which our nodes/ would confuse

from tools.inprocess import import_pack  # noqa: E402
from tools.provision import SetupError  # noqa: E402
from tools.reexec import enter_environment  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "demo" / "out", help="folder for the results (default: demo/out)"
    )
    return parser.parse_args()


def require_writable(folder: Path) -> None:
    """Creates the folder; ends the program if it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        sys.exit(f"error: the results go into {folder}, which cannot be written ({error.strerror}). Choose with --out.")


def work() -> tuple[ModuleType, ModuleType]:
    """The demo itself, and what starts ComfyUI for it; they need the environment's packages."""
    import_pack()
    from pack.demo import showcase
    from pack.tools import server

    return showcase, server


def show(out: Path) -> None:
    """Runs the demo, in the environment's Python, and prints its report; ends the program if it fails."""
    require_writable(out)
    host = enter_environment()
    showcase, server = work()
    try:
        report = showcase.demo(host, out)
    except (server.ServerError, server.PromptError, showcase.DemoFailed) as error:
        sys.exit(f"\nerror: {error}")
    print(json.dumps(report, indent=2))
    print(f"Look at {out / 'before_after.png'}")


def main() -> int:
    options = arguments()
    for ending in (signal.SIGTERM, signal.SIGHUP):  # end like Ctrl-C, which also ends the server
        signal.signal(ending, signal.default_int_handler)
    try:
        show(options.out)
    except (SetupError, OSError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
