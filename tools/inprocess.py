"""A real ComfyUI inside this process, on the CPU, with the pack imported as `pack`: for tests and benchmarks."""

import importlib.util
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
FOLDERS = ("custom_nodes", "input", "models", "output", "temp", "user")


def enter_host(tree: Path, base: Path, *arguments: str) -> None:
    """Imports ComfyUI as its main.py does: arguments first, since its modules read them when imported.

    tree: ComfyUI's folder. base: an empty folder for its models, inputs and outputs.
    """
    for folder in FOLDERS:
        (base / folder).mkdir()
    sys.path.insert(0, str(tree))
    import comfy.options

    comfy.options.enable_args_parsing()
    own_arguments, sys.argv = sys.argv, [str(tree / "main.py"), "--cpu", "--base-directory", str(base), *arguments]
    try:
        import comfy.cli_args
    finally:
        sys.argv = own_arguments
        comfy.options.enable_args_parsing(False)


def import_pack() -> None:
    """Imports the pack as ComfyUI does. Its folder must not be on sys.path: our `nodes/` would shadow the host's."""
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != PACK]
    spec = importlib.util.spec_from_file_location("pack", PACK / "__init__.py", submodule_search_locations=[str(PACK)])
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pack"])
