"""Rules of the house that a reader relies on: what imports what."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST_MODULES = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "nodes", "server"}
PACK = sorted([*ROOT.glob("*.py"), *ROOT.glob("nodes/**/*.py"), *ROOT.glob("videograin/**/*.py")])
METHOD = [path for path in PACK if path.is_relative_to(ROOT / "videograin")]
PURE = [path for path in METHOD if not path.is_relative_to(ROOT / "videograin" / "host")]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(nodes) -> set[str]:
    """The top-level packages that these syntax nodes import absolutely."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", PURE, ids=named)
def test_the_method_never_imports_the_host(path):
    tree = ast.parse(path.read_text())
    assert not imports(ast.walk(tree)) & HOST_MODULES
    above = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
    assert not any(module.split(".")[0] in ("host", "nodes") for module in above)


@pytest.mark.parametrize("path", [path for path in PACK if path.name != "conftest.py"], ids=named)
def test_cv2_is_imported_inside_functions_only_and_own_modules_relatively(path):
    tree = ast.parse(path.read_text())
    assert "cv2" not in imports(tree.body)  # its wheel needs libGL, which a bare machine lacks
    assert not imports(ast.walk(tree)) & {"videograin", "pack", "demo"}


def test_unit_tests_run_without_comfyui():
    assert importlib.util.find_spec("comfy") is None
