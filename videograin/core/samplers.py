"""k-diffusion's samplers by name: those that add noise, and those that do not step straight from level to level."""

from __future__ import annotations

from collections.abc import Sequence

# Parts of the names of samplers that add noise between steps.
RANDOM = ("ancestral", "sde", "ddpm", "lcm", "seeds", "sa_solver")

OWN_LEVELS = ("dpm_fast", "dpm_adaptive")  # choose levels of their own


def is_random(name: str) -> bool:
    """Whether a sampler adds noise between steps."""
    return any(part in name for part in RANDOM)


def keeps_levels(name: str) -> bool:
    """Whether a sampler, empty for an unknown one, goes through the levels that it is given."""
    return bool(name) and name not in OWN_LEVELS


def stopping_level(name: str, sigmas: Sequence[float]) -> float | None:
    """The last level of a sampler whose steps do not end where a straight line would; None for all other samplers.

    dpm_fast and dpm_adaptive choose their own levels and stop before 0, at the list's last level but one. UniPC's
    high-order steps mix the predictions of several levels, and it takes 0.001 for 0.
    """
    if name in OWN_LEVELS:
        return sigmas[-1] or sigmas[-2]
    return (sigmas[-1] or 0.001) if name.startswith("unipc") else None
