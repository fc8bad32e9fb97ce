"""What some of k-diffusion's samplers do that a straight step from level to level does not, by their names."""

from __future__ import annotations

from collections.abc import Sequence

# Parts of the names of those that add noise on the way.
RANDOM = ("ancestral", "sde", "ddpm", "lcm", "seeds", "sa_solver")


def is_random(name: str) -> bool:
    """Whether a sampler adds noise on the way."""
    return any(part in name for part in RANDOM)


def stopping_level(name: str, sigmas: Sequence[float]) -> float | None:
    """Where a sampler stops that does not end each step where a straight line would, None for all others.

    The dpm ones choose their own levels and stop short of 0, at the list's last level but one; UniPC's steps of high
    order mix what it was told at several levels, and it takes 0 for 0.001.
    """
    if name in ("dpm_fast", "dpm_adaptive"):
        return sigmas[-1] or sigmas[-2]
    return (sigmas[-1] or 0.001) if name.startswith("unipc") else None
