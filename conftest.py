"""Imports the pack the way ComfyUI does, under the module name `pack`.

The repository root must never be on `sys.path`: our `nodes/` would shadow the host's `nodes.py`.
"""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
collect_ignore = ["__init__.py"]  # the pack's entry point, not a test package

runpy.run_path(str(ROOT / "tools" / "inprocess.py"))["import_pack"]()


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Makes pytest see the root as a plain folder although it holds an `__init__.py`."""
    return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None
