"""Imports the pack the way ComfyUI does, under the module name `pack`.

The repository root must never be on `sys.path`: our `nodes/` would shadow the host's `nodes.py`.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
collect_ignore = ["__init__.py"]  # the pack's entry point, not a test package

sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]  # `python -m pytest` adds it

spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Makes pytest see the root as a plain folder although it holds an `__init__.py`."""
    return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None
