"""The words that the demo model was trained on: those of the captions of its world."""

from __future__ import annotations

import re

from .world import ACCESSORIES, OBJECTS, PLACES

NAMES = (*OBJECTS, *ACCESSORIES, *PLACES)
JOINING = ("a", "an", "the", "with", "and")  # articles count for nothing, the others stand in captions
KNOWN = frozenset(" ".join((*NAMES, *PLACES.values(), *JOINING)).split())


def draws(phrase: str) -> bool:
    """True if the demo model knows every word of a phrase, “a cat with a hat”. Case, weights and signs do not count."""
    return set(re.findall(r"[^\W\d_]+", phrase.lower())) <= KNOWN
