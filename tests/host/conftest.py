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
import torch
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


# ---- models ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unet(request):
    """A module's network: what its NETWORK makes, an SD 1.5-shaped one by default; in inference mode, as ComfyUI loads one."""
    import rig

    with torch.inference_mode():
        model = getattr(request.module, "NETWORK", rig.random_unet)()
    assert next(model.model.parameters()).is_inference()
    return model


@pytest.fixture(scope="module")
def demo():
    """The demo model: (MODEL, CLIP, VAE)."""
    from pack.videograin.jobs import demo_model

    return demo_model.load()


@pytest.fixture(scope="module")
def vae(demo):
    return demo[2]


@pytest.fixture(scope="module")
def clip():
    """The demo model's text encoder."""
    from pack.videograin.jobs import demo_model

    return demo_model.load_clip(demo_model.FOLDER / demo_model.PAINTER)


# ---- how ComfyUI runs -----------------------------------------------------------------------------------------------


@pytest.fixture
def inference_mode():
    """As ComfyUI runs its nodes."""
    with torch.inference_mode():
        yield


@pytest.fixture
def private_output(tmp_path, monkeypatch) -> None:
    """The test's own folder for ComfyUI's output."""
    monkeypatch.setattr("folder_paths.output_directory", str(tmp_path))


@pytest.fixture
def private_folders(tmp_path, monkeypatch) -> None:
    """Folders of the test's own for ComfyUI's input, output and temporary files."""
    for kind in ("output", "input", "temp"):
        monkeypatch.setattr(f"folder_paths.{kind}_directory", str(tmp_path / kind))
        (tmp_path / kind).mkdir()


@pytest.fixture
def call_separately(monkeypatch):
    """Makes ComfyUI run the chunks of a MODEL's batch one by one, as it does when memory is short."""
    return lambda model: monkeypatch.setattr(model.model, "memory_required", lambda *_, **__: 1e20)
