"""Puts a real ComfyUI, on the CPU, into the test process before any test module is imported.

VIDEOGRAIN_COMFYUI_TREE names the ComfyUI folder; `make test-host` sets it, once per supported version.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

HOST_FOLDERS = ("custom_nodes", "input", "models", "output", "temp", "user")


def _enter_host(tree: Path, base: Path) -> None:
    """Imports ComfyUI as its main.py does: arguments first, since its modules read them when imported."""
    for folder in HOST_FOLDERS:
        (base / folder).mkdir()
    sys.path.insert(0, str(tree))
    import comfy.options

    comfy.options.enable_args_parsing()
    own_arguments, sys.argv = sys.argv, [str(tree / "main.py"), "--cpu", "--base-directory", str(base)]
    try:
        import comfy.cli_args
    finally:
        sys.argv = own_arguments
        comfy.options.enable_args_parsing(False)


_tree = os.environ.get("VIDEOGRAIN_COMFYUI_TREE")
if not _tree:
    raise pytest.UsageError("tests/host needs a ComfyUI: run `make test-host`, or set VIDEOGRAIN_COMFYUI_TREE.")
_base = tempfile.TemporaryDirectory(prefix="videograin-host-tests-")
_enter_host(Path(_tree).resolve(), Path(_base.name))


@pytest.fixture(scope="session")
def comfyui_tree() -> Path:
    """The folder of the ComfyUI under test."""
    return Path(_tree).resolve()
