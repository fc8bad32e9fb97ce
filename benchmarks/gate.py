"""The gate of the edit benchmark: see ruler/gate.py, or `python benchmarks/gate.py --help`. It needs no ComfyUI."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from tools.inprocess import import_pack  # noqa: E402

if __name__ == "__main__":
    import_pack()
    from pack.benchmarks.ruler.gate import main

    sys.exit(main())
