"""Features that clash: each says what it determines, and each refuses what it cannot stand beside.

Two nodes of one kind on a MODEL are refused where the second is added (wrappers.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..features.base import Claim, Claimed, Feature


def check(features: Sequence[Feature]) -> None:
    """Has every feature look at the run, and at what the others determine. Raises ValueError with the fix."""
    for feature in features:
        claims: dict[Claim, Claimed] = {}
        for other in features:
            claims |= other.record.claims() if other is not feature else {}
        feature.check(claims)
