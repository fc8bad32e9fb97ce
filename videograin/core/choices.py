"""Choices: a few words of which one is meant, as a widget offers them."""

from __future__ import annotations

from enum import Enum


class Choice(str, Enum):
    """Members are strings, equal to their words, so that settings may hold either; printed they are the words."""

    __str__ = str.__str__

    @classmethod
    def words(cls) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(member.value for member in cls)
