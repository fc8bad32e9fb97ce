"""Triton runs kernels in its interpreter here: read when Triton is first imported, so before any test module is."""

import os

os.environ["TRITON_INTERPRET"] = "1"
