"""The edit benchmark on lively clips: `python benchmarks/lively.py --tree ComfyUI`, or `make bench-lively`."""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)

from tools.inprocess import enter_host, import_pack  # noqa: E402


def main() -> int:
    tree = Path(sys.argv[sys.argv.index("--tree") + 1]).resolve()
    with tempfile.TemporaryDirectory(prefix="videograin-bench-") as base:
        enter_host(tree, Path(base), "--use-pytorch-cross-attention")
        import_pack()
        from pack.benchmarks.ruler.table import arguments, bench

        return bench(arguments(), HERE / "out")


if __name__ == "__main__":
    sys.exit(main())
