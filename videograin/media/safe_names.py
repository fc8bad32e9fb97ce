"""Names of files as they stand in a workflow, which a stranger may have written."""

from __future__ import annotations

import re
from pathlib import PurePath

LONGEST = 200  # letters
RESERVED = '<>:"|?*'
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}


def leads_out(name: str, kind: type[PurePath] = PurePath) -> bool:
    """True for what is no plain relative path: absolute, on a drive or another machine, with `..` or a zero byte in it.

    It goes by the letters alone: on Windows, asking the disk about `\\\\server\\share` signs in at that server.
    kind: how paths are written, by default as on this machine.
    """
    path = kind(name)
    return bool(path.anchor) or ".." in path.parts or "\0" in name or not _encodable(name)


def not_portable(name: str) -> bool:
    """True for a name to be written that some system cannot have, or has for something else than a file."""
    stems = {part.partition(".")[0].upper() for part in re.split(r"[/\\]", name)}
    return (
        len(name) > LONGEST
        or not _encodable(name)
        or any(ord(letter) < 32 or letter in RESERVED for letter in name)
        or bool(stems & DEVICES)
    )


def _encodable(name: str) -> bool:
    """False for half a character (a lone surrogate), which JSON can hold and no file system."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
