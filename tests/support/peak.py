"""How much memory a piece of work takes: measured in a process of its own, since only then is the peak its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of a process need Linux")
MEASURED = """
import runpy, sys
sys.path.append({support!r})
runpy.run_path({conftest!r})
import torch
torch.set_num_threads(1)

def prepare(given):
    return given

{code}
from pack.benchmarks.timing import machine
work(prepare({few!r}))  # libraries loaded, pools filled
given, found = prepare({many!r}), []
_, grown = machine.peak_mb(lambda: found.append(work(given)), torch.device("cpu"))
print(found[0], grown * 2**20)
"""


def grown(code: str, few: object, many: object, folder: Path) -> tuple[float, float]:
    """(what work(many) returns, most bytes that it held). code: defines work, and prepare, whose result it is given."""
    values = {"support": str(ROOT / "tests/support"), "conftest": str(ROOT / "conftest.py")}
    script = MEASURED.format(**values, code=code, few=few, many=many)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    told, most = map(float, done.stdout.splitlines()[-1].split())
    return told, most
