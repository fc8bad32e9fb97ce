"""The archive that users install: all but what .comfyignore names. What is in it needs nothing that is not."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = [line for line in (ROOT / ".comfyignore").read_text().splitlines() if line and not line.startswith("#")]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def left_out(file: str) -> bool:
    return any(file == name or (name.endswith("/") and file.startswith(name)) for name in LEFT_OUT)


SHIPPED = sorted(file for file in TRACKED if not left_out(file))


def modules(file: str) -> set[Path]:
    """Files that a module's relative imports may stand for: a module, a package, or a name in either."""
    found, here = set(), (ROOT / file).parent
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = Path(here, *[".."] * (node.level - 1), *(node.module or "").split(".")).resolve()
            found.add(base)
            found |= {base / alias.name for alias in node.names}
    return {path for path in found if path.with_suffix(".py").exists() or (path / "__init__.py").exists()}


@pytest.mark.parametrize("file", [file for file in SHIPPED if file.endswith(".py")])
def test_what_is_shipped_imports_only_what_is_shipped(file):
    for path in modules(file):
        target = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
        assert target.relative_to(ROOT).as_posix() in SHIPPED


def test_everything_left_out_is_there_and_little_is_shipped():
    assert all(name == "demo/out/" or any(file.startswith(name) for file in TRACKED) for name in LEFT_OUT)
    assert {"__init__.py", "requirements.txt", "pyproject.toml", "LICENSE", "README.md"} <= set(SHIPPED)
    assert sum((ROOT / file).stat().st_size for file in SHIPPED) < 60e6  # bytes, the demo model's and the workflows'
