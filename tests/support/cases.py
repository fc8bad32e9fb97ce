"""Cases of a test for which ComfyUI's version makes no difference."""

from typing import Any

import pytest


def variants(first: Any, *others: Any) -> list:
    """The first case for every ComfyUI; the others, which go the same way through it, for the newest only."""
    return [
        first,
        *(pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.once) for case in others),
    ]
