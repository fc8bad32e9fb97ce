"""Choices: the words that a widget offers, as an enum."""

from __future__ import annotations

from enum import Enum


class Choice(str, Enum):
    """An enum of words. A member is equal to its word, so settings may hold either, and it prints as the word."""

    __str__ = str.__str__

    @classmethod
    def words(cls) -> tuple[str, ...]:
        """All words, in order."""
        return tuple(member.value for member in cls)
