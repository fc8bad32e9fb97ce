"""Programs run by the Node.js that Playwright brings along."""

import subprocess
from pathlib import Path

import playwright

ROOT = Path(__file__).parents[2]
NODE = Path(playwright.__file__).with_name("driver") / "node"


def node(*arguments: str, given: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([NODE, *arguments], cwd=ROOT, input=given, capture_output=True, text=True, timeout=120)
