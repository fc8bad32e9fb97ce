"""Attention patches of other nodes that reshape what we are to modulate, told by name."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..attention.st_layout import LEVELS
from .compat import Site

STRENGTHS = {"attn1": "self_strength", "attn2": "cross_strength"}


def foreign_shape(site: Site, kind: str, q: Tensor, rows: int, tokens: int, options: dict[str, Any]) -> str:
    """Why ST-Layout cannot modulate a site: queries q (b, n, d) that are not `rows` frames of `tokens` tokens.

    kind: attn1 or attn2. options: the transformer options, where the patches are.
    """
    attention = "self" if kind == "attn1" else "cross"
    found = f"{attention}-attention of block {site[0]} {site[1]} gets {q.shape[0]} rows of {q.shape[1]} tokens"
    who = _authors(options.get("patches", {}).get(f"{kind}_patch", []))
    if kind == "attn1":
        does = "tiles or merges tokens there, as HyperTile and ToMe do"
        fix = f"Remove that node from the sampler's MODEL, or set ST-Layout's `levels` to “{LEVELS[1]}”"
    else:
        does = "gives each region's prompt rows of its own, as attention couple does"
        fix = "Remove that node from the sampler's MODEL: Bind Region Prompts gives each region its words without it"
    return (
        f"ST-Layout Attention cannot modulate: {found}, where {rows} rows of {tokens} were expected. Another node{who} "
        f"{does}. {fix}; or set ST-Layout's `{STRENGTHS[kind]}` to 0."
    )


def _authors(patches: list[Any]) -> str:
    names = dict.fromkeys(getattr(patch, "__module__", None) or type(patch).__module__ for patch in patches)
    return f" ({', '.join(names)})" if names else ""
