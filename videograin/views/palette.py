"""Colours of clusters, regions and things."""

from __future__ import annotations

# Okabe and Ito's palette, which colour-blind readers can tell apart; more clusters repeat it in darker shades.
PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))


def shades(count: int) -> list[tuple[int, int, int]]:
    """A colour for each of `count` clusters or regions, RGB in 0…255."""
    return [tuple(int(c * 0.7 ** (n // len(PALETTE))) for c in PALETTE[n % len(PALETTE)]) for n in range(count)]
