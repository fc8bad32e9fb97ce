"""Compiles the CUDA kernel for one architecture without a card, and checks that it fits on the chip."""

import importlib.util
import sys
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

SHARED_MEMORY = {80: 166912, 90: 232448}  # bytes a block may use at most
FUSED = Path(__file__).parents[2] / "videograin" / "core" / "st_layout_triton.py"


def main(architecture: int) -> None:
    spec = importlib.util.spec_from_file_location("fused", FUSED)
    fused = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fused)
    for pointer in ("*fp16", "*bf16"):
        for d, copies in ((40, False), (64, False), (80, False), (128, False), (128, True), (160, False)):
            blocks, options = fused.blocks(d)
            constants = {"COPIES": copies, "D": d, **blocks}
            names = [name for name in fused._kernel.arg_names if name not in constants]
            types = {"STRENGTH": "*fp32", "BITS": "*i64", "LABELS": "*i32", "COUNTS": "*fp32", "scale": "fp32"}
            types |= dict.fromkeys(("Q", "K", "V", "SPANNED", "OUT"), pointer)
            signature = {name: types.get(name, "i32") for name in names} | dict.fromkeys(constants, "constexpr")
            built = triton.compile(
                ASTSource(fused._kernel, signature, constants), GPUTarget("cuda", architecture, 32), options
            )
            assert built.metadata.shared <= SHARED_MEMORY[architecture], (d, built.metadata.shared)
            sys.stdout.write(f"{pointer} {d}: {built.metadata.shared} bytes of shared memory fits\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
