"""Checks of file names in a workflow, which a stranger may have written."""

from __future__ import annotations

import re
from pathlib import PurePath

LONGEST = 200  # letters
RESERVED = '<>:"|?*'
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}


def leads_out(name: str, kind: type[PurePath] = PurePath) -> bool:
    """True for a path that is not plainly relative: absolute, on a drive or another machine, with `..` or a zero byte.

    Only the text is checked: on Windows, asking the disk about `\\\\server\\share` signs in at that server.
    kind: the form of paths, by default this machine's.
    """
    path = kind(name)
    return bool(path.anchor) or ".." in path.parts or "\0" in name or not _encodable(name)


def not_portable(name: str) -> bool:
    """True for a name that some operating system cannot write, or does not use for a file."""
    stems = {part.partition(".")[0].upper() for part in re.split(r"[/\\]", name)}
    return (
        len(name) > LONGEST
        or not _encodable(name)
        or any(ord(letter) < 32 or letter in RESERVED for letter in name)
        or bool(stems & DEVICES)
    )


def _encodable(name: str) -> bool:
    """False for a lone surrogate (half a character), which JSON can hold and a file system cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
