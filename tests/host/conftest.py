"""Puts a real ComfyUI, on the CPU, into the test process before any test module is imported.

Attention within a frame is PyTorch's, ComfyUI's choice on a GPU; on the oldest version its choice on a CPU, in slices.
VIDEOGRAIN_COMFYUI_TREE names the ComfyUI folder; `make test-host` sets it, once per supported version.
"""

import gc
import importlib.metadata
import os
import tempfile
from pathlib import Path

import pytest
from compatibility import MARK, Recorder

from pack.tools.inprocess import enter_host
from pack.tools.provision import OLDEST

_tree = os.environ.get("VIDEOGRAIN_COMFYUI_TREE")
if not _tree:
    raise pytest.UsageError("tests/host needs a ComfyUI: run `make test-host`, or set VIDEOGRAIN_COMFYUI_TREE.")
_base = tempfile.TemporaryDirectory(prefix="videograin-host-tests-")
_oldest = f'"{OLDEST}"' in (Path(_tree) / "comfyui_version.py").read_text()
enter_host(Path(_tree).resolve(), Path(_base.name), *[] if _oldest else ["--use-pytorch-cross-attention"])


def pytest_configure(config: pytest.Config) -> None:
    import comfyui_version

    config.addinivalue_line("markers", f"{MARK}(claim): what works together, for docs/compatibility.md")
    config.pluginmanager.register(Recorder(comfyui_version.__version__ + _overlaid()), MARK)


def _overlaid() -> str:
    """Packages that an overlay on PYTHONPATH replaces, such as " with comfy-kitchen 0.2.40"; empty without one."""
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    found = importlib.metadata.distributions(path=folders) if folders else ()
    packages = ", ".join(sorted(f"{package.name} {package.version}" for package in found))
    return packages and f" with {packages}"


def pytest_collection_finish() -> None:
    """What ComfyUI has imported stays to the end: a search for garbage need not walk through its million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def comfyui_tree() -> Path:
    """The folder of the ComfyUI under test."""
    return Path(_tree).resolve()
